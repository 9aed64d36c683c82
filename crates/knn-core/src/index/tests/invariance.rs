//! One index, whatever the threads, the memory and the way in which it is read.

use super::*;
use crate::distance::{DistanceTile as _, Metric};

const DIM: usize = 16;
const ROWS: usize = 32_768;

/// Memory with which all rows stay in memory, with which they do not, and with which not even the sample does.
const MEMORIES: [u64; 3] = [1 << 30, 2_600_000, 1_460_000];

#[test]
fn threads_memory_and_lane_change_no_byte() {
    let kinds = MOST_IN_TWO_LEVELS.into_iter().flat_map(|most| [(ListType::F32, most), (ListType::F16, most)]);
    let brief = kinds.map(|(dtype, most)| (dtype, most, false));
    for (dtype, most_in_two_levels, thorough) in brief.chain([(ListType::F32, MOST_IN_TWO_LEVELS[0], true)]) {
        let mut values = even(ROWS, DIM);
        values[17 * DIM + 3] = f32::NAN;
        values[5000 * DIM] = f32::NEG_INFINITY;
        let spec = IndexSpec { nlist: Some(128), dtype, most_in_two_levels, thorough, ..IndexSpec::default() };
        let mut first: Option<BTreeMap<String, Vec<u8>>> = None;
        let ways = [1, 2, 8].into_iter().flat_map(|threads| MEMORIES.map(|memory| (threads, memory, Lane::best())));
        let lanes = Lane::available().into_iter().map(|lane| (2, MEMORIES[0], lane));
        for (threads, memory, lane) in ways.chain(lanes) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.gmx");
            let how = How { spec: spec.clone(), memory, threads, lane, ..How::default() };
            let report = how.build(&path, &values, DIM).unwrap();
            assert_eq!(report.spilled, memory != MEMORIES[0], "{memory}");
            assert_eq!(report.manifest.training.rounds > 0, thorough);
            assert_eq!(report.manifest.levels, if most_in_two_levels == 0 { 3 } else { 2 });
            let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(names, ["x.gmx"], "what was needed for the build is gone");
            let built = files(&path);
            assert!(
                *first.get_or_insert_with(|| built.clone()) == built,
                "{threads} threads, {memory} bytes, {}",
                lane.name()
            );
            check_rows(&path, &values, DIM);
        }
    }
}

#[test]
fn seed_and_parameters_change_the_index() {
    let values = clumps(2000, 4);
    let folder = tempfile::tempdir().unwrap();
    let lists = |name: &str, spec: IndexSpec| {
        let path = folder.path().join(name);
        How { spec, ..How::default() }.build(&path, &values, 4).unwrap();
        files(&path).remove("lists.bin").unwrap()
    };
    let spec = IndexSpec { nlist: Some(64), ..IndexSpec::default() };
    let first = lists("a", spec.clone());
    assert!(first == lists("b", spec.clone()));
    assert!(first != lists("c", IndexSpec { seed: 1, ..spec.clone() }));
    assert!(first != lists("d", IndexSpec { nlist: Some(32), ..spec.clone() }));
    assert!(first != lists("g", IndexSpec { thorough: true, ..spec.clone() }));
    assert!(first != lists("e", IndexSpec { most_in_two_levels: 63, ..spec.clone() }));
    assert!(first == lists("f", IndexSpec { most_in_two_levels: 64, ..spec }));
}

#[test]
fn every_way_to_read_gives_the_same_lists() {
    for dtype in [ListType::F32, ListType::F16] {
        let values = clumps(3000, 7);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gmx");
        let how = How { spec: IndexSpec { nlist: Some(64), dtype, ..IndexSpec::default() }, ..How::default() };
        how.build(&path, &values, 7).unwrap();
        let expected = read(&path, Io::Pread).unwrap();
        for io in [Io::Resident, Io::Mmap, Io::Auto] {
            assert_eq!(read(&path, io).unwrap(), expected, "{io:?}");
        }
        let index = open(&path, Io::Auto).unwrap();
        assert_eq!(index.io(), Io::Resident);
        index.verify(&Progress::silent()).unwrap();
        assert_eq!((0..index.nlist()).map(|list| index.list_rows(list)).sum::<u64>(), 3000);
        let small = MemoryBudget::new(2 * u64::from(index.nlist()) * (7 * 4 + 24) + 20_000);
        assert_eq!(IvfIndex::open(&path, Io::Auto, &small).unwrap().io(), Io::Pread);
        let error = IvfIndex::open(&path, Io::Resident, &small).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "GM_BUDGET");
    }
}

#[test]
fn threads_share_an_index() {
    use rayon::prelude::*;
    let values = clumps(3000, 7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gmx");
    How::default().build(&path, &values, 7).unwrap();
    for io in [Io::Pread, Io::Mmap, Io::Resident] {
        let index = open(&path, io).unwrap();
        let ids: u64 = (0..index.nlist() * 8)
            .into_par_iter()
            .map_init(ListBuffer::default, |buffer, list| {
                let view = index.list(list % index.nlist(), buffer).unwrap();
                (0..view.len()).map(|row| view.ids.get(row)).sum::<u64>()
            })
            .sum();
        assert_eq!(ids, 8 * (0..3000).sum::<u64>());
    }
}

#[test]
fn rows_are_prepared_before_anything_else() {
    let values = clumps(500, 3);
    let folder = tempfile::tempdir().unwrap();
    let spec = IndexSpec { nlist: Some(4), metric: Metric::Cosine, ..IndexSpec::default() };
    How { spec, ..How::default() }.build(&folder.path().join("x"), &values, 3).unwrap();
    let prepare = Metric::Cosine.prepare().unwrap();
    let mut expected = values;
    expected.chunks_exact_mut(3).for_each(prepare);
    assert!(
        expected.chunks_exact(3).all(|row| (row.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-6)
    );
    check_rows(&folder.path().join("x"), &expected, 3);
    assert_eq!(open(&folder.path().join("x"), Io::Pread).unwrap().manifest().metric, Metric::Cosine);
}
