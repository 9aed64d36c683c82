//! Files that anndata and R wrote over the years, read as anndata reads them: each has the shapes, types, categories and
//! sums of its `.expected.json`. More such files are read where the variable `GIGAMAPPER_DATA` names their folder.

use std::path::{Path, PathBuf};

use gigamapper_core::source::{AnnDataStore, ColumnKind, Inspection, ObsColumn, RowSource, StringBlock, inspect};
use gigamapper_core::types::{RowRange, Tile};
use serde_json::Value;

/// Files with an expected content, in the folder of fixtures and in the one that the environment names.
fn files() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/h5ad");
    let others = std::env::var_os("GIGAMAPPER_DATA").map(PathBuf::from);
    if others.is_none() {
        eprintln!("GIGAMAPPER_DATA names no folder: the larger real files are not read");
    }
    let mut files: Vec<PathBuf> = [Some(fixtures), others]
        .into_iter()
        .flatten()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "h5ad") && expected_of(path).exists())
        .collect();
    files.sort();
    files
}

fn expected_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.expected.json", path.display()))
}

/// Sums of f32 differ by the order of their terms; `size` is the sum of their absolute values.
fn close(found: f64, expected: &Value, size: f64, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 2e-6 * size.max(1.0), "{what}: {found} is not {expected}");
}

fn each_value(rows: &dyn RowSource, mut each: impl FnMut(f64)) {
    let mut tile = Tile::default();
    rows.preflight().unwrap();
    for piece in RowRange::new(0, rows.rows()).pieces(97) {
        rows.read(piece, &mut tile).unwrap();
        tile.values.iter().for_each(|&value| each(f64::from(value)));
    }
}

fn sum(rows: &dyn RowSource, expected: &Value, what: &str) {
    let (mut total, mut size) = (0.0, 0.0);
    each_value(rows, |value| {
        total += value;
        size += value.abs();
    });
    close(total, expected, size, what);
}

fn check_column(column: &ObsColumn, expected: &Value, report: &Inspection, what: &str) {
    let found = &report.obs[column.key()];
    assert_eq!(found.dtype, expected["dtype"].as_str().unwrap(), "{what}");
    assert_eq!(Some(found.missing), expected["missing"].as_u64(), "{what}");
    let all = RowRange::new(0, column.rows());
    match column.kind() {
        ColumnKind::Categorical { categories, ordered } => {
            let labels: Vec<String> = (0..categories.len()).map(|index| categories.label(index)).collect();
            let wanted: Vec<&str> =
                expected["categories"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
            assert_eq!(labels, wanted, "{what}");
            assert_eq!(*ordered, expected["ordered"].as_bool().unwrap(), "{what}");
            let mut codes = Vec::new();
            column.read_codes(all, &mut codes).unwrap();
            assert_eq!(
                codes.iter().map(|&code| i64::from(code)).sum::<i64>(),
                expected["codes_sum"].as_i64().unwrap(),
                "{what}"
            );
        }
        _ => {
            let mut numbers = Vec::new();
            column.read_numbers(all, &mut numbers).unwrap();
            let size = numbers.iter().map(|value| value.abs()).sum();
            close(numbers.iter().sum(), &expected["sum"], size, what);
        }
    }
}

#[test]
fn real_files_read_as_anndata_reads_them() {
    let files = files();
    assert!(files.len() >= 2, "{files:?}");
    for path in files {
        let expected: Value = serde_json::from_slice(&std::fs::read(expected_of(&path)).unwrap()).unwrap();
        let store = AnnDataStore::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let report = inspect(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(report.format, "h5ad");
        assert_eq!(
            (Some(store.n_obs()), Some(store.n_vars())),
            (expected["n_obs"].as_u64(), expected["n_vars"].as_u64())
        );
        assert_eq!(serde_json::to_value(&report.obs_names_first).unwrap(), expected["obs_names_first"], "{name}");
        let mut last = StringBlock::default();
        store.names().unwrap().read(RowRange::new(store.n_obs() - 1, store.n_obs()), &mut last).unwrap();
        assert_eq!(last.get(0), expected["obs_names_last"].as_str().unwrap(), "{name}");

        let columns = expected["obs"].as_object().unwrap();
        assert_eq!(report.obs.len(), columns.len(), "{name}");
        for (key, expected) in columns {
            let column = store.column(key).unwrap();
            check_column(&column, expected, &report, &format!("{name} obs {key}"));
        }
        for (key, expected) in expected["obsm"].as_object().unwrap() {
            let what = format!("{name} obsm {key}");
            let found = &report.obsm[key];
            assert_eq!(serde_json::to_value(&found.shape).unwrap(), expected["shape"], "{what}");
            let kind = match expected["kind"].as_str().unwrap() {
                "ndarray" => "array",
                "csr_matrix" | "csc_matrix" => "sparse",
                other => other,
            };
            assert_eq!(found.kind, kind, "{what}");
            if kind == "array" {
                assert_eq!(found.dtype.as_deref(), expected["dtype"].as_str(), "{what}");
                sum(&store.representation(key).unwrap(), &expected["sum"], &what);
            }
        }
        for (key, expected) in expected["layers"].as_object().unwrap().iter().filter(|(key, _)| *key != "null") {
            let what = format!("{name} layer {key}");
            let found = &report.layers[key];
            let kind = match expected["kind"].as_str().unwrap() {
                "ndarray" => "dense",
                sparse => sparse.trim_end_matches("_matrix"),
            };
            assert_eq!(found.kind, kind, "{what}");
            assert_eq!(serde_json::to_value(&found.shape).unwrap(), expected["shape"], "{what}");
            assert_eq!(found.dtype.as_deref(), expected["dtype"].as_str(), "{what}");
            assert_eq!(found.nnz, expected["nnz"].as_u64(), "{what}");
        }
    }
}
