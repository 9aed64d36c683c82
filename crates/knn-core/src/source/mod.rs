//! Where rows come from: AnnData stores on disk, and rows in memory.
//!
//! Everything here reads foreign bytes, so every length is checked before it is used, every product is checked, and what
//! is decoded never exceeds what the metadata justify. Nothing of size n is held: callers ask for ranges of rows, and
//! ranges aligned to [`RowSource::natural_tile_rows`] decode no chunk twice.
//!
//! Not here: ordering of tiles, read-ahead and sampling, which belong to the representation stage, and anything written.

mod anndata;
mod columnar;
mod container;
mod edges;
mod filtered;
mod first_columns;
mod flat;
mod formats;
mod generated;
mod given;
mod h5;
mod inspect;
mod key;
mod many;
mod memory;
mod numbers;
mod open;
mod rows;
mod sampled;
mod strings;
mod subtree;
#[cfg(test)]
mod testing;
mod times;
mod unread;
mod window;
mod zarr;

pub use anndata::{AnnDataStore, Categories, ColumnKind, ObsColumn, ObsNames};
pub use container::{Container, Declared, Missing, Node, NodeKind, StoredArray};
pub use edges::{EdgeBlock, EdgeRows, paired};
pub use filtered::{Expression, FilteredStore, condition, filtered_path};
pub use first_columns::FirstColumns;
pub use formats::{FORMATS, Format};
pub use given::{CellsDescription, GivenColumn, GivenMatrix, GivenNumbers, hold, release};
pub use h5::H5File;
pub use inspect::{
    ArrayReport, ColumnReport, Inspection, MatrixReport, SkippedNode, StoreReport, inspect, inspect_where,
};
pub use many::stores;
pub use memory::MemoryRows;
pub use open::{open, open_while};
pub use rows::ArrayRows;
pub use strings::StringBlock;
pub use unread::UnreadRows;
pub use zarr::{ZarrArray, ZarrStore};

use std::sync::Arc;

use crate::error::Result;
use crate::types::{DType, RowRange, SparseRows, Tile};

/// Rows of a representation, in order, read in ranges. Shared between threads.
pub trait RowSource: Send + Sync {
    /// Store and path, as errors name it.
    fn name(&self) -> String;

    /// Number of rows.
    fn rows(&self) -> u64;

    /// Values of one row.
    fn dim(&self) -> usize;

    /// Element type as stored; tiles are f32 whatever it is.
    fn dtype(&self) -> DType;

    /// Rows of one band of inner chunks: reading ranges aligned to it decodes no chunk twice.
    fn natural_tile_rows(&self) -> u64;

    /// One past the last row of the band that a row lies in. Bands are [`RowSource::natural_tile_rows`] long at most.
    fn band_end(&self, row: u64) -> u64 {
        let band = self.natural_tile_rows().max(1);
        (row / band).saturating_add(1).saturating_mul(band).min(self.rows())
    }

    /// Bytes of scratch that one read of `rows` rows takes at most, beyond the tile itself.
    fn scratch_bytes(&self, rows: u64) -> u64;

    /// Stored bytes of the whole array, for estimates of cost.
    fn stored_bytes(&self) -> u64;

    /// Stored entries, if the matrix is sparse, or a bound of the values that they are.
    fn entries(&self) -> Option<u64> {
        None
    }

    /// Clears `counts` and fills it with how many entries each of these rows has stored. False where that is not told by itself.
    fn entry_counts(&self, _rows: RowRange, _counts: &mut Vec<u64>) -> Result<bool> {
        Ok(false)
    }

    /// Clears the tile and fills it with exactly these rows, which must lie inside `rows()`.
    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()>;

    /// Where a matrix is sparse, fills `out` with the entries of the first of these rows, which are at least one: of as many as have at most
    /// `most` entries in all, and of one at least. A column may come more than once in a row and in any order; such entries add up. False
    /// where rows are not stored by their entries.
    fn read_entries(&self, _rows: RowRange, _most: usize, _out: &mut SparseRows) -> Result<bool> {
        Ok(false)
    }

    /// Checks sizes and shard indexes of everything stored, before work starts.
    fn preflight(&self) -> Result<()>;

    /// A hash of what is stored: the same for equal content wherever it lies, different after an edit that a seeded
    /// sample of its chunks meets.
    fn fingerprint(&self, seed: u64) -> Result<u128>;

    /// What the user should know of this source before a run.
    fn warnings(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

impl RowSource for Arc<dyn RowSource> {
    fn name(&self) -> String {
        self.as_ref().name()
    }

    fn rows(&self) -> u64 {
        self.as_ref().rows()
    }

    fn dim(&self) -> usize {
        self.as_ref().dim()
    }

    fn dtype(&self) -> DType {
        self.as_ref().dtype()
    }

    fn natural_tile_rows(&self) -> u64 {
        self.as_ref().natural_tile_rows()
    }

    fn band_end(&self, row: u64) -> u64 {
        self.as_ref().band_end(row)
    }

    fn scratch_bytes(&self, rows: u64) -> u64 {
        self.as_ref().scratch_bytes(rows)
    }

    fn stored_bytes(&self) -> u64 {
        self.as_ref().stored_bytes()
    }

    fn entries(&self) -> Option<u64> {
        self.as_ref().entries()
    }

    fn entry_counts(&self, rows: RowRange, counts: &mut Vec<u64>) -> Result<bool> {
        self.as_ref().entry_counts(rows, counts)
    }

    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()> {
        self.as_ref().read(rows, tile)
    }

    fn read_entries(&self, rows: RowRange, most: usize, out: &mut SparseRows) -> Result<bool> {
        self.as_ref().read_entries(rows, most, out)
    }

    fn preflight(&self) -> Result<()> {
        self.as_ref().preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.as_ref().fingerprint(seed)
    }

    fn warnings(&self) -> Result<Vec<String>> {
        self.as_ref().warnings()
    }
}
