//! The k-NN graph: sums over its distances, and its rows read back from the store.

mod stored;
mod sums;

pub use stored::StoredNeighbors;
pub use sums::{DistanceSums, SUM_GRANULE};
