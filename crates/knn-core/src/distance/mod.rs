//! Distances in bulk: the tile that selects, and the exact distance that decides.
//!
//! The tile computes `‖x‖² − 2·q·x` in f32 for six queries against sixteen references at a time and keeps what may be
//! among the k nearest, allowing for the proven rounding error ([`bound`]). Whatever survives is decided by
//! [`exact_squared`]: direct subtraction, accumulated in f64 in one fixed order. So every lane, tile size and thread count
//! gives the same neighbours and the same bits.
//!
//! The algorithm is written once, over the [`vector::Vector`] trait; a lane's file holds its intrinsics and nothing else.
//! This module does not know of stores, threads or budgets.

#![allow(unsafe_code, reason = "SIMD intrinsics need it; every block says why it is sound")]
#![allow(clippy::inline_always, reason = "a lane must be inlined into the function that enables its instructions")]

pub mod bound;
mod exact;
mod lane;
mod pack;
mod scan;
mod survivors;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use exact::{exact_distance, exact_squared};
pub use lane::{DistanceTile, Lane};
pub use pack::{BLOCK_ROWS, PANEL_ROWS, PackedReferences, QueryPanels};
pub use scan::Visit;
pub use survivors::{Candidate, Resolve, Survivors};
