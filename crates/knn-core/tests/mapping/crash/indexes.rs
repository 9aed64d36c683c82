//! Power cuts while an index is built, or appended to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gigamapper_core::budget::MemoryBudget;
use gigamapper_core::distance::Lane;
use gigamapper_core::error::Result;
use gigamapper_core::index::{BuildReport, IndexBuilder, IndexSpec, Start};
use gigamapper_core::progress::Progress;
use gigamapper_core::source::{AnnDataStore, RowSource};
use gigamapper_core::store::Vfs;

use super::super::disk::assert_same;
use super::super::sample::{Place, noise, quick};
use super::super::zarr::Grid;
use super::look::look_at_index;
use super::state::State;
use super::{Op, Scenario, killed, record};

const INDEX: &str = "x.gmx";
const DIM: usize = 40;
/// Memory in which all rows fit.
pub(super) const AMPLE: u64 = 1 << 28;

pub(super) type Rows = Box<dyn RowSource>;

pub(super) fn rows(place: &Place, n: usize) -> Rows {
    // In chunks of which many fit where not all rows do.
    let grid = Grid::shards([256, DIM], [64, DIM]);
    let cells = place.cells(&format!("reference-{n}"), n).embedding_in("X_pca", DIM, &noise(3, n * DIM), grid);
    Box::new(AnnDataStore::open(Path::new(&cells.path())).unwrap().embedding("X_pca").unwrap())
}

fn builder<'a>(
    vfs: Arc<dyn Vfs>,
    start: Start,
    memory: u64,
    progress: &'a Progress,
    tile: &'a Lane,
) -> IndexBuilder<'a> {
    let spec = IndexSpec { nlist: Some(40), ..IndexSpec::default() };
    IndexBuilder { vfs, spec, start, budget: MemoryBudget::new(memory), tile, progress }
}

pub(super) fn build(rows: &Rows, vfs: Arc<dyn Vfs>, root: &Path, start: Start, memory: u64) -> Result<BuildReport> {
    // What the levels take follows from the threads.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| builder(vfs, start, memory, &Progress::silent(), &Lane::best()).build(&root.join(INDEX), &**rows))
}

pub(super) fn append(rows: &Rows, vfs: Arc<dyn Vfs>, root: &Path, memory: u64) -> Result<BuildReport> {
    builder(vfs, Start::New, memory, &Progress::silent(), &Lane::best()).append(&root.join(INDEX), &**rows)
}

/// Little more than the least memory that will do, in which rows go through runs.
pub(super) fn scant(rows: &Rows) -> u64 {
    let does = |memory: &u64| {
        let built = build(rows, quick().vfs, super::folder().path(), Start::New, *memory);
        built.is_ok_and(|report| report.spilled)
    };
    (170..300).map(|step| 50_000 * step).find(does).unwrap()
}

/// Whether a call gives something that name.
fn names(op: &Op, path: &str) -> bool {
    matches!(op, Op::MakeFolder(named) | Op::Rename(_, named) if named.to_str() == Some(path))
}

/// What a build has left: the index and no more.
pub(super) fn ended(state: &State, whole: &BTreeMap<String, Vec<u8>>) {
    assert_same(&state.below(INDEX), whole, "resumed");
    assert!(state.files.keys().all(|path| path.starts_with("x.gmx/")), "{:?}", state.files.keys());
    assert_eq!(state.folders.iter().collect::<Vec<_>>(), [INDEX], "nothing else is left");
}

pub(super) fn whole(rows: &Rows) -> BTreeMap<String, Vec<u8>> {
    let folder = super::folder();
    build(rows, quick().vfs, folder.path(), Start::New, AMPLE).unwrap();
    State::of(folder.path()).below(INDEX)
}

fn explore(name: &str, rows: &Rows, memory: u64, log: Vec<Op>) {
    let whole = whole(rows);
    Scenario {
        name,
        base: State::default(),
        log,
        look: &|model, state| look_at_index(model, state, INDEX, &[&whole]),
        resume: &|root| drop(build(rows, quick().vfs, root, Start::Resume, memory).unwrap()),
        ended: &|state| ended(state, &whole),
    }
    .explore();
}

#[test]
fn a_build_in_memory_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let rows = rows(&place, 400);
    let log = record(&State::default(), |vfs, root| {
        assert!(!build(&rows, vfs, root, Start::New, AMPLE).unwrap().spilled);
    });
    explore("build in memory", &rows, AMPLE, log);
}

#[test]
fn a_build_through_runs_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let rows = rows(&place, 6000);
    let memory = scant(&rows);
    let log = record(&State::default(), |vfs, root| {
        assert!(build(&rows, vfs, root, Start::New, memory).unwrap().spilled);
    });
    explore("build through runs", &rows, memory, log);
}

#[test]
fn a_build_that_was_killed_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let rows = rows(&place, 6000);
    let memory = scant(&rows);
    for path in [INDEX, "x.gmx.journal", "x.gmx/manifest.json"] {
        let log = killed(
            &State::default(),
            move |_, op| names(op, path),
            |vfs, root, resumes| {
                let start = if resumes { Start::Resume } else { Start::New };
                assert_eq!(build(&rows, vfs, root, start, memory).is_ok(), resumes);
            },
        );
        explore(&format!("build killed when it named {path}"), &rows, memory, log);
    }
}

#[test]
fn an_append_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let (some, all) = (rows(&place, 300), rows(&place, 400));
    let folder = super::folder();
    build(&some, quick().vfs, folder.path(), Start::New, AMPLE).unwrap();
    let base = State::of(folder.path());
    append(&all, quick().vfs, folder.path(), AMPLE).unwrap();
    let (before, after) = (base.below(INDEX), State::of(folder.path()).below(INDEX));
    let undisturbed = record(&base, |vfs, root| drop(append(&all, vfs, root, AMPLE).unwrap()));
    let disturbed = killed(
        &base,
        |_, op| names(op, "x.gmx/manifest.json"),
        |vfs, root, resumes| {
            assert_eq!(append(&all, vfs, root, AMPLE).is_ok(), resumes);
        },
    );
    for (name, log) in [("append", undisturbed), ("append killed when it named the manifest", disturbed)] {
        Scenario {
            name,
            base: base.clone(),
            log,
            look: &|model, state| look_at_index(model, state, INDEX, &[&before, &after]),
            resume: &|root| drop(append(&all, quick().vfs, root, AMPLE).unwrap()),
            ended: &|state| ended(state, &after),
        }
        .explore();
    }
}
