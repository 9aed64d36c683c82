//! Rows as the index sees them: prepared for its metric and rounded to what its lists hold, before anything is computed.
//!
//! So training, assignment and lists all know the same rows, and it makes no difference whether a row was kept in memory or read
//! back from a run.

use half::f16;
use rayon::prelude::*;

use super::format::{ListType, round_to_half};
use super::nearest::is_finite;
use super::spec::Resolved;
use crate::error::{Error, Result};
use crate::representation::TileReader;
use crate::source::RowSource;
use crate::types::{RowRange, Tile};

/// Rows that a thread rounds at a time.
const ROUNDED_ROWS: usize = 4096;

/// One pass over prepared rows.
pub(super) struct PreparedRows<'a> {
    reader: TileReader<'a>,
    spec: &'a Resolved,
}

impl<'a> PreparedRows<'a> {
    /// A pass over `rows`.
    pub(super) fn new(source: &'a dyn RowSource, rows: RowRange, spec: &'a Resolved) -> Self {
        Self { reader: TileReader::new(source, rows, spec.metric), spec }
    }

    /// Bytes that a pass in batches of `batch` rows takes.
    pub(super) fn bytes(source: &dyn RowSource, batch: u64) -> u64 {
        TileReader::bytes(source) + batch.min(source.rows()) * source.dim() as u64 * 4
    }

    /// Fills `tile` with the next `rows` rows, fewer at the end, none after it.
    pub(super) fn next(&mut self, rows: u64, tile: &mut Tile) -> Result<()> {
        self.reader.next(rows, tile)?;
        let layout = self.spec.layout;
        if layout.dtype != ListType::F16 {
            return Ok(());
        }
        let first = tile.first_row;
        let chunks = tile.values.par_chunks_mut(ROUNDED_ROWS * layout.dim).enumerate();
        chunks.try_for_each_init(Vec::new, |scratch: &mut Vec<f16>, (chunk, values)| {
            for (row, values) in values.chunks_exact_mut(layout.dim).enumerate() {
                if is_finite(values)
                    && let Some(lost) = round_to_half(values, scratch)
                {
                    let row = first + (chunk * ROUNDED_ROWS + row) as u64;
                    let reason = format!("row {row} has a coordinate of {lost}, which f16 cannot hold: use f32");
                    return Err(Error::param("dtype", "f16", reason));
                }
            }
            Ok(())
        })
    }
}

/// Rounds finite rows (row-major, prepared) to what lists of f16 hold, as an index of the same rows has done, which refuses those that do
/// not fit.
pub fn round_to_halves(rows: &mut [f32], dim: usize) {
    rows.par_chunks_mut(ROUNDED_ROWS * dim.max(1)).for_each_init(Vec::new, |scratch: &mut Vec<f16>, rows| {
        for row in rows.chunks_exact_mut(dim).filter(|row| is_finite(row)) {
            round_to_half(row, scratch);
        }
    });
}
