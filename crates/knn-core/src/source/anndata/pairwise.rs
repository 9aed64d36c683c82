//! A member of `obsp` as edges: the stored entries of a matrix of cells × cells, row by row.

use super::sparse::{Entries, PIECE, Sparse};
use crate::error::Result;
use crate::source::{EdgeBlock, EdgeRows};
use crate::types::RowRange;

/// A sparse matrix that is compressed by rows.
#[derive(Debug)]
pub(super) struct PairwiseRows {
    matrix: Sparse,
}

impl PairwiseRows {
    pub(super) fn new(matrix: Sparse) -> Self {
        Self { matrix }
    }
}

impl EdgeRows for PairwiseRows {
    fn name(&self) -> String {
        self.matrix.name()
    }

    fn rows(&self) -> u64 {
        self.matrix.rows
    }

    fn columns(&self) -> Option<u64> {
        Some(self.matrix.columns)
    }

    fn widths(&self, rows: RowRange) -> Result<Vec<u64>> {
        Ok(self.matrix.starts(rows)?.windows(2).map(|pair| pair[1] - pair[0]).collect())
    }

    fn read(&self, rows: RowRange, out: &mut EdgeBlock) -> Result<()> {
        let starts = self.matrix.starts(rows)?;
        let (first, last) = (starts.first().copied().unwrap_or(0), starts.last().copied().unwrap_or(0));
        out.starts.clear();
        out.starts.extend(starts.iter().map(|start| (start - first) as usize));
        out.ids.clear();
        out.distances.clear();
        let mut entries = Entries::default();
        for piece in RowRange::new(first, last).pieces(PIECE) {
            self.matrix.read(piece, &mut entries)?;
            out.ids.extend(entries.indices.iter().map(|&index| i64::try_from(index).unwrap_or(i64::MAX)));
            out.distances.extend_from_slice(&entries.values);
        }
        Ok(())
    }

    fn scratch_bytes(&self, rows: u64, _: u64) -> u64 {
        self.matrix.scratch_bytes(rows)
    }

    fn preflight(&self) -> Result<()> {
        self.matrix.preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.matrix.fingerprint(seed)
    }
}
