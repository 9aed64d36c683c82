//! The cells of a store for which a condition on its columns holds, as a store of its own: `atlas.zarr[tissue == "lung"]`.
//!
//! The condition is evaluated once, when the store is opened, by streaming the columns that it names; what stays in memory is one bit for
//! each cell, where a granule of them is neither chosen nor left out as a whole. Everything else is read when it is asked for and thinned
//! out: rows, names, columns, whatever format holds them. A column says which row of the whole store a cell is.
//! Not here: matrices of cells × cells, whose columns are cells too, and which are refused.

mod array;
mod condition;
mod expression;
mod numbered;
mod parser;
mod place;
mod rows;
mod selection;
#[cfg(test)]
mod tests;
mod view;

pub use expression::Expression;
pub use place::{condition, filtered_path};
pub use view::FilteredStore;

pub(super) use place::split;
pub(super) use rows::SelectedRows;
