//! The values of an array of `obs` whose cells are chosen.

use std::sync::Arc;

use super::rows::{band_end, fingerprint, longest, pieces};
use super::selection::Selection;
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::StoredArray;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange};

/// An array with a value for every cell, of which some are left.
#[derive(Debug)]
pub(super) struct SelectedArray {
    whole: Arc<dyn StoredArray>,
    selection: Arc<Selection>,
    shape: Vec<u64>,
    band: Vec<u64>,
}

impl SelectedArray {
    /// The chosen values of `whole`, which has as many as the selection has rows.
    pub(super) fn new(whole: Arc<dyn StoredArray>, selection: Arc<Selection>) -> Self {
        let replaced =
            |extents: &[u64], first: u64| std::iter::once(first).chain(extents.iter().skip(1).copied()).collect();
        let shape = replaced(whole.shape(), selection.count());
        let band = replaced(whole.inner_chunk(), whole.inner_rows());
        Self { whole, selection, shape, band }
    }

    /// Most rows of the whole that are read at once.
    fn longest(&self) -> u64 {
        longest(self.whole.natural_rows(), self.row_bytes())
    }

    /// What is read of texts is told by nobody before; the column's own scratch counts them alike.
    fn row_bytes(&self) -> u64 {
        let width = self.shape.iter().skip(1).fold(1, |width: u64, extent| width.saturating_mul(*extent));
        width.saturating_mul(self.dtype().size().unwrap_or(40) as u64)
    }
}

impl StoredArray for SelectedArray {
    fn name(&self) -> String {
        self.whole.name()
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        self.whole.dtype()
    }

    fn inner_chunk(&self) -> &[u64] {
        &self.band
    }

    fn band_end(&self, row: u64) -> u64 {
        band_end(&self.selection, row, |row| self.whole.band_end(row))
    }

    fn codec(&self) -> String {
        self.whole.codec()
    }

    fn reads_in_place(&self) -> bool {
        false
    }

    fn scratch_bytes(&self, _: u64) -> u64 {
        let rows = self.longest().min(self.whole.rows());
        self.whole.scratch_bytes(rows).saturating_add(rows.saturating_mul(self.row_bytes()))
    }

    fn stored_bytes(&self) -> u64 {
        self.whole.stored_bytes()
    }

    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        check_range(rows, self.rows())?;
        let width = self.shape.iter().skip(1).try_fold(1_u64, |width, &extent| width.checked_mul(extent));
        let size = self.dtype().size().zip(width).and_then(|(size, width)| size.checked_mul(width as usize));
        let Some(size) = size.filter(|size| size.checked_mul(rows.len()) == Some(out.len())) else {
            return Err(Error::internal(format!("a buffer of {} bytes for {} rows", out.len(), rows.len())));
        };
        let (mut read, mut rest) = (Vec::new(), out);
        let whole = &self.whole;
        for piece in pieces(&self.selection, rows, self.longest(), |row| whole.band_end(row)) {
            whole.read_rows(piece.rows, &mut read)?;
            for run in self.selection.runs(piece.ranks) {
                let first = (run.start - piece.rows.start) as usize * size;
                let (place, after) = rest.split_at_mut(run.len() * size);
                place.copy_from_slice(&read[first..first + run.len() * size]);
                rest = after;
            }
        }
        Ok(())
    }

    fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        check_range(rows, self.rows())?;
        out.clear();
        let mut read = StringBlock::default();
        let whole = &self.whole;
        for piece in pieces(&self.selection, rows, self.longest(), |row| whole.band_end(row)) {
            whole.read_strings(piece.rows, &mut read)?;
            for row in self.selection.runs(piece.ranks).flat_map(|run| run.start..run.end) {
                out.push(read.get((row - piece.rows.start) as usize));
            }
        }
        Ok(())
    }

    fn preflight(&self) -> Result<()> {
        self.whole.preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        Ok(fingerprint(self.whole.fingerprint(seed)?, &self.selection))
    }

    fn is_absent(&self) -> Result<bool> {
        self.whole.is_absent()
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        self.whole.schema(field, reason)
    }
}
