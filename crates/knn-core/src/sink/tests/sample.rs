//! A store whose every value is a function of its row.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::error::Result;
use crate::sink::{ArraySpec, Categories, Field, Kind, Layout, MappingStore, StoreSpec, Uns};
use crate::store::Stage::{Joined, Transferred};
use crate::store::{FailingVfs, OsVfs, Stage, Vfs};
use crate::types::{DType, RowRange};

pub(super) const K: u64 = 3;

/// The real thing.
pub(super) fn os() -> Arc<dyn Vfs> {
    Arc::new(OsVfs)
}

/// The same without syncing, which takes most of the time and which no test can see.
pub(super) fn quick() -> Arc<dyn Vfs> {
    Arc::new(FailingVfs::after(i64::MAX))
}

pub(super) fn spec(n: u64, inner_rows: u64, inner_per_unit: u64, part_rows: u64) -> StoreSpec {
    let texts = |names: &[&str]| Categories::Strings(names.iter().map(|&name| name.to_owned()).collect());
    let column = |path: &str, stage, field| ArraySpec { path: path.into(), stage, kind: Kind::Column(field) };
    let matrix =
        |path: &str, stage, dtype, width| ArraySpec { path: path.into(), stage, kind: Kind::Matrix { dtype, width } };
    let labels = |categories, ordered| Field::Categorical { categories, ordered };
    let booleans = Categories::Numbers { dtype: DType::Bool, bytes: vec![0, 1] };
    let numbers = Categories::Numbers { dtype: DType::Int64, bytes: [3_i64, 5].map(i64::to_le_bytes).concat() };
    let many = Categories::Strings((0..300).map(|i| format!("type {i}")).collect());
    StoreSpec {
        layout: Layout::new(n, inner_rows, inner_per_unit, part_rows).unwrap(),
        n_ref: 100,
        k: K,
        holder: None,
        run: "cafe".into(),
        plan: json!({ "k": K }),
        arrays: vec![
            column("obs/_index", Joined, Field::Strings),
            column("obs/mapping_status", Joined, labels(texts(&["ok", "no neighbors", "invalid input"]), false)),
            matrix("obsm/knn_indices", Joined, DType::Int32, K),
            matrix("obsm/knn_distances", Joined, DType::Float32, K),
            column("obs/type_pred", Transferred, labels(many, true)),
            column("obs/flag_pred", Transferred, labels(booleans, false)),
            column("obs/stage_pred", Transferred, labels(numbers, true)),
            column("obs/type_conf", Transferred, Field::F32),
            column("obs/age_pred", Transferred, Field::F64),
            matrix("obsm/umap_pred", Transferred, DType::Float32, 2),
        ],
    }
}

pub(super) fn name(row: u64) -> String {
    if row.is_multiple_of(5) { format!("Zelle-é{row}") } else { format!("cell{row}") }
}

/// The bytes of rows of an array that holds no texts.
pub(super) fn bytes(path: &str, rows: RowRange) -> Vec<u8> {
    let rows = rows.start..rows.end;
    let per_row = |f: &dyn Fn(u64) -> Vec<u8>| rows.clone().flat_map(f).collect();
    let missing = |row: u64| row % 7 == 3;
    match path {
        "obs/mapping_status" => per_row(&|row| vec![(row % 3) as u8]),
        "obsm/knn_indices" => per_row(&|row| (0..K).flat_map(|j| ((row + j) as i32).to_le_bytes()).collect()),
        "obsm/knn_distances" => {
            per_row(&|row| (0..K).flat_map(|j| (row as f32 + j as f32 / 8.0).to_le_bytes()).collect())
        }
        "obs/type_pred" => per_row(&|row| (if missing(row) { -1 } else { (row % 300) as i16 }).to_le_bytes().to_vec()),
        "obs/flag_pred" | "obs/stage_pred" => per_row(&|row| vec![if missing(row) { 0xff } else { (row % 2) as u8 }]),
        "obs/type_conf" => per_row(&|row| (1.0 / (1 + row) as f32).to_le_bytes().to_vec()),
        "obs/age_pred" => {
            per_row(&|row| (if missing(row) { f64::NAN } else { row as f64 / 3.0 }).to_le_bytes().to_vec())
        }
        "obsm/umap_pred" => per_row(&|row| [row as f32, -(row as f32)].map(f32::to_le_bytes).concat()),
        // As many entries as the row has when it is divided by 3.
        "obsp/graph/data" => per_row(&|row| (0..row % 3).flat_map(|j| ((row * 10 + j) as f32).to_le_bytes()).collect()),
        "obsp/graph/indices" => per_row(&|row| (0..row % 3).flat_map(|j| (j as i32).to_le_bytes()).collect()),
        "obsp/graph/indptr" => per_row(&|row| {
            let end: u64 = (0..=row).map(|row| row % 3).sum();
            (row == 0).then_some(0).into_iter().chain([end]).flat_map(u64::to_le_bytes).collect()
        }),
        _ => unreachable!("{path}"),
    }
}

/// Writes a unit in pieces of `piece` rows.
pub(super) fn write_unit(store: &MappingStore, stage: Stage, unit: u64, piece: u64) -> Result<()> {
    let mut writer = store.begin(stage, unit)?;
    for rows in writer.range().rows.pieces(piece) {
        for array in store.spec().of(stage) {
            if array.path == "obs/_index" {
                let names: Vec<_> = (rows.start..rows.end).map(name).collect();
                let ends: Vec<_> = names
                    .iter()
                    .scan(0, |end, name| {
                        *end += name.len();
                        Some(*end)
                    })
                    .collect();
                writer.append_strings(&array.path, names.concat().as_bytes(), &ends)?;
            } else {
                writer.append(&array.path, &bytes(&array.path, rows))?;
            }
        }
    }
    writer.commit(json!({ "first": store.spec().layout.unit(unit).rows.start }))
}

pub(super) fn uns() -> Uns {
    let value = json!({
        "gigamapper": { "version": "0.1.0", "sigma": 1.25, "recall": 1.0, "k": 3, "self_edges": false, "empty": {},
            "parameters": { "use_rep": "X_pca", "long": -5_000_000_000_i64 } },
        "type_pred_colors": ["#ff0000", "#00ff00"],
    });
    Uns::from_json(value.as_object().unwrap()).unwrap()
}

/// Writes all units that are missing, and finishes.
#[expect(clippy::needless_pass_by_value, reason = "the store ends here, and with it the lock")]
pub(super) fn complete(store: MappingStore, piece: u64) -> Result<()> {
    for stage in [Joined, Transferred] {
        for unit in 0..store.spec().layout.units() {
            if store.committed(stage, unit).is_none() {
                write_unit(&store, stage, unit, piece)?;
            }
        }
    }
    store.finalise(&uns())
}

/// Paths and contents of all files of a folder.
pub(super) fn files(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
