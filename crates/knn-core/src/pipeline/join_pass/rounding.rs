//! Cells rounded to what f16 lists hold.

use crate::index::round_to_halves;
use crate::pipeline::request::Resolved;
use crate::types::Tile;

/// Rounds queries to what the lists hold, where they are the same rows: a cell does not differ from itself.
pub(in crate::pipeline) fn round(resolved: &Resolved, queries: &mut Tile) {
    if resolved.rounds_queries() {
        round_to_halves(&mut queries.values, queries.dim);
    }
}

/// Rounds references to what the lists hold.
pub(in crate::pipeline) fn round_references(resolved: &Resolved, references: &mut Tile) {
    if resolved.rounds_references() {
        round_to_halves(&mut references.values, references.dim);
    }
}
