//! Every value of every array comes back, for grids with all kinds of edges.

use std::path::Path;
use std::sync::Arc;

use zarrs::array::{Array, ArraySubset};
use zarrs::filesystem::FilesystemStore;

use super::sample::{bytes, complete, files, name, quick, spec};
use crate::sink::{Kind, MappingStore, planned_bytes, writer_bytes};
use crate::types::{DType, RowRange};

/// Number of rows, rows per inner chunk, inner chunks per unit, rows per part.
const GRIDS: [(u64, u64, u64, u64); 12] = [
    (0, 4, 2, 16),
    (1, 4, 2, 16),
    (4, 4, 2, 16),
    (7, 4, 2, 16),
    (8, 4, 2, 16),
    (9, 4, 2, 16),
    (16, 4, 2, 16),
    (17, 4, 2, 16),
    (23, 4, 2, 8),
    (5, 1, 1, 2),
    (1000, 64, 4, 256),
    (300, 65_536, 16, 1 << 24),
];

fn open(root: &Path, path: &str) -> Array<FilesystemStore> {
    Array::open(Arc::new(FilesystemStore::new(root).unwrap()), &format!("/{path}")).unwrap()
}

fn rows_of(array: &Array<FilesystemStore>) -> ArraySubset {
    ArraySubset::new_with_shape(array.shape().to_vec())
}

fn raw(root: &Path, path: &str) -> Vec<u8> {
    let array = open(root, path);
    let subset = rows_of(&array);
    let found: zarrs::array::ArrayBytes<'_> = array.retrieve_array_subset(&subset).unwrap();
    found.into_fixed().unwrap().into_owned()
}

#[test]
fn all_values_come_back() {
    for (n, inner, per, part) in GRIDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.zarr");
        let spec = spec(n, inner, per, part);
        let store = MappingStore::create(quick(), &path, spec.clone(), "0").unwrap();
        complete(store, 3).unwrap();
        let layout = spec.layout;
        for p in 0..layout.parts() {
            let root = path.join(layout.prefix(p));
            let rows = RowRange::new(p * part, p * part + layout.part_rows_of(p));
            for array in &spec.arrays {
                if array.dtype() == DType::String {
                    let found = open(&root, "obs/_index");
                    let names: Vec<String> = found.retrieve_array_subset(&rows_of(&found)).unwrap();
                    assert_eq!(names, (rows.start..rows.end).map(name).collect::<Vec<_>>(), "{n}");
                } else {
                    assert_eq!(raw(&root, &array.values()), bytes(&array.path, rows), "{n} {}", array.path);
                }
            }
        }
        let size: u64 = files(&path).values().map(|bytes| bytes.len() as u64).sum();
        assert!(size <= planned_bytes(&spec), "{n}: {size} of {}", planned_bytes(&spec));
        assert!(writer_bytes(&spec) < 8 << 20);
        assert!(files(&path).keys().all(|name| !name.contains(".tmp-")));
    }
}

#[test]
fn pieces_of_any_size_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let written = [1, 5, 1000].map(|piece| {
        let path = folder.path().join(piece.to_string());
        complete(MappingStore::create(quick(), &path, spec(1000, 64, 4, 256), "0").unwrap(), piece).unwrap();
        files(&path)
    });
    assert!(written[0] == written[1] && written[1] == written[2]);
}

#[test]
fn an_unfinished_store_reads_as_fill_and_says_that_it_is_running() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.zarr");
    let spec = spec(9, 4, 2, 16);
    let store = MappingStore::create(quick(), &path, spec.clone(), "0").unwrap();
    for array in spec.arrays.iter().filter(|array| array.dtype() != DType::String) {
        let node = open(&path, &array.values());
        assert_eq!(node.attributes()["gigamapper-status"], "running", "{}", array.path);
        let found = raw(&path, &array.values());
        match array.dtype() {
            DType::Float32 => assert!(found.chunks(4).all(|v| f32::from_le_bytes(v.try_into().unwrap()).is_nan())),
            DType::Float64 => assert!(found.chunks(8).all(|v| f64::from_le_bytes(v.try_into().unwrap()).is_nan())),
            _ => assert!(found.iter().all(|&byte| byte == 0xff)),
        }
    }
    complete(store, 4).unwrap();
    for (name, bytes) in files(&path).iter().filter(|(name, _)| name.ends_with("zarr.json")) {
        assert!(!String::from_utf8_lossy(bytes).contains("running"), "{name}");
    }
}

#[test]
fn a_shard_without_rows_in_its_last_chunks_says_so_in_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.zarr");
    let spec = spec(11, 2, 4, 16);
    complete(MappingStore::create(quick(), &path, spec.clone(), "0").unwrap(), 4).unwrap();
    // Three rows are left for the second unit: two inner chunks of 2 × 3 × 4 bytes, two missing.
    assert!(matches!(spec.arrays[2].kind, Kind::Matrix { .. }));
    let shard = std::fs::read(path.join("obsm/knn_indices/c/1/0")).unwrap();
    let index: Vec<u64> =
        shard[48..48 + 64].chunks(8).map(|value| u64::from_le_bytes(value.try_into().unwrap())).collect();
    assert_eq!(index, [0, 24, 24, 24, u64::MAX, u64::MAX, u64::MAX, u64::MAX]);
    assert_eq!(shard.len(), 48 + 64 + 4);
    assert_eq!(shard[36..48], [0xff; 12]);
}
