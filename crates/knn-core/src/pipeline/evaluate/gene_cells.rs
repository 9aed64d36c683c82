//! Cells of two matrices beside each other, as predicted expression is compared with the original, and the groups that they are of.

use std::sync::Arc;

use super::classes::{Classes, LabelColumn};
use crate::distance::Metric;
use crate::error::Result;
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::{AnnDataStore, RowSource};
use crate::types::{RowRange, Tile};

/// Bytes of the rows of both matrices that are in memory together, of one row each at least.
const BLOCK_BYTES: u64 = 32 << 20;

/// Both matrices, and the genes of them that are compared.
pub(super) struct GeneCells {
    pub(super) original: Arc<dyn RowSource>,
    pub(super) imputed: Arc<dyn RowSource>,
    /// The column of each gene in the original and in the imputed matrix.
    pub(super) columns: Vec<[u32; 2]>,
    pub(super) groups: Option<Groups>,
}

/// The column of groups.
pub(super) struct Groups {
    pub(super) column: LabelColumn,
    pub(super) classes: Classes,
}

/// Consecutive cells: their values in both matrices, and the group of each, −1 where there is none.
#[derive(Default)]
pub(super) struct Cells {
    pub(super) original: Tile,
    pub(super) imputed: Tile,
    pub(super) groups: Vec<i32>,
}

impl GeneCells {
    pub(super) fn row_bytes(&self) -> u64 {
        (self.original.dim() as u64 + self.imputed.dim() as u64) * 4
    }

    pub(super) fn block_rows(&self) -> u64 {
        (BLOCK_BYTES / self.row_bytes()).clamp(1, self.original.rows().max(1))
    }

    /// Shows all cells, block after block.
    pub(super) fn each(&mut self, progress: &Progress, mut see: impl FnMut(&Cells) -> Result<()>) -> Result<()> {
        let (all, step) = (RowRange::new(0, self.original.rows()), self.block_rows());
        let mut original = TileReader::new(&self.original, all, Metric::Euclidean);
        let mut imputed = TileReader::new(&self.imputed, all, Metric::Euclidean);
        let mut cells = Cells::default();
        for block in all.pieces(step) {
            original.next(block.len() as u64, &mut cells.original)?;
            imputed.next(block.len() as u64, &mut cells.imputed)?;
            if let Some(Groups { column, classes }) = &mut self.groups {
                column.read(block, classes, &mut cells.groups)?;
            } else {
                cells.groups.clear();
                cells.groups.resize(block.len(), -1);
            }
            see(&cells)?;
            progress.advance(block.len() as u64)?;
        }
        progress.end();
        Ok(())
    }

    /// Cells.
    pub(super) fn rows(&self) -> u64 {
        self.original.rows()
    }
}

impl Groups {
    /// Opens the column, which lies in the truth or else with the predictions.
    pub(super) fn open(
        truth: &AnnDataStore,
        predictions: &AnnDataStore,
        key: &str,
        progress: &Progress,
    ) -> Result<Self> {
        let has = |store: &AnnDataStore| store.obs_keys().iter().any(|known| known == key);
        let store = if !has(truth) && has(predictions) { predictions } else { truth };
        let mut column = LabelColumn::open(store, key)?;
        let mut classes = Classes::default();
        column.enter(&mut classes, progress)?;
        Ok(Self { column, classes })
    }

    pub(super) fn len(&self) -> u64 {
        self.classes.len() as u64
    }
}
