//! Figures that several plans and reports have: a side, the grid of an output, its arrays, time and traffic of a stage.

use serde::{Deserialize, Serialize};

use crate::source::{AnnDataStore, RowSource};
use crate::types::DType;

/// One side of a mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The store.
    pub path: String,
    /// Cells.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_obs: u64,
    /// Columns of the representation.
    #[cfg_attr(test, ts(type = "number"))]
    pub dim: u64,
    /// Its element type.
    #[cfg_attr(test, ts(type = "string"))]
    pub dtype: DType,
}

/// Rows per chunk, unit and part of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct OutputLayout {
    /// Rows per inner chunk.
    #[cfg_attr(test, ts(type = "number"))]
    pub inner_rows: u64,
    /// Rows per shard and commit unit.
    #[cfg_attr(test, ts(type = "number"))]
    pub unit_rows: u64,
    /// Rows per AnnData.
    #[cfg_attr(test, ts(type = "number"))]
    pub part_rows: u64,
    /// Units in all.
    #[cfg_attr(test, ts(type = "number"))]
    pub units: u64,
    /// AnnData groups: 1 means that the store itself is one.
    #[cfg_attr(test, ts(type = "number"))]
    pub parts: u64,
}

/// One array or column that the run stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct OutputArray {
    /// Path in the store, such as `obs/cell_type_pred`; of a graph that is kept beside it, the path of that before.
    pub path: String,
    /// `categorical`, `numeric`, `boolean`, `array` or `string`.
    pub kind: String,
    /// Its shape over all parts.
    #[cfg_attr(test, ts(type = "number[]"))]
    pub shape: Vec<u64>,
    /// The stage that stores it: `join`, `transfer`, `graphs` or `rechunk`.
    pub stage: String,
}

/// Time and traffic of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct StageReport {
    /// `preflight`, `index`, `calibrate`, `join`, in the order of lists `gather`, with a repair `repair`, where weights are symmetrised
    /// `reverse`, `graphs`, of more than one step of diffusion `diffuse`, `transfer`, `finalise`; of an index `preflight`, `read`, `train`, `add`, `seal`; of a copy
    /// `preflight`, `rechunk`, `finalise`; of a computed representation `preflight`, `components`, `scores`, `finalise`; of presence scores `preflight`,
    /// `bandwidth`, `presence`, `write`, `finalise`.
    pub stage: String,
    /// Wall seconds.
    pub seconds: f64,
    /// Bytes written to the output.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes_written: u64,
}

/// A side as it was opened.
pub(super) fn side(store: &AnnDataStore, rows: &dyn RowSource) -> Side {
    Side { path: store.name().to_owned(), n_obs: store.n_obs(), dim: rows.dim() as u64, dtype: rows.dtype() }
}
