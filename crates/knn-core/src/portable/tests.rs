//! What is mapped without a file system is what is mapped with one: neighbours of an index that is fetched in parts are those of the index
//! on disk, of every kind, and parts that are damaged or missing are never another neighbour.

use std::path::Path;
use std::sync::Arc;

use super::{ExactReference, FetchedIndex, QueryRun, Weighed, Weighing};
use crate::budget::MemoryBudget;
use crate::distance::{Lane, Metric, exact_distance};
use crate::index::{IndexBuilder, IndexSpec, Io, IvfIndex, ListType, PartOf, Probes, Start};
use crate::join::{Barred, ListJoin, Ordered};
use crate::progress::Progress;
use crate::source::MemoryRows;
use crate::store::OsVfs;
use crate::types::{NeighborBlock, Tile};

const DIM: usize = 6;
/// Columns of rows that are long enough to be fetched one by one.
const WIDE: usize = 96;

fn budget() -> MemoryBudget {
    MemoryBudget::new(1 << 30)
}

/// Numbers from 0 to 1, the same for the same seed.
fn uniform(mut state: u64) -> impl FnMut() -> f32 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// Rows in clumps.
fn rows(count: usize, seed: u64) -> Vec<f32> {
    let mut uniform = uniform(seed);
    (0..count * DIM).map(|at| ((at / DIM * 7 + at % DIM) % 13) as f32 + uniform() + uniform()).collect()
}

/// Rows of seven dimensions among [`WIDE`] columns, within such a share of each from the middle.
fn wide_rows(count: usize, seed: u64, share: f32) -> Vec<f32> {
    let mut uniform = uniform(seed);
    let mut row = || {
        let latent: [f32; 7] = std::array::from_fn(|_| 0.5 + (uniform() - 0.5) * share);
        let wave = |column: usize, at: usize| (1.7 * (column * (at + 1)) as f32 + at as f32).sin();
        let value = |column| latent.iter().enumerate().map(|(at, place)| 3.0 * place * wave(column, at)).sum::<f32>();
        (0..WIDE).map(|column| value(column) + 0.2 * uniform()).collect::<Vec<f32>>()
    };
    (0..count).flat_map(|_| row()).collect()
}

fn build(path: &Path, spec: IndexSpec, values: &[f32]) {
    build_wide(path, spec, values, DIM);
}

fn build_wide(path: &Path, spec: IndexSpec, values: &[f32], dim: usize) {
    let progress = Progress::silent();
    let builder = IndexBuilder {
        vfs: Arc::new(OsVfs),
        spec,
        start: Start::New,
        budget: budget(),
        tile: &Lane::best(),
        progress: &progress,
    };
    builder.build(path, &MemoryRows::new(values.to_vec(), dim).unwrap()).unwrap();
}

fn read(path: &Path, name: &str) -> Vec<u8> {
    std::fs::read(path.join(name)).unwrap()
}

/// The index at a path, as a host that reads files opens it.
fn open(path: &Path) -> FetchedIndex {
    let manifest = FetchedIndex::manifest("atlas", &read(path, "manifest.json")).unwrap();
    let files: Vec<_> = FetchedIndex::small_files(&manifest).iter().map(|name| read(path, name)).collect();
    FetchedIndex::new("atlas", manifest, &files, &budget()).unwrap()
}

/// Fetches what is asked for, and changes it before it is handed over. Returns how many bytes that were, and of how many lists only codes.
fn fetch(path: &Path, index: &mut FetchedIndex, change: impl Fn(&mut Vec<u8>)) -> (u64, u64) {
    let asked = index.fetch().unwrap();
    let fetched: u64 = asked.ranges.iter().map(|(_, _, range)| range.end - range.start).sum();
    assert!(asked.by_codes > 0 || asked.probed_bytes <= fetched);
    assert!(fetched * 100 <= asked.probed_bytes * 105);
    for (of, name, range) in asked.ranges {
        let mut bytes = read(path, &name)[range.start as usize..range.end as usize].to_vec();
        change(&mut bytes);
        index.give(of, range.start, bytes);
    }
    (fetched, asked.by_codes)
}

/// Fetches the rows that were selected, and changes what comes. Returns how many bytes, rows and whole lists that were.
fn fetch_rows(path: &Path, index: &mut FetchedIndex, change: impl Fn(&mut Vec<u8>)) -> (u64, u64, u64) {
    let asked = index.fetch_rows().unwrap();
    for (name, range) in &asked.ranges {
        let mut bytes = read(path, name)[range.start as usize..range.end as usize].to_vec();
        change(&mut bytes);
        index.give(PartOf::Lists, range.start, bytes);
    }
    (asked.ranges.iter().map(|(_, range)| range.end - range.start).sum(), asked.rows, asked.whole)
}

/// What the index on disk finds.
fn on_disk(path: &Path, queries: &[f32], dim: usize, k: usize, nprobe: usize) -> NeighborBlock {
    let index = IvfIndex::open(path, Io::Resident, &budget()).unwrap();
    let mut tile = Tile { first_row: 0, dim, values: queries.to_vec() };
    if let Some(prepare) = index.manifest().metric.prepare() {
        tile.values.chunks_exact_mut(dim).for_each(prepare);
    }
    let lane = Lane::best();
    let mut found = NeighborBlock::empty(tile.rows(), k);
    let (probes, mut ordered) = (Probes::Nearest(nprobe), Ordered::default());
    let join = ListJoin::new(&index, &lane, &budget());
    join.join(&tile, probes, Barred::NONE, &mut found, &mut ordered, &Progress::silent()).unwrap();
    found
}

fn assert_same(run: &QueryRun, expected: &NeighborBlock, what: &str) {
    assert_eq!(run.found().ids, expected.ids, "{what}");
    let bits = |block: &NeighborBlock| block.distances.iter().map(|d| d.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(run.found()), bits(expected), "{what}");
}

fn specs() -> Vec<IndexSpec> {
    let plain = IndexSpec { nlist: Some(48), ..IndexSpec::default() };
    let mut specs = Vec::new();
    for (dtype, codes) in
        [(ListType::F32, false), (ListType::F16, false), (ListType::F32, true), (ListType::None, true)]
    {
        specs.push(IndexSpec { dtype, codes, ..plain.clone() });
    }
    specs.push(IndexSpec { most_in_two_levels: 0, ..plain.clone() });
    specs.push(IndexSpec { metric: Metric::Cosine, ..plain.clone() });
    specs.push(IndexSpec { metric: Metric::InnerProduct, ..plain });
    specs
}

#[test]
fn neighbors_of_a_fetched_index_are_those_of_the_one_on_disk() {
    let values = rows(3000, 1);
    let mut queries = rows(150, 2);
    queries[DIM + 1] = f32::NAN;
    for (number, spec) in specs().into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gmx");
        build(&path, spec.clone(), &values);
        // With few lists and many neighbours, more lists than were asked for are looked in.
        for (nprobe, k) in [(3, 10), (1, 150), (48, 5)] {
            let expected = on_disk(&path, &queries, DIM, k, nprobe);
            let mut index = open(&path);
            let mut run = QueryRun::new(queries.clone(), DIM, k, spec.metric, &budget()).unwrap();
            for first in (0..150).step_by(64) {
                index.route(&run, first, 64, nprobe).unwrap();
            }
            fetch(&path, &mut index, |_| {});
            for _ in 0..3 {
                assert!(index.join(&mut run, 64, nprobe, &Progress::silent()).unwrap());
            }
            assert_eq!(run.done(), 150);
            assert_same(&run, &expected, &format!("kind {number}, {nprobe} lists"));
            assert_eq!(run.statuses()[1], 2);
        }
    }
}

fn wide_index(path: &Path, dtype: ListType) -> Vec<f32> {
    let spec = IndexSpec { nlist: Some(24), dtype, codes: true, ..IndexSpec::default() };
    build_wide(path, spec, &wide_rows(6000, 1, 1.0), WIDE);
    wide_rows(12, 2, 0.05)
}

/// An index whose codes and near lists were fetched, and queries that selected rows; how many bytes came.
fn selected(path: &Path, queries: &[f32], nprobe: usize) -> (FetchedIndex, QueryRun, u64) {
    let mut index = open(path);
    index.begin(true);
    let run = QueryRun::new(queries.to_vec(), WIDE, 10, Metric::Euclidean, &budget()).unwrap();
    index.route(&run, 0, run.rows(), nprobe).unwrap();
    let (bytes, by_codes) = fetch(path, &mut index, |_| {});
    assert!(by_codes > 0);
    for first in (0..run.rows()).step_by(7) {
        index.select(&run, first, 7, nprobe, &Progress::silent()).unwrap();
    }
    (index, run, bytes)
}

#[test]
fn rows_that_codes_select_are_fetched_alone_and_the_neighbors_are_those_of_the_one_on_disk() {
    for dtype in [ListType::F32, ListType::F16] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gmx");
        let queries = wide_index(&path, dtype);
        let expected = on_disk(&path, &queries, WIDE, 10, 16);
        let (mut index, mut run, first) = selected(&path, &queries, 16);
        let (bytes, rows, whole) = fetch_rows(&path, &mut index, |_| {});
        assert!(rows > 0, "{rows} rows, {whole} whole lists");
        while run.done() < run.rows() {
            if !index.join(&mut run, 7, 16, &Progress::silent()).unwrap() {
                fetch_rows(&path, &mut index, |_| {});
            }
        }
        assert_same(&run, &expected, &format!("{dtype:?}"));
        // Whoever wants every row checked has all lists whole.
        index.begin(false);
        index.route(&run, 0, run.rows(), 16).unwrap();
        let (all, by_codes) = fetch(&path, &mut index, |_| {});
        assert!(first + bytes < all && by_codes == 0, "{first} and {bytes} bytes of {all}");
        // Without a selection before, rows are asked for as they are missed.
        let (mut index, mut run, _) = selected(&path, &queries, 16);
        index.begin(true);
        index.route(&run, 0, run.rows(), 16).unwrap();
        fetch(&path, &mut index, |_| {});
        assert!(!index.join(&mut run, 20, 16, &Progress::silent()).unwrap());
        assert_eq!(run.done(), 0);
        // What does not come is asked for again.
        let asked = index.fetch_rows().unwrap();
        assert!(!index.join(&mut run, 20, 16, &Progress::silent()).unwrap());
        assert_eq!(index.fetch_rows().unwrap(), asked);
        let mut rounds = 0;
        while !index.join(&mut run, 20, 16, &Progress::silent()).unwrap() {
            fetch_rows(&path, &mut index, |_| {});
            rounds += 1;
        }
        assert!(rounds <= 3, "{rounds}");
        assert_same(&run, &expected, &format!("{dtype:?}, without a selection"));
    }
}

#[test]
fn rows_that_are_not_those_of_their_codes_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gmx");
    let queries = wide_index(&path, ListType::F32);
    let joined = |change: fn(&mut Vec<u8>)| {
        let (mut index, mut run, _) = selected(&path, &queries, 16);
        fetch_rows(&path, &mut index, change);
        let joined = index.join(&mut run, 20, 16, &Progress::silent());
        (joined.unwrap_err(), run.done())
    };
    // Other values, rows of another place, and numbers that cannot be.
    let changes: [fn(&mut Vec<u8>); 2] =
        [|bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x40), |bytes| bytes.rotate_left(WIDE * 4)];
    for change in changes {
        let (error, done) = joined(change);
        assert_eq!((error.code(), done), ("GM_CORRUPT", 0), "{error}");
    }
    let (error, _) = joined(|bytes| bytes.fill(0));
    assert!(error.to_string().contains("do not ascend"), "{error}");
}

#[test]
fn what_is_damaged_or_was_not_fetched_is_an_error() {
    let values = rows(3000, 1);
    for codes in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gmx");
        build(&path, IndexSpec { nlist: Some(48), codes, ..IndexSpec::default() }, &values);
        let mut index = open(&path);
        let mut run = QueryRun::new(rows(20, 3), DIM, 5, Metric::Euclidean, &budget()).unwrap();
        index.route(&run, 0, 20, 3).unwrap();
        let code = |result: crate::error::Result<bool>| result.unwrap_err().code();
        assert_eq!(code(index.join(&mut run, 20, 3, &Progress::silent())), "GM_IO");
        // Damage in the middle of what comes for each request.
        fetch(&path, &mut index, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle / 8 * 8] ^= 1;
        });
        let mut found = index.join(&mut run, 20, 3, &Progress::silent());
        if found.is_ok() {
            // It lay between two lists; now it is everywhere.
            index.begin(false);
            run = QueryRun::new(rows(20, 3), DIM, 5, Metric::Euclidean, &budget()).unwrap();
            index.route(&run, 0, 20, 3).unwrap();
            fetch(&path, &mut index, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1));
            found = index.join(&mut run, 20, 3, &Progress::silent());
        }
        assert_eq!(code(found), "GM_CORRUPT");
        assert_eq!(run.done(), 0);
        index.begin(false);
        assert_eq!(code(index.join(&mut run, 20, 3, &Progress::silent())), "GM_IO");
    }
}

#[test]
fn small_files_are_checked_and_queries_must_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gmx");
    build(&path, IndexSpec { nlist: Some(8), codes: true, ..IndexSpec::default() }, &rows(500, 1));
    let manifest = || FetchedIndex::manifest("atlas", &read(&path, "manifest.json")).unwrap();
    let names = FetchedIndex::small_files(&manifest());
    assert_eq!(names, ["coarse.bin", "offsets.bin", "pq.bin"]);
    let files: Vec<_> = names.iter().map(|name| read(&path, name)).collect();
    let changes: [fn(&mut Vec<u8>); 3] = [|bytes| bytes[40] ^= 1, |bytes| bytes.truncate(20), |bytes| bytes.push(0)];
    for damaged in 0..files.len() {
        for change in changes {
            let mut files = files.clone();
            change(&mut files[damaged]);
            let opened = FetchedIndex::new("atlas", manifest(), &files, &budget());
            assert_eq!(opened.err().map(|error| error.code()), Some("GM_CORRUPT"), "{}", names[damaged]);
        }
    }
    let small = FetchedIndex::new("atlas", manifest(), &files, &MemoryBudget::new(100));
    assert_eq!(small.err().map(|error| error.code()), Some("GM_BUDGET"));
    let mut index = open(&path);
    let run = |dim, metric| QueryRun::new(vec![0.0; dim * 2], dim, 5, metric, &budget()).unwrap();
    assert_eq!(index.route(&run(DIM + 1, Metric::Euclidean), 0, 2, 3).unwrap_err().code(), "GM_SHAPE");
    assert_eq!(index.route(&run(DIM, Metric::Cosine), 0, 2, 3).unwrap_err().code(), "GM_PARAM");
    assert_eq!(index.route(&run(DIM, Metric::Euclidean), 0, 2, 9).unwrap_err().code(), "GM_PARAM");
    assert_eq!(index.route(&run(DIM, Metric::Euclidean), 0, 2, 0).unwrap_err().code(), "GM_PARAM");
}

#[test]
fn a_reference_in_memory_gives_the_true_neighbors_however_queries_are_cut() {
    let (values, queries) = (rows(400, 5), rows(70, 6));
    let reference = ExactReference::new(values.clone(), DIM, Metric::Euclidean, &budget()).unwrap();
    let mut whole: Option<(Vec<i64>, Option<f64>)> = None;
    for each in [70, 13, 1] {
        let mut run = QueryRun::new(queries.clone(), DIM, 4, Metric::Euclidean, &budget()).unwrap();
        while run.done() < run.rows() {
            reference.join(&mut run, each, &Progress::silent()).unwrap();
        }
        for (query, ids) in queries.chunks_exact(DIM).zip(run.found().ids.chunks_exact(4)) {
            let mut all: Vec<_> =
                values.chunks_exact(DIM).zip(0i64..).map(|(row, id)| (exact_distance(query, row), id)).collect();
            all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            assert!(ids.iter().zip(&all).all(|(id, (_, expected))| id == expected));
        }
        let asked = Weighing::default();
        let weighed = Weighed::new(&run, &asked, None, reference.rows(), &budget()).unwrap();
        let result = (run.found().ids.clone(), weighed.sigma());
        assert_eq!(*whole.get_or_insert_with(|| result.clone()), result);
        let codes: Vec<i32> = (0..400).map(|row| row % 3 - 1).collect();
        let votes = weighed.labels(codes.clone(), 2).unwrap();
        for (&vote, ids) in votes.codes.iter().zip(run.found().ids.chunks_exact(4)) {
            assert!(ids.iter().any(|&id| codes[id as usize] == vote), "{vote} is no neighbor's");
            assert!(vote >= 0 || ids.iter().all(|&id| codes[id as usize] < 0));
        }
    }
    let mut empty = QueryRun::new(Vec::new(), DIM, 4, Metric::Euclidean, &budget()).unwrap();
    reference.join(&mut empty, 10, &Progress::silent()).unwrap();
    assert_eq!((empty.rows(), empty.done()), (0, 0));
}

#[test]
fn columns_and_what_they_transfer_are_counted() {
    let budget = MemoryBudget::new(1 << 24);
    let reference = ExactReference::new(rows(400, 5), DIM, Metric::Euclidean, &budget).unwrap();
    let mut run = QueryRun::new(rows(70, 6), DIM, 4, Metric::Euclidean, &budget).unwrap();
    reference.join(&mut run, 70, &Progress::silent()).unwrap();
    let asked = Weighing::default();
    let weighed = Weighed::new(&run, &asked, None, reference.rows(), &budget).unwrap();
    let transfer = || {
        let labels = weighed.labels(vec![0; 400], 1).map(|_| ());
        let numbers = weighed.numbers(&[0.0; 400]).map(|_| ());
        let embedding = weighed.embedding(vec![0.0; 800], 2).map(|_| ());
        [labels, numbers, embedding].map(|result| result.err().map(|error| error.code()))
    };
    assert_eq!(transfer(), [None; 3]);
    let others = budget.take("others", budget.available() - 1000).unwrap();
    assert_eq!(transfer(), [Some("GM_BUDGET"); 3]);
    drop(others);
    assert_eq!(transfer(), [None; 3]);
    let wide = QueryRun::new(vec![0.0; DIM], DIM, 1 << 30, Metric::Euclidean, &budget);
    assert_eq!(wide.err().map(|error| error.code()), Some("GM_BUDGET"));
}
