//! What a run of presence scores took and stored, as data for people and programs.

use serde::{Deserialize, Serialize};

use crate::pipeline::figures::{OutputArray, StageReport};
use crate::pipeline::memory_plan::MemoryPlan;

/// What finished presence scores are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PresenceReport {
    /// The scores.
    pub output: String,
    /// Query cells.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_query: u64,
    /// Reference cells: rows of the scores.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_ref: u64,
    /// The bandwidth: pinned, or what the kernel takes from all stored distances; null if there is no edge, or the kernel has none.
    pub sigma: Option<f64>,
    /// The weight of all edges: the sum of the scores before they were scaled.
    pub total_weight: f64,
    /// The groups, in the order of the columns in `obsm`; none where no groups were asked for.
    pub groups: Vec<String>,
    /// Passes over the edges, one for as many columns as the memory held.
    #[cfg_attr(test, ts(type = "number"))]
    pub passes: u64,
    /// What was stored where.
    pub stored: Vec<OutputArray>,
    /// Bytes of memory: the limit and what takes them.
    pub memory: MemoryPlan,
    /// Worker threads.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: u64,
    /// Seconds and bytes by stage.
    pub stages: Vec<StageReport>,
    /// Most anonymous memory of the process seen, bytes: mapped files are not in it.
    #[cfg_attr(test, ts(type = "number"))]
    pub peak_memory: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Hash of inputs, parameters and format: the same for the same scores.
    pub run: String,
}
