//! AnnData on top of any container: which group is what, and what its members are encoded as.
//!
//! Dispatch is on `encoding-type`. What is not understood is `Other` or skipped, and never stops the rest from being read.

mod categories;
mod column;
mod names;
mod nullable;
mod store;

pub use categories::Categories;
pub use column::{ColumnKind, ObsColumn};
pub use names::ObsNames;
pub use store::AnnDataStore;

pub(super) use store::encoding;

#[cfg(test)]
mod tests;
