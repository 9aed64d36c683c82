//! Stores that are read as one: rows, names, columns, and what cannot be one.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::Result;
use crate::source::testing::{Spec, anndata, array, floats, group, node, strings};
use crate::source::{AnnDataStore, Categories, ColumnKind, StringBlock, inspect};
use crate::types::{DType, RowRange, Tile};

const COLUMNS: [&str; 4] = ["label", "whole", "number", "seen"];

/// A store of `n` cells with a column of each kind, in a folder of its own.
struct One {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

/// Categories as said; the i-th cell has the code i modulo their number, the last cell none.
fn one(n: u64, first: f32, labels: &[&str], whole: DType, dim: u64) -> One {
    let (folder, root) = anndata(n as usize, &COLUMNS);
    let values = floats((0..n * dim).map(|value| first + value as f32));
    array(&root, "obsm/X_pca", &Spec::new(DType::Float32, &[n, dim]).chunks(&[3, dim]), &values);
    group(&root, "obs/label", &json!({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": true}));
    let code = |cell: u64| if cell + 1 == n { 255 } else { (cell % labels.len() as u64) as u8 };
    array(&root, "obs/label/codes", &Spec::new(DType::Int8, &[n]), &(0..n).map(code).collect::<Vec<_>>());
    strings(&root, "obs/label/categories", &Spec::new(DType::String, &[labels.len() as u64]), labels);
    let size = whole.size().unwrap();
    let wholes: Vec<u8> = (1..=n as u8).flat_map(|cell| [vec![cell], vec![0; size - 1]].concat()).collect();
    array(&root, "obs/whole", &Spec::new(whole, &[n]), &wholes);
    array(&root, "obs/number", &Spec::new(DType::Float32, &[n]), &floats((0..n).map(|cell| first + cell as f32)));
    group(&root, "obs/seen", &json!({"encoding-type": "nullable-boolean", "encoding-version": "0.1.0"}));
    array(&root, "obs/seen/values", &Spec::new(DType::Bool, &[n]), &vec![1; n as usize]);
    let mask: Vec<u8> = (0..n).map(|cell| u8::from(cell == 1)).collect();
    array(&root, "obs/seen/mask", &Spec::new(DType::Bool, &[n]), &mask);
    One { _folder: folder, root }
}

fn both(left: &One, right: &One) -> PathBuf {
    PathBuf::from(format!("{},{}", left.root.display(), right.root.display()))
}

fn code(result: Result<impl Sized>) -> &'static str {
    result.err().map_or("ok", |error| error.code())
}

fn all(store: &AnnDataStore) -> RowRange {
    RowRange::new(0, store.n_obs())
}

#[test]
fn rows_names_and_columns_lie_one_store_behind_the_other() {
    let (left, right) = (one(5, 0.0, &["B", "T"], DType::Int64, 2), one(4, 100.0, &["NK", "T"], DType::Int64, 2));
    let store = AnnDataStore::open(&both(&left, &right)).unwrap();
    assert_eq!(store.n_obs(), 9);
    let rows = store.representation("X_pca").unwrap();
    let mut tile = Tile::default();
    rows.read(RowRange::new(4, 7), &mut tile).unwrap();
    assert_eq!(tile.values, [8.0, 9.0, 100.0, 101.0, 102.0, 103.0]);
    let mut ends = vec![0];
    while *ends.last().unwrap() < rows.rows() {
        ends.push(rows.band_end(*ends.last().unwrap()));
    }
    assert_eq!(ends, [0, 3, 5, 8, 9]);
    let mut names = StringBlock::default();
    store.names().unwrap().read(RowRange::new(3, 7), &mut names).unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["cell3", "cell4", "cell0", "cell1"]);

    let label = store.column("label").unwrap();
    let Some(Categories::Strings(labels)) = label.categories() else { panic!("{:?}", label.kind()) };
    assert_eq!(labels, &["B", "T", "NK"]);
    assert!(matches!(label.kind(), ColumnKind::Categorical { ordered: false, .. }));
    let mut codes = Vec::new();
    label.read_codes(all(&store), &mut codes).unwrap();
    assert_eq!(codes, [0, 1, 0, 1, -1, 2, 1, 2, -1]);
    let whole = store.column("whole").unwrap();
    assert_eq!((whole.dtype(), whole.is_nullable()), (Some(DType::Int64), false));
    let mut numbers = Vec::new();
    store.column("number").unwrap().read_numbers(RowRange::new(4, 6), &mut numbers).unwrap();
    assert_eq!(numbers, [4.0, 100.0]);
    store.column("seen").unwrap().read_codes(all(&store), &mut codes).unwrap();
    assert_eq!(codes, [1, -1, 1, 1, 1, 1, -1, 1, 1]);
    let from = store.column("gigamapper_store").unwrap();
    from.read_codes(all(&store), &mut codes).unwrap();
    assert_eq!(codes, [0, 0, 0, 0, 0, 1, 1, 1, 1]);
    assert_eq!(from.categories().unwrap().label(1), right.root.display().to_string());
}

#[test]
fn an_order_stays_where_all_stores_have_it_and_types_that_differ_become_f64() {
    let (left, right) = (one(3, 0.0, &["B", "T"], DType::Int64, 2), one(3, 9.0, &["B", "T"], DType::Int16, 2));
    let store = AnnDataStore::open(&both(&left, &right)).unwrap();
    let label = store.column("label").unwrap();
    assert!(matches!(label.kind(), ColumnKind::Categorical { ordered: true, .. }));
    let whole = store.column("whole").unwrap();
    assert_eq!(whole.dtype(), Some(DType::Float64));
    let mut numbers = Vec::new();
    whole.read_numbers(all(&store), &mut numbers).unwrap();
    assert_eq!(numbers, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
}

#[test]
fn what_cannot_be_one_is_refused_with_the_stores_named() {
    let (left, right) = (one(3, 0.0, &["B"], DType::Int64, 2), one(3, 0.0, &["B"], DType::Int64, 3));
    let store = AnnDataStore::open(&both(&left, &right)).unwrap();
    let error = store.representation("X_pca").err().unwrap();
    assert_eq!(error.code(), "GM_SHAPE");
    for part in [&left, &right] {
        assert!(error.to_string().contains(part.root.to_str().unwrap()), "{error}");
    }
    assert_eq!(code(store.representation("X_other")), "GM_NOT_FOUND");
    assert_eq!(code(store.representation("X")), "GM_UNSUPPORTED");
    group(&left.root, "obs/number", &json!({"encoding-type": "categorical", "encoding-version": "0.2.0"}));
    array(&left.root, "obs/number/codes", &Spec::new(DType::Int8, &[3]), &[0, 0, 0]);
    strings(&left.root, "obs/number/categories", &Spec::new(DType::String, &[1]), &["one"]);
    let error = AnnDataStore::open(&both(&left, &right)).unwrap().column("number").unwrap_err();
    assert_eq!(error.code(), "GM_SCHEMA");
    assert!(error.to_string().contains(left.root.to_str().unwrap()), "{error}");
    let absent = PathBuf::from(format!("{},/nowhere/at/all.zarr", left.root.display()));
    assert_eq!(code(AnnDataStore::open(&absent)), "GM_NOT_FOUND");
}

/// A column of points in time, or of lengths.
fn times(store: &One, name: &str, unit: &str, values: &[i64]) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let n = values.len() as u64;
    array(&store.root, "obs/number", &Spec::new(DType::Int64, &[n]), &bytes);
    let mut spec = Spec::new(DType::Int64, &[n]).json(&json!({"encoding-type": "array", "encoding-version": "0.2.0"}));
    spec["data_type"] = json!({"name": name, "configuration": {"unit": unit, "scale_factor": 1}});
    node(&store.root, "obs/number", &spec);
}

#[test]
fn times_of_one_unit_are_one() {
    let (left, right) = (one(3, 0.0, &["B"], DType::Int64, 2), one(2, 0.0, &["B"], DType::Int64, 2));
    for (name, kind) in [
        ("numpy.datetime64", ColumnKind::Datetime { unit: "us".into() }),
        ("numpy.timedelta64", ColumnKind::Timedelta { unit: "us".into() }),
    ] {
        times(&left, name, "us", &[5, i64::MIN, 7]);
        times(&right, name, "us", &[-9, 10]);
        let store = AnnDataStore::open(&both(&left, &right)).unwrap();
        let column = store.column("number").unwrap();
        assert_eq!(column.kind(), &kind);
        let mut numbers = Vec::new();
        column.read_numbers(all(&store), &mut numbers).unwrap();
        assert!(numbers[1].is_nan() && numbers[0] == 5.0 && numbers[2..] == [7.0, -9.0, 10.0], "{numbers:?}");
        assert_eq!(inspect(&both(&left, &right)).unwrap().obs["number"].kind, kind.name());
        // Thinned out they are the same.
        let some = PathBuf::from(format!("{}[whole > 1]", both(&left, &right).display()));
        let some = AnnDataStore::open(&some).unwrap();
        assert_eq!(some.column("number").unwrap().kind(), &kind);
        // What counts something else is another thing.
        times(&right, name, "ns", &[-9, 10]);
        let error = AnnDataStore::open(&both(&left, &right)).unwrap().column("number").unwrap_err();
        assert_eq!(error.code(), "GM_SCHEMA");
        assert!(error.to_string().contains("\"ns\"") && error.to_string().contains("one unit"), "{error}");
    }
}

/// Moves stores into one as its parts.
fn parts(stores: &[&One]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("parts.zarr");
    group(&root, "", &json!({}));
    for (number, store) in stores.iter().enumerate() {
        std::fs::rename(&store.root, root.join(format!("dataset_{number}"))).unwrap();
    }
    (folder, root)
}

#[test]
fn parts_of_a_store_are_one_and_none_may_be_missing() {
    let stores = [one(3, 0.0, &["B"], DType::Int64, 2), one(2, 50.0, &["T"], DType::Int64, 2)];
    let (_folder, root) = parts(&[&stores[0], &stores[1]]);
    let found = inspect(&root).unwrap();
    assert_eq!((found.n_obs, found.format.as_str(), found.zarr_format), (5, "zarr", Some(3)));
    let told: Vec<_> = found.stores.iter().map(|store| (Path::new(&store.path), store.n_obs)).collect();
    assert_eq!(told, [(root.join("dataset_0").as_path(), 3), (root.join("dataset_1").as_path(), 2)]);
    assert_eq!(found.obs["label"].categories.as_deref(), Some(&["B".to_owned(), "T".to_owned()][..]));
    assert_eq!(found.obs["label"].missing, 2);
    assert_eq!(found.obsm["X_pca"].shape, [5, 2]);
    assert!(found.obs.contains_key("gigamapper_store"));
    std::fs::rename(root.join("dataset_1"), root.join("dataset_2")).unwrap();
    assert_eq!(code(AnnDataStore::open(&root)), "GM_NOT_FOUND");
}
