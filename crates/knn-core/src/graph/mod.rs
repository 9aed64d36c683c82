//! The k-NN graph: sums over its distances, its rows read back from the store, and its transpose.

mod block;
#[cfg(feature = "disk")]
mod holder;
#[cfg(feature = "disk")]
mod imported;
mod reverse;
#[cfg(feature = "disk")]
mod quantile;
#[cfg(feature = "disk")]
mod store;
#[cfg(feature = "disk")]
mod stored;
mod sums;

pub use block::{GraphBlock, Ids, MOST_BLOCK_BYTES};
#[cfg(feature = "disk")]
pub use holder::{Holder, holder, named_place};
#[cfg(feature = "disk")]
pub use imported::{GraphBetween, ImportedGraph, is_ours};
#[cfg(feature = "disk")]
pub use quantile::distance_quantile;
pub use reverse::{ReverseBlock, ReverseForm, ReverseReader};
#[cfg(feature = "disk")]
pub use store::{GraphDescription, GraphStore};
#[cfg(feature = "disk")]
pub use stored::StoredNeighbors;
pub use sums::{DistanceSums, SUM_GRANULE};
