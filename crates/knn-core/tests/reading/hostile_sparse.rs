//! Hostile sparse matrices and data frames.

use std::fs;
use std::path::{Path, PathBuf};

use gigamapper_core::source::{AnnDataStore, RowSource};
use gigamapper_core::types::{RowRange, Tile};
use serde_json::{Value, json};

use super::hostile_version2::{array, cells, group};
use super::refusal::{accepted, refused};

fn bytes(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

const STARTS: [i32; 9] = [0, 2, 2, 3, 4, 4, 4, 6, 6];

/// Eight cells with `X` of three columns and six entries, one of them twice.
fn store(encoding: &Value) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cells.zarr");
    cells(&root);
    group(&root, "X", encoding);
    array(&root, "X/indptr", "<i4", &[9], &bytes(&STARTS));
    array(&root, "X/indices", "<i4", &[6], &bytes(&[2, 0, 1, 2, 1, 1]));
    let values: Vec<u8> = [1f32, 2.0, 3.0, 4.0, 0.0, 5.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    array(&root, "X/data", "<f4", &[6], &values);
    (folder, root)
}

fn csr() -> Value {
    json!({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [8, 3]})
}

#[test]
fn the_matrix_that_is_damaged_here_is_read() {
    let (_folder, root) = store(&csr());
    accepted(&root, "X");
    let mut tile = Tile::default();
    let rows = AnnDataStore::open(&root).unwrap().representation("X").unwrap();
    rows.read(RowRange::new(0, 8), &mut tile).unwrap();
    let mut dense = [0f32; 24];
    (dense[0], dense[2], dense[7], dense[11], dense[19]) = (2.0, 1.0, 3.0, 4.0, 5.0);
    assert_eq!(tile.values, dense);
    assert_eq!((rows.dim(), rows.rows()), (3, 8));
}

#[test]
fn sparse_matrices_that_lie_are_refused() {
    type Damage = fn(&Path);
    let cases: [(&str, &str, &str, Damage); 19] = [
        ("shape 2^60", "GM_SCHEMA", "shape", |r| {
            group(r, "X", &json!({"encoding-type": "csr_matrix", "shape": [1u64 << 60, 3]}));
        }),
        ("shape that overflows", "GM_SCHEMA", "shape", |r| {
            group(r, "X", &json!({"encoding-type": "csr_matrix", "shape": [u64::MAX, u64::MAX]}));
        }),
        ("no shape", "GM_SCHEMA", "shape", |r| group(r, "X", &json!({"encoding-type": "csr_matrix"}))),
        ("shape of one number", "GM_SCHEMA", "shape", |r| {
            group(r, "X", &json!({"encoding-type": "csr_matrix", "shape": [8]}));
        }),
        ("other rows", "GM_SCHEMA", "shape", |r| {
            group(r, "X", &json!({"encoding-type": "csr_matrix", "shape": [9, 3]}));
        }),
        ("no columns", "GM_SCHEMA", "shape", |r| {
            group(r, "X", &json!({"encoding-type": "csr_matrix", "shape": [8, 0]}));
        }),
        ("legacy without shape", "GM_SCHEMA", "h5sparse_shape", |r| group(r, "X", &json!({"h5sparse_format": "csr"}))),
        ("fewer columns than indices", "GM_SCHEMA", "values", |r| {
            group(r, "X", &json!({"encoding-type": "csr_matrix", "shape": [8, 2]}));
        }),
        ("an index too large", "GM_SCHEMA", "values", |r| {
            array(r, "X/indices", "<i4", &[6], &bytes(&[2, 0, 1, 99, 1, 1]));
        }),
        ("an index below 0", "GM_SCHEMA", "values", |r| {
            array(r, "X/indices", "<i4", &[6], &bytes(&[2, 0, -1, 2, 1, 1]));
        }),
        ("floats as indices", "GM_SCHEMA", "data_type", |r| array(r, "X/indices", "<f4", &[6], &[0; 24])),
        ("fewer indices than values", "GM_SCHEMA", "shape", |r| array(r, "X/indices", "<i4", &[5], &[0; 20])),
        ("indices of two dimensions", "GM_SCHEMA", "shape", |r| array(r, "X/indices", "<i4", &[6, 1], &[0; 24])),
        ("starts beyond the entries", "GM_SCHEMA", "values", |r| {
            array(r, "X/indptr", "<i4", &[9], &bytes(&[0, 2, 2, 3, 4, 4, 4, 6, 7]));
        }),
        ("starts that run backwards", "GM_SCHEMA", "values", |r| {
            array(r, "X/indptr", "<i4", &[9], &bytes(&[0, 2, 1, 3, 4, 4, 4, 6, 6]));
        }),
        ("starts that skip entries", "GM_SCHEMA", "values", |r| {
            array(r, "X/indptr", "<i4", &[9], &bytes(&[1, 2, 2, 3, 4, 4, 4, 6, 6]));
        }),
        ("starts below 0", "GM_SCHEMA", "values", |r| {
            array(r, "X/indptr", "<i4", &[9], &bytes(&[0, -2, 2, 3, 4, 4, 4, 6, 6]));
        }),
        ("texts as values", "GM_SCHEMA", "data_type", |r| array(r, "X/data", "|S4", &[6], &[0; 24])),
        ("no values", "GM_NOT_FOUND", "X/data", |r| fs::remove_dir_all(r.join("X/data")).unwrap()),
    ];
    for (case, code, field, damage) in cases {
        let (_folder, root) = store(&csr());
        damage(&root);
        refused(case, &root, "X", code, field);
    }
}

#[test]
fn a_matrix_by_columns_is_read_where_it_is_small_and_refused_with_a_remedy_where_not() {
    let csc = json!({"encoding-type": "csc_matrix", "shape": [8, 3]});
    let (_folder, root) = store(&csc);
    array(&root, "X/indptr", "<i4", &[4], &bytes(&[0, 2, 3, 6]));
    array(&root, "X/indices", "<i4", &[6], &bytes(&[7, 0, 3, 1, 1, 2]));
    accepted(&root, "X");
    let mut tile = Tile::default();
    AnnDataStore::open(&root).unwrap().representation("X").unwrap().read(RowRange::new(0, 8), &mut tile).unwrap();
    assert_eq!(
        (tile.row(0), tile.row(1), tile.row(7)),
        (&[2.0, 0.0, 0.0][..], &[0.0, 0.0, 4.0][..], &[1.0, 0.0, 0.0][..])
    );
    // Nothing is stored of what it claims, so claiming costs nothing.
    let entries = 1usize << 40;
    for part in ["indices", "data"] {
        array(&root, &format!("X/{part}"), "<i4", &[6], &[]);
        let mut document: Value =
            serde_json::from_slice(&fs::read(root.join("X").join(part).join(".zarray")).unwrap()).unwrap();
        (document["shape"], document["chunks"]) = (json!([entries]), json!([1000]));
        fs::write(root.join("X").join(part).join(".zarray"), document.to_string()).unwrap();
        fs::remove_file(root.join("X").join(part).join("0")).unwrap();
    }
    refused("2^40 entries", &root, "X", "GM_UNSUPPORTED", "csc_matrix");
    let wide = json!({"encoding-type": "csc_matrix", "shape": [8, 1u64 << 40]});
    group(&root, "X", &wide);
    refused("other columns than pointers", &root, "X", "GM_SCHEMA", "shape");
}

#[test]
fn frames_that_are_no_numbers_are_refused() {
    let (_folder, root) = store(&csr());
    let frame = |columns: Value| json!({"encoding-type": "dataframe", "_index": "_index", "column-order": columns});
    group(&root, "obsm/frame", &frame(json!(["a", "b"])));
    array(&root, "obsm/frame/_index", "<i4", &[8], &[0; 32]);
    array(&root, "obsm/frame/a", "<i4", &[8], &bytes(&[1, 2, 3, 4, 5, 6, 7, 8]));
    array(&root, "obsm/frame/b", "|S1", &[8], b"abcdefgh");
    refused("texts", &root, "frame", "GM_UNSUPPORTED", "\"b\"");
    array(&root, "obsm/frame/b", "<i4", &[7], &[0; 28]);
    refused("a shorter column", &root, "frame", "GM_SHAPE", "frame/b");
    array(&root, "obsm/frame/b", "|b1", &[8], &[1; 8]);
    accepted(&root, "frame");
    group(&root, "obsm/frame", &frame(json!([])));
    refused("no column", &root, "frame", "GM_SCHEMA", "column-order");
    group(&root, "obsm/frame", &json!({"encoding-type": "awkward-array"}));
    refused("an awkward array", &root, "frame", "GM_UNSUPPORTED", "awkward-array");
}
