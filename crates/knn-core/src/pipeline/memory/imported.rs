//! What taking over neighbours that were found before takes of the memory.

use std::collections::BTreeMap;

use super::sizes::{Sizes, fits};
use crate::error::Result;
use crate::graph::ImportedGraph;
use crate::pipeline::finished::Finished;
use crate::pipeline::inputs::Inputs;
use crate::pipeline::memory_plan::MemoryPlan;
use crate::pipeline::request::Resolved;
use crate::source::RowSource;

/// Shares out the memory of taking neighbours over.
pub(in crate::pipeline) fn share(
    resolved: &Resolved,
    inputs: &Inputs,
    k: u64,
    common: &BTreeMap<&'static str, u64>,
    transfer: BTreeMap<&'static str, u64>,
) -> Result<Sizes> {
    let mut parts = common.clone();
    parts.insert(
        "imported neighbors",
        inputs.imported.as_ref().map_or(0, ImportedGraph::bytes) + Finished::row_bytes(k),
    );
    let names = inputs.names.natural_tile_rows().min(inputs.query.n_obs());
    parts.insert("names", inputs.names.scratch_bytes(names) + names * 32);
    let sum = |parts: &BTreeMap<_, u64>| parts.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    let (what, highest) =
        if sum(&transfer) > sum(&parts) { ("transfer", transfer) } else { ("imported neighbors", parts) };
    let planned = sum(&highest);
    fits(resolved, what, planned, &highest)?;
    let parts = highest.into_iter().map(|(what, bytes)| (what.to_owned(), bytes)).collect();
    Ok(Sizes {
        block_rows: 1,
        slab_rows: inputs.reference_rows.rows().max(1),
        reference_passes: 1,
        leased: planned,
        memory: MemoryPlan { limit: resolved.memory, planned, parts },
        ..Sizes::default()
    })
}
