//! From distances to weights: one small file per kernel, and one enum that knows them all. A block of neighbours becomes a block of
//! row-normalised weights.

mod adaptive_gauss;
mod csr;
mod gauss;
mod inverse_distance;
mod method;
mod near_counts;
mod random;
mod scarches;
mod shared;
mod umap;
mod weights;
#[cfg(test)]
mod tests;

pub use adaptive_gauss::adaptive_sigma;
pub use csr::CsrBlock;
pub use method::{KernelMethod, Symmetrize};
pub use near_counts::NearCounts;
pub use shared::{SharedNeighbors, Sharers};
pub use weights::{Entering, Kernel, Weights};
