//! What diffusion takes of the memory: the state of as many lanes as there is room for, and pieces of M beside it.

use super::finals::HELD_BYTES;
use super::lanes::{most_lanes, reading_bytes};
use super::matrix::PIECE_BYTES;
use super::steps::SUMS_BYTES;
use crate::operator::Spectrum;
use crate::pipeline::graphs_stage;
use crate::pipeline::inputs::Inputs;
use crate::pipeline::memory::{PROCESS, Sizes};
use crate::pipeline::request::Resolved;
use crate::sink::{Stage, StoreSpec};

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

/// Bytes of the smallest state that is planned. Eigenvectors need all rows of a lane.
fn least_state(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec) -> u64 {
    let whole = if is_spectral(resolved) { spec.layout.n_obs() * 24 } else { 0 };
    most_state(inputs, spec).min(LEAST_STATE).max(whole)
}

/// Bytes that transfer takes at least where it diffuses: beside the rows that it reads, all that a step takes but for its state.
pub(in crate::pipeline) fn least_bytes(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec) -> u64 {
    let n = spec.layout.n_obs();
    let [wide, narrow] = most_lanes(inputs);
    let row = wide * 8 + narrow * 4;
    // Rows at hand, what a vote goes by, and the sums of a step with their bytes: one row at least, however long.
    let rows = (HELD_BYTES + SUMS_BYTES).max(row).saturating_mul(3);
    // A state is there three times while eigenvectors are applied: as it is stored, in f64, and as bytes.
    let spectrum = if is_spectral(resolved) { Spectrum::bytes(n) + most_state(inputs, spec) * 2 } else { 0 };
    reading_bytes(inputs) + PIECE_BYTES + rows + spectrum + least_state(resolved, inputs, spec)
}

/// Enters into the sizes of a run how large a state may be: what transfer leaves.
pub(in crate::pipeline) fn enter(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec, sizes: &mut Sizes) {
    if resolved.parameters.diffusion.is_none() || !spec.stages().contains(&Stage::Transferred) {
        return;
    }
    let n = spec.layout.n_obs();
    let least = least_state(resolved, inputs, spec);
    let more = resolved.memory.saturating_sub(sizes.after.transfer);
    let state = (least + more).min(most_state(inputs, spec).max(least));
    sizes.after.state = state;
    sizes.after.state_lease = state - least;
    let taken = sizes.after.transfer + (state - least);
    let [wide, narrow] = most_lanes(inputs);
    // A symmetrised row has about twice as many weights as neighbours; of shared neighbours about half the square.
    let is_shared = graphs_stage::is_used(resolved);
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
