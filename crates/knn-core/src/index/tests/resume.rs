//! Builds that stop anywhere, and what comes after.

use super::*;
use crate::progress::Cancel;

const DIM: usize = 40;
/// Memory in which not all rows fit.
const RUNS: u64 = 1_450_000;

#[test]
fn a_full_disk_at_any_call_is_a_typed_error_and_the_build_is_resumed_to_the_same_bytes() {
    for most in MOST_IN_TWO_LEVELS {
        disturb_anywhere(&How::of_lists(40).in_two_levels_to(most));
    }
}

/// Fails every call of a build once, and resumes it.
fn disturb_anywhere(how: &How) {
    let values = even(6000, DIM);
    let whole = tempfile::tempdir().unwrap();
    how.build(&whole.path().join("x.gmx"), &values, DIM).unwrap();
    let expected = files(&whole.path().join("x.gmx"));
    // In memory; with runs; and with runs, but in memory when it is resumed.
    for (memory, then) in [(1 << 30, 1 << 30), (RUNS, RUNS), (RUNS, 1 << 30), (RUNS, RUNS - 20_000)] {
        let mut calls = 0;
        let spilled = loop {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.gmx");
            let how = How { memory, threads: 1, ..how.clone() };
            match how.build_on(Arc::new(FailingVfs::after(calls)), &path, &values, DIM) {
                Ok(report) => {
                    assert!(files(&path) == expected);
                    break report.spilled;
                }
                Err(error) => assert_eq!(error.code(), "GM_IO", "after {calls} calls: {error}"),
            }
            // The lock of a process that could not write stays, and is its own: a resumed build is another process.
            let _ = std::fs::remove_file(folder.path().join("x.gmx.lock"));
            let again = How { memory: then, threads: 1, start: Start::Resume, ..how.clone() };
            let report = again.build(&path, &values, DIM).unwrap();
            assert!(files(&path) == expected, "after {calls} calls");
            assert_eq!(report.manifest, *open(&path, Io::Pread).unwrap().manifest());
            let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(left, ["x.gmx"], "after {calls} calls");
            calls += 1;
        };
        assert_eq!(spilled, memory < 1 << 30);
        assert!(calls > 20, "{calls}");
    }
}

#[test]
fn what_is_there_is_not_harmed_unless_that_was_said() {
    let values = clumps(1000, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gmx");
    let code = |how: &How, values: &[f32]| how.build(&path, values, 3).map_err(|error| error.code());
    let start = |start| How { start, ..How::default() };
    code(&start(Start::New), &values).unwrap();
    let built = files(&path);
    assert_eq!(code(&start(Start::New), &values).unwrap_err(), "GM_EXISTS");
    assert!(code(&start(Start::Resume), &values).unwrap().found);
    assert_eq!(code(&start(Start::Resume), &values[..300]).unwrap_err(), "GM_STALE");
    assert!(files(&path) == built);
    code(&start(Start::Overwrite), &values[..300]).unwrap();
    check_rows(&path, &values[..300], 3);
    std::fs::write(path.join("notes.txt"), b"mine").unwrap();
    assert_eq!(code(&start(Start::Overwrite), &values).unwrap_err(), "GM_EXISTS");
    assert!(path.join("manifest.json").exists() && path.join("notes.txt").exists());
}

#[test]
fn a_build_of_other_rows_is_not_continued() {
    let values = even(6000, DIM);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gmx");
    let how = How { memory: RUNS, threads: 1, ..How::of_lists(40) };
    how.build_on(Arc::new(FailingVfs::after(40)), &path, &values, DIM).unwrap_err();
    let _ = std::fs::remove_file(folder.path().join("x.gmx.lock"));
    let before = files(&folder.path().join("x.gmx.journal"));
    let again = How { start: Start::Resume, ..How::default() };
    assert_eq!(again.build(&path, &values[..100 * DIM], DIM).unwrap_err().code(), "GM_STALE");
    let again = How { start: Start::Resume, ..how }.in_two_levels_to(0);
    assert_eq!(again.build(&path, &values, DIM).unwrap_err().code(), "GM_STALE");
    assert!(files(&folder.path().join("x.gmx.journal")) == before);
}

#[test]
fn a_cancelled_build_stops_and_is_resumed() {
    let values = clumps(3000, DIM);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gmx");
    let source = MemoryRows::new(values.clone(), DIM).unwrap();
    for stop in ["train", "add", "seal"] {
        let cancel = Cancel::default();
        let asked = cancel.clone();
        let listener = move |event: crate::progress::ProgressEvent| {
            if event.stage == stop {
                asked.cancel();
            }
        };
        let progress = Progress::new(cancel, Some(Box::new(listener)));
        let lane = Lane::best();
        let builder = IndexBuilder {
            vfs: Arc::new(crate::store::OsVfs),
            spec: How::default().spec,
            start: Start::Resume,
            budget: MemoryBudget::new(1 << 30),
            tile: &lane,
            progress: &progress,
        };
        assert_eq!(builder.build(&path, &source).unwrap_err().code(), "GM_CANCELLED", "{stop}");
        assert!(!path.join("manifest.json").exists());
    }
    How { start: Start::Resume, ..How::default() }.build(&path, &values, DIM).unwrap();
    check_rows(&path, &values, DIM);
}
