//! The k-NN graph: sums over its distances, and its rows read back from the store.

mod block;
mod store;
mod stored;
mod sums;

pub use block::{GraphBlock, Ids, MOST_BLOCK_BYTES};
pub use store::{GraphDescription, GraphStore};
pub use stored::StoredNeighbors;
pub use sums::{DistanceSums, SUM_GRANULE};
