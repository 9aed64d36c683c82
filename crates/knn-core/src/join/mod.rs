//! All queries against the reference in bulk: the exact join, and the join by lists of an index.
//!
//! A block of query rows in flight meets one slab of reference rows after another, or the lists of an index that lie nearest to
//! each. The tile selects, exact distances decide while the rows are in memory, so a reference of any size is joined with a part of
//! it at hand. This module does not read stores; it is handed tiles and an index.

mod barred;
mod clusters;
mod codes;
mod decide;
#[cfg(feature = "disk")]
mod device;
mod exact;
mod links;
mod lists;
mod order;
mod rank;
mod reach;
mod recall;
mod repair;
mod repaired;
mod results;
mod slab;
mod slice;
#[cfg(test)]
mod tests;
mod visited;
mod visits;

pub use barred::{Barred, Batches, NO_QUERY_BATCH, NO_REFERENCE_BATCH};
pub use codes::DEFAULT_LOSS;
#[cfg(feature = "disk")]
pub use device::{DeviceSize, DeviceWork, OnDevice};
pub use exact::{QUERY_CHUNK, join_slab, scratch_bytes};
pub use links::{Hop, Links};
pub use lists::ListJoin;
pub use order::{Ordered, ordered_bytes};
pub use recall::{Calibration, Missed, Recall, Target};
pub use repair::Repair;
pub use repaired::{HOPS, RepairCost, Repairs, Theirs, sample_bytes};
pub use slab::Slab;
pub use slice::{SliceSize, slice_bytes};
pub use visited::Looked;
