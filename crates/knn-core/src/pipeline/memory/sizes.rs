//! What the budget was shared out to: the sizes that a run works with.

use std::collections::BTreeMap;

use super::passing::Passing;
use super::repair::RepairShares;
use crate::budget::MIB;
use crate::error::{Error, Result};
use crate::graph::ReverseForm;
use crate::join::DeviceSize;
use crate::pipeline::memory_plan::MemoryPlan;
use crate::pipeline::order::Order;
use crate::pipeline::request::Resolved;

/// Rows that transfer works on at a time.
pub(in crate::pipeline) const TRANSFER_ROWS: u64 = 4096;
/// Reference rows in memory at a time, where the recall is measured by them and the index holds codes alone.
pub(in crate::pipeline) const TRUTH_ROWS: u64 = 4096;
/// Queries that measure the recall; half of them choose the probes, half report.
pub(in crate::pipeline) const MEASURED_QUERIES: u64 = 2000;

/// Sizes chosen from the budget.
#[derive(Debug, Clone, Default)]
pub(in crate::pipeline) struct Sizes {
    pub(in crate::pipeline) block_rows: u64,
    pub(in crate::pipeline) slab_rows: u64,
    pub(in crate::pipeline) reference_passes: u64,
    /// What is taken from the budget when the run starts.
    pub(in crate::pipeline) leased: u64,
    /// What devices take for the join, where there are any.
    pub(in crate::pipeline) device: Option<DeviceSize>,
    /// The order of work of a search by lists; none for an exact one.
    pub(in crate::pipeline) order: Option<Order>,
    /// What the stages behind the join take.
    pub(in crate::pipeline) after: AfterJoin,
    /// What a repair of neighbours takes, where there may be one.
    pub(in crate::pipeline) repair: Option<RepairShares>,
    /// In the order of lists and with a repair, bytes for runs while queries are sorted, and those of them for what is found.
    pub(in crate::pipeline) run_bytes: u64,
    pub(in crate::pipeline) found_bytes: u64,
    /// Rows of a run, where a test says how many.
    pub(in crate::pipeline) run_rows: Option<u64>,
    pub(in crate::pipeline) memory: MemoryPlan,
}

/// Bytes of the stages behind the join.
#[derive(Debug, Clone, Default)]
pub(in crate::pipeline) struct AfterJoin {
    /// Of transfer, and of sorting edges before it.
    pub(in crate::pipeline) transfer: u64,
    pub(in crate::pipeline) sorting: u64,
    /// On disk, of the edges that are sorted, and of weights and states of diffusion.
    pub(in crate::pipeline) edge_bytes: u64,
    /// Of a state of diffusion, and how much of it transfer does not count already.
    pub(in crate::pipeline) state: u64,
    pub(in crate::pipeline) state_lease: u64,
    /// Rows that wait for graphs to pass, and bytes of those that transfer does not count already.
    pub(in crate::pipeline) near_rows: u64,
    pub(in crate::pipeline) near_lease: u64,
    /// Where weights are symmetrised, how much of the edges is in memory.
    pub(in crate::pipeline) reverse: Option<ReverseShares>,
    /// Matrices of the reference that do not stay in memory.
    pub(in crate::pipeline) passing: Passing,
}

/// The shares.
#[derive(Debug, Clone, Copy)]
pub(in crate::pipeline) struct ReverseShares {
    pub(in crate::pipeline) form: ReverseForm,
    /// Edges that enter the rows at hand, at most.
    pub(in crate::pipeline) window_edges: u64,
    /// Edges of a run.
    pub(in crate::pipeline) run_edges: u64,
}

/// Refuses what does not fit, and says what would do.
pub(in crate::pipeline) fn fits(
    resolved: &Resolved,
    what: &str,
    needed: u64,
    parts: &BTreeMap<&'static str, u64>,
) -> Result<()> {
    if needed <= resolved.memory {
        return Ok(());
    }
    let largest = parts.iter().max_by_key(|(_, bytes)| **bytes).map_or("process", |(part, _)| part);
    let hint = match largest {
        "query reading" | "reference reading" => "; a copy by rechunk, which has smaller chunks, would need less",
        "reference columns" => "; fewer obsKeys, obsmKeys or genes at a time would need less",
        _ => "",
    };
    Err(Error::Budget {
        what: format!("{what} (most of it: {largest})"),
        needed,
        available: resolved.memory,
        remedy: format!("memory of {} MiB would do{hint}", needed.div_ceil(MIB)),
    })
}
