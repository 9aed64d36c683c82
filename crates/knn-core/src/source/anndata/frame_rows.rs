//! A data frame of numbers as rows: one value of a row from each column.

use super::column::{ColumnKind, ObsColumn};
use super::frame::Frame;
use crate::error::{Error, Result};
use crate::source::RowSource;
use crate::source::container::Container;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange, Tile};

/// Columns of numbers, side by side. Missing values are NaN.
#[derive(Debug)]
pub(super) struct FrameRows {
    name: String,
    rows: u64,
    columns: Vec<ObsColumn>,
}

impl FrameRows {
    /// Takes a frame whose columns are all numbers or booleans.
    pub(super) fn open(store: &dyn Container, path: &str, frame: &Frame, rows: u64) -> Result<Self> {
        let columns = frame.columns.iter().map(|key| frame.column(store, key, rows)).collect::<Result<Vec<_>>>()?;
        if let Some(column) = columns.iter().find(|c| !matches!(c.kind(), ColumnKind::Numeric(_) | ColumnKind::Boolean))
        {
            return Err(Error::Unsupported {
                what: format!("{}/{path}: column {:?}, which is {},", store.name(), column.key(), column.kind().name()),
                remedy: "leave out the columns that are no numbers to use it as a representation".into(),
            });
        }
        if columns.is_empty() {
            return Err(Error::schema(store.name(), path, "column-order", "names no column"));
        }
        Ok(Self { name: format!("{}/{path}", store.name()), rows, columns })
    }
}

impl RowSource for FrameRows {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn dim(&self) -> usize {
        self.columns.len()
    }

    /// Of different types, the one that holds them all.
    fn dtype(&self) -> DType {
        let first = self.columns[0].dtype().unwrap_or(DType::Float64);
        if self.columns.iter().all(|column| column.dtype() == Some(first)) { first } else { DType::Float64 }
    }

    fn natural_tile_rows(&self) -> u64 {
        self.columns.iter().map(ObsColumn::natural_tile_rows).max().unwrap_or(1)
    }

    fn scratch_bytes(&self, rows: u64) -> u64 {
        let column = self.columns.iter().map(|column| column.scratch_bytes(rows)).max().unwrap_or(0);
        column.saturating_add(rows.saturating_mul(size_of::<f64>() as u64))
    }

    fn stored_bytes(&self) -> u64 {
        self.columns.iter().map(ObsColumn::stored_bytes).sum()
    }

    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()> {
        check_range(rows, self.rows)?;
        let dim = self.columns.len();
        tile.first_row = rows.start;
        tile.dim = dim;
        tile.values.resize(rows.len() * dim, 0.0);
        let mut numbers = Vec::new();
        for (place, column) in self.columns.iter().enumerate() {
            column.read_numbers(rows, &mut numbers)?;
            for (row, number) in tile.values.chunks_exact_mut(dim).zip(&numbers) {
                row[place] = *number as f32;
            }
        }
        Ok(())
    }

    fn preflight(&self) -> Result<()> {
        self.columns.iter().try_for_each(ObsColumn::preflight)
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        let mut hash = xxhash_rust::xxh3::Xxh3::with_seed(seed);
        for column in &self.columns {
            hash.update(&column.fingerprint(seed)?.to_le_bytes());
        }
        Ok(hash.digest128())
    }
}
