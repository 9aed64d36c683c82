//! The second pass over the query: stored neighbours become weights, and weights results.

pub(super) mod bandwidth;
pub(super) mod stored_rows;
pub(super) mod near_graphs;
pub(super) mod graphs_stage;
pub(super) mod reverse_stage;
pub(super) mod weigher;
pub(super) mod diffusion;
pub(super) mod payload;
pub(super) mod passing;
pub(super) mod transfer_stage;
