//! Library sizes of query cells, to which rows of transferred expression are scaled.
//!
//! As CellMapper's `adjust_library_size`: a row is multiplied by the library size that the cell has over the sum of the row, summed in f64 over its
//! genes; a row whose sum is not above 0 becomes 0.

use std::sync::Arc;

use super::bands::band_rows;
use crate::error::{Error, Result};
use crate::pipeline::request::Parameters;
use crate::source::{AnnDataStore, ColumnKind, ObsColumn, RowSource};
use crate::types::{RowRange, Tile};

/// Where they are.
pub(in crate::pipeline) enum LibrarySizes {
    /// Sums over the genes of a matrix.
    Matrix(Arc<dyn RowSource>),
    /// Numbers of a column.
    Column(ObsColumn),
}

/// Reads them in the order of cells.
pub(in crate::pipeline) struct LibrarySizeReader<'a> {
    sizes: &'a LibrarySizes,
    /// Number of the first cell whose size is held.
    first: u64,
    held: Vec<f64>,
    tile: Tile,
}

impl LibrarySizes {
    /// Opens what the request names of the query.
    pub(in crate::pipeline) fn open(query: &AnnDataStore, parameters: &Parameters) -> Result<Option<Self>> {
        let Some(path) = &parameters.target_libsize else { return Ok(None) };
        let Some(key) = path.strip_prefix("obs/") else {
            return Ok(Some(Self::Matrix(query.representation(path)?)));
        };
        let column = query.column(key)?;
        if !matches!(column.kind(), ColumnKind::Numeric(_)) {
            return Err(Error::schema(query.name(), path.clone(), "values", "library sizes are numbers"));
        }
        Ok(Some(Self::Column(column)))
    }

    pub(in crate::pipeline) fn preflight(&self) -> Result<()> {
        match self {
            Self::Matrix(rows) => rows.preflight(),
            Self::Column(column) => column.preflight(),
        }
    }

    pub(in crate::pipeline) fn fingerprint(&self, seed: u64) -> Result<u128> {
        match self {
            Self::Matrix(rows) => rows.fingerprint(seed),
            Self::Column(column) => column.fingerprint(seed),
        }
    }

    /// Bytes of reading them.
    pub(in crate::pipeline) fn bytes(&self) -> u64 {
        let band = self.band();
        let reading = match self {
            Self::Matrix(rows) => rows.scratch_bytes(band).saturating_add(band.saturating_mul(rows.dim() as u64 * 4)),
            Self::Column(column) => column.scratch_bytes(band),
        };
        reading.saturating_add(band * 8)
    }

    /// Cells that are read at a time.
    fn band(&self) -> u64 {
        match self {
            Self::Matrix(rows) => band_rows(&**rows),
            Self::Column(column) => column.natural_tile_rows().clamp(1, column.rows().max(1)),
        }
    }

    fn cells(&self) -> u64 {
        match self {
            Self::Matrix(rows) => rows.rows(),
            Self::Column(column) => column.rows(),
        }
    }
}

impl<'a> LibrarySizeReader<'a> {
    pub(in crate::pipeline) fn new(sizes: &'a LibrarySizes) -> Self {
        Self { sizes, first: 0, held: Vec::new(), tile: Tile::default() }
    }

    /// Scales rows of so many genes, of which the first is that of cell `first`.
    pub(in crate::pipeline) fn scale(&mut self, first: u64, genes: usize, rows: &mut [f32]) -> Result<()> {
        for (cell, row) in (first..).zip(rows.chunks_exact_mut(genes.max(1))) {
            let target = self.of(cell)?;
            let sum: f64 = row.iter().map(|&value| f64::from(value)).sum();
            let factor = if sum > 0.0 { target / sum } else { 0.0 };
            for value in row {
                *value = (f64::from(*value) * factor) as f32;
            }
        }
        Ok(())
    }

    fn of(&mut self, cell: u64) -> Result<f64> {
        if !(self.first..self.first + self.held.len() as u64).contains(&cell) {
            let band = self.sizes.band();
            let first = cell / band * band;
            let rows = RowRange::new(first, (first + band).min(self.sizes.cells()));
            match self.sizes {
                LibrarySizes::Matrix(source) => {
                    source.read(rows, &mut self.tile)?;
                    let sum = |row: usize| self.tile.row(row).iter().map(|&value| f64::from(value)).sum::<f64>();
                    self.held.clear();
                    self.held.extend((0..rows.len()).map(sum));
                }
                LibrarySizes::Column(column) => column.read_numbers(rows, &mut self.held)?,
            }
            self.first = first;
        }
        Ok(self.held[(cell - self.first) as usize])
    }
}
