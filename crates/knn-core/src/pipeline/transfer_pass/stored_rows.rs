//! The neighbours that a store of ours holds, read back over all of its parts.

use std::path::Path;

use crate::error::{Error, Result};
use crate::graph::{StoredNeighbors, holder};
use crate::pipeline::memory::sizes::TRANSFER_ROWS;
use crate::sink::Layout;
use crate::source::ZarrStore;
use crate::types::{NeighborBlock, RowRange};

/// Reads rows in any order, those of one part at a time.
pub(in crate::pipeline) struct StoredRows {
    store: ZarrStore,
    layout: Layout,
    part: Option<(u64, StoredNeighbors)>,
    block: NeighborBlock,
}

impl StoredRows {
    /// Of the store at `path`, which has this layout, or of the one that it names.
    pub(in crate::pipeline) fn open(path: &Path, layout: Layout) -> Result<Self> {
        Ok(Self { store: holder(path)?, layout, part: None, block: NeighborBlock::default() })
    }

    /// Neighbours of a row, padding counted. There is a row.
    pub(in crate::pipeline) fn width(&mut self) -> Result<usize> {
        Ok(self.read(0, 1)?.k)
    }

    /// Some rows from `row` on, of one part: up to `end` at most, and not more than are read at a time.
    pub(in crate::pipeline) fn read(&mut self, row: u64, end: u64) -> Result<&NeighborBlock> {
        let part = row / self.layout.part_rows();
        let first = part * self.layout.part_rows();
        if self.part.as_ref().is_none_or(|(open, _)| *open != part) {
            self.part = Some((part, StoredNeighbors::open(&self.store, &self.layout.prefix(part))?));
        }
        let last = (row + TRANSFER_ROWS).min(end).min(first + self.layout.part_rows());
        let (_, stored) = self.part.as_mut().ok_or_else(|| Error::internal("a part that was just opened"))?;
        stored.read(RowRange::new(row - first, last - first), row, &mut self.block)?;
        Ok(&self.block)
    }

    /// Shows all rows, block after block.
    pub(in crate::pipeline) fn each(&mut self, mut see: impl FnMut(&NeighborBlock) -> Result<()>) -> Result<()> {
        let mut next = 0;
        while next < self.layout.n_obs() {
            let block = self.read(next, self.layout.n_obs())?;
            next += block.rows() as u64;
            see(block)?;
        }
        Ok(())
    }
}
