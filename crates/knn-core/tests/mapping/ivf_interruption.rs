//! Searches by lists that are cancelled, run out of disk and are resumed: the store they end in is always the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gigamapper_core::distance::Lane;
use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{LabelAgreement, MapRequest, RecallReport, RunReport, Seams, run_with};
use gigamapper_core::progress::{Cancel, Progress, ProgressEvent};

use super::clusters::{by_lists, index_of, with_gaps};
use super::disk::{Disk, assert_same, files, listed};
use super::sample::{Place, map, output, quick};

/// A run of three units, with its own index.
fn small(place: &Place) -> MapRequest {
    let (query, reference) = (with_gaps(place, "query", 600, 6, 1), with_gaps(place, "reference", 900, 6, 2));
    by_lists(place, &query, Some(&reference), 12)
}

fn to(place: &Place, request: &MapRequest, name: &str) -> MapRequest {
    MapRequest { output: Some(place.outputs().join(name).to_str().unwrap().into()), ..request.clone() }
}

/// Resumes with other sizes, or starts again where not even the store's folder was made.
fn again(request: &MapRequest) -> RunReport {
    let other =
        MapRequest { threads: Some(1), memory: Some("1GiB".into()), io: Some("pread".into()), ..request.clone() };
    let seams = || Seams { block_rows: Some(90), run_rows: Some(220), lane: Lane::SCALAR, ..quick() };
    let resumed = MapRequest { resume: Some(true), ..other.clone() };
    match run_with(&resumed, &Progress::silent(), seams()) {
        Err(Error::NotFound { .. }) => run_with(&other, &Progress::silent(), seams()).unwrap(),
        ended => ended.unwrap(),
    }
}

/// What was learned before the join and compared after it.
fn learned(report: &RunReport) -> (&RecallReport, &BTreeMap<String, LabelAgreement>) {
    assert!(report.label_agreement["type"].cells > 200, "{report:?}");
    (&report.recall, &report.label_agreement)
}

/// What a disk that can no longer remove anything leaves; a process that has ended would lose its locks by itself.
fn unlock(place: &Place) {
    for name in listed(&place.outputs()).iter().filter(|name| Path::new(name).extension().is_some_and(|e| e == "lock"))
    {
        std::fs::remove_file(place.outputs().join(name)).unwrap();
    }
}

fn clear(place: &Place, request: &MapRequest) {
    std::fs::remove_dir_all(output(request)).unwrap();
    std::fs::remove_dir_all(output(request).with_added_extension("journal")).unwrap();
    assert_eq!(listed(&place.outputs()), ["mapped.zarr", "mapped.zarr.journal"]);
}

/// Takes away what the first run of a test stored.
pub(super) fn clear_first(place: &Place) {
    std::fs::remove_dir_all(place.outputs()).unwrap();
    std::fs::create_dir(place.outputs()).unwrap();
}

/// In the order of lists there are several runs to be resumed.
fn in_runs() -> Seams {
    Seams { run_rows: Some(130), ..quick() }
}

/// Disturbs runs at `points` of all their calls that change something, and resumes each.
pub(super) fn disturbed_anywhere(place: &Place, request: &MapRequest, points: i64) {
    let disk = Disk::failing(i64::MAX);
    let seams = Seams { vfs: Arc::new(disk.clone()), ..in_runs() };
    let first = run_with(request, &Progress::silent(), seams).unwrap();
    let calls = i64::MAX - disk.left();
    let expected = files(output(request));
    let (mut cancelled, mut failed) = (0, 0);
    for point in 0..points {
        let at = calls * point / points;
        let request = to(place, request, "again.zarr");
        let cancel = Cancel::default();
        let seams = Seams { vfs: Arc::new(Disk::cancelling(at, cancel.clone())), ..in_runs() };
        if let Err(error) = run_with(&request, &Progress::new(cancel, None), seams) {
            assert_eq!(error.code(), "GM_CANCELLED", "{error}");
            cancelled += 1;
        }
        assert_eq!(learned(&again(&request)), learned(&first), "cancelled after {at} of {calls} calls");
        assert_same(&files(output(&request)), &expected, &format!("cancelled after {at} of {calls} calls"));
        clear(place, &request);

        let seams = Seams { vfs: Arc::new(Disk::failing(at)), ..in_runs() };
        if let Err(error) = run_with(&request, &Progress::silent(), seams) {
            assert_eq!(error.code(), "GM_IO", "{error}");
            failed += 1;
        }
        unlock(place);
        assert_eq!(learned(&again(&request)), learned(&first), "failed after {at} of {calls} calls");
        assert_same(&files(output(&request)), &expected, &format!("failed after {at} of {calls} calls"));
        clear(place, &request);
    }
    // While `uns` and the last metadata are written nothing is cancelled any more.
    assert!(cancelled > points * 2 / 5 && failed == points, "{cancelled} cancelled, {failed} failed");
}

#[test]
fn a_run_with_its_own_index_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    disturbed_anywhere(&place, &small(&place), 23);
}

#[test]
fn a_run_with_a_given_index_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let request = small(&place);
    let reference = place.inputs().join("reference.zarr");
    assert_eq!(request.reference.as_deref().map(Path::new), Some(reference.as_path()));
    let index = Some(index_of(&place, &with_gaps(&place, "reference", 900, 6, 2), "reference.gmx", 12));
    disturbed_anywhere(&place, &MapRequest { index, nlist: None, ..request }, 9);
}

#[test]
fn cross_mapping_in_the_order_of_lists_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    disturbed_anywhere(&place, &MapRequest { order: Some("lists".into()), ..small(&place) }, 23);
}

#[test]
fn self_mapping_in_the_order_of_lists_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 700, 6, 1);
    disturbed_anywhere(&place, &MapRequest { order: Some("lists".into()), ..by_lists(&place, &cells, None, 12) }, 23);
}

#[test]
fn a_repair_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 700, 6, 1);
    for order in ["rows", "lists"] {
        let (order, repair) = (Some(order.into()), Some("always".into()));
        let request = MapRequest { order, repair, ..by_lists(&place, &cells, None, 12) };
        disturbed_anywhere(&place, &request, 17);
        clear_first(&place);
    }
}

#[test]
fn a_repair_goes_on_where_it_was_and_damaged_runs_never_give_another_neighbor() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 700, 6, 1);
    let request = MapRequest { repair: Some("always".into()), ..by_lists(&place, &cells, None, 12) };
    map(&request).unwrap();
    let expected = files(output(&request));
    let request = to(&place, &request, "again.zarr");
    // Slab by slab, so that units are repaired one after the other.
    let seams = || Seams { slab_rows: Some(100), ..in_runs() };
    assert_eq!(cancelled_at(&request, "repair", seams()).code(), "GM_CANCELLED");
    let runs = place.outputs().join("again.zarr.runs");
    let resumed = MapRequest { resume: Some(true), ..request.clone() };
    let kept = files(&runs);
    let mut damaged = 0;
    for (name, bytes) in kept.iter().filter(|(name, _)| name.strip_suffix(".run").is_some()) {
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 3] ^= 4;
        std::fs::write(runs.join(name), &flipped).unwrap();
        let error = run_with(&resumed, &Progress::silent(), seams()).unwrap_err();
        assert_eq!(error.code(), "GM_CORRUPT", "{name}: {error}");
        std::fs::write(runs.join(name), bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > 2);
    // The disk is full when the second unit is being stored.
    let mut calls = 10;
    let committed = loop {
        run_with(&resumed, &Progress::silent(), Seams { vfs: Arc::new(Disk::failing(calls)), ..seams() }).unwrap_err();
        unlock(&place);
        let first: Vec<_> = files(output(&request))
            .into_iter()
            .filter(|(name, _)| name.contains("knn_indices/c/") && !name.contains(".tmp-"))
            .collect();
        if first.len() > 1 {
            break first;
        }
        calls += 10;
    };
    let report = run_with(&resumed, &Progress::silent(), in_runs()).unwrap();
    assert!(report.resumed_units > 0 && !report.stages.iter().any(|stage| stage.stage == "join"), "{report:?}");
    let found = files(output(&request));
    assert!(committed.iter().all(|(name, bytes)| found.get(name) == Some(bytes)), "a committed unit changed");
    assert_same(&found, &expected, "after a full disk");
    clear(&place, &request);
}

#[test]
fn a_first_unit_that_is_lost_is_made_again_with_all_that_it_tells() {
    let place = Place::new();
    for order in ["rows", "lists"] {
        let request = MapRequest { order: Some(order.into()), ..small(&place) };
        let first = map(&request).unwrap();
        let expected = files(output(&request));
        let request = to(&place, &request, "again.zarr");
        let error = cancelled_at(&request, "transfer", in_runs());
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
        let found = files(output(&request));
        let first_unit = found.keys().find(|name| name.contains("knn_indices/c/0")).expect("what the first unit found");
        std::fs::remove_file(output(&request).join(first_unit)).unwrap();
        assert_eq!(learned(&again(&request)), learned(&first), "{order}");
        assert_same(&files(output(&request)), &expected, order);
        clear(&place, &request);
        clear_first(&place);
    }
}

#[test]
fn merging_runs_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let request = MapRequest { order: Some("lists".into()), ..small(&place) };
    map(&request).unwrap();
    let expected = files(output(&request));
    let request = to(&place, &request, "again.zarr");
    // Some 150 runs of each kind, of which most calls of the disk are for.
    let seams = || Seams { block_rows: Some(4), run_rows: Some(4), ..quick() };
    let disk = Disk::failing(i64::MAX);
    run_with(&request, &Progress::silent(), Seams { vfs: Arc::new(disk.clone()), ..seams() }).unwrap();
    let calls = i64::MAX - disk.left();
    clear(&place, &request);
    let mut merged = 0;
    for point in 1..24 {
        let vfs = Arc::new(Disk::failing(calls * point / 24));
        run_with(&request, &Progress::silent(), Seams { vfs, ..seams() }).unwrap_err();
        unlock(&place);
        let runs = place.outputs().join("again.zarr.runs");
        let wide = |name: &str| {
            let ends: Vec<u64> = name.split(['-', '.']).filter_map(|part| part.parse().ok()).collect();
            ends.len() == 2 && ends[1] - ends[0] > 4
        };
        merged += usize::from(runs.exists() && listed(&runs).iter().any(|name| wide(name)));
        let resumed = MapRequest { resume: Some(true), ..request.clone() };
        match run_with(&resumed, &Progress::silent(), seams()) {
            Err(Error::NotFound { .. }) => drop(run_with(&request, &Progress::silent(), seams()).unwrap()),
            ended => drop(ended.unwrap()),
        }
        assert_same(&files(output(&request)), &expected, &format!("failed after {point} of 24 parts"));
        clear(&place, &request);
    }
    assert!(merged > 1, "no run was merged when the disk failed");
}

/// Cancels at the first event of a stage after `begins` of them have passed.
fn cancelled_at(request: &MapRequest, stage: &'static str, seams: Seams) -> Error {
    let cancel = Cancel::default();
    let asked = cancel.clone();
    let listener = Box::new(move |event: ProgressEvent| {
        if event.stage == stage {
            asked.cancel();
        }
    });
    run_with(request, &Progress::new(cancel, Some(listener)), seams).unwrap_err()
}

#[test]
fn a_resumed_run_keeps_its_order() {
    let place = Place::new();
    let request = small(&place);
    map(&request).unwrap();
    let expected = files(output(&request));
    for (begun, stage, asked) in [
        ("lists", "route", None),
        ("lists", "join", Some("rows")),
        ("lists", "gather", None),
        ("lists", "transfer", None),
        ("rows", "join", Some("lists")),
        ("rows", "transfer", Some("lists")),
    ] {
        let request = to(&place, &request, "again.zarr");
        let begin = MapRequest { order: Some(begun.into()), ..request.clone() };
        let error = cancelled_at(&begin, stage, in_runs());
        assert!(matches!(&error, Error::Cancelled { stage: at } if at == stage), "{stage}: {error}");
        let left = listed(&place.outputs()).iter().any(|name| name == "again.zarr.runs");
        assert_eq!(left, begun == "lists" && stage != "transfer", "{begun}, {stage}");
        let report = again(&MapRequest { order: asked.map(str::to_owned), ..request.clone() });
        assert_eq!(report.plan.search.order.as_deref(), Some(begun), "{begun}, {stage}, then {asked:?}");
        // What was found before is not sought again.
        let searched = report.stages.iter().any(|stage| stage.stage == "index");
        assert_eq!(searched, ["route", "join"].contains(&stage), "{begun}, {stage}");
        assert_same(&files(output(&request)), &expected, stage);
        clear(&place, &request);
    }
}

#[test]
fn a_run_that_starts_over_leaves_no_runs_of_another() {
    let place = Place::new();
    let request = small(&place);
    for order in ["rows", "lists"] {
        let begun = MapRequest { order: Some("lists".into()), overwrite: Some(true), ..request.clone() };
        cancelled_at(&begun, "gather", in_runs());
        assert!(place.outputs().join("mapped.zarr.runs").exists());
        let other = MapRequest { order: Some(order.into()), seed: Some(1), overwrite: Some(true), ..request.clone() };
        map(&other).unwrap();
        assert_eq!(listed(&place.outputs()), ["mapped.zarr", "mapped.zarr.journal"], "{order}");
    }
}

#[test]
fn damaged_runs_never_give_another_neighbor() {
    let place = Place::new();
    let request = MapRequest { order: Some("lists".into()), ..small(&place) };
    map(&request).unwrap();
    let expected = files(output(&request));
    let request = to(&place, &request, "again.zarr");
    for stage in ["join", "gather"] {
        let error = cancelled_at(&request, stage, in_runs());
        assert_eq!(error.code(), "GM_CANCELLED");
        let runs = place.outputs().join("again.zarr.runs");
        let kept = files(&runs);
        let resumed = MapRequest { resume: Some(true), ..request.clone() };
        let mut damaged = 0;
        for (name, bytes) in kept.iter().filter(|(name, _)| name.strip_suffix(".run").is_some()) {
            let mut flipped = bytes.clone();
            flipped[bytes.len() / 3] ^= 4;
            std::fs::write(runs.join(name), &flipped).unwrap();
            let error = run_with(&resumed, &Progress::silent(), in_runs()).unwrap_err();
            assert_eq!(error.code(), "GM_CORRUPT", "{stage}, {name}: {error}");
            std::fs::write(runs.join(name), bytes).unwrap();
            damaged += 1;
        }
        assert!(damaged > 2, "{stage}");
        // A run that is cut short or gone counts as never written.
        for (name, bytes) in kept.iter().filter(|(name, _)| name.strip_suffix(".run").is_some()).step_by(2) {
            std::fs::write(runs.join(name), &bytes[..bytes.len() - 1]).unwrap();
        }
        run_with(&resumed, &Progress::silent(), in_runs()).unwrap();
        assert_same(&files(output(&request)), &expected, stage);
        clear(&place, &request);
    }
}

#[test]
fn a_run_that_fails_again_and_again_still_ends() {
    let place = Place::new();
    let request = small(&place);
    map(&request).unwrap();
    let expected = files(output(&request));
    let request = to(&place, &request, "again.zarr");
    let mut attempts = 0;
    loop {
        let attempt = MapRequest { resume: Some(output(&request).exists()), ..request.clone() };
        let seams = Seams { vfs: Arc::new(Disk::failing(60 * attempts)), ..quick() };
        let ended = run_with(&attempt, &Progress::silent(), seams);
        unlock(&place);
        match ended {
            Ok(_) => break,
            Err(error) => assert_eq!(error.code(), "GM_IO", "{error}"),
        }
        attempts += 1;
    }
    assert!(attempts > 3, "{attempts}");
    assert_same(&files(output(&request)), &expected, "at last");
    clear(&place, &request);
}

#[test]
fn a_listener_can_cancel_at_every_stage() {
    let place = Place::new();
    let request = small(&place);
    map(&request).unwrap();
    let expected = files(output(&request));
    for stage in ["train", "add", "seal", "calibrate", "join", "transfer", "finalise"] {
        let request = to(&place, &request, "again.zarr");
        let cancel = Cancel::default();
        let asked = cancel.clone();
        let listener = Box::new(move |event: ProgressEvent| {
            if event.stage == stage {
                asked.cancel();
            }
        });
        let error = run_with(&request, &Progress::new(cancel, Some(listener)), quick()).unwrap_err();
        assert!(matches!(&error, Error::Cancelled { stage: at } if at == stage), "{stage}: {error}");
        let joined = ["transfer", "finalise"].contains(&stage);
        let left = listed(&place.outputs()).iter().any(|name| name.contains(".gmx"));
        assert!(joined != left, "{stage}: an index is of use until the last unit is joined");
        let report = again(&request);
        assert_eq!(report.stages.iter().any(|stage| stage.stage == "index"), !joined, "{stage}");
        assert_same(&files(output(&request)), &expected, stage);
        clear(&place, &request);
    }
}

#[test]
fn resuming_a_complete_store_reports_it_and_writes_nothing() {
    let place = Place::new();
    let request = small(&place);
    let first = map(&request).unwrap();
    let before = files(&place.outputs());
    // What has its name now is not the run's own any more.
    let foreign = place.outputs().join("mapped.zarr.index.gmx");
    std::fs::create_dir(&foreign).unwrap();
    let second = map(&MapRequest { resume: Some(true), ..request.clone() }).unwrap();
    assert_eq!((second.recall, second.resumed_units), (first.recall, 2 * first.plan.layout.units));
    assert!(
        second.stages.iter().all(|stage| stage.bytes_written == 0 && stage.stage != "index"),
        "{:?}",
        second.stages
    );
    assert_same(&files(&place.outputs()), &before, "resumed");
    assert!(foreign.exists());
}

#[test]
fn another_search_is_stale() {
    let place = Place::new();
    let request = small(&place);
    let cancel = Cancel::default();
    let asked = cancel.clone();
    let listener = Box::new(move |event: ProgressEvent| {
        if event.stage == "join" {
            asked.cancel();
        }
    });
    run_with(&request, &Progress::new(cancel, Some(listener)), quick()).unwrap_err();
    let before = files(&place.outputs());
    for other in [
        MapRequest { recall: Some(0.9), ..request.clone() },
        MapRequest { nprobe: Some(3), ..request.clone() },
        MapRequest { nlist: Some(13), ..request.clone() },
        MapRequest { seed: Some(1), ..request.clone() },
        MapRequest { list_dtype: Some("f16".into()), ..request.clone() },
        MapRequest { method: Some("ivfpq".into()), rerank: Some("none".into()), ..request.clone() },
        MapRequest { method: Some("exact".into()), nlist: None, ..request.clone() },
    ] {
        let error = map(&MapRequest { resume: Some(true), ..other }).unwrap_err();
        assert_eq!(error.code(), "GM_STALE", "{error}");
        assert_same(&files(&place.outputs()), &before, "stale");
    }
    // Overwriting takes the place of the store and of the index that was begun beside it.
    map(&MapRequest { overwrite: Some(true), seed: Some(1), ..request }).unwrap();
    assert_eq!(listed(&place.outputs()), ["mapped.zarr", "mapped.zarr.journal"]);
}
