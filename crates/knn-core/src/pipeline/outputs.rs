//! What a run stores: the arrays of the output, by stage, with their paths.

use std::sync::Arc;

use super::figures::OutputArray;
use super::inputs::Inputs;
use super::request::Parameters;
use crate::operator::LabelStatus;
use crate::sink::{ArraySpec, Categories, Field, Kind, Stage, codes_dtype};
use crate::source;
use crate::types::{DType, MappingStatus};

/// Names of the cells.
pub(super) const NAMES: &str = "obs/_index";
/// What became of each cell.
pub(super) const STATUS: &str = "obs/mapping_status";
/// Neighbour ids.
pub(super) const INDICES: &str = "obsm/knn_indices";
/// Neighbour distances.
pub(super) const DISTANCES: &str = "obsm/knn_distances";

/// Paths of what is transferred for one obs key.
pub(super) fn column_paths(key: &str, parameters: &Parameters) -> ColumnPaths {
    ColumnPaths {
        prediction: format!("obs/{key}_{}", parameters.prediction_postfix),
        confidence: format!("obs/{key}_{}", parameters.confidence_postfix),
        status: format!("obs/{key}_status"),
        deviation: format!("obs/{key}_sd"),
        probabilities: (parameters.labels.probabilities == "all").then(|| format!("obsm/{key}_prob")),
        top: (parameters.labels.top() > 0).then(|| [format!("obsm/{key}_top"), format!("obsm/{key}_top_prob")]),
        details: parameters
            .labels
            .details
            .then(|| ["second", "margin", "entropy"].map(|what| format!("obs/{key}_{what}"))),
        label: parameters.labels.rejects().then(|| format!("obs/{key}_label")),
        colors: format!("{key}_{}_colors", parameters.prediction_postfix),
    }
}

pub(super) struct ColumnPaths {
    pub(super) prediction: String,
    pub(super) confidence: String,
    pub(super) status: String,
    pub(super) deviation: String,
    pub(super) probabilities: Option<String>,
    /// Codes and weights of the categories with the largest weights.
    pub(super) top: Option<[String; 2]>,
    /// Second label, margin, entropy.
    pub(super) details: Option<[String; 3]>,
    /// The label, or `unknown`.
    pub(super) label: Option<String>,
    /// Within `uns`.
    pub(super) colors: String,
}

/// Paths of labels of several levels: the label, its weight, and its level.
pub(super) fn level_paths(key: &str, parameters: &Parameters) -> [String; 3] {
    [
        key.to_owned() + "_deepest",
        format!("{key}_deepest_{}", parameters.confidence_postfix),
        key.to_owned() + "_deepest_level",
    ]
    .map(|name| format!("obs/{name}"))
}

/// Path of a transferred embedding.
pub(super) fn embedding_path(key: &str, parameters: &Parameters) -> String {
    format!("obsm/{key}_{}", parameters.prediction_postfix)
}

/// Type of stored neighbour ids: the narrowest that counts the reference's rows.
pub(super) fn ids_dtype(n_ref: u64) -> DType {
    if n_ref < 1 << 31 { DType::Int32 } else { DType::Int64 }
}

/// Every array of the output. Columns stand in `obs` in this order.
pub(super) fn arrays(inputs: &Inputs, parameters: &Parameters, k: u64) -> Vec<ArraySpec> {
    let ids = ids_dtype(inputs.reference.n_obs());
    let joined = |path: &str, kind| ArraySpec { path: path.into(), stage: Stage::Joined, kind };
    let mut arrays = vec![
        joined(NAMES, Kind::Column(Field::Strings)),
        joined(STATUS, Kind::Column(statuses(&MappingStatus::NAMES))),
        joined(INDICES, Kind::Matrix { dtype: ids, width: k }),
        joined(DISTANCES, Kind::Matrix { dtype: DType::Float32, width: k }),
    ];
    let transferred = |path: String, kind| ArraySpec { path, stage: Stage::Transferred, kind };
    for input in &inputs.columns {
        let paths = column_paths(input.column.key(), parameters);
        if let Some((categories, ordered)) = input.labels() {
            let field = Field::Categorical { categories: stored(categories), ordered };
            arrays.push(transferred(paths.prediction, Kind::Column(field)));
            arrays.push(transferred(paths.confidence, Kind::Column(Field::F32)));
            arrays.push(transferred(paths.status, Kind::Column(statuses(&LabelStatus::NAMES))));
            if let Some([second, margin, entropy]) = paths.details {
                let field = Field::Categorical { categories: stored(categories), ordered };
                arrays.push(transferred(second, Kind::Column(field)));
                arrays.push(transferred(margin, Kind::Column(Field::F32)));
                arrays.push(transferred(entropy, Kind::Column(Field::F32)));
            }
            if let Some(path) = paths.label {
                let categories = Categories::Strings(with_unknown(categories).0);
                arrays.push(transferred(path, Kind::Column(Field::Categorical { categories, ordered: false })));
            }
            if let Some(path) = paths.probabilities.filter(|_| !categories.is_empty()) {
                let width = categories.len() as u64;
                arrays.push(transferred(path, Kind::Matrix { dtype: DType::Float32, width }));
            }
            if let Some([codes, shares]) = paths.top {
                let width = parameters.labels.top();
                arrays.push(transferred(codes, Kind::Matrix { dtype: codes_dtype(categories.len()), width }));
                arrays.push(transferred(shares, Kind::Matrix { dtype: DType::Float32, width }));
            }
        } else {
            arrays.push(transferred(paths.prediction, Kind::Column(Field::F64)));
            arrays.push(transferred(paths.deviation, Kind::Column(Field::F64)));
        }
    }
    if let Some(levels) = &inputs.levels {
        let [label, share, level] = level_paths(levels.key(), parameters);
        let categorical = |names: &[String]| {
            let categories = Categories::Strings(names.to_vec());
            Kind::Column(Field::Categorical { categories, ordered: false })
        };
        arrays.push(transferred(label, categorical(&levels.distinct_names().0)));
        arrays.push(transferred(share, Kind::Column(Field::F32)));
        arrays.push(transferred(level, categorical(&levels.levels)));
    }
    if let Some(expression) = &inputs.expression {
        let genes = Arc::clone(&expression.genes);
        arrays.push(transferred(expression.path.clone(), Kind::Expression { genes }));
    }
    for (key, rows) in &inputs.embeddings {
        let width = source::RowSource::dim(rows) as u64;
        arrays.push(transferred(embedding_path(key, parameters), Kind::Matrix { dtype: DType::Float32, width }));
    }
    arrays
}

/// The same as the report tells it.
pub(super) fn described(arrays: &[ArraySpec], n_obs: u64) -> Vec<OutputArray> {
    let describe = |array: &ArraySpec| {
        let (kind, shape) = match &array.kind {
            Kind::Column(Field::Categorical { .. }) => ("categorical", vec![n_obs]),
            Kind::Column(Field::Strings | Field::Nullable(DType::String)) => ("string", vec![n_obs]),
            Kind::Column(Field::Values(DType::Bool) | Field::Nullable(DType::Bool)) => ("boolean", vec![n_obs]),
            Kind::Column(Field::F32 | Field::F64 | Field::Values(_) | Field::Nullable(_)) => ("numeric", vec![n_obs]),
            Kind::Column(Field::Mask) => return None,
            Kind::Ragged { .. } => {
                let matrix = array.path.strip_suffix("/indptr")?;
                let (path, stage) = (matrix.to_owned(), array.stage.name().to_owned());
                return Some(OutputArray { path, kind: "csr".into(), shape: vec![n_obs, n_obs], stage });
            }
            Kind::Matrix { width, .. } => ("array", vec![n_obs, *width]),
            Kind::Expression { genes } => ("dense", vec![n_obs, genes.len() as u64]),
        };
        Some(OutputArray { path: array.path.clone(), kind: kind.into(), shape, stage: array.stage.name().into() })
    };
    arrays.iter().filter_map(describe).collect()
}

/// What a label is called that was rejected, or that nobody has.
const UNKNOWN: &str = "unknown";

/// The names of the categories and [`UNKNOWN`], with its code.
pub(super) fn with_unknown(categories: &source::Categories) -> (Vec<String>, i32) {
    let mut names: Vec<_> = (0..categories.len()).map(|code| categories.label(code)).collect();
    let code = names.iter().position(|name| name == UNKNOWN).unwrap_or_else(|| {
        names.push(UNKNOWN.to_owned());
        names.len() - 1
    });
    (names, i32::try_from(code).unwrap_or(i32::MAX))
}

fn statuses(names: &[&str]) -> Field {
    let categories = Categories::Strings(names.iter().map(|&name| name.to_owned()).collect());
    Field::Categorical { categories, ordered: false }
}

pub(super) fn stored(categories: &source::Categories) -> Categories {
    match categories {
        source::Categories::Strings(names) => Categories::Strings(names.clone()),
        source::Categories::Values { dtype, bytes } => {
            let size = dtype.size().unwrap_or(1);
            let mut bytes = bytes.clone();
            if cfg!(target_endian = "big") {
                bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
            Categories::Numbers { dtype: *dtype, bytes }
        }
    }
}
