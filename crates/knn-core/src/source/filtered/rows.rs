//! The rows of a matrix that are chosen.
//!
//! Bands of the matrix are read from the first row that is chosen to the last, and thinned out: no chunk is decoded twice where the reader
//! goes from one end of a band to the next, and bands without a chosen row are not read.

use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::Xxh3;

use super::selection::Selection;
use super::view::FilteredStore;
use crate::error::Result;
use crate::source::RowSource;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange, SparseRows, Tile};

/// Rows that are read together, where any range may be read, and bytes of them.
const FEWEST: u64 = 4096;
const READ_BYTES: u64 = 4 << 20;
/// Rows whose entries are counted together.
const COUNTED_ROWS: u64 = 1 << 16;

/// What is read at once for chosen rows: from the first of them to the last within one band, and which of the chosen they are.
pub(super) struct Piece {
    pub(super) rows: RowRange,
    pub(super) ranks: RowRange,
}

/// Cuts chosen rows into pieces of at most `most` rows. A band ends for a row where `band_end` says.
pub(super) fn pieces(
    selection: &Selection,
    ranks: RowRange,
    most: u64,
    band_end: impl Fn(u64) -> u64,
) -> impl Iterator<Item = Piece> {
    let mut rank = ranks.start;
    std::iter::from_fn(move || {
        if rank >= ranks.end {
            return None;
        }
        let start = selection.row(rank);
        let end = band_end(start).min(start + most).clamp(start + 1, selection.rows());
        let next = selection.rank(end).min(ranks.end);
        let piece = Piece {
            rows: RowRange { start, end: selection.row(next - 1) + 1 },
            ranks: RowRange { start: rank, end: next },
        };
        rank = next;
        Some(piece)
    })
}

/// Most rows of a piece: those of a band, or where any range may be read, as many as are a few MiB.
pub(super) fn longest(natural: u64, row_bytes: u64) -> u64 {
    if natural > 1 { natural } else { (READ_BYTES / row_bytes.max(1)).clamp(1, FEWEST) }
}

/// A hash of what is chosen of something.
pub(super) fn fingerprint(whole: u128, selection: &Selection) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&whole.to_le_bytes());
    hash.update(&selection.digest().to_le_bytes());
    hash.digest128()
}

/// Where the band of a chosen row ends, counted among the chosen.
pub(super) fn band_end(selection: &Selection, rank: u64, of_row: impl Fn(u64) -> u64) -> u64 {
    if rank >= selection.count() {
        return selection.count();
    }
    let row = selection.row(rank);
    selection.rank(of_row(row).clamp(row + 1, selection.rows()))
}

/// Chosen rows of a matrix.
pub(in crate::source) struct SelectedRows {
    whole: Arc<dyn RowSource>,
    selection: Arc<Selection>,
    warnings: Vec<String>,
    /// Entries of a sparse matrix, once they were counted.
    entries: OnceLock<u64>,
}

impl SelectedRows {
    /// The rows of `whole` that a part of its store has; it has a row for every cell of the store.
    pub(in crate::source) fn new(whole: Arc<dyn RowSource>, part: &FilteredStore) -> Self {
        Self { whole, selection: Arc::clone(part.selection()), warnings: part.warnings(), entries: OnceLock::new() }
    }

    /// The entries of the chosen rows; none where the matrix does not tell how many a row has.
    fn counted(&self) -> Result<Option<u64>> {
        let (mut sum, mut counts) = (0, Vec::new());
        for piece in pieces(&self.selection, RowRange::new(0, self.rows()), COUNTED_ROWS, |_| u64::MAX) {
            if !self.whole.entry_counts(piece.rows, &mut counts)? {
                return Ok(None);
            }
            for run in self.selection.runs(piece.ranks) {
                let first = (run.start - piece.rows.start) as usize;
                sum += counts[first..first + run.len()].iter().sum::<u64>();
            }
        }
        Ok(Some(sum))
    }

    /// Most rows of the whole that are read at once.
    fn longest(&self) -> u64 {
        longest(self.whole.natural_tile_rows(), self.dim() as u64 * 4)
    }
}

impl RowSource for SelectedRows {
    fn name(&self) -> String {
        self.whole.name()
    }

    fn rows(&self) -> u64 {
        self.selection.count()
    }

    fn dim(&self) -> usize {
        self.whole.dim()
    }

    fn dtype(&self) -> DType {
        self.whole.dtype()
    }

    fn natural_tile_rows(&self) -> u64 {
        self.whole.natural_tile_rows()
    }

    fn band_end(&self, row: u64) -> u64 {
        band_end(&self.selection, row, |row| self.whole.band_end(row))
    }

    fn scratch_bytes(&self, _: u64) -> u64 {
        let rows = self.longest().min(self.whole.rows());
        let tile = rows.saturating_mul(self.dim() as u64).saturating_mul(4);
        self.whole.scratch_bytes(rows).saturating_add(tile)
    }

    fn stored_bytes(&self) -> u64 {
        self.whole.stored_bytes()
    }

    /// Those of the chosen rows. Where they cannot be counted, as many as the whole has or as there are values; what is wrong with the matrix is
    /// told by whoever reads it.
    fn entries(&self) -> Option<u64> {
        let whole = self.whole.entries()?;
        let values = self.rows().saturating_mul(self.dim() as u64);
        Some(*self.entries.get_or_init(|| self.counted().ok().flatten().unwrap_or_else(|| whole.min(values))))
    }

    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()> {
        check_range(rows, self.rows())?;
        let dim = self.dim();
        tile.first_row = rows.start;
        tile.dim = dim;
        tile.values.clear();
        tile.values.reserve(rows.len() * dim);
        let mut read = Tile::default();
        let whole = &self.whole;
        for piece in pieces(&self.selection, rows, self.longest(), |row| whole.band_end(row)) {
            whole.read(piece.rows, &mut read)?;
            for run in self.selection.runs(piece.ranks) {
                let first = (run.start - piece.rows.start) as usize * dim;
                tile.values.extend_from_slice(&read.values[first..first + run.len() * dim]);
            }
        }
        Ok(())
    }

    fn read_entries(&self, rows: RowRange, most: usize, out: &mut SparseRows) -> Result<bool> {
        check_range(rows, self.rows())?;
        // As many as follow each other: whoever asks takes what comes, and asks again.
        let Some(run) = self.selection.runs(rows).next() else { return Ok(false) };
        let found = self.whole.read_entries(run, most, out)?;
        out.first_row = rows.start;
        Ok(found)
    }

    fn preflight(&self) -> Result<()> {
        self.whole.preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        Ok(fingerprint(self.whole.fingerprint(seed)?, &self.selection))
    }

    fn warnings(&self) -> Result<Vec<String>> {
        Ok([self.whole.warnings()?, self.warnings.clone()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_bands_or_a_few_mebibytes() {
        assert_eq!((longest(1, 200), longest(1, 30_000 * 4), longest(1, 1 << 30)), (FEWEST, 34, 1));
        // A band is decoded as a whole, so less of it at a time would save nothing.
        assert_eq!((longest(7, 200), longest(100_000, 30_000 * 4)), (7, 100_000));
    }
}
