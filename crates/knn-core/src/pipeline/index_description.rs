//! What a sealed index holds, as data for people and programs.

use serde::{Deserialize, Serialize};

/// What a sealed index holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IndexDescription {
    /// The index.
    pub path: String,
    /// Version of its format.
    #[cfg_attr(test, ts(type = "number"))]
    pub format_version: u64,
    /// 1 for an index as it was built, one more with every append.
    #[cfg_attr(test, ts(type = "number"))]
    pub generation: u64,
    /// Rows of the reference, those that were left out included.
    #[cfg_attr(test, ts(type = "number"))]
    pub rows: u64,
    /// Columns of each.
    #[cfg_attr(test, ts(type = "number"))]
    pub dim: u64,
    /// Lists.
    #[cfg_attr(test, ts(type = "number"))]
    pub nlist: u64,
    /// Levels of centroids: 2, or 3 in an index that was built with more than 2^18 lists.
    #[cfg_attr(test, ts(type = "number"))]
    pub levels: u64,
    /// `ivf`, or `ivfpq` where rows have codes.
    pub method: String,
    /// Numbers in the lists: `f32`, `f16`, or `none` where codes are all there is.
    pub list_dtype: String,
    /// What decides among rows that codes have selected: `exact`, `f16` or `none`; null without codes.
    pub rerank: Option<String>,
    /// The metric that they are made for.
    pub metric: String,
    /// Seed of the training sample.
    #[cfg_attr(test, ts(type = "number"))]
    pub seed: u64,
    /// How lists were trained: `thorough` or `brief`.
    pub training: String,
    /// Rows of the reference that were left out because a coordinate is NaN or infinite, or by cosine because all are zero.
    #[cfg_attr(test, ts(type = "number"))]
    pub excluded_rows: u64,
    /// Neighbours of each row that are kept as the reference's own graph; null without.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub keep_graph: Option<u64>,
    /// Whether names and columns of the cells lie within its folder, so that a mapping needs no reference beside it.
    pub bundled: bool,
    /// Whether those within it are unfinished, or of an earlier index, as after an append: nothing is mapped onto them until it is built again.
    pub stale_cells: bool,
    /// Bytes on disk.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Hash of the reference and of everything that decides the bytes of the index: the same for the same index.
    pub digest: String,
}
