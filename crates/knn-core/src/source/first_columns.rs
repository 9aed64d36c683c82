//! The first columns of a matrix: of components those that matter most.

use std::sync::Arc;

use super::RowSource;
use crate::error::Result;
use crate::types::{DType, RowRange, Tile};

/// A source of which only the first columns are seen.
pub struct FirstColumns {
    rows: Arc<dyn RowSource>,
    dim: usize,
}

impl FirstColumns {
    /// The first `columns` of a source, or the source itself where it has no more.
    pub fn of(rows: Arc<dyn RowSource>, columns: u64) -> Arc<dyn RowSource> {
        match usize::try_from(columns).ok().filter(|&dim| dim < rows.dim()) {
            Some(dim) => Arc::new(Self { rows, dim }),
            None => rows,
        }
    }
}

impl RowSource for FirstColumns {
    fn name(&self) -> String {
        self.rows.name()
    }

    fn rows(&self) -> u64 {
        self.rows.rows()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn dtype(&self) -> DType {
        self.rows.dtype()
    }

    fn natural_tile_rows(&self) -> u64 {
        self.rows.natural_tile_rows()
    }

    fn band_end(&self, row: u64) -> u64 {
        self.rows.band_end(row)
    }

    /// Whole rows are read before they are cut.
    fn scratch_bytes(&self, rows: u64) -> u64 {
        let cut = rows.saturating_mul((self.rows.dim() - self.dim) as u64 * 4);
        self.rows.scratch_bytes(rows).saturating_add(cut)
    }

    fn stored_bytes(&self) -> u64 {
        self.rows.stored_bytes()
    }

    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()> {
        self.rows.read(rows, tile)?;
        let (whole, dim) = (self.rows.dim(), self.dim);
        for row in 0..rows.len() {
            tile.values.copy_within(row * whole..row * whole + dim, row * dim);
        }
        tile.values.truncate(rows.len() * dim);
        tile.dim = dim;
        Ok(())
    }

    fn preflight(&self) -> Result<()> {
        self.rows.preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.rows.fingerprint(seed)
    }

    fn warnings(&self) -> Result<Vec<String>> {
        self.rows.warnings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryRows;

    #[test]
    fn rows_are_cut_behind_the_first_columns() {
        let rows: Arc<dyn RowSource> = Arc::new(MemoryRows::new((0u8..12).map(f32::from).collect(), 4).unwrap());
        let cut = FirstColumns::of(Arc::clone(&rows), 2);
        let mut tile = Tile::default();
        cut.read(RowRange::new(1, 3), &mut tile).unwrap();
        assert_eq!((tile.dim, tile.first_row, tile.values.as_slice()), (2, 1, &[4.0, 5.0, 8.0, 9.0][..]));
        assert_eq!(FirstColumns::of(rows, 9).dim(), 4);
    }
}
