//! From one generation to the next: what stops an append, what it leaves, who looks on, and what is refused.

use super::append::{DIM, OLD, RUNS, beside, copy, old, rows};
use super::*;
use crate::progress::Cancel;
use crate::store::OsVfs;

#[test]
fn a_full_disk_at_any_call_leaves_the_old_or_the_new_index_and_the_append_is_repeated_to_the_same_bytes() {
    for most in MOST_IN_TWO_LEVELS {
        disturb_anywhere(&How::of_lists(32).in_two_levels_to(most));
    }
}

/// Fails every call of an append once, and repeats it.
fn disturb_anywhere(built: &How) {
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), built, &values);
    let before = read(&path, Io::Pread).unwrap();
    let whole = folder.path().join("whole.gmx");
    copy(&path, &whole);
    How::default().append(&whole, &values, DIM).unwrap();
    let (expected, after) = (files(&whole), read(&whole, Io::Pread).unwrap());
    for (memory, then) in [(1 << 30, 1 << 30), (RUNS, RUNS), (RUNS, 1 << 30), (1 << 30, RUNS)] {
        let (mut calls, mut seen) = (0, [0, 0]);
        loop {
            let folder = tempfile::tempdir().unwrap();
            let to = folder.path().join("to.gmx");
            copy(&path, &to);
            let failing = Arc::new(FailingVfs::after(calls));
            match (How { memory, ..How::default() }).append_on(failing, &to, &values, DIM) {
                Ok(_) => {
                    // Nothing but the lock may be left, where its removal was the call that failed.
                    assert!(files(&to) == expected && !folder.path().join("to.gmx.journal").exists());
                    break;
                }
                Err(error) => assert_eq!(error.code(), "GM_IO", "after {calls} calls: {error}"),
            }
            // Whatever was left behind, the index is whole: as it was, or as it will be.
            let index = open(&to, Io::Pread).unwrap();
            let generation = index.manifest().generation;
            index.verify(&Progress::silent()).unwrap();
            seen[generation as usize - 1] += 1;
            assert!(read(&to, Io::Mmap).unwrap() == *[&before, &after][generation as usize - 1], "after {calls} calls");
            // The lock of a process that could not write stays, and is its own: whoever repeats it is another process.
            let _ = std::fs::remove_file(folder.path().join("to.gmx.lock"));
            let report = How { memory: then, ..How::default() }.append(&to, &values, DIM).unwrap();
            assert_eq!(report.found, generation == 2);
            assert!(files(&to) == expected, "after {calls} calls");
            assert_eq!(beside(folder.path()), [""; 0], "after {calls} calls");
            calls += 1;
        }
        assert!(seen[0] > 20 && seen[1] > 4, "{seen:?}");
    }
}

#[test]
fn an_append_to_a_store_that_has_grown_again_begins_anew() {
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), &How::of_lists(32), &values);
    let how = How { memory: RUNS, ..How::default() };
    how.append_on(Arc::new(FailingVfs::after(25)), &path, &values[..4000 * DIM], DIM).unwrap_err();
    let _ = std::fs::remove_file(folder.path().join("old.gmx.lock"));
    assert!(files(&folder.path().join("old.gmx.journal")).keys().any(|name| name.starts_with("added-3000-")));
    how.append(&path, &values, DIM).unwrap();
    check_rows(&path, &values, DIM);
    assert_eq!(beside(folder.path()), [""; 0]);
}

#[test]
fn what_is_left_of_other_generations_goes_and_nothing_else() {
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), &How::of_lists(32), &values);
    let left = ["lists.2.bin", "offsets.9.bin", ".lists.2.bin.tmp-build"];
    for (values, kept) in [(&values[..OLD * DIM], 5), (&values[..], 5)] {
        for name in left.into_iter().chain(["notes.txt", "lists.02.bin"]) {
            std::fs::write(path.join(name), b"left").unwrap();
        }
        How::default().append(&path, values, DIM).unwrap();
        let names = files(&path);
        assert_eq!(names.len(), kept + 2, "{:?}", names.keys());
        assert!(names.contains_key("notes.txt") && names.contains_key("lists.02.bin"));
        check_rows(&path, values, DIM);
    }
}

#[test]
fn what_cannot_be_appended_is_refused_and_changes_nothing() {
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), &How::of_lists(32), &values);
    let before = files(&path);
    let refused = |values: &[f32], dim: usize| {
        let error = How::default().append(&path, values, dim).unwrap_err();
        assert_eq!(beside(folder.path()), [""; 0], "{error}");
        error
    };
    let changed = |row: usize, change: f32| {
        let mut values = values.clone();
        values[row * DIM + 1] = change;
        values
    };
    let shape = refused(&values[..2999 * DIM], DIM);
    let expected = serde_json::json!({ "left": [3000, 40], "right": [2999, 40] });
    let details = shape.details();
    assert_eq!(serde_json::json!({ "left": details["leftShape"], "right": details["rightShape"] }), expected);
    for (code, values, dim) in [
        ("GM_SHAPE", values.clone(), 20),
        ("GM_STALE", changed(0, 0.5), DIM),
        ("GM_STALE", changed(2998, -1.0), DIM),
        ("GM_STALE", changed(100, f32::NAN), DIM),
        ("GM_STALE", changed(7, 3.0)[..OLD * DIM].to_vec(), DIM),
        // The first two rows have changed places.
        ("GM_STALE", [&values[DIM..2 * DIM], &values[..DIM], &values[2 * DIM..]].concat(), DIM),
        ("GM_STALE", values[DIM..].to_vec(), DIM),
    ] {
        assert_eq!(refused(&values, dim).code(), code);
        assert!(files(&path) == before);
    }
    // What was not finite may be so in another way: it is in no list all the same.
    How::default().append(&path, &changed(7, f32::INFINITY), DIM).unwrap();
    let missing = folder.path().join("missing/x.gmx");
    assert_eq!(How::default().append(&missing, &values, DIM).unwrap_err().code(), "GM_NOT_FOUND");
    assert!(!folder.path().join("missing").exists());
}

#[test]
fn a_damaged_index_is_refused_before_anything_is_written() {
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), &How::of_lists(32), &values);
    for (name, bytes) in files(&path) {
        let last = bytes.len() - 1;
        let mut flipped = bytes.clone();
        flipped[last] ^= 16;
        for damaged in [&flipped[..], &bytes[..last]] {
            std::fs::write(path.join(&name), damaged).unwrap();
            let before = files(&path);
            assert_eq!(How::default().append(&path, &values, DIM).unwrap_err().code(), "GM_CORRUPT", "{name}");
            assert!(files(&path) == before && beside(folder.path()).is_empty(), "{name}");
        }
        std::fs::write(path.join(&name), &bytes).unwrap();
    }
    How::default().append(&path, &values, DIM).unwrap();
}

#[test]
fn a_cancelled_append_leaves_the_index_and_is_repeated() {
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), &How::of_lists(32), &values);
    let before = files(&path);
    let source = MemoryRows::new(values.clone(), DIM).unwrap();
    for stop in ["verify", "add", "seal"] {
        let cancel = Cancel::default();
        let asked = cancel.clone();
        let listener = move |event: crate::progress::ProgressEvent| {
            if event.stage == stop {
                asked.cancel();
            }
        };
        let builder = IndexBuilder {
            vfs: Arc::new(OsVfs),
            spec: IndexSpec::default(),
            start: Start::New,
            budget: MemoryBudget::new(1 << 30),
            tile: &Lane::best(),
            progress: &Progress::new(cancel, Some(Box::new(listener))),
        };
        assert_eq!(builder.append(&path, &source).unwrap_err().code(), "GM_CANCELLED", "{stop}");
        assert!(files(&path) == before, "{stop}");
    }
    How::default().append(&path, &values, DIM).unwrap();
    check_rows(&path, &values, DIM);
}

#[test]
fn who_opens_it_meanwhile_sees_the_old_or_the_new_one() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let (values, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = old(folder.path(), &How::of_lists(32), &values);
    let (opened, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let steps: Vec<usize> = (1..=30).map(|step| OLD + step * 40).collect();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            loop {
                let last = ended.load(Ordering::Relaxed);
                let index = open(&path, Io::Pread).unwrap();
                let mut buffer = ListBuffer::default();
                let lists = 0..index.nlist();
                let rows: usize = lists.map(|list| index.list(list, &mut buffer).unwrap().len()).sum();
                assert_eq!(rows as u64, index.rows() - index.manifest().excluded);
                seen.insert(index.manifest().generation);
                opened.store(true, Ordering::Relaxed);
                if last {
                    return seen;
                }
            }
        });
        while !opened.load(Ordering::Relaxed) && !reader.is_finished() {
            std::thread::yield_now();
        }
        for until in &steps {
            How::default().append(&path, &values[..until * DIM], DIM).unwrap();
        }
        ended.store(true, Ordering::Relaxed);
        let seen = reader.join().unwrap();
        assert!(seen.contains(&1) && seen.contains(&31), "{seen:?}");
    });
    check_rows(&path, &values[..OLD * DIM + 1200 * DIM], DIM);
}
