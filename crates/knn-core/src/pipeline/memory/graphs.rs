//! What other graphs take of the memory while cells are weighed by the neighbours that they share.

use super::sizes::{Sizes, TRANSFER_ROWS};
use crate::graph::StoredNeighbors;
use crate::kernel::{KernelMethod, NearCounts, SharedNeighbors, Sharers};
use crate::pipeline::inputs::Inputs;
use crate::pipeline::memory_plan::PROCESS;
use crate::pipeline::other_graphs::{is_used, method, needed};
use crate::pipeline::request::{OtherGraph, Resolved};
use crate::sink::StoreSpec;

/// Weights that are made at a time at most.
pub(in crate::pipeline) const BLOCK_WEIGHTS: u64 = 1 << 20;
/// Rows that wait, at least, unless there are fewer.
const LEAST_ROWS: u64 = 1 << 14;

/// Neighbours of a row in yx, xx, xy and yy, 0 where there is no such graph.
fn widths(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec) -> [u64; 4] {
    let usual = |graph| if needed(resolved).any(|needed| needed == graph) { spec.k } else { 0 };
    let known = |graph| inputs.other_widths.iter().find(|(other, _)| *other == graph).map(|(_, width)| *width);
    let width = |graph| known(graph).unwrap_or_else(|| usual(graph));
    let [xx, xy, yy] = [OtherGraph::Xx, OtherGraph::Xy, OtherGraph::Yy].map(width);
    if resolved.self_mapping { [spec.k, spec.k, 0, 0] } else { [spec.k, xx, xy, yy] }
}

/// Whether rows wait for graphs to pass.
fn is_near(resolved: &Resolved) -> bool {
    is_used(resolved) && method(&resolved.parameters) == Some(KernelMethod::HnocaKnn)
}

/// Enters into the sizes of a run how many rows wait for graphs to pass: half of what transfer and diffusion leave is for more than the fewest.
pub(in crate::pipeline) fn enter(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec, sizes: &mut Sizes) {
    if !is_near(resolved) {
        return;
    }
    let widths = widths(resolved, inputs, spec);
    let (row, n_obs) = (NearCounts::row_bytes(widths[0], widths[3]), spec.layout.n_obs());
    let (least, _) = least_near(n_obs, widths);
    let taken = sizes.after.transfer.saturating_add(sizes.after.state_lease);
    let rows = (least + resolved.memory.saturating_sub(taken) / 2 / row).min(n_obs.max(1));
    (sizes.after.near_rows, sizes.after.near_lease) = (rows, (rows - least) * row);
    let taken = taken + sizes.after.near_lease;
    if taken > sizes.memory.planned {
        let parts = [("process".to_owned(), PROCESS), ("transfer".to_owned(), taken - PROCESS)];
        sizes.memory.parts = parts.into_iter().collect();
        sizes.memory.planned = taken;
    }
}

/// Bytes that shared neighbours take in transfer, all threads together.
pub(in crate::pipeline) fn bytes(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec) -> u64 {
    if !is_used(resolved) {
        return 0;
    }
    if is_near(resolved) {
        return least_near(spec.layout.n_obs(), widths(resolved, inputs, spec)).1;
    }
    let (n_obs, n_ref, k) = (spec.layout.n_obs(), spec.n_ref, spec.k);
    let width = |graph| inputs.other_widths.iter().find(|(other, _)| *other == graph).map_or(k, |(_, width)| *width);
    let between = n_ref.saturating_mul(width(OtherGraph::Xy));
    let between = if resolved.self_mapping { 0 } else { Sharers::bytes(n_obs, between) };
    let graphs = Sharers::bytes(n_ref, n_ref.saturating_mul(width(OtherGraph::Xx) + 1)).saturating_add(between);
    let threads = SharedNeighbors::thread_bytes(n_ref).saturating_mul(resolved.threads as u64);
    graphs.saturating_add(threads).saturating_add((BLOCK_WEIGHTS + n_ref) * 32)
}

/// Fewest rows that wait, and the bytes of that and of the graphs that pass; widths are those of yx, xx, xy and yy.
fn least_near(n_obs: u64, widths: [u64; 4]) -> (u64, u64) {
    let [yx, xx, xy, yy] = widths;
    let rows = LEAST_ROWS.min(n_obs.max(1));
    let reading: u64 = widths.iter().map(|&width| StoredNeighbors::bytes(TRANSFER_ROWS, width)).sum();
    // A part of a block beside it, and its rows in order.
    let passing = NearCounts::pass_bytes(TRANSFER_ROWS, xx, xy) + TRANSFER_ROWS * yx.max(xx) * 12;
    (rows, rows * NearCounts::row_bytes(yx, yy) + reading + passing)
}
