//! How a run turns its stored neighbours into weights: by their distances, with the edges that enter a cell where weights are symmetrised, or
//! by the neighbours that cells share.

use std::sync::Arc;

use super::bandwidth;
use super::graphs_stage::{self, Shared};
use super::near_graphs::NearGraphs;
use super::reverse_stage::{self, Reverse};
use crate::budget::MemoryBudget;
use crate::error::Result;
use crate::kernel::{Entering, Kernel, KernelMethod, Weights};
use crate::pipeline::memory::sizes::TRANSFER_ROWS;
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::sink::MappingStore;
use crate::store::Vfs;
use crate::types::{NeighborBlock, RowRange};

/// Makes weights, piece after piece.
pub(in crate::pipeline) enum Weigher {
    /// By distances.
    Distances {
        /// The kernel.
        kernel: Kernel,
        /// Whether each mapped cell votes for itself.
        self_edges: bool,
        /// The edges that enter each row.
        reverse: Option<Box<Reverse>>,
    },
    /// By neighbours that are shared.
    Shared(Box<Shared>),
    /// By those that are shared with stored neighbours.
    Near(Box<NearGraphs>),
}

impl Weigher {
    /// Prepares what weights need besides the stored neighbours, which are complete, and other graphs, which are found; `lap` is told the name of a stage that ends.
    pub(in crate::pipeline) fn open(
        prepared: &Prepared,
        store: &MappingStore,
        sigma: Option<f64>,
        (vfs, budget): (&Arc<dyn Vfs>, &MemoryBudget),
        progress: &Progress,
        mut lap: impl FnMut(&str),
    ) -> Result<Self> {
        let parameters = &prepared.resolved.parameters;
        let method = bandwidth::method(parameters)?;
        if method == KernelMethod::HnocaKnn {
            let near = graphs_stage::near(prepared, store, budget)?;
            lap("graphs");
            return Ok(Self::Near(Box::new(near)));
        }
        if method.is_shared() {
            let shared = graphs_stage::run(prepared, store, method, progress)?;
            lap("graphs");
            return Ok(Self::Shared(Box::new(shared)));
        }
        let _lease = budget.take("sorting edges", prepared.sizes.after.sorting)?;
        let sigmas = reverse_stage::sigmas(prepared, store, progress)?;
        let kernel = bandwidth::kernel(parameters, sigma, sigmas)?;
        let reverse = reverse_stage::run(prepared, store, vfs, &kernel, progress)?;
        if reverse.is_some() {
            lap("reverse");
        }
        Ok(Self::Distances { kernel, self_edges: parameters.self_edges, reverse: reverse.map(Box::new) })
    }

    /// The rows from `first` on that are weighed together at most.
    pub(in crate::pipeline) fn rows(&mut self, first: u64, end: u64, k: u64) -> Result<RowRange> {
        let last = match self {
            Self::Distances { reverse: Some(reverse), .. } => {
                (first + TRANSFER_ROWS).min(reverse.reader.window(first)?.rows().end)
            }
            Self::Distances { .. } | Self::Near(_) => first + TRANSFER_ROWS,
            Self::Shared(_) => first + TRANSFER_ROWS.min(Shared::rows(k)),
        };
        Ok(RowRange::new(first, last.min(end)))
    }

    /// Fills `weights`, not normalised yet. Where they would be too many, rows at the end are left out of both.
    pub(in crate::pipeline) fn weigh(
        &mut self,
        neighbors: &mut NeighborBlock,
        weights: &mut Weights,
        progress: &Progress,
    ) -> Result<()> {
        match self {
            Self::Distances { kernel, self_edges, reverse } => {
                let (neighbors, entering) = (&*neighbors, entering(reverse.as_deref()));
                let is_mapped = |row: usize| neighbors.ids[row * neighbors.k] >= 0;
                kernel.weigh(neighbors, entering, *self_edges, is_mapped, weights);
            }
            Self::Shared(shared) => {
                shared.prepare(neighbors)?;
                shared.neighbors.weigh(neighbors, shared.within(), weights);
            }
            Self::Near(near) => near.weigh(neighbors, weights, progress)?,
        }
        Ok(())
    }

    /// Weighs other neighbours of one of the rows that were weighed last, its place among them `row`. What enters it and what its neighbours
    /// have is known of the graphs that were found only.
    pub(in crate::pipeline) fn weigh_again(
        &mut self,
        truth: &NeighborBlock,
        row: usize,
        weights: &mut Weights,
    ) -> Result<()> {
        match self {
            Self::Distances { kernel, self_edges, reverse } => {
                kernel.weigh(truth, entering(reverse.as_deref()), *self_edges, |_| truth.ids[0] >= 0, weights);
            }
            Self::Shared(shared) => {
                shared.neighbors.weigh(truth, shared.within_row(row).as_ref(), weights);
            }
            Self::Near(near) => near.weigh_again(truth, weights)?,
        }
        weights.normalize();
        Ok(())
    }

    /// Removes what stood on disk for it: the last unit is transferred.
    pub(in crate::pipeline) fn end(self, prepared: &Prepared, vfs: &Arc<dyn Vfs>) -> Result<()> {
        match self {
            Self::Distances { reverse, .. } => reverse.map_or(Ok(()), |reverse| reverse.end()),
            Self::Shared(_) | Self::Near(_) => graphs_stage::end(&prepared.resolved, &**vfs),
        }
    }
}

fn entering(reverse: Option<&Reverse>) -> Option<Entering<'_>> {
    reverse.map(|reverse| Entering { edges: reverse.reader.held(), symmetrize: reverse.symmetrize })
}
