//! Runs that are cancelled, run out of disk, are resumed, or meet each other.

use std::path::Path;
use std::sync::{Arc, Mutex};

use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, RunReport, Seams, run_with};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::store::Lock;

use super::disk::{Disk, assert_same, files, listed};
use super::sample::{Place, map, output, quick, sample};

/// A run of three units in two parts, with a column and an embedding.
fn small(place: &Place) -> MapRequest {
    let (query, reference) = (sample(place, "query", 81), sample(place, "reference", 90));
    MapRequest {
        obs_keys: Some(vec!["cell type".into()]),
        obsm_keys: Some(vec!["X_umap".into()]),
        layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 }),
        ..place.request(&query, Some(&reference))
    }
}

fn to(place: &Place, request: &MapRequest, name: &str) -> MapRequest {
    MapRequest { output: Some(place.outputs().join(name).to_str().unwrap().into()), ..request.clone() }
}

fn resumed(request: &MapRequest) -> MapRequest {
    MapRequest { resume: Some(true), ..request.clone() }
}

/// Resumes, or starts again where not even the store's folder was made.
fn again(request: &MapRequest) -> RunReport {
    match map(&resumed(request)) {
        Err(Error::NotFound { .. }) => map(request).unwrap(),
        other => other.unwrap(),
    }
}

/// What a disk that can no longer remove anything leaves; a process that has ended would lose its lock by itself.
fn unlock(output: &Path) {
    let _ = std::fs::remove_file(output.with_added_extension("lock"));
}

fn is_lock(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "lock")
}

fn temporaries(place: &Place) -> Vec<String> {
    files(&place.outputs()).into_keys().filter(|name| name.contains(".tmp-") || is_lock(name)).collect()
}

#[test]
fn a_run_cancelled_anywhere_leaves_nothing_half_written_and_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let request = small(&place);
    let disk = Disk::failing(i64::MAX);
    let seams = Seams { vfs: Arc::new(disk.clone()), ..quick() };
    run_with(&request, &Progress::silent(), seams).unwrap();
    let calls = i64::MAX - disk.left();
    let expected = files(output(&request));
    let step = calls / 14 + 1;
    let mut cancelled = 0;
    for at in (0..calls).step_by(step as usize) {
        let request = to(&place, &request, "cancelled.zarr");
        let cancel = Cancel::default();
        let seams = Seams { vfs: Arc::new(Disk::cancelling(at, cancel.clone())), block_rows: Some(5), ..quick() };
        match run_with(&request, &Progress::new(cancel, None), seams) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.code(), "GM_CANCELLED", "{error}");
                cancelled += 1;
            }
        }
        assert_eq!(temporaries(&place), Vec::<String>::new(), "after {at} calls");
        again(&request);
        assert_same(&files(output(&request)), &expected, &format!("cancelled after {at} of {calls} calls"));
        std::fs::remove_dir_all(output(&request)).unwrap();
        std::fs::remove_dir_all(place.outputs().join("cancelled.zarr.journal")).unwrap();
    }
    // Once the end has begun, the run is finished sooner than it is stopped.
    assert!(cancelled >= 7, "{cancelled}");
}

#[test]
fn a_listener_can_cancel_at_every_stage() {
    let place = Place::new();
    let request = small(&place);
    for stage in ["preflight", "join", "transfer", "finalise"] {
        let request = to(&place, &request, &format!("{stage}.zarr"));
        let cancel = Cancel::default();
        let asked = cancel.clone();
        let listener = Box::new(move |event: gigamapper_core::progress::ProgressEvent| {
            if event.stage == stage {
                asked.cancel();
            }
        });
        let error = run_with(&request, &Progress::new(cancel, Some(listener)), quick()).unwrap_err();
        assert!(matches!(&error, Error::Cancelled { stage: at } if at == stage), "{stage}: {error}");
        assert_eq!(temporaries(&place), Vec::<String>::new(), "{stage}");
        assert_eq!(output(&request).exists(), stage != "preflight");
    }
}

#[test]
fn a_full_disk_at_any_call_is_a_typed_error_and_the_run_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let request = small(&place);
    map(&request).unwrap();
    let expected = files(output(&request));
    let mut calls = 0;
    loop {
        let request = to(&place, &request, "full.zarr");
        let seams = Seams { vfs: Arc::new(Disk::failing(calls)), ..quick() };
        let ended = run_with(&request, &Progress::silent(), seams);
        unlock(output(&request));
        let Err(error) = ended else { break };
        assert_eq!(error.code(), "GM_IO", "{error}");
        again(&request);
        assert_same(&files(output(&request)), &expected, &format!("after {calls} calls"));
        assert_eq!(temporaries(&place), Vec::<String>::new(), "after {calls} calls");
        std::fs::remove_dir_all(output(&request)).unwrap();
        std::fs::remove_dir_all(place.outputs().join("full.zarr.journal")).unwrap();
        // A prime step meets all kinds of calls; every single one would take minutes.
        calls += 61;
    }
    assert!(calls > 600, "{calls}");
}

#[test]
fn a_run_that_is_interrupted_again_and_again_still_ends() {
    let place = Place::new();
    let request = small(&place);
    map(&request).unwrap();
    let expected = files(output(&request));
    let request = to(&place, &request, "often.zarr");
    let mut attempts = 0;
    loop {
        let begun = output(&request).exists();
        let attempt = if begun { resumed(&request) } else { request.clone() };
        let seams = Seams { vfs: Arc::new(Disk::failing(100 * attempts)), ..quick() };
        let ended = run_with(&attempt, &Progress::silent(), seams);
        unlock(output(&request));
        match ended {
            Ok(report) => {
                assert!(report.resumed_units > 0);
                break;
            }
            Err(error) => assert_eq!(error.code(), "GM_IO", "{error}"),
        }
        attempts += 1;
    }
    assert!(attempts > 3, "{attempts}");
    assert_same(&files(output(&request)), &expected, "at last");
}

#[test]
fn resuming_a_complete_store_reports_it_and_writes_nothing() {
    let place = Place::new();
    let request = small(&place);
    let first = map(&request).unwrap();
    let before = files(&place.outputs());
    let disk = Disk::failing(i64::MAX);
    let second = run_with(&resumed(&request), &Progress::silent(), Seams { vfs: Arc::new(disk), ..quick() }).unwrap();
    assert_eq!(second.resumed_units, 2 * first.plan.layout.units);
    assert_eq!(second.sigma.map(f64::to_bits), first.sigma.map(f64::to_bits));
    assert_eq!(second.status_counts, first.status_counts);
    assert_eq!(second.label_status_counts, first.label_status_counts);
    assert_eq!(second.excluded_reference_rows, first.excluded_reference_rows);
    assert!(second.stages.iter().all(|stage| stage.bytes_written == 0), "{:?}", second.stages);
    assert_same(&files(&place.outputs()), &before, "resumed");
    // A store that was moved without its journal is still whole; there is only nothing to resume.
    std::fs::remove_dir_all(place.outputs().join("mapped.zarr.journal")).unwrap();
    let before = files(&place.outputs());
    let error = map(&resumed(&request)).unwrap_err();
    assert!(error.code() == "GM_EXISTS" && error.to_string().contains("complete"), "{error}");
    assert_same(&files(&place.outputs()), &before, "without a journal");
}

#[test]
fn other_parameters_are_stale_and_nothing_changes() {
    let place = Place::new();
    let request = small(&place);
    let cancel = Cancel::default();
    let seams = Seams { vfs: Arc::new(Disk::cancelling(500, cancel.clone())), ..quick() };
    assert_eq!(run_with(&request, &Progress::new(cancel, None), seams).unwrap_err().code(), "GM_CANCELLED");
    let before = files(&place.outputs());
    let mut others = vec![
        MapRequest { n_neighbors: Some(6), ..request.clone() },
        MapRequest { obs_keys: Some(vec!["flag".into()]), ..request.clone() },
        MapRequest { bandwidth: Some(2.0), ..request.clone() },
        MapRequest { layout: None, ..request.clone() },
    ];
    others.push(MapRequest { reference: None, ..request.clone() });
    for other in others {
        let error = map(&resumed(&other)).unwrap_err();
        assert_eq!(error.code(), "GM_STALE", "{error}");
        assert_same(&files(&place.outputs()), &before, "stale");
    }
    let error = map(&request).unwrap_err();
    assert_eq!(error.code(), "GM_EXISTS", "{error}");
    let both = MapRequest { overwrite: Some(true), ..resumed(&request) };
    assert_eq!(map(&both).unwrap_err().code(), "GM_PARAM");
    assert_same(&files(&place.outputs()), &before, "refused");
    // Saying overwrite is what it takes.
    map(&MapRequest { overwrite: Some(true), n_neighbors: Some(6), ..request.clone() }).unwrap();
    let fresh = MapRequest { n_neighbors: Some(6), ..to(&place, &request, "fresh.zarr") };
    map(&fresh).unwrap();
    assert_same(&files(output(&request)), &files(output(&fresh)), "overwritten");
}

#[test]
fn two_runs_do_not_write_one_store() {
    let place = Place::new();
    let request = small(&place);
    let codes = Arc::new(Mutex::new(Vec::new()));
    let (seen, other) = (Arc::clone(&codes), resumed(&request));
    let overwriting = MapRequest { overwrite: Some(true), ..request.clone() };
    let listener = Box::new(move |event: gigamapper_core::progress::ProgressEvent| {
        if event.stage == "transfer" && event.done == 0 {
            for request in [&other, &overwriting] {
                seen.lock().unwrap().push(map(request).unwrap_err().code());
            }
        }
    });
    run_with(&request, &Progress::new(Cancel::default(), Some(listener)), quick()).unwrap();
    assert_eq!(*codes.lock().unwrap(), ["GM_EXISTS"; 2]);
    // Another process that is about to begin.
    let lock = Lock::take(&Disk::quick(), &place.outputs().join("next.zarr.lock")).unwrap();
    let next = to(&place, &request, "next.zarr");
    let error = map(&next).unwrap_err();
    assert!(error.code() == "GM_EXISTS" && error.to_string().contains(&std::process::id().to_string()), "{error}");
    assert!(!output(&next).exists());
    drop(lock);
    assert!(!listed(&place.outputs()).iter().any(|name| is_lock(name)));
}
