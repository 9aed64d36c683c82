//! What weights need besides the neighbours of a run: the edges that enter its cells, and how many neighbours cells share.
//!
//! Both are held whole, because all graphs are in memory. They give what a run gives that reads its graphs from disk, bit for bit.

use super::run::QueryRun;
use super::weighed::OtherRuns;
use crate::budget::{Lease, MemoryBudget};
use crate::error::{Error, Result};
use crate::graph::ReverseBlock;
use crate::kernel::{Kernel, KernelMethod, NearCounts, SharedNeighbors, Sharers, Weights};
use crate::types::NeighborBlock;

/// The transpose of a graph: for each cell the edges that end in it, with what their own row made of them, as `kernel` has it.
pub(super) fn entering(
    found: &NeighborBlock,
    kernel: &Kernel,
    self_edges: bool,
    budget: &MemoryBudget,
) -> Result<(ReverseBlock, Lease)> {
    let (rows, width) = (found.rows(), found.k + 1);
    let edges = found.ids.iter().filter(|id| **id >= 0).count();
    // Values of all edges, what is made of them, and twice where each row's edges begin.
    let bytes = rows as u64 * (width as u64 * 4 + 16) + edges as u64 * 12;
    let lease = budget.take("the edges that enter cells", bytes)?;
    let mut values = Vec::new();
    kernel.carry(found, self_edges, &mut values);
    let mut starts = vec![0; rows + 1];
    for &id in found.ids.iter().filter(|id| **id >= 0) {
        starts[id as usize + 1] += 1;
    }
    for row in 0..rows {
        starts[row + 1] += starts[row];
    }
    let mut next = starts.clone();
    let mut block = ReverseBlock { first_row: 0, starts, sources: vec![0; edges], values: vec![0.0; edges] };
    for (row, of_row) in values.chunks_exact(width).enumerate() {
        for (&target, &value) in found.row(row).0.iter().zip(&of_row[1..]) {
            let at = &mut next[target as usize];
            (block.sources[*at], block.values[*at]) = (row as u64, value);
            *at += 1;
        }
    }
    Ok((block, lease))
}

/// Weighs the neighbours of a run by those that cells share. Between two sets of cells the graphs within both and back are `others`.
pub(super) fn shared(
    method: KernelMethod,
    run: &QueryRun,
    others: Option<OtherRuns>,
    reference_rows: u64,
    budget: &MemoryBudget,
) -> Result<(Weights, Lease)> {
    // Within one set of cells all four graphs are one.
    let others = others.filter(|_| !run.within);
    if let Some(OtherRuns { xx, yy, xy }) = others {
        let fits = |of: &QueryRun, rows: u64| of.done() as u64 == rows && of.rows() as u64 == rows;
        let queries = run.done() as u64;
        if !(fits(xx, reference_rows) && fits(yy, queries) && fits(xy, reference_rows)) {
            let reason =
                "graphs within the reference, within the query and from reference to query are needed, of all cells";
            return Err(Error::param("graphs", method.name(), reason));
        }
    } else if !run.within {
        let reason = "counts neighbors that cells share: give the graphs within both and back";
        return Err(Error::param("kernelMethod", method.name(), reason));
    }
    if method == KernelMethod::HnocaKnn {
        near(run, others, reference_rows, budget)
    } else {
        all(method, run, others, reference_rows, budget)
    }
}

/// Of all pairs that share a neighbour.
fn all(
    method: KernelMethod,
    run: &QueryRun,
    others: Option<OtherRuns>,
    reference_rows: u64,
    budget: &MemoryBudget,
) -> Result<(Weights, Lease)> {
    let yx = run.found();
    let (xx, yy) = others.map_or((run, None), |others| (others.xx, Some(others.yy.found())));
    let ends = |of: &QueryRun, own: bool| of.done() as u64 * (of.k() as u64 + u64::from(own));
    let back = others.map_or(0, |others| Sharers::bytes(run.done() as u64, ends(others.xy, false)));
    let bytes = Sharers::bytes(reference_rows, ends(xx, true)) + back + SharedNeighbors::thread_bytes(reference_rows);
    let _graphs = budget.take("the graphs within and between", bytes)?;
    let xy = others.map(|others| sharers(others.xy.found(), run.done(), false)).transpose()?;
    let of_reference = sharers(xx.found(), reference_rows as usize, true)?;
    let neighbors = SharedNeighbors::new(method, run.k() as u64, reference_rows, of_reference, xy);
    let edges = neighbors.most(yx, yy);
    let lease = budget.take("the weights", Weights::bytes(yx.rows() as u64, edges as u64, 0))?;
    let mut weights = Weights::default();
    neighbors.weigh(yx, yy, &mut weights);
    Ok((weights, lease))
}

/// The transpose of a graph that ends in so many cells; with `own`, each is its own neighbour as well.
fn sharers(found: &NeighborBlock, cells: usize, own: bool) -> Result<Sharers> {
    let mut sharers = Sharers::new(cells as u64);
    sharers.count(found, own);
    sharers.counted()?;
    sharers.enter(found, own);
    sharers.entered();
    Ok(sharers)
}

/// Of stored neighbours alone.
fn near(
    run: &QueryRun,
    others: Option<OtherRuns>,
    reference_rows: u64,
    budget: &MemoryBudget,
) -> Result<(Weights, Lease)> {
    let (xx, back) = others.map_or((run, None), |others| (others.xx, Some(others.xy)));
    let within = others.map_or(0, |others| others.yy.k());
    let (rows, k) = (run.done() as u64, run.k() as u64);
    let passing = NearCounts::pass_bytes(reference_rows, xx.k() as u64, back.map_or(0, |back| back.k() as u64));
    let waiting = rows.saturating_mul(NearCounts::row_bytes(k, within as u64));
    let _rows = budget.take("rows and the graphs that pass by", passing.saturating_add(waiting))?;
    let lease = budget.take("the weights", Weights::bytes(rows, rows * (k + 1), k + 1))?;
    let mut counts = NearCounts::new(k, run.within);
    counts.begin(0, run.k(), within);
    counts.push(run.found(), others.map(|others| others.yy.found()));
    counts.wait();
    counts.pass(xx.found(), back.map(QueryRun::found));
    let mut weights = Weights::default();
    counts.weigh(0..rows, &mut weights);
    Ok((weights, lease))
}
