//! Rows of a CSR matrix, made dense a tile at a time.

use super::sparse::{Entries, PIECE, Sparse};
use crate::error::Result;
use crate::source::RowSource;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange, SparseRows, Tile};

/// Bytes of a tile of natural size: entries follow no chunk, so its rows may be few.
const TILE_BYTES: u64 = 4 << 20;

/// A sparse matrix that is compressed by rows. Entries that are there twice add up.
#[derive(Debug)]
pub(super) struct CsrRows {
    matrix: Sparse,
}

impl CsrRows {
    pub(super) fn new(matrix: Sparse) -> Self {
        Self { matrix }
    }
}

impl RowSource for CsrRows {
    fn name(&self) -> String {
        self.matrix.name()
    }

    fn rows(&self) -> u64 {
        self.matrix.rows
    }

    fn dim(&self) -> usize {
        self.matrix.columns as usize
    }

    fn dtype(&self) -> DType {
        self.matrix.dtype()
    }

    fn natural_tile_rows(&self) -> u64 {
        (TILE_BYTES / (self.matrix.columns.max(1) * 4)).clamp(1, self.matrix.rows.max(1))
    }

    fn scratch_bytes(&self, rows: u64) -> u64 {
        self.matrix.scratch_bytes(rows)
    }

    fn entries(&self) -> Option<u64> {
        Some(self.matrix.entries)
    }

    fn entry_counts(&self, rows: RowRange, counts: &mut Vec<u64>) -> Result<bool> {
        check_range(rows, self.rows())?;
        counts.clear();
        counts.extend(self.matrix.starts(rows)?.windows(2).map(|ends| ends[1] - ends[0]));
        Ok(true)
    }

    fn stored_bytes(&self) -> u64 {
        self.matrix.stored_bytes()
    }

    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()> {
        check_range(rows, self.rows())?;
        let dim = self.dim();
        tile.first_row = rows.start;
        tile.dim = dim;
        tile.values.clear();
        tile.values.resize(rows.len() * dim, 0.0);
        let starts = self.matrix.starts(rows)?;
        let (Some(&first), Some(&last)) = (starts.first(), starts.last()) else { return Ok(()) };
        let (mut entries, mut row) = (Entries::default(), 0);
        for piece in RowRange::new(first, last).pieces(PIECE) {
            self.matrix.read(piece, &mut entries)?;
            for (number, (&column, value)) in (piece.start..).zip(entries.indices.iter().zip(&entries.values)) {
                // Rows without entries begin where the next does.
                while starts[row + 1] <= number {
                    row += 1;
                }
                tile.values[row * dim + column as usize] += value;
            }
        }
        Ok(())
    }

    fn read_entries(&self, rows: RowRange, most: usize, out: &mut SparseRows) -> Result<bool> {
        check_range(rows, self.rows())?;
        if rows.is_empty() || u32::try_from(self.matrix.columns).is_err() {
            return Ok(false);
        }
        let starts = self.matrix.starts(rows)?;
        let fitting = starts[1..].partition_point(|end| end - starts[0] <= most as u64).max(1);
        out.begin(rows.start);
        let (mut entries, mut row) = (Entries::default(), 1);
        for piece in RowRange::new(starts[0], starts[fitting]).pieces(PIECE) {
            self.matrix.read(piece, &mut entries)?;
            for (number, (&column, &value)) in (piece.start..).zip(entries.indices.iter().zip(&entries.values)) {
                while starts[row] <= number {
                    out.end_row();
                    row += 1;
                }
                out.push(column as u32, value);
            }
        }
        while out.rows() < fitting {
            out.end_row();
        }
        Ok(true)
    }

    fn preflight(&self) -> Result<()> {
        self.matrix.preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.matrix.fingerprint(seed)
    }

    fn warnings(&self) -> Result<Vec<String>> {
        self.matrix.warnings()
    }
}
