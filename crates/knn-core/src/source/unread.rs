//! Cells of which a run needs the number alone: rows without columns, where a representation would stand.

use super::RowSource;
use crate::error::{Error, Result};
use crate::types::{DType, RowRange, Tile};

/// So many rows that nobody reads.
#[derive(Debug, Clone)]
pub struct UnreadRows {
    store: String,
    rows: u64,
}

impl UnreadRows {
    /// The rows of a store.
    pub fn new(store: &str, rows: u64) -> Self {
        Self { store: store.to_owned(), rows }
    }
}

impl RowSource for UnreadRows {
    fn name(&self) -> String {
        self.store.clone()
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn dim(&self) -> usize {
        0
    }

    fn dtype(&self) -> DType {
        DType::Float32
    }

    fn natural_tile_rows(&self) -> u64 {
        1
    }

    fn scratch_bytes(&self, _: u64) -> u64 {
        0
    }

    fn stored_bytes(&self) -> u64 {
        0
    }

    fn read(&self, _: RowRange, _: &mut Tile) -> Result<()> {
        Err(Error::internal(format!("the rows of {} are not to be read", self.store)))
    }

    fn preflight(&self) -> Result<()> {
        Ok(())
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        Ok(xxhash_rust::xxh3::xxh3_128_with_seed(&self.rows.to_le_bytes(), seed))
    }
}
