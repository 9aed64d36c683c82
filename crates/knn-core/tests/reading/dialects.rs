//! The same cells in every dialect of AnnData: names, columns and matrices as anndata has them.

use std::path::Path;

use gigamapper_core::source::{AnnDataStore, ColumnKind, ObsColumn, RowSource, StringBlock, inspect};
use gigamapper_core::types::{RowRange, Tile};
use serde_json::{Value, json};

use super::archive::{End, archive, packed};
use super::{expected, fixtures};

fn column(column: &ObsColumn) -> Value {
    let all = RowRange::new(0, column.rows());
    if let ("categorical", Some(categories)) = (column.kind().name(), column.categories()) {
        let mut codes = Vec::new();
        column.read_codes(all, &mut codes).unwrap();
        let labels: Vec<_> = (0..categories.len()).map(|index| categories.label(index)).collect();
        let ordered = matches!(column.kind(), ColumnKind::Categorical { ordered: true, .. });
        return json!({"codes": codes, "categories": labels, "ordered": ordered});
    }
    if column.kind().name() == "string" {
        let (mut block, mut missing) = (StringBlock::default(), Vec::new());
        column.read_strings(all, &mut block, &mut missing).unwrap();
        return json!({"texts": block.iter().collect::<Vec<_>>()});
    }
    let mut numbers = Vec::new();
    column.read_numbers(all, &mut numbers).unwrap();
    let numbers: Vec<_> = numbers.iter().map(|number| (!number.is_nan()).then_some(*number)).collect();
    json!({"numbers": numbers})
}

/// Reads in uneven pieces, as a pass would, so that pieces meet chunks and rows everywhere.
fn values(rows: &dyn RowSource) -> Vec<f32> {
    let (mut tile, mut values) = (Tile::default(), Vec::new());
    let mut next = 0;
    for step in [1u64, 7, 3, 1000] {
        let end = (next + step).min(rows.rows());
        rows.read(RowRange::new(next, end), &mut tile).unwrap();
        assert_eq!((tile.first_row, tile.dim), (next, rows.dim()));
        values.extend_from_slice(&tile.values);
        next = end;
    }
    // And once more from the start: what was kept of the end is of no use then.
    rows.read(RowRange::new(0, rows.rows()), &mut tile).unwrap();
    assert_eq!(tile.values, values);
    values
}

#[track_caller]
fn agrees(path: &Path, expected: &Value) {
    let store = AnnDataStore::open(path).unwrap();
    let name = store.name();
    let mut names = StringBlock::default();
    store.names().unwrap().read(RowRange::new(0, store.n_obs()), &mut names).unwrap();
    assert_eq!(json!(names.iter().collect::<Vec<_>>()), expected["names"], "{name}");
    for (key, wanted) in expected["obs"].as_object().unwrap() {
        let found = store.column(key).unwrap();
        found.preflight().unwrap();
        assert_eq!(&column(&found), wanted, "{name} {key}");
        assert_eq!(found.fingerprint(1).unwrap(), store.column(key).unwrap().fingerprint(1).unwrap());
    }
    for (key, wanted) in expected["matrices"].as_object().unwrap() {
        let rows = store.representation(key).unwrap_or_else(|error| panic!("{name} {key}: {error}"));
        rows.preflight().unwrap();
        let wanted: Vec<f32> = wanted.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        assert_eq!(values(&*rows), wanted, "{name} {key}");
        assert_eq!(rows.fingerprint(1).unwrap(), store.representation(key).unwrap().fingerprint(1).unwrap());
        assert!(rows.scratch_bytes(rows.rows()) < 64 << 20 && rows.stored_bytes() > 0, "{key}");
    }
    let report = inspect(path).unwrap();
    assert_eq!(report.obs.len(), store.obs_keys().len(), "{:?}", report.skipped);
}

#[test]
fn the_same_cells_are_read_from_every_dialect() {
    for name in ["cells-v2.zarr.zip", "cells-v3.zarr.zip", "cells-0.6.zarr.zip"] {
        let path = fixtures().join(name);
        agrees(&path, &expected(&path));
    }
}

#[test]
fn a_folder_and_every_kind_of_archive_of_it_are_the_same_store() {
    let path = fixtures().join("cells-v2.zarr.zip");
    let wanted = expected(&path);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cells.zarr");
    unpack(&path, &root);
    agrees(&root, &wanted);
    let print =
        |path: &Path| AnnDataStore::open(path).unwrap().representation("X_pca").unwrap().fingerprint(0).unwrap();
    let first = print(&root);
    for (number, (prefix, method, wide)) in
        [("", 0, false), ("", 8, false), ("cells.zarr/", 0, false), ("", 0, true), ("cells.zarr/", 8, true)]
            .into_iter()
            .enumerate()
    {
        let mut members = packed(&root, prefix);
        for member in &mut members {
            (member.method, member.wide) = (method, wide);
        }
        let file = folder.path().join(format!("{number}.zip"));
        std::fs::write(&file, archive(&members, &End { wide, ..End::default() })).unwrap();
        agrees(&file, &wanted);
        assert_eq!(print(&file), first);
        assert_eq!(print(&file), print(&path));
    }
}

/// The members of an archive as files.
pub(crate) fn unpack(path: &Path, root: &Path) {
    let bytes = std::fs::read(path).unwrap();
    // Local headers, one after the other.
    let mut at = 0;
    while bytes[at..].starts_with(b"PK\x03\x04") {
        let number = |offset: usize, len: usize| {
            bytes[at + offset..at + offset + len].iter().rev().fold(0usize, |n, b| n << 8 | usize::from(*b))
        };
        let (method, packed, name_len, extra) = (number(8, 2), number(18, 4), number(26, 2), number(28, 2));
        let name = std::str::from_utf8(&bytes[at + 30..at + 30 + name_len]).unwrap();
        let start = at + 30 + name_len + extra;
        let mut content = bytes[start..start + packed].to_vec();
        if method == 8 {
            let mut inflated = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(&*content), &mut inflated).unwrap();
            content = inflated;
        }
        if !name.ends_with('/') {
            let file = root.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        at = start + packed;
    }
}

#[test]
fn a_modality_is_named_by_its_path() {
    let path = fixtures().join("modalities.zarr.zip");
    let wanted = expected(&path);
    for modality in ["mod/rna", "mod/prot"] {
        agrees(&path.join(modality), &wanted);
    }
    let error = AnnDataStore::open(&path).unwrap_err();
    assert_eq!(error.code(), "GM_UNSUPPORTED");
    assert!(error.hint().unwrap().contains("modalities.zarr.zip/mod/rna"), "{error}");
    let error = AnnDataStore::open(&path.join("mod/atac")).unwrap_err();
    assert_eq!(error.code(), "GM_NOT_FOUND");
    assert!(error.hint().unwrap().contains("mod/prot"), "{error}");
    assert_eq!(AnnDataStore::open(&path.join("mod/../mod/rna")).unwrap_err().code(), "GM_NOT_FOUND");
    assert_eq!(AnnDataStore::open(&path.join("mod/rna/obs/_index")).unwrap_err().code(), "GM_SCHEMA");
}

#[test]
fn what_cannot_be_a_representation_is_named() {
    let store = AnnDataStore::open(&fixtures().join("anndata-v0.7.0-adata.zarr.zip")).unwrap();
    let error = store.representation("df").map(drop).unwrap_err();
    assert_eq!(error.code(), "GM_UNSUPPORTED");
    assert!(error.to_string().contains("\"cat\""), "{error}");
    let error = store.representation("layers/none").map(drop).unwrap_err();
    assert_eq!((error.code(), error.hint().unwrap().contains("layers/sparse")), ("GM_NOT_FOUND", true));
    let empty = AnnDataStore::open(&fixtures().join("anndata-v0.11.4-adata.zarr.zip")).unwrap();
    assert_eq!(empty.representation("X").map(drop).unwrap_err().code(), "GM_NOT_FOUND");
}
