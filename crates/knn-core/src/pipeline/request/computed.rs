//! A representation that is computed for a run: what it will be, where, and what that costs.

use super::joint::ResolvedJoint;
use crate::pipeline::memory_plan::MemoryPlan;

/// A representation that is computed for a run.
#[derive(Debug, Clone)]
pub struct Computed {
    pub(in crate::pipeline) request: ResolvedJoint,
    /// Whether it is another run's, which computes it, counts what that costs, and removes it.
    pub(in crate::pipeline) lent: bool,
    /// Where it is, once it is there.
    pub(in crate::pipeline) stored: bool,
    pub(in crate::pipeline) count: u64,
    pub(in crate::pipeline) run: String,
    pub(in crate::pipeline) memory: MemoryPlan,
    pub(in crate::pipeline) disk_bytes: u64,
    pub(in crate::pipeline) read_bytes: u64,
    pub(in crate::pipeline) seconds: f64,
    pub(in crate::pipeline) warnings: Vec<String>,
}
