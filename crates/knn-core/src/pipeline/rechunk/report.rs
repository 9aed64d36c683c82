//! What a copy took and stored, as data for people and programs.

use serde::{Deserialize, Serialize};

use crate::pipeline::figures::{OutputArray, OutputLayout, Side, StageReport};
use crate::pipeline::memory_plan::MemoryPlan;

/// What a finished copy did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RechunkReport {
    /// The copy.
    pub output: String,
    /// What was copied from.
    pub input: Side,
    /// What was stored where.
    pub stored: Vec<OutputArray>,
    /// Grid of the copy.
    pub layout: OutputLayout,
    /// Bytes of memory: the limit and what takes them.
    pub memory: MemoryPlan,
    /// Bytes that the copy takes on disk at most.
    #[cfg_attr(test, ts(type = "number"))]
    pub disk_bytes: u64,
    /// Worker threads.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: u64,
    /// Seconds and bytes by stage.
    pub stages: Vec<StageReport>,
    /// Seconds in all.
    pub seconds: f64,
    /// Most anonymous memory of the process seen, bytes: mapped files are not in it.
    #[cfg_attr(test, ts(type = "number"))]
    pub peak_memory: u64,
    /// Units that an earlier, interrupted copy had committed.
    #[cfg_attr(test, ts(type = "number"))]
    pub resumed_units: u64,
    /// What the user should know: columns that were left out, and why.
    pub warnings: Vec<String>,
    /// Hash of input, parameters and format: the same for the same copy.
    pub run: String,
}
