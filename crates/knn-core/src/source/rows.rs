//! A two-dimensional array as a [`RowSource`]: embeddings in `obsm`.
//!
//! f32 is read straight into the tile. Other element types are converted band by band, so that their bytes are never all
//! in memory beside the tile.

use std::sync::Arc;

use super::RowSource;
use super::container::{StoredArray, bands};
use super::memory::check_range;
use super::numbers;
use crate::error::{Error, Result};
use crate::types::{DType, RowRange, Tile};

/// Rows of a dense numeric array on disk; an array of one dimension is one column.
#[derive(Debug)]
pub struct ArrayRows {
    array: Arc<dyn StoredArray>,
    dim: usize,
}

impl ArrayRows {
    /// Takes a dense numeric array of one or two dimensions.
    pub fn new(array: Arc<dyn StoredArray>) -> Result<Self> {
        let dim = match *array.shape() {
            [_] => 1,
            [_, dim] if dim > 0 => dim as usize,
            _ => return Err(array.schema("shape", format!("{:?} is not rows × columns", array.shape()))),
        };
        if array.dtype() == DType::String {
            return Err(array.schema("data_type", "strings cannot be a representation".into()));
        }
        Ok(Self { array, dim })
    }
}

impl RowSource for ArrayRows {
    fn name(&self) -> String {
        self.array.name()
    }

    fn rows(&self) -> u64 {
        self.array.rows()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn dtype(&self) -> DType {
        self.array.dtype()
    }

    /// Where nothing is decoded a chunk need not be read as a whole, however large it is.
    fn natural_tile_rows(&self) -> u64 {
        self.array.natural_rows()
    }

    fn band_end(&self, row: u64) -> u64 {
        self.array.band_end(row)
    }

    fn scratch_bytes(&self, rows: u64) -> u64 {
        if self.dtype() == DType::Float32 {
            return self.array.scratch_bytes(rows);
        }
        let band = rows.min(self.array.inner_rows());
        let element = self.dtype().size().unwrap_or(8) as u64;
        let piece = band.saturating_mul(self.dim as u64).saturating_mul(element);
        self.array.scratch_bytes(band).saturating_add(piece)
    }

    fn stored_bytes(&self) -> u64 {
        self.array.stored_bytes()
    }

    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()> {
        check_range(rows, self.rows())?;
        let values =
            rows.len().checked_mul(self.dim).ok_or_else(|| Error::internal("a tile beyond the address space"))?;
        tile.first_row = rows.start;
        tile.dim = self.dim;
        if self.dtype() == DType::Float32 {
            tile.values.resize(values, 0.0);
            return self.array.read_into(rows, bytemuck::cast_slice_mut(&mut tile.values));
        }
        tile.values.clear();
        tile.values.reserve(values);
        let mut bytes = Vec::new();
        for piece in bands(rows, self.natural_tile_rows()) {
            self.array.read_rows(piece, &mut bytes)?;
            numbers::extend_f32(self.dtype(), &bytes, &mut tile.values);
        }
        Ok(())
    }

    fn preflight(&self) -> Result<()> {
        self.array.preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.array.fingerprint(seed)
    }

    fn warnings(&self) -> Result<Vec<String>> {
        self.array.warnings()
    }
}
