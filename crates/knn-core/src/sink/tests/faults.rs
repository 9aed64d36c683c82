//! The disk fails at the n-th call and from then on, for every n; what is resumed ends in the same bytes.

use std::path::Path;
use std::sync::Arc;

use super::sample::{complete, files, quick, spec};
use crate::error::Result;
use crate::sink::{MappingStore, StoreSpec};
use crate::store::FailingVfs;

/// Writes the store on a disk that fails after `calls` calls; the lock that the dead leave behind is removed as stale.
fn interrupted(path: &Path, spec: &StoreSpec, calls: i64, begin: Begin) -> Result<()> {
    let failing = Arc::new(FailingVfs::after(calls));
    let ended = begin(failing, path, spec.clone(), "0").and_then(|store| complete(store, 3));
    let lock = path.with_file_name("m.zarr.lock");
    if lock.exists() {
        std::fs::remove_file(lock).unwrap();
    }
    ended
}

type Begin = fn(Arc<dyn crate::store::Vfs>, &Path, StoreSpec, &str) -> Result<MappingStore>;

fn again(path: &Path, spec: &StoreSpec) {
    match MappingStore::resume(quick(), path, spec.clone(), "0", true) {
        Ok(store) => complete(store, 5).unwrap(),
        Err(error) => {
            assert_eq!(error.code(), "GM_NOT_FOUND");
            complete(MappingStore::create(quick(), path, spec.clone(), "0").unwrap(), 5).unwrap();
        }
    }
}

#[test]
fn a_full_disk_at_any_call_leaves_a_resumable_store() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(5, 2, 2, 4);
    let whole = folder.path().join("whole");
    complete(MappingStore::create(quick(), &whole, spec.clone(), "0").unwrap(), 3).unwrap();
    let whole = files(&whole);
    let mut calls = 0;
    loop {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("m.zarr");
        if interrupted(&path, &spec, calls, MappingStore::create).is_ok() {
            break;
        }
        again(&path, &spec);
        assert!(files(&path) == whole, "after {calls} calls");
        // A prime step meets all kinds of calls in seconds; every single one would take minutes.
        calls += 13;
    }
    assert!(calls > 400, "{calls}");
}

#[test]
fn an_interrupted_overwrite_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let old = spec(11, 2, 2, 8);
    let new = StoreSpec { run: "beef".into(), ..spec(3, 2, 2, 8) };
    let whole = folder.path().join("whole");
    complete(MappingStore::create(quick(), &whole, new.clone(), "0").unwrap(), 3).unwrap();
    for calls in (0..40).step_by(3) {
        let path = folder.path().join(format!("{calls}/m.zarr"));
        complete(MappingStore::create(quick(), &path, old.clone(), "0").unwrap(), 3).unwrap();
        interrupted(&path, &new, calls, MappingStore::overwrite).unwrap_err();
        let store = MappingStore::overwrite(quick(), &path, new.clone(), "0").unwrap();
        complete(store, 3).unwrap();
        assert!(files(&path) == files(&whole), "after {calls} calls");
    }
}
