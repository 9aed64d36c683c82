//! What the second pass takes of the memory: the reference's columns, which must be in it, and one piece of rows.

use std::collections::BTreeMap;

use super::diffusion;
use super::expression::RESULT_BYTES;
use super::graphs_stage;
use super::inputs::Inputs;
use super::memory::TRANSFER_ROWS;
use super::payload::Results;
use super::request::Resolved;
use super::reverse_memory::{ReverseNeeds, sigmas_bytes};
use super::square::SquareWriter;
use crate::graph::StoredNeighbors;
use crate::kernel::Weights;
use crate::sink::{ArraySpec, Kind, StoreSpec};
use crate::source::RowSource;

/// What transfer takes at least, by what takes it.
pub(super) fn transfer_parts(
    resolved: &Resolved,
    common: &BTreeMap<&'static str, u64>,
    inputs: &Inputs,
    spec: &StoreSpec,
    reverse: Option<&ReverseNeeds>,
) -> BTreeMap<&'static str, u64> {
    let threads = resolved.threads as u64;
    let n_ref = inputs.reference.n_obs();
    let (mut columns, mut results, mut sums) = (0, 0, 0u64);
    for input in &inputs.columns {
        let read = input.column.scratch_bytes(input.column.natural_tile_rows().min(n_ref));
        let categories = input.column.categories().map_or(0, |categories| categories.len() as u64);
        columns += n_ref * if categories > 0 { 4 } else { 8 } + read;
        sums = sums.max(categories * 8);
        results = results.max(TRANSFER_ROWS * Results::label_bytes(resolved.parameters.labels.top()));
    }
    for (_, rows) in &inputs.embeddings {
        columns += n_ref * rows.dim() as u64 * 4 + rows.scratch_bytes(rows.natural_tile_rows().min(n_ref));
        sums = sums.max(rows.dim() as u64 * 8);
    }
    if let Some(expression) = &inputs.expression {
        columns += expression.bytes();
        sums = sums.max(expression.genes.len() as u64 * 8);
        results += 3 * RESULT_BYTES.max(expression.genes.len() as u64 * 4);
    }
    // Rows of expression are long, and are made fewer at a time.
    let narrow = spec.arrays.iter().filter(|array| !matches!(array.kind, Kind::Expression { .. }));
    let width = |array: &ArraySpec| array.row_bytes().unwrap_or(0);
    results += TRANSFER_ROWS * 2 * narrow.map(width).max().unwrap_or(0);
    let mut parts = common.clone();
    if resolved.parameters.diffusion.is_some() {
        parts.insert("diffusion", diffusion::least_bytes(resolved, inputs, spec));
    } else {
        parts.insert("reference columns", columns);
    }
    let edges = TRANSFER_ROWS * (spec.k + 1);
    let weights = StoredNeighbors::bytes(TRANSFER_ROWS, spec.k) + Weights::bytes(TRANSFER_ROWS, edges, spec.k + 1);
    parts.insert("weights", weights + sigmas_bytes(resolved, spec) + SquareWriter::bytes(edges));
    if let Some(reverse) = reverse {
        parts.insert("reverse edges", reverse.least());
    }
    let shared = graphs_stage::bytes(resolved, spec);
    if shared > 0 {
        parts.insert("shared neighbors", shared);
    }
    parts.insert("results", results);
    parts.insert("threads", threads * sums);
    parts
}
