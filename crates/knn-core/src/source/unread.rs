//! Cells whose rows a run does not read: it needs their number alone, or finds them elsewhere, as in the lists of an index.

use super::RowSource;
use crate::error::{Error, Result};
use crate::types::{DType, RowRange, Tile};

/// So many rows that nobody reads.
#[derive(Debug, Clone)]
pub struct UnreadRows {
    store: String,
    rows: u64,
    dim: usize,
    fingerprint: Option<u128>,
}

impl UnreadRows {
    /// The rows of a store, without columns; they are told apart by their number.
    pub fn new(store: &str, rows: u64) -> Self {
        Self { store: store.to_owned(), rows, dim: 0, fingerprint: None }
    }

    /// The same, standing for rows of `dim` columns with this fingerprint.
    #[must_use]
    pub fn standing_for(self, dim: usize, fingerprint: u128) -> Self {
        Self { dim, fingerprint: Some(fingerprint), ..self }
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
        self.dim
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
        let of_number = || xxhash_rust::xxh3::xxh3_128_with_seed(&self.rows.to_le_bytes(), seed);
        Ok(self.fingerprint.unwrap_or_else(of_number))
    }
}
