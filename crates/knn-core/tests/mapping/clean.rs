//! What interrupted work leaves is found and removed; what anyone may need is not.

use std::path::Path;
use std::sync::Arc;

use gigamapper_core::pipeline::{CleanReport, CleanRequest, MapRequest, Seams, clean, run_with};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::store::Lock;
use serde_json::json;

use super::clusters::{by_lists, index_of, with_gaps};
use super::disk::{Disk, assert_same, files, listed};
use super::sample::{Place, map, output, quick};

fn cleaned(path: &Path, yes: bool, unfinished: bool) -> CleanReport {
    let paths = vec![path.to_str().unwrap().to_owned()];
    clean(&CleanRequest { paths, yes: Some(yes), unfinished: Some(unfinished) }).unwrap()
}

fn to(place: &Place, request: &MapRequest, name: &str) -> MapRequest {
    MapRequest { output: Some(place.outputs().join(name).to_str().unwrap().into()), ..request.clone() }
}

/// The lock of a process that runs no more.
fn stale(path: &Path) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let holder = json!({ "pid": std::process::id(), "host": host.trim(), "started": 1 });
    std::fs::write(path, holder.to_string()).unwrap();
}

fn found(report: &CleanReport, place: &Place) -> Vec<(String, String)> {
    let inside = |path: &str| Path::new(path).strip_prefix(place.outputs()).unwrap().to_str().unwrap().to_owned();
    report.leftovers.iter().map(|left| (inside(&left.path), left.kind.clone())).collect()
}

/// A run that was stopped while it joined in the order of lists, with its index and its runs.
fn stopped(place: &Place, name: &str) -> MapRequest {
    let (query, reference) = (with_gaps(place, "query", 600, 6, 1), with_gaps(place, "reference", 900, 6, 2));
    let request = MapRequest { order: Some("lists".into()), ..by_lists(place, &query, Some(&reference), 12) };
    let request = to(place, &request, name);
    let cancel = Cancel::default();
    let asked = cancel.clone();
    let listener = Box::new(move |event: gigamapper_core::progress::ProgressEvent| {
        if event.stage == "join" && event.done > 0 {
            asked.cancel();
        }
    });
    let seams = Seams { vfs: Disk::quick(), run_rows: Some(130), ..quick() };
    run_with(&request, &Progress::new(cancel, Some(listener)), seams).unwrap_err();
    request
}

#[test]
fn leftovers_are_told_and_then_removed_and_nothing_else_is() {
    let place = Place::new();
    let running = stopped(&place, "running.zarr");
    let finished = MapRequest { order: None, ..to(&place, &running, "finished.zarr") };
    map(&finished).unwrap();
    let out = place.outputs();
    // A store that its owner has deleted, and what a kill and a power cut leave.
    map(&to(&place, &finished, "deleted.zarr")).unwrap();
    std::fs::remove_dir_all(out.join("deleted.zarr")).unwrap();
    std::fs::create_dir(out.join("finished.zarr.runs")).unwrap();
    std::fs::copy(out.join("running.zarr.runs/runs.ndjson"), out.join("finished.zarr.runs/runs.ndjson")).unwrap();
    stale(&out.join("finished.zarr.lock"));
    stale(&out.join("running.zarr.lock"));
    std::fs::write(out.join("running.zarr/dataset_0/obs/.zarr.json.tmp-worker-0"), b"torn").unwrap();
    std::fs::write(out.join(".finished.zarr.lock.tmp-7"), b"{}").unwrap();
    // And what is none of ours.
    std::fs::create_dir_all(out.join("project/.git")).unwrap();
    for foreign in ["Cargo.lock", "project/package.lock", "project/.x.tmp-1", "project/.git/x.journal"] {
        std::fs::write(out.join(foreign), b"{}").unwrap();
    }
    let before = files(&out);
    let told = cleaned(&out, false, false);
    assert_eq!(
        found(&told, &place),
        [
            (".finished.zarr.lock.tmp-7", "temporary"),
            ("deleted.zarr.journal", "journal"),
            ("finished.zarr.lock", "lock"),
            ("finished.zarr.runs", "runs"),
            ("running.zarr.lock", "lock"),
            ("running.zarr/dataset_0/obs/.zarr.json.tmp-worker-0", "temporary"),
        ]
        .map(|(path, kind)| (path.to_owned(), kind.to_owned()))
    );
    assert!(!told.removed && told.bytes > 0);
    assert!(told.kept.iter().any(|kept| kept.path.ends_with("running.zarr") && kept.reason.contains("resume")));
    assert_same(&files(&out), &before, "told");

    let removed = cleaned(&out, true, false);
    assert!(removed.removed);
    assert_eq!(found(&removed, &place), found(&told, &place));
    let mut expected = before.clone();
    let gone = ["deleted.zarr.journal/", "finished.zarr.runs/"];
    expected.retain(|name, _| !gone.iter().any(|gone| name.starts_with(gone)));
    for name in [
        ".finished.zarr.lock.tmp-7",
        "finished.zarr.lock",
        "running.zarr.lock",
        "running.zarr/dataset_0/obs/.zarr.json.tmp-worker-0",
    ] {
        expected.remove(name).unwrap();
    }
    assert_same(&files(&out), &expected, "removed");
    assert_eq!(cleaned(&out, true, false).leftovers, []);

    let report = map(&MapRequest { resume: Some(true), ..running.clone() }).unwrap();
    assert!(report.stages.iter().all(|stage| stage.stage != "index"), "nothing is searched again");
    assert_same(&files(output(&running)), &files(output(&finished)), "resumed");
}

#[test]
fn unfinished_work_goes_only_where_that_is_asked_for() {
    let place = Place::new();
    let running = stopped(&place, "running.zarr");
    let index = index_of(&place, &with_gaps(&place, "reference", 900, 6, 2), "x.gmx", 12);
    for name in ["x.gmx", "running.zarr.index.gmx"] {
        std::fs::create_dir_all(place.outputs().join(name)).unwrap();
        for (file, bytes) in files(Path::new(&index)) {
            std::fs::write(place.outputs().join(name).join(file), bytes).unwrap();
        }
    }
    let kinds = |report: &CleanReport| found(report, &place).into_iter().map(|(_, kind)| kind).collect::<Vec<_>>();
    assert_eq!(cleaned(output(&running), true, false).leftovers, []);
    let told = cleaned(&place.outputs(), false, true);
    assert!(kinds(&told).contains(&"store".to_owned()) && kinds(&told).contains(&"runs".to_owned()), "{told:?}");
    cleaned(&place.outputs(), true, true);
    // An index is finished as soon as it is sealed, whoever it was built for.
    assert_eq!(listed(&place.outputs()), ["running.zarr.index.gmx", "x.gmx"]);
}

#[test]
fn what_cannot_be_read_is_kept_with_its_journal() {
    let place = Place::new();
    let running = stopped(&place, "damaged.zarr");
    map(&MapRequest { resume: Some(true), ..running.clone() }).unwrap();
    std::fs::write(output(&running).join("zarr.json"), b"{").unwrap();
    let index = place.outputs().join("x.gmx");
    std::fs::create_dir_all(place.outputs().join("x.gmx.journal")).unwrap();
    std::fs::create_dir(&index).unwrap();
    std::fs::write(index.join("manifest.json"), b"{").unwrap();
    std::fs::write(index.join(".lists.bin.tmp-build"), b"").unwrap();
    let before = files(&place.outputs());
    assert_eq!(cleaned(&place.outputs(), true, true).leftovers, []);
    assert_same(&files(&place.outputs()), &before, "damaged");
}

#[test]
fn what_a_process_holds_is_kept() {
    let place = Place::new();
    let running = stopped(&place, "running.zarr");
    let vfs: Arc<dyn gigamapper_core::store::Vfs> = Disk::quick();
    let lock = Lock::take(&vfs, &place.outputs().join("running.zarr.lock")).unwrap();
    let before = files(&place.outputs());
    let report = cleaned(&place.outputs(), true, true);
    assert!(
        report.leftovers.is_empty() && report.kept.iter().any(|kept| kept.reason.contains("writing")),
        "{report:?}"
    );
    assert_same(&files(&place.outputs()), &before, "held");
    drop(lock);
    cleaned(output(&running), true, true);
    assert!(!output(&running).exists());
}

#[test]
fn a_path_must_be_there() {
    let place = Place::new();
    let request = |paths: Vec<String>| clean(&CleanRequest { paths, ..CleanRequest::default() }).unwrap_err().code();
    assert_eq!(request(vec![place.outputs().join("nothing").to_str().unwrap().into()]), "GM_NOT_FOUND");
    assert_eq!(request(Vec::new()), "GM_PARAM");
}

#[test]
fn stores_that_a_run_made_for_itself_go_with_it_and_no_others() {
    let place = Place::new();
    let finished = MapRequest { order: None, ..to(&place, &stopped(&place, "running.zarr"), "finished.zarr") };
    map(&finished).unwrap();
    // A process that was killed behind the end of its run, and a store that somebody has called so.
    for name in ["finished.zarr.query-rep.zarr", "other.zarr.query-rep.zarr"] {
        map(&to(&place, &finished, name)).unwrap();
    }
    let out = place.outputs();
    let before = files(&out);
    let name = "finished.zarr.query-rep.zarr";
    assert_eq!(found(&cleaned(&out, true, false), &place), [(name.to_owned(), "store".to_owned())]);
    let mut expected = before;
    expected.retain(|path, _| !path.starts_with(name));
    assert_same(&files(&out), &expected, "the other store stays");
}
