//! Rows that are already in memory: for tests, and for callers that hold a small representation themselves.

use xxhash_rust::xxh3::Xxh3;

use super::RowSource;
use crate::error::{Error, Result};
use crate::types::{DType, RowRange, Tile};

/// A [`RowSource`] over row-major f32 values in memory.
#[derive(Debug, Clone)]
pub struct MemoryRows {
    values: Vec<f32>,
    dim: usize,
    natural_tile_rows: u64,
}

impl MemoryRows {
    /// Rows of `dim` values each; the number of values must be a multiple of `dim`.
    pub fn new(values: Vec<f32>, dim: usize) -> Result<Self> {
        if dim == 0 || !values.len().is_multiple_of(dim) {
            return Err(Error::param("dim", dim, format!("must divide the {} values", values.len())));
        }
        let natural_tile_rows = (values.len() / dim).max(1) as u64;
        Ok(Self { values, dim, natural_tile_rows })
    }

    /// Pretends to be stored in bands of `rows` rows, so that tests can cover readers of banded sources.
    #[must_use]
    pub fn with_natural_tile_rows(mut self, rows: u64) -> Self {
        self.natural_tile_rows = rows.max(1);
        self
    }
}

impl RowSource for MemoryRows {
    fn name(&self) -> String {
        "rows in memory".into()
    }

    fn rows(&self) -> u64 {
        (self.values.len() / self.dim) as u64
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn dtype(&self) -> DType {
        DType::Float32
    }

    fn natural_tile_rows(&self) -> u64 {
        self.natural_tile_rows
    }

    fn scratch_bytes(&self, _rows: u64) -> u64 {
        0
    }

    fn stored_bytes(&self) -> u64 {
        size_of_val(self.values.as_slice()) as u64
    }

    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()> {
        check_range(rows, self.rows())?;
        tile.first_row = rows.start;
        tile.dim = self.dim;
        tile.values.clear();
        tile.values.extend_from_slice(&self.values[rows.start as usize * self.dim..rows.end as usize * self.dim]);
        Ok(())
    }

    fn preflight(&self) -> Result<()> {
        Ok(())
    }

    fn fingerprint(&self, _seed: u64) -> Result<u128> {
        let mut hash = Xxh3::new();
        hash.update(&(self.dim as u64).to_le_bytes());
        // In pieces: a call for each value costs more than the hash.
        let mut bytes = Vec::new();
        for values in self.values.chunks(4096) {
            bytes.clear();
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            hash.update(&bytes);
        }
        Ok(hash.digest128())
    }
}

/// Refuses a range that no reader may be asked for: that is a bug of the caller, not of the data.
pub(super) fn check_range(rows: RowRange, available: u64) -> Result<()> {
    if rows.start > rows.end || rows.end > available {
        return Err(Error::internal(format!("rows {}..{} of a source of {available} rows", rows.start, rows.end)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_slice_of_the_whole() {
        let rows = MemoryRows::new((0u8..12).map(f32::from).collect(), 3).unwrap().with_natural_tile_rows(2);
        let mut tile = Tile::default();
        rows.read(RowRange::new(1, 3), &mut tile).unwrap();
        assert_eq!((tile.first_row, tile.rows()), (1, 2));
        assert_eq!(tile.row(0), [3.0, 4.0, 5.0]);
        assert_eq!(rows.read(RowRange { start: 3, end: 5 }, &mut tile).unwrap_err().code(), "GM_INTERNAL");
        assert!(MemoryRows::new(vec![0.0; 5], 2).is_err());
    }
}
