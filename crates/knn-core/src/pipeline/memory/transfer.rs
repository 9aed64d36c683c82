//! What the second pass takes of the memory: the reference's columns, which must be in it, embeddings and expression, which stay in it or
//! pass by, and one piece of rows.

use std::collections::BTreeMap;

use super::diffusion;
use super::graphs;
use super::passing::Passing;
use super::reverse::{ReverseNeeds, sigmas_bytes};
use super::sizes::TRANSFER_ROWS;
use crate::graph::StoredNeighbors;
use crate::kernel::Weights;
use crate::operator::WaitingRows;
use crate::pipeline::inputs::Inputs;
use crate::pipeline::inputs::expression::RESULT_BYTES;
use crate::pipeline::inputs::library_size::LibrarySizes;
use crate::pipeline::request::Resolved;
use crate::pipeline::square::SquareWriter;
use crate::sink::{ArraySpec, Kind, StoreSpec};
use crate::source::RowSource;

/// Bytes of sums of rows that wait, at least.
const LEAST_WAITING: u64 = 8 << 20;

/// A matrix of the reference that may pass by.
#[derive(Clone, Copy)]
enum Candidate {
    Embedding(usize),
    Expression,
}

/// What transfer takes, by what takes it, and which matrices pass by: as few as may be, the largest first. Where any does, what is left
/// is for rows that wait, half of it where edges that enter rows need room too.
pub(in crate::pipeline) fn share_transfer(
    resolved: &Resolved,
    common: &BTreeMap<&'static str, u64>,
    inputs: &Inputs,
    spec: &StoreSpec,
    reverse: Option<&ReverseNeeds>,
) -> (BTreeMap<&'static str, u64>, Passing) {
    let of = |passing: &Passing| transfer_parts(resolved, common, inputs, (spec, passing), reverse);
    let mut passing = Passing::default();
    let mut parts = of(&passing);
    let mut candidates: Vec<_> = (0..inputs.embeddings.len())
        .map(|place| (embedding_bytes(inputs, place), Candidate::Embedding(place)))
        .chain(inputs.expression.as_ref().map(|expression| (expression.bytes(), Candidate::Expression)))
        .collect();
    candidates.sort_by_key(|(bytes, _)| *bytes);
    let sum = |parts: &BTreeMap<_, u64>| parts.values().sum::<u64>();
    // What is diffused is cut by columns instead.
    while resolved.parameters.diffusion.is_none()
        && sum(&parts) > resolved.memory
        && let Some((_, candidate)) = candidates.pop()
    {
        let mut more = passing.clone();
        match candidate {
            Candidate::Embedding(place) => more.embeddings.push(place),
            Candidate::Expression => more.expression = true,
        }
        more.embeddings.sort_unstable();
        let with = of(&more);
        // What is small takes less where it stays.
        if sum(&with) < sum(&parts) {
            (passing, parts) = (more, with);
        }
    }
    if !passing.is_empty() {
        let left = resolved.memory.saturating_sub(sum(&parts));
        let left = if reverse.is_some() { left / 2 } else { left };
        let rows = spec.layout.unit_rows().min(spec.layout.n_obs());
        let all = WaitingRows::bytes(rows, 2 * rows * (spec.k + 1), passing.columns(inputs));
        let least = least_waiting(spec, &passing, inputs);
        passing.waiting_bytes = (least + left).min(all).max(least);
        parts.insert("rows that wait", passing.waiting_bytes);
    }
    (parts, passing)
}

/// Bytes of so few rows that wait that fewer are never planned.
fn least_waiting(spec: &StoreSpec, passing: &Passing, inputs: &Inputs) -> u64 {
    let columns = passing.columns(inputs).max(1);
    let rows = (LEAST_WAITING / (columns * 8)).clamp(1, TRANSFER_ROWS);
    WaitingRows::bytes(rows, rows * (spec.k + 1), columns)
}

fn embedding_bytes(inputs: &Inputs, place: usize) -> u64 {
    let (n_ref, rows) = (inputs.reference.n_obs(), &inputs.embeddings[place].1);
    let reading = rows.scratch_bytes(rows.natural_tile_rows().min(n_ref));
    n_ref.saturating_mul(rows.dim() as u64 * 4).saturating_add(reading)
}

/// What transfer takes at least where these matrices pass by.
fn transfer_parts(
    resolved: &Resolved,
    common: &BTreeMap<&'static str, u64>,
    inputs: &Inputs,
    (spec, passing): (&StoreSpec, &Passing),
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
        results = results.max(TRANSFER_ROWS * label_bytes(resolved.parameters.labels.top()));
    }
    if let Some(levels) = &inputs.levels {
        columns += levels.bytes();
        sums = sums.max(levels.sums_bytes());
    }
    for (place, (_, rows)) in inputs.embeddings.iter().enumerate() {
        if !passing.embeddings.contains(&place) {
            columns += embedding_bytes(inputs, place);
            sums = sums.max(rows.dim() as u64 * 8);
        }
    }
    if let Some(expression) = inputs.expression.as_ref().filter(|_| !passing.expression) {
        columns += expression.bytes();
        sums = sums.max(expression.genes.len() as u64 * 8);
        results += 3 * RESULT_BYTES.max(expression.genes.len() as u64 * 4);
    }
    // Rows of expression are long, and are made fewer at a time.
    let narrow = spec.arrays.iter().filter(|array| !matches!(array.kind, Kind::Expression { .. }));
    let width = |array: &ArraySpec| array.row_bytes().unwrap_or(0);
    results += TRANSFER_ROWS * 2 * narrow.map(width).max().unwrap_or(0);
    let mut parts = common.clone();
    if !passing.is_empty() {
        parts.insert("rows that wait", least_waiting(spec, passing, inputs));
        parts.insert("matrices that pass by", passing.reading_bytes(inputs));
    }
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
    let shared = graphs::bytes(resolved, inputs, spec);
    if shared > 0 {
        parts.insert("shared neighbors", shared);
    }
    results += inputs.library_sizes.as_ref().map_or(0, LibrarySizes::bytes);
    parts.insert("results", results);
    parts.insert("threads", threads * sums);
    parts
}

/// Bytes of the results of a row of labels with `top` shares, beside what is appended.
fn label_bytes(top: u64) -> u64 {
    144 + top * 8
}
