//! What diffusion takes of the memory: the state of as many lanes as there is room for, and pieces of M beside it.

use super::finals::HELD_BYTES;
use super::lanes::{most_lanes, reading_bytes};
use super::matrix::PIECE_BYTES;
use super::steps::SUMS_BYTES;
use crate::operator::Spectrum;
use crate::pipeline::graphs_stage;
use crate::pipeline::inputs::Inputs;
use crate::pipeline::memory::PROCESS;
use crate::pipeline::request::Resolved;
use crate::pipeline::sizes::Sizes;
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
