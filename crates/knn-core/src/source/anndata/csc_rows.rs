//! Rows of a CSC matrix. Its entries lie column by column, so a row of it is everywhere: small ones are turned in memory
//! when they are first read, and large ones refused with what to do.

use std::sync::OnceLock;

use super::sparse::{Entries, PIECE, Sparse};
use crate::error::{Error, Result};
use crate::source::RowSource;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange, SparseRows, Tile};

/// Bytes of a tile of natural size.
const TILE_BYTES: u64 = 4 << 20;
/// Most bytes of a matrix that is turned in memory.
const MOST_TURNED: u64 = 64 << 20;

/// A sparse matrix that is compressed by columns.
#[derive(Debug)]
pub(super) struct CscRows {
    matrix: Sparse,
    turned: OnceLock<Turned>,
}

/// The entries by rows.
#[derive(Debug)]
struct Turned {
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl CscRows {
    /// Takes a matrix that is small enough.
    pub(super) fn new(matrix: Sparse) -> Result<Self> {
        let rows = Self { matrix, turned: OnceLock::new() };
        if rows.turned_bytes() > MOST_TURNED || u32::try_from(rows.matrix.columns).is_err() {
            return Err(Error::Unsupported {
                what: format!("{}, a csc_matrix of more than {MOST_TURNED} bytes as rows,", rows.matrix.name()),
                remedy: "store it by rows: scipy.sparse.csr_matrix(matrix), or adata.X = adata.X.tocsr()".into(),
            });
        }
        Ok(rows)
    }

    /// Starts of the rows, twice while they are filled, and of the columns; column and value of every entry.
    fn turned_bytes(&self) -> u64 {
        let starts = self.matrix.rows.saturating_mul(16).saturating_add(self.matrix.columns.saturating_mul(8));
        starts.saturating_add(self.matrix.entries.saturating_mul(8)).saturating_add(32)
    }

    fn turned(&self) -> Result<&Turned> {
        if let Some(turned) = self.turned.get() {
            return Ok(turned);
        }
        let turned = self.turn()?;
        Ok(self.turned.get_or_init(|| turned))
    }

    fn turn(&self) -> Result<Turned> {
        let begins = self.matrix.starts(RowRange::new(0, self.matrix.major))?;
        let all = RowRange::new(begins.first().copied().unwrap_or(0), begins.last().copied().unwrap_or(0));
        let mut entries = Entries::default();
        let mut starts = vec![0usize; self.matrix.rows as usize + 1];
        for piece in all.pieces(PIECE) {
            self.matrix.read(piece, &mut entries)?;
            entries.indices.iter().for_each(|&row| starts[row as usize + 1] += 1);
        }
        for row in 1..starts.len() {
            starts[row] += starts[row - 1];
        }
        let mut next = starts.clone();
        let (mut columns, mut values) = (vec![0u32; all.len()], vec![0.0f32; all.len()]);
        let mut column = 0;
        for piece in all.pieces(PIECE) {
            self.matrix.read(piece, &mut entries)?;
            for (number, (&row, &value)) in (piece.start..).zip(entries.indices.iter().zip(&entries.values)) {
                while begins[column + 1] <= number {
                    column += 1;
                }
                let place = &mut next[row as usize];
                columns[*place] = column as u32;
                values[*place] = value;
                *place += 1;
            }
        }
        Ok(Turned { starts, columns, values })
    }
}

impl RowSource for CscRows {
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

    fn scratch_bytes(&self, _rows: u64) -> u64 {
        self.turned_bytes().saturating_add(self.matrix.scratch_bytes(self.matrix.major))
    }

    fn entries(&self) -> Option<u64> {
        Some(self.matrix.entries)
    }

    fn stored_bytes(&self) -> u64 {
        self.matrix.stored_bytes()
    }

    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()> {
        check_range(rows, self.rows())?;
        let turned = self.turned()?;
        let dim = self.dim();
        tile.first_row = rows.start;
        tile.dim = dim;
        tile.values.clear();
        tile.values.resize(rows.len() * dim, 0.0);
        for (number, row) in (rows.start as usize..).zip(tile.values.chunks_exact_mut(dim.max(1))) {
            let entries = turned.starts[number]..turned.starts[number + 1];
            for (column, value) in turned.columns[entries.clone()].iter().zip(&turned.values[entries]) {
                row[*column as usize] += value;
            }
        }
        Ok(())
    }

    fn read_entries(&self, rows: RowRange, most: usize, out: &mut SparseRows) -> Result<bool> {
        check_range(rows, self.rows())?;
        if rows.is_empty() {
            return Ok(false);
        }
        let turned = self.turned()?;
        let starts = &turned.starts[rows.start as usize..=rows.end as usize];
        let fitting = starts[1..].partition_point(|end| end - starts[0] <= most).max(1);
        out.begin(rows.start);
        for of_row in starts[..=fitting].windows(2) {
            out.columns.extend_from_slice(&turned.columns[of_row[0]..of_row[1]]);
            out.values.extend_from_slice(&turned.values[of_row[0]..of_row[1]]);
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
