//! All queries against the reference in bulk: the exact join.
//!
//! A block of query rows in flight meets one slab of reference rows after another. The tile selects, exact distances decide
//! at the end of each slab while its rows are in memory, so a reference of any size is joined with two slabs' worth of it.
//! This module does not read stores; it is handed tiles.

mod clusters;
mod decide;
mod exact;
mod reach;
mod slab;

pub use exact::{Ordered, QUERY_CHUNK, join_slab, ordered_bytes, scratch_bytes};
pub use slab::Slab;
