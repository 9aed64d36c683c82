//! Damaged files: they are refused, or the damage is where nothing is read.

use super::*;
use proptest::prelude::*;

fn sample(folder: &Path, most_in_two_levels: u32) -> std::path::PathBuf {
    let path = folder.join("x.gmx");
    // With three levels more lists, so that there is more than one region.
    let nlist = if most_in_two_levels == 0 { 27 } else { 8 };
    let mut values = clumps(75 * nlist, 3);
    values[30] = f32::NAN;
    let spec = IndexSpec { nlist: Some(nlist as u32), codes: true, most_in_two_levels, ..IndexSpec::default() };
    let report = How { spec, ..How::default() }.build(&path, &values, 3).unwrap();
    graph::keep(&graph::quick(), &path, &report.manifest, 3).unwrap();
    path
}

/// Lists, rows in none, centroids and links.
type All = (Read, Vec<u64>, Vec<f32>, Vec<i64>);

/// Everything that can be read of an index.
fn all(path: &Path, io: Io) -> Result<All> {
    let index = open(path, io)?;
    assert!(index.codebooks().is_some());
    let centroids = index.coarse().centroids(0..index.nlist()).to_vec();
    Ok((read(path, io)?, index.excluded()?, centroids, graph::links(&index)?))
}

#[test]
fn flipped_bits_are_found_or_harmless() {
    MOST_IN_TWO_LEVELS.into_iter().for_each(flip_bits);
}

/// Flips bits of every file of an index.
fn flip_bits(most_in_two_levels: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = sample(folder.path(), most_in_two_levels);
    let expected = all(&path, Io::Pread).unwrap();
    for (name, bytes) in files(&path) {
        let mut found = 0;
        for flip in 0..1000u64 {
            let bit = (super::super::sample::mix(7, flip) % (bytes.len() as u64 * 8)) as usize;
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(path.join(&name), &flipped).unwrap();
            let io = [Io::Pread, Io::Resident, Io::Mmap][flip as usize % 3];
            match all(&path, io) {
                Err(error) => {
                    assert_eq!(error.code(), "GM_CORRUPT", "{name}, bit {bit}: {error}");
                    found += 1;
                }
                Ok(read) => {
                    let between_lists = ["lists.bin", "codes.bin"].contains(&&*name);
                    assert!(read == expected && between_lists, "{name}, bit {bit}");
                }
            }
        }
        assert!(found > 250, "{name}: {found}");
        std::fs::write(path.join(&name), &bytes).unwrap();
    }
    assert!(all(&path, Io::Mmap).unwrap() == expected);
}

#[test]
fn files_cut_short_made_longer_or_missing_are_refused() {
    MOST_IN_TWO_LEVELS.into_iter().for_each(cut_files);
}

/// Cuts every file of an index short, makes it longer, and takes it away.
fn cut_files(most_in_two_levels: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = sample(folder.path(), most_in_two_levels);
    for (name, bytes) in files(&path) {
        let cuts = [0, 1, bytes.len() / 2, bytes.len() - 1];
        let longer = [&bytes[..], b"\0"].concat();
        for damaged in cuts.iter().map(|&cut| &bytes[..cut]).chain([&longer[..]]) {
            std::fs::write(path.join(&name), damaged).unwrap();
            for io in [Io::Pread, Io::Resident, Io::Mmap] {
                assert_eq!(open(&path, io).map(|_| ()).unwrap_err().code(), "GM_CORRUPT", "{name}");
            }
        }
        std::fs::remove_file(path.join(&name)).unwrap();
        let code = open(&path, Io::Pread).map(|_| ()).unwrap_err().code();
        assert_eq!(code, if name == "manifest.json" { "GM_NOT_FOUND" } else { "GM_CORRUPT" }, "{name}");
        std::fs::write(path.join(&name), &bytes).unwrap();
    }
}

#[test]
fn levels_of_another_index_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [two, three] = MOST_IN_TWO_LEVELS.map(|most| {
        let folder = folder.path().join(most.to_string());
        std::fs::create_dir(&folder).unwrap();
        sample(&folder, most)
    });
    // Even where they are written down as its own.
    let manifest = open(&three, Io::Pread).unwrap().manifest().clone();
    let levels = open(&two, Io::Pread).unwrap().manifest().files["coarse.bin"].clone();
    std::fs::copy(two.join("coarse.bin"), three.join("coarse.bin")).unwrap();
    let mut wrong = manifest;
    wrong.files.insert("coarse.bin".into(), levels);
    wrong.write(&(Arc::new(FailingVfs::after(i64::MAX)) as Arc<dyn Vfs>), &three, "w").unwrap();
    assert_eq!(open(&three, Io::Pread).map(|_| ()).unwrap_err().code(), "GM_CORRUPT");
}

#[test]
fn a_list_that_changes_while_it_is_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = sample(folder.path(), 0);
    let index = open(&path, Io::Pread).unwrap();
    let mut bytes = std::fs::read(path.join("lists.bin")).unwrap();
    let mut buffer = ListBuffer::default();
    let list = (0..index.nlist()).find(|&list| index.list_rows(list) > 0).unwrap();
    index.list(list, &mut buffer).unwrap();
    for byte in &mut bytes {
        *byte ^= 1;
    }
    std::fs::write(path.join("lists.bin"), &bytes).unwrap();
    let error = index.list(list, &mut buffer).unwrap_err();
    assert!(
        matches!(&error, crate::error::Error::Corrupt { block, .. } if *block == format!("list {list}")),
        "{error}"
    );
    std::fs::write(path.join("lists.bin"), b"").unwrap();
    assert_eq!(index.list(list, &mut buffer).unwrap_err().code(), "GM_CORRUPT");
}

proptest! {
    #[test]
    fn foreign_bytes_are_no_levels_and_no_offsets(mut bytes in prop::collection::vec(any::<u8>(), 0..200), named: bool) {
        let layout = super::super::format::ListLayout { dim: 3, dtype: ListType::F32, id_width: 4 };
        for magic in [b"GMCOARSE", b"GMCOARS3", b"GMOFFSET", b"GMEXCLUD", b"GMPQCODE"] {
            if named && bytes.len() >= 8 {
                bytes[..8].copy_from_slice(magic);
            }
            let _ = super::super::Coarse::parse(&bytes, "f", 3);
            let _ = super::super::offsets::Offsets::parse(&bytes, "f", 5, 10, 1 << 20, layout);
            let _ = super::super::excluded::parse(&bytes, "f", 4, 10);
            let _ = super::super::quantiser::Quantiser::parse(&bytes, "f", 3);
        }
    }
}
