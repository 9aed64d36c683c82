//! Interrupted, resumed, stale, overwritten and foreign stores.

use std::path::Path;

use serde_json::json;

use super::sample::{complete, files, quick, spec, write_unit};
use crate::sink::{MappingStore, StoreSpec, Uns, UnsValue};
use crate::store::Stage::{Joined, Transferred};

fn create(path: &Path, spec: &StoreSpec) -> MappingStore {
    MappingStore::create(quick(), path, spec.clone(), "0").unwrap()
}

fn code<T>(result: crate::error::Result<T>) -> &'static str {
    result.map(|_| ()).unwrap_err().code()
}

#[test]
fn a_resumed_run_gives_the_bytes_of_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, path) = (folder.path().join("whole"), folder.path().join("m.zarr"));
    let spec = spec(23, 4, 2, 8);
    complete(create(&whole, &spec), 3).unwrap();

    let store = create(&path, &spec);
    write_unit(&store, Joined, 1, 3).unwrap();
    write_unit(&store, Joined, 0, 3).unwrap();
    let mut half = store.begin(Joined, 2).unwrap();
    half.append("obsm/knn_indices", &[0; 12]).unwrap();
    assert!(files(&path).keys().any(|name| name.contains(".tmp-")));
    drop(half);
    assert!(files(&path).keys().all(|name| !name.contains(".tmp-")));
    drop(store);
    // What only a kill leaves behind.
    std::fs::write(path.join("dataset_2/obsm/knn_indices/.x.tmp-9"), b"").unwrap();
    std::fs::remove_file(path.join("dataset_1/obsm/knn_distances/c/0/0")).unwrap();

    let store = MappingStore::resume(quick(), &path, spec.clone(), "0", false).unwrap();
    assert!(!store.is_complete());
    assert_eq!(store.committed(Joined, 0).unwrap().extra, json!({ "first": 0 }));
    assert!(store.committed(Joined, 1).is_none(), "one of its objects is gone");
    assert!(store.committed(Joined, 2).is_none() && store.committed(Transferred, 0).is_none());
    complete(store, 5).unwrap();
    assert_eq!(files(&path), files(&whole));

    let store = MappingStore::resume(quick(), &path, spec, "0", false).unwrap();
    assert!(store.is_complete());
    assert_eq!(store.committed(Transferred, 2).unwrap().rows, [16, 23]);
    assert_eq!(code(store.begin(Joined, 0)), "GM_INTERNAL");
    store.finalise(&Uns::default()).unwrap();
    assert_eq!(files(&path), files(&whole));
}

#[test]
fn verify_finds_what_a_length_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.zarr");
    let spec = spec(8, 4, 2, 16);
    write_unit(&create(&path, &spec), Joined, 0, 8).unwrap();
    let object = path.join("obsm/knn_indices/c/0/0");
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&object, bytes).unwrap();
    let resumed = |verify| MappingStore::resume(quick(), &path, spec.clone(), "0", verify).unwrap();
    assert!(resumed(false).committed(Joined, 0).is_some());
    assert!(resumed(true).committed(Joined, 0).is_none());
}

#[test]
fn a_torn_journal_line_never_happened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.zarr");
    let spec = spec(9, 4, 2, 16);
    let store = create(&path, &spec);
    write_unit(&store, Joined, 0, 8).unwrap();
    write_unit(&store, Joined, 1, 8).unwrap();
    drop(store);
    let journal = folder.path().join("m.zarr.journal/0.ndjson");
    let bytes = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &bytes[..bytes.len() - 9]).unwrap();
    let store = MappingStore::resume(quick(), &path, spec, "0", true).unwrap();
    assert!(store.committed(Joined, 0).is_some() && store.committed(Joined, 1).is_none());
    write_unit(&store, Joined, 1, 8).unwrap();
    drop(store);
    assert_eq!(std::fs::read(&journal).unwrap(), bytes);
}

#[test]
fn another_run_is_stale_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.zarr");
    let first = spec(9, 4, 2, 16);
    assert_eq!(code(MappingStore::resume(quick(), &path, first.clone(), "0", false)), "GM_NOT_FOUND");
    write_unit(&create(&path, &first), Joined, 0, 8).unwrap();
    let before = files(folder.path());
    let others = [
        StoreSpec { run: "beef".into(), ..first.clone() },
        spec(9, 2, 2, 16),
        StoreSpec { arrays: first.arrays[..5].to_vec(), ..first.clone() },
    ];
    for other in others {
        assert_eq!(code(MappingStore::resume(quick(), &path, other, "0", false)), "GM_STALE");
        assert_eq!(files(folder.path()), before);
    }
    assert_eq!(code(MappingStore::create(quick(), &path, first, "0")), "GM_EXISTS");
    assert_eq!(files(folder.path()), before);
}

#[test]
fn only_one_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.zarr");
    let spec = spec(9, 4, 2, 16);
    let store = create(&path, &spec);
    assert_eq!(code(MappingStore::resume(quick(), &path, spec.clone(), "1", false)), "GM_EXISTS");
    assert_eq!(code(MappingStore::overwrite(quick(), &path, spec.clone(), "1")), "GM_EXISTS");
    drop(store);
    MappingStore::resume(quick(), &path, spec, "1", false).unwrap();
    assert!(!folder.path().join("m.zarr.lock").exists());
}

#[test]
fn overwrite_replaces_our_stores_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = (folder.path().join("m.zarr"), folder.path().join("whole"));
    let [old, new] = [spec(23, 4, 2, 8), StoreSpec { run: "beef".into(), ..spec(9, 4, 2, 16) }];
    complete(create(&path, &old), 8).unwrap();
    complete(create(&whole, &new), 8).unwrap();
    complete(MappingStore::overwrite(quick(), &path, new.clone(), "0").unwrap(), 8).unwrap();
    assert_eq!(files(&path), files(&whole));

    let foreign = folder.path().join("other");
    let group = br#"{"zarr_format":3,"node_type":"group","attributes":{"encoding-type":"anndata"}}"#;
    for (name, bytes) in [("notes.txt", b"mine".as_slice()), ("zarr.json", group.as_slice()), ("zarr.json", b"{")] {
        std::fs::create_dir_all(&foreign).unwrap();
        std::fs::write(foreign.join(name), bytes).unwrap();
        let before = files(folder.path());
        assert_eq!(code(MappingStore::overwrite(quick(), &foreign, new.clone(), "0")), "GM_EXISTS");
        assert_eq!(code(MappingStore::resume(quick(), &foreign, new.clone(), "0", false)), "GM_EXISTS");
        assert_eq!(files(folder.path()), before);
        std::fs::remove_file(foreign.join("notes.txt")).unwrap_or_default();
    }
    std::fs::write(folder.path().join("file"), b"x").unwrap();
    assert_eq!(code(MappingStore::overwrite(quick(), &folder.path().join("file"), new.clone(), "0")), "GM_EXISTS");
    let beside = folder.path().join("n.zarr.journal");
    std::fs::create_dir(&beside).unwrap();
    std::fs::write(beside.join("diary.txt"), b"mine").unwrap();
    assert_eq!(code(MappingStore::overwrite(quick(), &folder.path().join("n.zarr"), new, "0")), "GM_EXISTS");
    assert!(beside.join("diary.txt").exists());
}

#[test]
fn misuse_is_an_error_and_not_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.zarr");
    let spec = spec(9, 4, 2, 16);
    let store = create(&path, &spec);
    let mut unit = store.begin(Joined, 1).unwrap();
    assert_eq!(code(store.begin(Joined, 1)), "GM_INTERNAL");
    assert_eq!(code(store.begin(Joined, 2)), "GM_INTERNAL");
    assert_eq!(code(unit.append("obsm/knn_indices", &[0; 24])), "GM_INTERNAL");
    assert_eq!(code(unit.append("obsm/knn_indices", &[0; 11])), "GM_INTERNAL");
    assert_eq!(code(unit.append("obs/_index", b"x")), "GM_INTERNAL");
    assert_eq!(code(unit.append("obs/type_conf", &[0; 4])), "GM_INTERNAL");
    assert_eq!(code(unit.append_strings("obs/_index", b"x", &[2])), "GM_INTERNAL");
    assert_eq!(code(unit.commit(json!(null))), "GM_INTERNAL");
    write_unit(&store, Joined, 1, 1).unwrap();
    assert_eq!(code(store.begin(Joined, 1)), "GM_INTERNAL");
    let mut uns = Uns::default();
    uns.insert("a/b", UnsValue::Bool(true));
    assert_eq!(code(store.finalise(&uns)), "GM_INTERNAL");

    let mut clash = spec;
    clash.arrays[4].path = "obs/Mapping_Status".into();
    assert_eq!(code(MappingStore::overwrite(quick(), &path, clash, "0")), "GM_PARAM");
}
