//! AnnData on top of any container: which group is what, and what its members are encoded as.
//!
//! Dispatch is on `encoding-type`; older versions, which do not say, are recognised by their shape. What is not understood is `Other` or skipped, and never stops the rest from being read.

mod categories;
mod column;
mod csc_rows;
mod csr_rows;
mod frame;
mod frame_rows;
mod labelled;
mod legacy;
mod matrix;
mod names;
mod nullable;
mod pairwise;
mod sparse;
mod store;

pub use categories::Categories;
pub use column::{ColumnKind, ObsColumn};
pub use names::ObsNames;
pub use store::AnnDataStore;

pub(super) use matrix::compression;
pub(super) use sparse::Compressed;
pub(super) use store::encoding;

#[cfg(test)]
mod tests;
