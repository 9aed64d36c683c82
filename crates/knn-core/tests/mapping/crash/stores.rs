//! Power cuts while cells are mapped.

use std::path::Path;
use std::sync::Arc;

use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, Seams, run_with};
use gigamapper_core::progress::Progress;
use gigamapper_core::store::Vfs;

use super::super::clusters::{by_lists, with_gaps};
use super::super::disk::assert_same;
use super::super::sample::{Place, quick, sample};
use super::look::{Whole, look_at_store, mark};
use super::state::State;
use super::{Op, Scenario, killed, power_cut, record};

pub(super) const STORE: &str = "mapped.zarr";

const SMALL: LayoutRequest = LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 };

/// Three units in two parts, with a column and an embedding; no reference is self-mapping.
pub(super) fn exact(place: &Place, to_itself: bool) -> MapRequest {
    let (query, reference) = (sample(place, "query", 81), sample(place, "reference", 90));
    MapRequest {
        obs_keys: Some(vec!["cell type".into()]),
        obsm_keys: Some(vec!["X_umap".into()]),
        layout: Some(SMALL),
        ..place.request(&query, (!to_itself).then_some(&reference))
    }
}

/// The same with three steps of diffusion, its lanes in several blocks and bands, by [`run`].
pub(super) fn diffused(place: &Place) -> MapRequest {
    MapRequest { t: Some(3), ..exact(place, true) }
}

/// The same by lists of an index that the run builds for itself.
pub(super) fn lists(place: &Place, order: &str, to_itself: bool) -> MapRequest {
    let (query, reference) = (with_gaps(place, "query", 81, 5, 1), with_gaps(place, "reference", 120, 5, 2));
    let request = by_lists(place, &query, (!to_itself).then_some(&reference), 4);
    MapRequest { n_neighbors: Some(6), layout: Some(SMALL), order: Some(order.into()), ..request }
}

/// The request in another folder, on another disk.
pub(super) fn run(request: &MapRequest, vfs: Arc<dyn Vfs>, root: &Path) -> Result<(), Error> {
    let request = MapRequest { output: Some(root.join(STORE).to_str().unwrap().into()), ..request.clone() };
    run_with(&request, &Progress::silent(), Seams { vfs, run_rows: Some(30), state_bytes: Some(500), ..quick() })
        .map(|_| ())
}

fn resumed(request: &MapRequest) -> MapRequest {
    MapRequest { resume: Some(true), overwrite: None, ..request.clone() }
}

/// Resumes, or starts again where nothing is left.
pub(super) fn again(request: &MapRequest, vfs: &Arc<dyn Vfs>, root: &Path) {
    match run(&resumed(request), Arc::clone(vfs), root) {
        Err(Error::NotFound { .. }) => run(request, Arc::clone(vfs), root).unwrap(),
        ended => ended.unwrap(),
    }
}

/// All that is there when a run has ended: the store, its journal, and no more.
pub(super) fn ended(state: &State, whole: &Whole) {
    assert_same(&state.below(STORE), &whole.files, "resumed");
    let others: Vec<_> = state.files.keys().filter(|path| !path.starts_with("mapped.zarr/")).collect();
    assert_eq!(others, ["mapped.zarr.journal/worker-0.ndjson"], "nothing else is left");
    let top: Vec<_> = state.folders.iter().filter(|path| !path.contains('/')).collect();
    assert_eq!(top, [STORE, "mapped.zarr.journal"]);
}

/// What `request` writes, undisturbed.
pub(super) fn whole(request: &MapRequest) -> Whole {
    let folder = super::folder();
    run(request, quick().vfs, folder.path()).unwrap();
    Whole::of(&State::of(folder.path()), STORE)
}

/// Every state that a power cut may leave of the run.
fn cut_anywhere(name: &str, request: &MapRequest) {
    let log = record(&State::default(), |vfs, root| run(request, vfs, root).unwrap());
    explore(name, request, State::default(), log);
}

fn explore(name: &str, request: &MapRequest, base: State, log: Vec<Op>) {
    let whole = whole(request);
    Scenario {
        name,
        base,
        log,
        look: &|model, state| look_at_store(model, state, STORE, &[&whole]),
        resume: &|root| again(request, &quick().vfs, root),
        ended: &|state| ended(state, &whole),
    }
    .explore();
}

/// A process that is killed after a call, another that goes on, and a power cut.
fn killed_and_cut_anywhere(
    name: &str,
    request: &MapRequest,
    dies_after: impl Fn(usize, &Op) -> bool + Send + Sync + 'static,
) {
    let log = killed(&State::default(), dies_after, |vfs, root, resumes| {
        if resumes {
            again(request, &vfs, root);
        } else {
            run(request, vfs, root).unwrap_err();
        }
    });
    explore(name, request, State::default(), log);
}

fn makes(op: &Op, path: &str) -> bool {
    matches!(op, Op::MakeFolder(made) if made.to_str() == Some(path))
}

#[test]
fn an_exact_map_survives_a_power_cut_anywhere() {
    let place = Place::new();
    cut_anywhere("exact map", &exact(&place, false));
}

#[test]
fn an_exact_map_to_itself_survives_a_power_cut_anywhere() {
    let place = Place::new();
    cut_anywhere("exact map to itself", &exact(&place, true));
}

#[test]
fn a_diffusion_survives_a_power_cut_anywhere() {
    let place = Place::new();
    cut_anywhere("diffusion", &diffused(&place));
}

#[test]
fn a_diffusion_that_was_killed_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let line = b"{\"stage\":\"diffused\",\"unit\":3,";
    killed_and_cut_anywhere(
        "diffusion killed when it wrote the line of a step",
        &diffused(&place),
        move |_, op| matches!(op, Op::Write(_, bytes) if bytes.starts_with(line)),
    );
}

#[test]
fn a_map_in_the_order_of_rows_survives_a_power_cut_anywhere() {
    let place = Place::new();
    cut_anywhere("map by lists in the order of rows", &lists(&place, "rows", false));
}

#[test]
fn a_map_in_the_order_of_lists_survives_a_power_cut_anywhere() {
    let place = Place::new();
    cut_anywhere("map by lists in their order", &lists(&place, "lists", false));
}

#[test]
fn a_map_that_is_repaired_survives_a_power_cut_anywhere() {
    let place = Place::new();
    cut_anywhere("repaired map", &MapRequest { repair: Some("always".into()), ..lists(&place, "lists", true) });
}

#[test]
fn a_map_that_was_killed_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let request = exact(&place, false);
    killed_and_cut_anywhere("map killed at call 500", &request, |at, _| at == 500);
    // Where a folder has its name, but not durably.
    for path in [STORE, "mapped.zarr.journal", "mapped.zarr/dataset_0", "mapped.zarr/dataset_1/obsm/knn_indices"] {
        let name = format!("map killed when it made {path}");
        killed_and_cut_anywhere(&name, &request, move |_, op| makes(op, path));
    }
}

#[test]
fn a_map_that_was_killed_within_its_journal_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let request = exact(&place, false);
    for unit in [0, 2] {
        let name = format!("map killed when it wrote the line of unit {unit}");
        let line = format!("{{\"stage\":\"transferred\",\"unit\":{unit},");
        killed_and_cut_anywhere(
            &name,
            &request,
            move |_, op| matches!(op, Op::Write(_, bytes) if bytes.starts_with(line.as_bytes())),
        );
    }
}

#[test]
fn a_map_by_lists_that_was_killed_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let request = lists(&place, "lists", false);
    killed_and_cut_anywhere("map by lists killed at call 400", &request, |at, _| at == 400);
    for path in ["mapped.zarr.index.gmx", "mapped.zarr.index.gmx.journal", "mapped.zarr.runs"] {
        let name = format!("map by lists killed when it made {path}");
        killed_and_cut_anywhere(&name, &request, move |_, op| makes(op, path));
    }
}

#[test]
fn a_map_that_was_cut_before_survives_a_power_cut_anywhere() {
    let place = Place::new();
    let request = exact(&place, false);
    let first = record(&State::default(), |vfs, root| run(&request, vfs, root).unwrap());
    let base = power_cut(&State::default(), &first, 0.6, 5);
    let log = record(&base, |vfs, root| again(&request, &vfs, root));
    explore("map that was cut before", &request, base, log);
}

#[test]
fn a_store_that_is_overwritten_is_the_old_or_the_new_one_or_says_that_it_is_running() {
    let place = Place::new();
    let new = exact(&place, false);
    let old = MapRequest { n_neighbors: Some(5), ..new.clone() };
    let folder = super::folder();
    run(&old, quick().vfs, folder.path()).unwrap();
    let base = State::of(folder.path());
    let (before, after) = (Whole::of(&base, STORE), whole(&new));
    let over = MapRequest { overwrite: Some(true), ..new.clone() };
    let log = record(&base, |vfs, root| run(&over, vfs, root).unwrap());
    Scenario {
        name: "overwritten map",
        base,
        log,
        look: &|model, state| look_at_store(model, state, STORE, &[&before, &after]),
        resume: &|root| match run(&resumed(&new), quick().vfs, root) {
            Err(Error::Stale { .. }) => {
                assert_eq!(mark(&State::of(root), STORE).unwrap().1, before.run, "what is stale is the old run");
                run(&over, quick().vfs, root).unwrap();
            }
            ended => ended.unwrap(),
        },
        ended: &|state| ended(state, &after),
    }
    .explore();
}
