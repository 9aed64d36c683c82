//! The k-NN graph: sums over its distances, and its rows read back from the store.

mod sums;

pub use sums::{DistanceSums, SUM_GRANULE};
