//! What building an index promises and did, and what a sealed one holds, as data for people and programs.

use serde::{Deserialize, Serialize};

use crate::pipeline::backend::BackendPlan;
use crate::pipeline::figures::{OutputArray, Side, StageReport};
use crate::pipeline::memory_plan::MemoryPlan;
use crate::pipeline::request::IndexParameters;

/// A build or an append before it starts: nothing has been written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IndexPlan {
    /// The reference.
    pub reference: Side,
    /// What decides the bytes of the index.
    pub parameters: IndexParameters,
    /// Rows that will be added: all of the reference, or those that the index has not.
    #[cfg_attr(test, ts(type = "number"))]
    pub added_rows: u64,
    /// Worker threads.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: u64,
    /// What the cells of the graph that is kept are compared by, and why; null where none is kept.
    pub backend: Option<BackendPlan>,
    /// Bytes of memory: the limit and what takes them at least.
    pub memory: MemoryPlan,
    /// Bytes the index will take at most. Those of the generation before are there beside them until the append is done.
    #[cfg_attr(test, ts(type = "number"))]
    pub disk_bytes: u64,
    /// Bytes of intermediate files, which are gone at the end; the neighbours of a graph that is kept are among them.
    #[cfg_attr(test, ts(type = "number"))]
    pub run_bytes: u64,
    /// Bytes read from the reference.
    #[cfg_attr(test, ts(type = "number"))]
    pub read_bytes: u64,
    /// Rough seconds, from fixed constants per pair and byte.
    pub estimated_seconds: f64,
    /// What the user should know before starting.
    pub warnings: Vec<String>,
    /// Hash of input, parameters and format: the same for the same index.
    pub run: String,
}

/// What a finished build or append did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IndexReport {
    /// The index.
    pub output: String,
    /// The plan that was carried out.
    pub plan: IndexPlan,
    /// Rows of the reference, those that were left out included.
    #[cfg_attr(test, ts(type = "number"))]
    pub rows: u64,
    /// Columns of each.
    #[cfg_attr(test, ts(type = "number"))]
    pub dim: u64,
    /// Lists, those that were split included.
    #[cfg_attr(test, ts(type = "number"))]
    pub nlist: u64,
    /// Rows left out because a coordinate is NaN or infinite, or by cosine because all are zero.
    #[cfg_attr(test, ts(type = "number"))]
    pub excluded_rows: u64,
    /// 1 for an index as it was built, one more with every append.
    #[cfg_attr(test, ts(type = "number"))]
    pub generation: u64,
    /// Rows that were added: all for a build, 0 where everything was there already.
    #[cfg_attr(test, ts(type = "number"))]
    pub added_rows: u64,
    /// Names and columns that a bundle has, within the folder of the index; empty without.
    pub stored: Vec<OutputArray>,
    /// Bytes of the index on disk.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Seconds and bytes by stage: `preflight`, `read`, `train`, `add`, `seal`; of an append also `verify`, and where a graph is kept
    /// `calibrate`, `join`, `gather`, `finalise`, `graph`.
    pub stages: Vec<StageReport>,
    /// Seconds in all.
    pub seconds: f64,
    /// Most anonymous memory of the process seen, bytes: mapped files are not in it.
    #[cfg_attr(test, ts(type = "number"))]
    pub peak_memory: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
}
