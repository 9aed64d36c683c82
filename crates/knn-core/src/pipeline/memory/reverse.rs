//! What symmetrised weights take: runs while edges are sorted, and then the edges that enter the rows at hand.

use super::sizes::{ReverseShares, Sizes, TRANSFER_ROWS};
use crate::error::Result;
use crate::graph::{ReverseForm, StoredNeighbors};
use crate::kernel::{KernelMethod, Symmetrize, Weights};
use crate::pipeline::memory_plan::PROCESS;
use crate::pipeline::request::Resolved;
use crate::pipeline::square::SquareWriter;
use crate::sink::{Stage, StoreSpec};
use crate::store::RunBuffer;

/// Room for fewer edges than this many times the usual number is never planned.
const LEAST_TIMES: u64 = 2;
/// Edges in memory at most: with more nothing gets faster.
const MOST_EDGES: u64 = 1 << 24;

/// What the shares follow from.
#[derive(Debug, Clone, Copy)]
pub(in crate::pipeline) struct ReverseNeeds {
    form: ReverseForm,
    n: u64,
    k: u64,
    /// Bandwidths of single cells.
    sigmas: u64,
}

impl ReverseNeeds {
    /// None where weights are of the edges that leave a row alone, or there are no weights.
    pub(in crate::pipeline) fn of(resolved: &Resolved, spec: &StoreSpec) -> Result<Option<Self>> {
        let parameters = &resolved.parameters;
        if parameters.symmetrize == Symmetrize::None.name() || !spec.stages().contains(&Stage::Transferred) {
            return Ok(None);
        }
        let form = ReverseForm::new(spec.layout.n_obs().max(1), spec.layout.unit_rows())?;
        Ok(Some(Self { form, n: spec.layout.n_obs(), k: spec.k, sigmas: sigmas_bytes(resolved, spec) }))
    }

    fn edges(&self) -> u64 {
        self.n.saturating_mul(self.k).max(1)
    }

    fn least_edges(&self) -> u64 {
        self.edges().min(TRANSFER_ROWS * self.k * LEAST_TIMES)
    }

    /// Bytes that transfer takes with so many edges.
    fn bytes(&self, edges: u64) -> u64 {
        self.form.reader_bytes(edges) + Weights::bytes(0, edges, edges + self.k + 1) + SquareWriter::bytes(edges)
    }

    /// Bytes that transfer takes at least.
    pub(in crate::pipeline) fn least(&self) -> u64 {
        self.bytes(self.least_edges())
    }

    fn stage_bytes(&self, edges: u64) -> u64 {
        PROCESS
            + StoredNeighbors::bytes(TRANSFER_ROWS, self.k)
            + TRANSFER_ROWS * (self.k + 1) * 4
            + self.sigmas
            + RunBuffer::bytes(self.form.shape(), edges)
    }

    /// Bytes that sorting takes at least.
    pub(in crate::pipeline) fn least_stage(&self) -> u64 {
        self.stage_bytes(self.least_edges())
    }

    /// Bytes of the runs on disk. Where there are too many to be read side by side, most of them may be there twice while they are merged.
    pub(in crate::pipeline) fn run_bytes(&self, shares: &ReverseShares) -> u64 {
        let copies = if self.edges() > shares.run_edges.saturating_mul(64) { 2 } else { 1 };
        self.edges().saturating_mul(u64::from(self.form.shape().width)).saturating_mul(copies)
    }

    /// Shares out what is left beside the least that transfer takes: half for edges. Sorting has the memory to itself.
    pub(in crate::pipeline) fn share(&self, memory: u64, least_transfer: u64) -> ReverseShares {
        let per_edge = self.bytes(1) - self.bytes(0);
        let least = self.least_edges();
        let more = memory.saturating_sub(least_transfer) / 2 / per_edge;
        let window_edges = (least + more).min(self.edges().min(MOST_EDGES)).max(least);
        let fixed = self.stage_bytes(0);
        let per_run = self.stage_bytes(1) - fixed;
        let run_edges = (memory.saturating_sub(fixed) / 2 / per_run).clamp(least, self.edges().min(1 << 30).max(least));
        ReverseShares { form: self.form, window_edges, run_edges }
    }

    /// Enters the shares into the sizes of a run, in which transfer takes `transfer` bytes with the least. What the join may take is enough for
    /// edges too, unless there is room for too few of them.
    pub(in crate::pipeline) fn enter(&self, transfer: u64, sizes: &mut Sizes) {
        let memory = sizes.memory.planned.max(transfer).max(self.least_stage());
        let shares = self.share(memory, transfer);
        sizes.after.transfer = transfer + self.bytes(shares.window_edges) - self.least();
        sizes.after.sorting = self.stage_bytes(shares.run_edges);
        sizes.after.edge_bytes = self.run_bytes(&shares);
        sizes.after.reverse = Some(shares);
        let highest = sizes.after.transfer.max(sizes.after.sorting);
        if highest > sizes.memory.planned {
            let parts = &mut sizes.memory.parts;
            parts.clear();
            parts.insert("process".into(), PROCESS);
            parts.insert("reverse edges".into(), highest - PROCESS);
            sizes.memory.planned = highest;
        }
    }
}

/// Bytes of the bandwidths of single cells.
pub(in crate::pipeline) fn sigmas_bytes(resolved: &Resolved, spec: &StoreSpec) -> u64 {
    let is_adaptive = resolved.parameters.kernel_method == KernelMethod::AdaptiveGauss.name();
    if is_adaptive && spec.stages().contains(&Stage::Transferred) { spec.n_ref * 4 } else { 0 }
}
