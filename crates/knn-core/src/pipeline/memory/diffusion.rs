//! What diffusion takes of the memory: the state of as many lanes as there is room for, and pieces of M beside it.

use std::sync::Arc;

use super::sizes::Sizes;
use crate::error::{Error, Result};
use crate::operator::{SPECTRAL_CELLS, Spectrum};
use crate::pipeline::inputs::bands::band_rows;
use crate::pipeline::inputs::{ColumnInput, Inputs};
use crate::pipeline::memory_plan::PROCESS;
use crate::pipeline::other_graphs;
use crate::pipeline::request::Resolved;
use crate::sink::{Stage, StoreSpec};
use crate::source::RowSource;

/// Bytes of the rows at hand, of one row at least.
pub(in crate::pipeline) const HELD_BYTES: u64 = 8 << 20;
/// Bytes of the sums of a step, of one row at least.
pub(in crate::pipeline) const SUMS_BYTES: u64 = 4 << 20;
/// Weights of a piece at most, but for a row that has more.
pub(in crate::pipeline) const PIECE_WEIGHTS: usize = 1 << 17;
/// Bytes of a piece while it is written or read.
const PIECE_BYTES: u64 = PIECE_WEIGHTS as u64 * 48;
/// A state in memory is planned to be no smaller than this, unless all of it is.
const LEAST_STATE: u64 = 16 << 20;

fn is_spectral(resolved: &Resolved) -> bool {
    resolved.parameters.diffusion.as_ref().is_some_and(|diffusion| diffusion.method == "spectral")
}

/// Bytes of the state of all lanes of the wider group: with more nothing gets faster.
fn most_state(inputs: &Inputs, spec: &StoreSpec) -> u64 {
    let [wide, narrow] = most_lanes(inputs);
    spec.layout.n_obs().saturating_mul((wide * 8).max(narrow * 4)).max(8)
}

/// Bytes of the smallest state that is planned. Of so few cells as eigenvectors are found of, it holds all rows of some lanes.
fn least_state(inputs: &Inputs, spec: &StoreSpec) -> u64 {
    most_state(inputs, spec).min(LEAST_STATE)
}

/// Bytes that transfer takes at least where it diffuses: beside the rows that it reads, all that a step takes but for its state.
pub(in crate::pipeline) fn least_bytes(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec) -> u64 {
    let n = spec.layout.n_obs();
    let [wide, narrow] = most_lanes(inputs);
    let row = wide * 8 + narrow * 4;
    // Rows at hand, what a vote goes by, and the sums of a step with their bytes: one row at least, however long.
    let rows = (HELD_BYTES + SUMS_BYTES).max(row).saturating_mul(3);
    let state = least_state(inputs, spec);
    // While eigenvectors are applied a state is there as it is stored and in f64, which is no more than twice that.
    let state = if is_spectral(resolved) { Spectrum::bytes(n).max(Spectrum::held_bytes(n) + state * 3) } else { state };
    reading_bytes(inputs) + PIECE_BYTES + rows + state
}

/// Enters into the sizes of a run how large a state may be: what transfer leaves.
pub(in crate::pipeline) fn enter(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec, sizes: &mut Sizes) {
    if resolved.parameters.diffusion.is_none() || !spec.stages().contains(&Stage::Transferred) {
        return;
    }
    let n = spec.layout.n_obs();
    let least = least_state(inputs, spec);
    // Blocks of lanes that eigenvectors are applied to do not follow from the memory, so that a run goes on in less of it.
    let more = if is_spectral(resolved) { 0 } else { resolved.memory.saturating_sub(sizes.after.transfer) };
    let state = (least + more).min(most_state(inputs, spec).max(least));
    sizes.after.state = state;
    sizes.after.state_lease = state - least;
    let taken = sizes.after.transfer + (state - least);
    let [wide, narrow] = most_lanes(inputs);
    // A symmetrised row has about twice as many weights as neighbours; of shared neighbours about half the square.
    let is_shared = other_graphs::is_used(resolved);
    let of_row = if is_shared { ((spec.k + 1) * (spec.k + 1)).min(spec.n_ref) } else { 2 * spec.k + 1 };
    let weights = spec.n_ref.saturating_mul(of_row).saturating_mul(12);
    let states = n.saturating_mul(wide * 8 + narrow * 4).saturating_add(state);
    sizes.after.edge_bytes = sizes.after.edge_bytes.saturating_add(weights).saturating_add(states);
    if taken > sizes.memory.planned {
        let parts = &mut sizes.memory.parts;
        parts.clear();
        parts.insert("process".into(), PROCESS);
        parts.insert("diffusion".into(), taken - PROCESS);
        sizes.memory.planned = taken;
    }
}

/// Wide and narrow lanes at most, known before any column is read.
fn most_lanes(inputs: &Inputs) -> [u64; 2] {
    let of_column = |input: &ColumnInput| input.labels().map_or(3, |(categories, _)| categories.len() as u64 + 2);
    let genes = inputs.expression.as_ref().map_or(0, |expression| expression.genes.len() as u64);
    let coordinates = inputs.embeddings.iter().map(|(_, rows)| rows.dim() as u64).sum::<u64>();
    [inputs.columns.iter().map(of_column).sum(), coordinates + genes]
}

/// Bytes that reading any of them takes.
fn reading_bytes(inputs: &Inputs) -> u64 {
    let rows_bytes = |rows: &Arc<dyn RowSource>| {
        let tile = band_rows(rows);
        rows.scratch_bytes(tile).saturating_add(tile.saturating_mul(rows.dim() as u64 * 4))
    };
    let columns = inputs.columns.iter().map(|input| {
        let band = input.column.natural_tile_rows().min(inputs.reference.n_obs());
        input.column.scratch_bytes(band) + band * 8
    });
    let rows = inputs.embeddings.iter().map(|(_, rows)| rows).chain(inputs.expression.as_ref().map(|e| &e.rows));
    columns.chain(rows.map(rows_bytes)).max().unwrap_or(0)
}

/// Refuses eigenvectors of more cells than there may be.
pub(in crate::pipeline) fn check_size(resolved: &Resolved, n_obs: u64) -> Result<()> {
    let is_spectral = resolved.parameters.diffusion.as_ref().is_some_and(|diffusion| diffusion.method == "spectral");
    if is_spectral && n_obs > SPECTRAL_CELLS {
        return Err(Error::Unsupported {
            what: format!("diffusionMethod \"spectral\" for {n_obs} cells, more than {SPECTRAL_CELLS},"),
            remedy: "take \"iterative\", which gives the same".into(),
        });
    }
    Ok(())
}
