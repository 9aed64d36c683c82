//! The output: an AnnData in zarr v3, written in units that are committed whole.
//!
//! It is a shard writer of our own because a unit of neighbours (240 MiB) need not fit in memory: inner chunks are
//! stored as plain little-endian bytes, so rows go to the file as they come and only the index waits for the end.
//! Columns are spooled and compressed when the unit is committed, one at a time.
//!
//! More than `part_rows` rows become groups `dataset_0`, `dataset_1`, …, each an AnnData: readers of one AnnData load
//! all its names, so none could open a billion rows at once.
//!
//! It does not know what the arrays mean or who computes them, and it reads no zarr: what it needs back from its own
//! store stands in the journal.

mod column;
mod estimate;
mod finalise;
mod found;
mod layout;
mod mapping;
mod name;
mod node;
mod ragged;
mod shard;
mod spec;
mod tree;
mod uns;
mod unit;
mod var;
mod verify;
#[cfg(test)]
mod tests;

pub use estimate::{planned_bytes, writer_bytes};
pub use found::{Found, begun_plan, discard, find, journal_folder, lock_file};
pub use layout::{Layout, UnitRange};
pub use mapping::MappingStore;
pub use name::check_name;
pub use spec::{ArraySpec, Categories, Field, Kind, StoreSpec, codes_dtype};
pub use unit::UnitWriter;
pub use uns::{Uns, UnsValue};
pub use var::VarTable;
pub use verify::{Checked, DamagedObject, UnitRows, reopen, verify};

pub use crate::store::{Record, Stage};
