//! Damaged indexes: a join finds what it found before, or says that a file is damaged. It never finds anything else.

use std::path::{Path, PathBuf};

use super::*;
use crate::error::Result;

const DIM: usize = 3;
const K: usize = 4;
/// Damages of each kind to each file.
const TIMES: u64 = 1000;
const WAYS: [Io; 3] = [Io::Resident, Io::Mmap, Io::Pread];

/// Opens an index and finds the neighbours of `queries` in some of its lists, and in all.
fn join(path: &Path, io: Io, queries: &Tile) -> Result<[NeighborBlock; 2]> {
    let index = IvfIndex::open(path, io, &MemoryBudget::new(1 << 30))?;
    let (lane, budget) = (Lane::best(), MemoryBudget::new(1 << 30));
    let search = ListJoin::new(&index, &lane, &budget);
    let (mut some, mut all) = (empty(queries.rows(), K), empty(queries.rows(), K));
    search.join(queries, Probes::Nearest(3), Barred::NONE, &mut some, &mut Ordered::default(), &Progress::silent())?;
    search.join_all(queries, Barred::NONE, &mut all, &Progress::silent())?;
    // Which rows are in no list is asked of an index, too.
    index.verify(&Progress::silent())?;
    Ok([some, all])
}

fn bits(found: &[NeighborBlock; 2]) -> Vec<(Vec<i64>, Vec<u32>)> {
    found.iter().map(|block| (block.ids.clone(), block.distances.iter().map(|d| d.to_bits()).collect())).collect()
}

/// A random number below `below`.
fn random(seed: u64, below: usize) -> usize {
    use xxhash_rust::xxh3::xxh3_64_with_seed;
    (xxh3_64_with_seed(b"damage", seed) % below as u64) as usize
}

struct Tried {
    path: PathBuf,
    queries: Tile,
    expected: Vec<(Vec<i64>, Vec<u32>)>,
    pool: rayon::ThreadPool,
}

impl Tried {
    /// An index, some of whose rows are in no list, and that has been appended to or not.
    fn new(folder: &Path, dtype: ListType, codes: bool, grown: bool, three: bool) -> Self {
        let mut rows = clumps(3, 120, DIM, 5);
        rows[31] = f32::NAN;
        rows[77 * DIM] = f32::INFINITY;
        let built = if grown { rows[..80 * DIM].to_vec() } else { rows.clone() };
        let mut spec = IndexSpec { nlist: Some(9), dtype, codes, ..IndexSpec::default() };
        if three {
            (spec.nlist, spec.most_in_two_levels) = (Some(27), 0);
        }
        let indexed = Indexed::of(built, DIM, spec);
        let path = folder.join("x.gmx");
        std::fs::rename(indexed.folder.path().join("x.gmx"), &path).unwrap();
        if grown {
            let builder = IndexBuilder {
                vfs: Arc::new(FailingVfs::after(i64::MAX)),
                spec: IndexSpec::default(),
                start: Start::New,
                budget: MemoryBudget::new(1 << 30),
                tile: &Lane::best(),
                progress: &Progress::silent(),
            };
            builder.append(&path, &MemoryRows::new(rows, DIM).unwrap()).unwrap();
        }
        let queries = Tile { first_row: 0, dim: DIM, values: clumps(4, 20, DIM, 5) };
        let expected = bits(&join(&path, Io::Pread, &queries).unwrap());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        Self { path, queries, expected, pool }
    }

    /// Whether a damaged file is found out, in every way to read. Otherwise all must be found as before.
    fn is_found(&self, name: &str, damage: &str) -> bool {
        let found = WAYS.map(|io| match self.pool.install(|| join(&self.path, io, &self.queries)) {
            Ok(found) => {
                assert!(bits(&found) == self.expected, "{name}, {damage}, {io:?}: other neighbours");
                false
            }
            Err(error) => {
                assert_eq!(error.code(), "GM_CORRUPT", "{name}, {damage}, {io:?}: {error}");
                true
            }
        });
        assert!(found.iter().all(|each| *each == found[0]), "{name}, {damage}: {found:?}");
        found[0]
    }
}

fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

#[test]
fn flipped_bits_are_found_or_harmless_and_never_give_another_neighbour() {
    let kinds = [
        (ListType::F32, false, false, false),
        (ListType::F16, false, true, false),
        (ListType::F32, true, true, false),
        (ListType::None, true, false, false),
        (ListType::F32, true, true, true),
    ];
    for (dtype, codes, grown, three) in kinds {
        let folder = tempfile::tempdir().unwrap();
        let tried = Tried::new(folder.path(), dtype, codes, grown, three);
        let all = files(&tried.path);
        assert_eq!(all.len(), if codes { 7 } else { 5 });
        for (name, bytes) in all {
            let mut found = 0;
            for flip in 0..TIMES {
                let bit = random(flip, bytes.len() * 8);
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                std::fs::write(tried.path.join(&name), &flipped).unwrap();
                let is_found = tried.is_found(&name, &format!("bit {bit}"));
                // Zeros between lists are read by no one.
                assert!(is_found || name.starts_with("lists.") || name.starts_with("codes."), "{name}, bit {bit}");
                found += u64::from(is_found);
            }
            assert!(found > 20, "{name}: {found}");
            std::fs::write(tried.path.join(&name), &bytes).unwrap();
        }
        assert!(!tried.is_found("", "nothing"));
    }
}

#[test]
fn files_cut_short_or_made_longer_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let tried = Tried::new(folder.path(), ListType::F32, true, false, false);
    for (name, bytes) in files(&tried.path) {
        for cut in 0..TIMES {
            let length = random(cut, 2 * bytes.len());
            if length == bytes.len() {
                continue;
            }
            let mut damaged = bytes.clone();
            damaged.resize(length, 0);
            std::fs::write(tried.path.join(&name), &damaged).unwrap();
            assert!(tried.is_found(&name, &format!("{length} of {} bytes", bytes.len())), "{name}, {length} bytes");
        }
        std::fs::write(tried.path.join(&name), &bytes).unwrap();
    }
    assert!(!tried.is_found("", "nothing"));
}
