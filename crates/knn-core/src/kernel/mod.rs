//! From distances to weights: one small file per kernel. Each turns a block of neighbours into a block of row-normalised weights.

mod csr;
mod gauss;

pub use csr::CsrBlock;
pub use gauss::{Gauss, gauss};
