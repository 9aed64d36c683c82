//! Distances in bulk: the tile that selects, and the exact distance that decides.
//!
//! Rows are put on a grid of integers ([`Grid`]). The tile computes `q·x − ‖x‖²/2` (for inner products `q·x`) for six queries against
//! sixteen references at a time, without any rounding, and keeps what may be among the k nearest, allowing for the grid's step.
//! Whatever survives is decided by [`exact_squared`] (or [`exact_product`]): direct subtraction, accumulated in f64 in one fixed
//! order. So every lane, tile size and thread count gives the same neighbours and the same bits. What is decided and how it is
//! reported is the [`Metric`]'s.
//!
//! The algorithm is written once, over the [`vector::Vector`] trait; a lane's file holds its intrinsics and nothing else.
//! This module does not know of stores, threads or budgets.

#![allow(unsafe_code, reason = "SIMD intrinsics need it; every block says why it is sound")]
#![allow(clippy::inline_always, reason = "a lane must be inlined into the function that enables its instructions")]

mod codebook;
mod codes;
mod exact;
mod grid;
mod lane;
mod metric;
mod pack;
mod query;
mod scan;
mod survivors;
#[cfg(test)]
mod tests;
mod vector;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(any(target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128")))]
mod quarters;

pub use codebook::{CODEWORDS, Codebooks};
pub use codes::{CODE_BLOCK_ROWS, CODE_GROUP_ROWS, PackedCodes};
pub use exact::{exact_distance, exact_product, exact_squared};
pub use grid::Grid;
pub use lane::{DistanceTile, Lane};
pub use metric::Metric;
pub use pack::{BLOCK_ROWS, PackedReferences};
pub use query::{PANEL_ROWS, QueryPanels, QueryRows};
pub use scan::Visit;
pub use survivors::{Candidate, FEW_MORE, Resolve, Survivors};
