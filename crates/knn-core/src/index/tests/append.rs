//! An index that grows: what it holds then, and what it says of itself.

use proptest::prelude::*;

use super::super::content::Content;
use super::super::grouped::Held;
use super::super::rows::PreparedRows;
use super::super::seal::Sealer;
use super::super::spec::Resolved;
use super::super::work::{Begun, Work};
use super::super::{Coarse, Manifest};
use super::*;
use crate::distance::Metric;
use crate::source::RowSource;
use crate::store::OsVfs;
use crate::types::{RowRange, Tile};

pub(super) const DIM: usize = 40;
pub(super) const OLD: usize = 3000;
pub(super) const ALL: usize = 4200;
/// Memory in which the appended rows do not stay.
pub(super) const RUNS: u64 = 680_000;

/// Rows of which some of the old and some of the new ones are in no list.
pub(super) fn rows() -> Vec<f32> {
    let mut values = even(ALL, DIM);
    for row in [7, 2999, 3000, 4100] {
        values[row * DIM + row % DIM] = f32::NAN;
    }
    values
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for (name, bytes) in files(from) {
        std::fs::write(to.join(name), bytes).unwrap();
    }
}

/// An index of the first rows, of the first seed by which no list was split.
pub(super) fn old(folder: &Path, how: &How, values: &[f32]) -> std::path::PathBuf {
    let path = folder.join("old.gmx");
    for seed in 0..50 {
        let spec = IndexSpec { seed, ..how.spec.clone() };
        let how = How { spec, start: Start::Overwrite, ..how.clone() };
        let report = how.build(&path, &values[..OLD * DIM], DIM).unwrap();
        assert_eq!((report.manifest.generation, report.added), (1, OLD as u64));
        if report.manifest.nlist == report.manifest.training.lists {
            return path;
        }
    }
    panic!("a list was split by every seed");
}

/// What is beside an index.
pub(super) fn beside(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".journal") || name.contains(".lock")).collect()
}

/// Seals all rows at once, in the lists of `coarse`.
fn seal(path: &Path, coarse: &Coarse, how: &How, values: &[f32]) {
    let (progress, source) = (Progress::silent(), MemoryRows::new(values.to_vec(), DIM).unwrap());
    let spec = how.spec.resolve(&source).unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(FailingVfs::after(i64::MAX));
    let Begun::Work(work) = Work::begin(&vfs, (path, None), Start::New, &spec).unwrap() else { panic!("it is there") };
    let mut tile = Tile::default();
    let mut reader = PreparedRows::new(&source, RowRange::new(0, source.rows()), &spec);
    reader.next(source.rows(), &mut tile).unwrap();
    let assigned = Router::new(coarse, &how.lane).assign(&tile.values, &how.lane);
    let held = Held::new(coarse, 0, &tile.values, &assigned);
    let budget = MemoryBudget::new(1 << 30);
    let sealer = Sealer {
        work: &work,
        spec: &spec,
        coarse,
        quantiser: None,
        budget: &budget,
        tile: &how.lane,
        progress: &progress,
    };
    sealer.seal(&held).unwrap();
    work.end().unwrap();
}

#[test]
fn lists_are_what_one_build_with_the_same_levels_makes_of_all_rows() {
    for (dtype, most) in [(ListType::F32, 32), (ListType::F16, 32), (ListType::F32, 0), (ListType::F16, 0)] {
        let (values, folder) = (rows(), tempfile::tempdir().unwrap());
        let spec = IndexSpec { nlist: Some(32), dtype, ..IndexSpec::default() };
        let how = How { spec, ..How::default() }.in_two_levels_to(most);
        let path = old(folder.path(), &how, &values);
        let coarse = open(&path, Io::Pread).unwrap().coarse().clone();
        let once = folder.path().join("once.gmx");
        seal(&once, &coarse, &how, &values);
        let report = How::default().append(&path, &values, DIM).unwrap();
        assert_eq!(report.manifest.levels, if most == 0 { 3 } else { 2 });
        assert_eq!((report.manifest.generation, report.added, report.manifest.excluded), (2, 1200, 4));
        check_rows(&path, &values, DIM);
        let (grown, once) = (files(&path), files(&once));
        let names: Vec<&str> = grown.keys().map(String::as_str).collect();
        assert_eq!(names, ["coarse.2.bin", "excluded.2.bin", "lists.2.bin", "manifest.json", "offsets.2.bin"]);
        for name in ["coarse", "excluded", "lists", "offsets"] {
            assert!(grown[&format!("{name}.2.bin")] == once[&format!("{name}.bin")], "{name}");
        }
    }
}

#[test]
fn threads_memory_bands_and_lanes_change_no_byte_and_steps_no_list() {
    for most in MOST_IN_TWO_LEVELS {
        change_no_byte(&How::of_lists(32).in_two_levels_to(most));
    }
}

/// Appends to an index in many ways, and in one step or several.
fn change_no_byte(built: &How) {
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), built, &values);
    let mut first: Option<BTreeMap<String, Vec<u8>>> = None;
    let ways = [1, 2, 8].into_iter().flat_map(|threads| [(threads, 1 << 30, 500), (threads, RUNS, 500)]);
    let ways = ways.chain([(2, 1 << 30, 1), (2, RUNS, 900), (2, 1 << 30, 77)]);
    let lanes = Lane::available().into_iter().map(|lane| ((2, 1 << 30, 500), lane));
    for ((threads, memory, band), lane) in ways.map(|way| (way, Lane::best())).chain(lanes) {
        let to = folder.path().join("to.gmx");
        copy(&path, &to);
        let how = How { memory, threads, lane, band, ..How::of_lists(32) };
        let report = how.append(&to, &values, DIM).unwrap();
        assert_eq!(report.spilled, memory < 1 << 30, "{memory}");
        let grown = files(&to);
        assert!(*first.get_or_insert_with(|| grown.clone()) == grown, "{threads} threads, {memory} bytes, {band} rows");
        assert_eq!(beside(folder.path()), [""; 0]);
        std::fs::remove_dir_all(&to).unwrap();
    }
    let (once, twice) = (folder.path().join("once.gmx"), folder.path().join("twice.gmx"));
    copy(&path, &once);
    copy(&path, &twice);
    How::default().append(&once, &values, DIM).unwrap();
    for until in [OLD + 1, OLD + 700, ALL] {
        How::default().append(&twice, &values[..until * DIM], DIM).unwrap();
        check_rows(&twice, &values[..until * DIM], DIM);
    }
    assert_eq!(open(&twice, Io::Pread).unwrap().manifest().generation, 4);
    assert!(read(&once, Io::Mmap).unwrap() == read(&twice, Io::Resident).unwrap());
    assert_eq!(files(&twice).len(), 5);
}

#[test]
fn with_nothing_new_nothing_changes_and_that_is_said() {
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), &How::of_lists(32), &values);
    let before = files(&path);
    let report = How::default().append(&path, &values[..OLD * DIM], DIM).unwrap();
    assert_eq!((report.found, report.added, report.manifest.generation), (true, 0, 1));
    assert!(report.warnings.iter().any(|warning| warning.contains("holds all 3000 rows")), "{:?}", report.warnings);
    assert!(files(&path) == before);
    assert_eq!(beside(folder.path()), [""; 0]);
}

#[test]
fn an_index_that_has_outgrown_its_lists_says_so() {
    let (values, folder) = (even(6000, 3), tempfile::tempdir().unwrap());
    let path = folder.path().join("x.gmx");
    How::of_lists(32).build(&path, &values[..1000 * 3], 3).unwrap();
    let warned = |values: &[f32]| How::default().append(&path, values, 3).unwrap().warnings;
    assert_eq!(warned(&values[..1999 * 3]), [""; 0]);
    let stale = warned(&values[..2000 * 3]);
    assert!(stale.len() == 1 && stale[0].contains("made for 1000 rows and hold 2000"), "{stale:?}");
    // A crowd of equal rows ends in one list, which a build would have split.
    let crowd: Vec<f32> =
        values[..2000 * 3].iter().copied().chain(values[..3].iter().copied().cycle().take(3000)).collect();
    let crowded = warned(&crowd);
    assert!(crowded.len() == 2 && crowded[1].starts_with("the longest list has 1"), "{crowded:?}");
    check_rows(&path, &crowd, 3);
}

#[test]
fn new_rows_are_prepared_as_the_old_ones_were() {
    let (values, folder) = (clumps(600, 3), tempfile::tempdir().unwrap());
    let path = folder.path().join("x.gmx");
    let spec = IndexSpec { nlist: Some(4), metric: Metric::Cosine, ..IndexSpec::default() };
    let how = How { spec, ..How::default() };
    how.build(&path, &values[..500 * 3], 3).unwrap();
    how.append(&path, &values, 3).unwrap();
    let mut expected = values;
    expected.chunks_exact_mut(3).for_each(Metric::Cosine.prepare().unwrap());
    check_rows(&path, &expected, 3);
    assert_eq!(open(&path, Io::Pread).unwrap().manifest().metric, Metric::Cosine);
}

#[test]
fn one_column_and_two_thousand_and_more_lists_than_rows() {
    for (rows, dim, nlist) in [(900, 1, 16), (90, 2000, 4), (30, 3, 80)] {
        let (values, folder) = (clumps(rows, dim), tempfile::tempdir().unwrap());
        let path = folder.path().join("x.gmx");
        How::of_lists(nlist).build(&path, &values[..rows / 3 * dim], dim).unwrap();
        How::default().append(&path, &values, dim).unwrap();
        check_rows(&path, &values, dim);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_finite_row_is_in_one_list_however_the_index_grew(
        rows in 0usize..500, old in 0usize..500, dim in 1usize..6, nlist in 1u32..40, seed: u64, spilled: bool, half: bool, three: bool,
        odd in prop::collection::vec((0usize..3000, prop::sample::select(vec![f32::NAN, f32::INFINITY, 0.0, 6e4, -0.0, 1e-40])), 0..9),
    ) {
        let (mut values, old) = (clumps(rows, dim), old.min(rows));
        for (place, value) in odd {
            if let Some(there) = values.get_mut(place) {
                *there = value;
            }
        }
        let dtype = if half { ListType::F16 } else { ListType::F32 };
        let most_in_two_levels = MOST_IN_TWO_LEVELS[usize::from(three)];
        let spec = IndexSpec { nlist: Some(nlist), dtype, seed, most_in_two_levels, ..IndexSpec::default() };
        let memory = if spilled { 600_000 } else { 1 << 30 };
        let (how, folder) = (How { spec, memory, ..How::default() }, tempfile::tempdir().unwrap());
        let path = folder.path().join("x.gmx");
        how.build(&path, &values[..old * dim], dim).unwrap();
        let report = how.append(&path, &values, dim).unwrap();
        prop_assert_eq!((report.added, report.found), ((rows - old) as u64, rows == old));
        check_rows(&path, &values, dim);
    }
}

#[test]
fn content_is_of_every_value_and_of_no_order() {
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), &How::of_lists(32), &values);
    let (progress, budget) = (Progress::silent(), MemoryBudget::new(1 << 30));
    let index = open(&path, Io::Pread).unwrap();
    let held = Content::of_index(&index, &budget, &progress).unwrap();
    let of = |values: &[f32], batch: u64| {
        let source = MemoryRows::new(values.to_vec(), DIM).unwrap().with_natural_tile_rows(64);
        let spec = Resolved::grown(index.manifest(), &source).unwrap();
        Content::of_rows(&source, OLD as u64, &spec, batch, &progress).unwrap()
    };
    assert!([1, 100, 5000].into_iter().all(|batch| of(&values, batch) == held));
    let mut other = values;
    for place in (0..OLD * DIM).step_by(977) {
        let value = other[place];
        other[place] = f32::from_bits(value.to_bits() ^ 1);
        assert!(of(&other, 5000) != held || value.is_nan(), "{place}");
        other[place] = value;
    }
    assert_eq!(of(&other, 5000), held);
    assert_eq!(Manifest::read(&OsVfs, &path).unwrap().unwrap(), *index.manifest());
}
