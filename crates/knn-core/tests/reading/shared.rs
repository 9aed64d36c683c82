//! Real files of other people, as their `expected.json` says: small ones from the fixtures, all where they lie beside the
//! project.

use std::path::{Path, PathBuf};

use gigamapper_core::source::{AnnDataStore, RowSource, StringBlock, inspect};
use gigamapper_core::types::{RowRange, Tile};
use serde_json::{Value, json};

use super::{expected, fixtures};

/// Sums agree to this part of the sum of all sizes: numpy adds in another order, and floats as floats.
const TOLERANCE: f64 = 1e-6;

fn close(found: f64, size: f64, wanted: &Value, what: &str) {
    let wanted = wanted.as_f64().unwrap();
    assert!((found - wanted).abs() <= TOLERANCE * (1.0 + size), "{what}: {found} and not {wanted}");
}

/// Checks the sum of all values.
fn check_sum(rows: &dyn RowSource, wanted: &Value, what: &str) {
    let mut tile = Tile::default();
    rows.read(RowRange::new(0, rows.rows()), &mut tile).unwrap();
    let values = || tile.values.iter().map(|value| f64::from(*value));
    close(values().sum(), values().map(f64::abs).sum(), wanted, what);
}

fn check_column(path: &Path, store: &AnnDataStore, key: &str, wanted: &Value) {
    let report = &inspect(path).unwrap().obs[key];
    assert_eq!(
        (json!(report.dtype), json!(report.missing)),
        (wanted["dtype"].clone(), wanted["missing"].clone()),
        "{key}"
    );
    if let Some(categories) = wanted.get("categories") {
        let mut codes = Vec::new();
        store.column(key).unwrap().read_codes(RowRange::new(0, store.n_obs()), &mut codes).unwrap();
        let sum: i64 = codes.iter().map(|&code| i64::from(code)).sum();
        assert_eq!((&json!(report.categories), &json!(sum)), (categories, &wanted["codes_sum"]), "{key}");
        assert_eq!(json!(report.ordered), wanted["ordered"], "{key}");
    }
    if let Some(total) = wanted.get("sum") {
        close(report.sum.unwrap(), report.sum.unwrap().abs(), total, key);
    }
}

fn check(path: &Path) {
    let wanted = expected(path);
    let store = AnnDataStore::open(path).unwrap();
    let report = inspect(path).unwrap();
    assert_eq!((json!(report.n_obs), json!(report.n_vars)), (wanted["n_obs"].clone(), wanted["n_vars"].clone()));
    assert_eq!(json!(report.obs_names_first), wanted["obs_names_first"]);
    let mut names = StringBlock::default();
    store.names().unwrap().read(RowRange::new(store.n_obs() - 1, store.n_obs()), &mut names).unwrap();
    assert_eq!(json!(names.get(0)), wanted["obs_names_last"]);
    let keys = |object: &Value| {
        let mut keys: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let mut columns = store.obs_keys();
    columns.sort();
    assert_eq!(columns, keys(&wanted["obs"]));
    for (key, wanted) in wanted["obs"].as_object().unwrap() {
        check_column(path, &store, key, wanted);
    }
    assert_eq!(report.obsm.keys().cloned().collect::<Vec<_>>(), keys(&wanted["obsm"]));
    for (key, wanted) in wanted["obsm"].as_object().unwrap() {
        let found = &report.obsm[key];
        let kind = match wanted["kind"].as_str().unwrap() {
            "ndarray" => "array",
            "csr_matrix" | "csc_matrix" => "sparse",
            other => other,
        };
        assert_eq!((found.kind.as_str(), &json!(found.shape)), (kind, &wanted["shape"]), "{key}");
        if kind != "dataframe" {
            assert_eq!(json!(found.dtype), wanted["dtype"], "{key}");
            check_sum(&*store.representation(key).unwrap(), &wanted["sum"], key);
        }
    }
    // "null" is how anndata lists X once more among the layers.
    for (key, wanted) in wanted["layers"].as_object().unwrap().iter().filter(|(key, _)| *key != "null") {
        let found = &report.layers[key];
        let kind = match wanted["kind"].as_str().unwrap() {
            "ndarray" => "dense",
            "csr_matrix" => "csr",
            _ => "csc",
        };
        let name = if key == "X" { key.clone() } else { format!("layers/{key}") };
        assert_eq!((found.kind.as_str(), &json!(found.shape)), (kind, &wanted["shape"]), "{key}");
        assert_eq!((&json!(found.dtype), &json!(found.nnz)), (&wanted["dtype"], &wanted["nnz"]), "{key}");
        check_sum(&*store.representation(&name).unwrap(), &wanted["sum"], key);
    }
}

fn is_store(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with("-adata.zarr.zip") || name.ends_with(".h5ad")
}

fn archives(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| is_store(path)).collect();
    paths.sort();
    paths
}

#[test]
fn small_real_stores_read_as_anndata_reads_them() {
    for folder in [fixtures(), fixtures().with_file_name("h5ad")] {
        let found = archives(&folder);
        assert_eq!(found.len(), 2);
        for path in &found {
            check(path);
        }
    }
}

#[test]
fn real_stores_beside_the_project_read_as_anndata_reads_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let found = archives(&folder);
    if found.is_empty() {
        println!("skipped: no stores in {}", folder.display());
    }
    for path in &found {
        check(path);
    }
}
