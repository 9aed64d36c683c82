use std::path::Path;

use serde_json::{Value, json};

use super::{CellsDescription, hold, release};
use crate::error::{Error, Result};
use crate::source::{AnnDataStore, StringBlock, inspect};
use crate::types::{DType, RowRange, Tile};

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

/// Six numbers in three cells, and what else is asked for.
fn described(more: &Value) -> Value {
    let mut all = json!({
        "name": "cells in memory",
        "matrix": { "x": { "array": 0, "dtype": "float32" }, "shape": [3, 2] },
    });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

fn held(description: Value, arrays: Vec<Vec<u8>>) -> Result<String> {
    hold(serde_json::from_value(description).unwrap(), arrays)
}

#[test]
fn what_is_given_is_read_as_an_anndata() {
    let more = json!({
        "names": ["a", "b", "c"],
        "obs": {
            "label": { "labels": ["T", null, "B"] },
            "coded": { "codes": { "array": 1, "dtype": "int8" }, "categories": ["z", "y"], "ordered": true },
            "score": { "values": { "array": 2, "dtype": "float32" } },
            "flag": { "values": { "array": 3, "dtype": "bool" } },
        },
        "obsm": { "wide": { "x": { "array": 4, "dtype": "float64" }, "shape": [3, 1] } },
    });
    let wide = [7.0f64, 8.0, 9.0].iter().flat_map(|value| value.to_ne_bytes()).collect();
    let x = f32s(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let arrays = vec![x, vec![1, 0xff, 0], f32s(&[0.5, f32::NAN, 2.0]), vec![1, 0, 1], wide];
    let path = held(described(&more), arrays).unwrap();
    let store = AnnDataStore::open(Path::new(&path)).unwrap();
    assert_eq!((store.name(), store.n_obs()), ("cells in memory", 3));
    assert!(store.container().held_bytes() >= 24 + 3 + 12 + 3 + 24);

    let mut tile = Tile::default();
    let rows = |key: &str| store.representation(key).unwrap();
    rows("anything").read(RowRange::new(1, 3), &mut tile).unwrap();
    assert_eq!(tile.values, [2.0, 3.0, 4.0, 5.0]);
    rows("wide").read(RowRange::new(0, 3), &mut tile).unwrap();
    assert_eq!((tile.values.as_slice(), rows("wide").dtype()), ([7.0, 8.0, 9.0].as_slice(), DType::Float64));
    let mut names = StringBlock::default();
    store.names().unwrap().read(RowRange::new(0, 3), &mut names).unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["a", "b", "c"]);

    let codes = |key: &str| {
        let (column, mut codes) = (store.column(key).unwrap(), Vec::new());
        column.read_codes(RowRange::new(0, 3), &mut codes).unwrap();
        let categories = column.categories().unwrap().clone();
        (codes, (0..categories.len()).map(|code| categories.label(code)).collect::<Vec<_>>())
    };
    assert_eq!(codes("label"), (vec![1, -1, 0], vec!["B".to_owned(), "T".to_owned()]));
    assert_eq!(codes("coded"), (vec![1, -1, 0], vec!["z".to_owned(), "y".to_owned()]));
    assert_eq!(codes("flag").0, [1, 0, 1]);
    let mut numbers = Vec::new();
    store.column("score").unwrap().read_numbers(RowRange::new(0, 3), &mut numbers).unwrap();
    assert!(numbers[0] == 0.5 && numbers[1].is_nan() && numbers[2] == 2.0);

    let report = inspect(Path::new(&path)).unwrap();
    assert_eq!(
        (report.format.as_str(), report.obsm.len(), report.layers["X"].shape.clone()),
        ("memory", 1, vec![3, 2])
    );
    assert_eq!((report.obs["label"].missing, report.obs["coded"].ordered), (1, Some(true)));
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);

    release(&path);
    assert_eq!(AnnDataStore::open(Path::new(&path)).unwrap_err().code(), "GM_NOT_FOUND");
    rows("wide").read(RowRange::new(0, 3), &mut tile).unwrap();
}

#[test]
fn cells_without_names_have_numbers_and_equal_cells_have_equal_fingerprints() {
    let hash = |values: &[f32]| {
        let path = held(described(&json!({})), vec![f32s(values)]).unwrap();
        let store = AnnDataStore::open(Path::new(&path)).unwrap();
        release(&path);
        let mut names = StringBlock::default();
        store.names().unwrap().read(RowRange::new(0, 3), &mut names).unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["0", "1", "2"]);
        store.representation("X_pca").unwrap().fingerprint(0).unwrap()
    };
    assert_eq!(hash(&[1.0; 6]), hash(&[1.0; 6]));
    assert_ne!(hash(&[1.0; 6]), hash(&[1.0, 1.0, 1.0, 1.0, 1.0, 2.0]));
}

#[test]
fn cells_that_contradict_themselves_are_refused_by_the_field() {
    let numbers = |array: usize, dtype: &str| json!({ "array": array, "dtype": dtype });
    let matrix = |shape: Value| json!({ "matrix": { "x": numbers(0, "float32"), "shape": shape } });
    let column = |column: Value| json!({ "obs": { "k": column } });
    let coded = |codes: Value, categories: Value| column(json!({ "codes": codes, "categories": categories }));
    let second = |shape: Value| json!({ "obsm": { "U": { "x": numbers(1, "int8"), "shape": shape } } });
    let cases = [
        ("GM_SHAPE", "x", matrix(json!([2, 2]))),
        ("GM_SHAPE", "x", matrix(json!([1e12, 1e7]))),
        ("GM_PARAM", "shape", matrix(json!([6]))),
        ("GM_PARAM", "shape", matrix(json!([6, 0]))),
        ("GM_PARAM", "shape", matrix(json!([-3, -2]))),
        ("GM_PARAM", "shape", matrix(json!([1.5, 4]))),
        ("GM_PARAM", "x", json!({ "matrix": { "x": numbers(7, "float32"), "shape": [3, 2] } })),
        ("GM_PARAM", "x", json!({ "matrix": { "x": numbers(0, "bool"), "shape": [3, 8] } })),
        ("GM_SHAPE", "names", json!({ "names": ["a"] })),
        ("GM_PARAM", "obs", json!({ "obs": { "a/b": { "labels": ["a", "b", "c"] } } })),
        ("GM_PARAM", "obs", json!({ "obs": { "_index": { "labels": ["a", "b", "c"] } } })),
        ("GM_SHAPE", "obs.k", column(json!({ "labels": ["a"] }))),
        ("GM_PARAM", "obs.k", column(json!({}))),
        ("GM_PARAM", "obs.k", column(json!({ "labels": ["a", "b", "c"], "values": numbers(1, "int8") }))),
        ("GM_PARAM", "obs.k", column(json!({ "codes": numbers(1, "int8") }))),
        ("GM_SHAPE", "obs.k", column(json!({ "values": numbers(1, "uint8") }))),
        ("GM_PARAM", "obs.k", column(json!({ "values": numbers(1, "int64") }))),
        ("GM_PARAM", "obs.k", column(json!({ "values": numbers(0, "float32") }))),
        ("GM_SHAPE", "obs.k.codes", coded(numbers(1, "int8"), json!(["a"]))),
        ("GM_PARAM", "obs.k.codes", coded(numbers(2, "float32"), json!(["a"]))),
        ("GM_PARAM", "obs.k.categories", coded(numbers(2, "int8"), json!(["a", "a"]))),
        ("GM_SCHEMA", "obs.k.codes", coded(numbers(2, "int8"), json!(["a"]))),
        ("GM_SCHEMA", "obs.k.codes", coded(numbers(3, "uint8"), json!(["a", "b"]))),
        ("GM_SHAPE", "obsm.U.x", second(json!([3, 2]))),
        ("GM_SHAPE", "obsm.U.shape", second(json!([2, 1]))),
        ("GM_PARAM", "table", json!({ "table": 0 })),
        ("GM_PARAM", "x", json!({ "matrix": null })),
    ];
    for (code, field, more) in cases {
        let arrays = vec![f32s(&[0.0; 6]), vec![0, 0], vec![0, 1, 0], vec![0, 1, 0xff]];
        let error = held(described(&more), arrays).unwrap_err();
        let named = match &error {
            Error::Param { name, .. } => name.clone(),
            Error::Schema { field, .. } => field.clone(),
            Error::Shape { left, .. } => left.trim_start_matches("cells in memory: ").to_owned(),
            other => panic!("{other}"),
        };
        assert_eq!((error.code(), named.as_str()), (code, field), "{more}: {error}");
    }
    assert_eq!(CellsDescription::parse("{\"n\": 3}").unwrap_err().code(), "GM_PARAM");
}

#[test]
fn a_table_is_read_from_its_bytes() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/columnar");
    for name in ["plain.arrow", "plain.arrows", "zstd.feather", "snappy.parquet"] {
        let file = fixtures.join(name);
        let bytes = std::fs::read(&file).unwrap();
        let length = bytes.len() as u64;
        let path = held(json!({ "name": "a table", "table": 0 }), vec![bytes]).unwrap();
        let (given, stored) = (AnnDataStore::open(Path::new(&path)).unwrap(), AnnDataStore::open(&file).unwrap());
        release(&path);
        assert!(given.container().held_bytes() >= length && stored.container().held_bytes() == 0);
        assert_eq!((given.n_obs(), given.obs_keys()), (stored.n_obs(), stored.obs_keys()), "{name}");
        for key in stored.obsm_keys() {
            let hash = |store: &AnnDataStore| store.representation(&key).unwrap().fingerprint(3).unwrap();
            assert_eq!(hash(&given), hash(&stored), "{name}: {key}");
        }
    }
    let error = held(json!({ "name": "a table", "table": 0 }), vec![b"no table".to_vec()]).unwrap_err();
    assert_eq!(error.code(), "GM_SCHEMA", "{error}");
}
