//! Tables: Arrow IPC (files and streams) and Parquet, seen as an AnnData without genes.
//!
//! A column of lists of fixed size, or columns `name_0 … name_n` of floats, are representations; the others are columns of
//! `obs`: dictionaries are categorical, texts, numbers and flags may have missing values. Cells are named by the column
//! `index`, `_index` or `__index_level_0__` where there is one of texts, and by their numbers elsewhere.
//!
//! One group of rows of one column is in memory at a time: a row group of Parquet, a record batch of Arrow.

mod arrow_file;
mod ask;
mod categories;
mod column;
mod parquet_file;
mod table;
mod values;

pub(super) use table::TableFile;

use std::fmt::Debug;

use arrow_array::ArrayRef;
use arrow_schema::Schema;

use crate::error::Result;

/// A table in groups of rows, whatever format holds it.
trait Groups: Debug + Send + Sync {
    /// Its columns.
    fn schema(&self) -> &Schema;

    /// Rows of each group.
    fn rows(&self) -> &[u64];

    /// Most bytes that reading one column of any group takes.
    fn largest_bytes(&self) -> u64;

    /// A column of a group.
    fn read(&self, group: usize, column: usize) -> Result<ArrayRef>;
}

#[cfg(test)]
mod tests;
