//! Cells that a caller holds in memory: a matrix with its names, columns and embeddings, or the bytes of a table.
//!
//! What is given was copied and belongs to the store alone. It has a path of its own while it is [held](hold), so that every
//! request can name it as it names a folder; no file is called so. Its bytes count as memory of each run that reads it.

mod array;
mod checked;
mod description;
mod held;
mod store;

pub use description::{CellsDescription, GivenColumn, GivenMatrix, GivenNumbers};
pub use held::{hold, release};

pub(super) use array::{GivenArray, Values};
pub(super) use held::held;

#[cfg(test)]
mod tests;
