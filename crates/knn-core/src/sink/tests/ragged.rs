//! Sparse matrices: units of any length become one array, whatever stops them on their way.

use std::path::Path;
use std::sync::Arc;

use super::sample::{bytes, complete, files, quick, spec};
use crate::sink::{ArraySpec, Kind, MappingStore, StoreSpec};
use crate::source::{ZarrArray, ZarrStore};
use crate::store::{FailingVfs, Stage};
use crate::types::{DType, RowRange};

const ROWS: u64 = 11;

/// The sample with a sparse matrix, in units of four rows.
fn with_matrix() -> StoreSpec {
    let mut spec = spec(ROWS, 2, 2, 1000);
    let array = |name: &str, dtype| ArraySpec {
        path: format!("obsp/graph/{name}"),
        stage: Stage::Transferred,
        kind: Kind::Ragged { dtype, most: 100 },
    };
    spec.arrays.extend([array("data", DType::Float32), array("indices", DType::Int32), array("indptr", DType::Int64)]);
    spec
}

fn read(path: &Path, name: &str) -> (Vec<u64>, Vec<u8>) {
    let store = ZarrStore::open(path).unwrap();
    let array = ZarrArray::open(&store, &format!("obsp/graph/{name}")).unwrap();
    let mut bytes = Vec::new();
    array.read_rows(RowRange::new(0, array.shape()[0]), &mut bytes).unwrap();
    (array.shape().to_vec(), bytes)
}

#[test]
fn units_of_any_length_become_one_array() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.zarr");
    complete(MappingStore::create(quick(), &path, with_matrix(), "0").unwrap(), 3).unwrap();
    for (name, length) in [("data", 10), ("indices", 10), ("indptr", ROWS + 1)] {
        let expected = bytes(&format!("obsp/graph/{name}"), RowRange::new(0, ROWS));
        assert_eq!(read(&path, name), (vec![length], expected), "{name}");
    }
    let group = std::fs::read_to_string(path.join("obsp/graph/zarr.json")).unwrap();
    assert!(group.contains("csr_matrix"), "{group}");
    let left: Vec<_> = files(&path).into_keys().filter(|name| name.contains("unit-")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_full_disk_at_any_call_leaves_a_resumable_store() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    complete(MappingStore::create(quick(), &whole, with_matrix(), "0").unwrap(), 3).unwrap();
    let whole = files(&whole);
    let mut calls = 0;
    loop {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("m.zarr");
        let begun = MappingStore::create(Arc::new(FailingVfs::after(calls)), &path, with_matrix(), "0");
        let ended = begun.and_then(|store| complete(store, 3));
        let _ = std::fs::remove_file(place.path().join("m.zarr.lock"));
        if ended.is_ok() {
            break;
        }
        match MappingStore::resume(quick(), &path, with_matrix(), "0", true) {
            Ok(store) => complete(store, 5).unwrap(),
            Err(error) => {
                assert_eq!(error.code(), "GM_NOT_FOUND");
                complete(MappingStore::create(quick(), &path, with_matrix(), "0").unwrap(), 5).unwrap();
            }
        }
        assert!(files(&path) == whole, "after {calls} calls");
        calls += 29;
    }
    assert!(calls > 400, "{calls}");
}

#[test]
fn a_store_of_several_parts_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let parts = StoreSpec { layout: crate::sink::Layout::new(ROWS, 2, 2, 4).unwrap(), ..with_matrix() };
    let error = MappingStore::create(quick(), &folder.path().join("m.zarr"), parts, "0").err().unwrap();
    assert_eq!(error.code(), "GM_INTERNAL");
}
