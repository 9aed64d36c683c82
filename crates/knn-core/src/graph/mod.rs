//! The k-NN graph: sums over its distances, its rows read back from the store, and its transpose.

mod block;
mod imported;
mod reverse;
mod quantile;
mod store;
mod stored;
mod sums;

pub use block::{GraphBlock, Ids, MOST_BLOCK_BYTES};
pub use imported::{GraphBetween, ImportedGraph};
pub use quantile::distance_quantile;
pub use reverse::{ReverseBlock, ReverseForm, ReverseReader};
pub use store::{GraphDescription, GraphStore};
pub use stored::StoredNeighbors;
pub use sums::{DistanceSums, SUM_GRANULE};
