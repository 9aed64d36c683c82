//! The rows of an index and those that are appended to it, by list: the old ones of a list first, then the new ones, so ids ascend.

use super::grouped::{CellRows, Grouped};
use super::ivf::IvfIndex;
use super::lists::ListBuffer;
use crate::budget::{Lease, MemoryBudget};
use crate::error::Result;

/// An index with more rows. All numbers of the new ones are above those of the old ones.
pub(super) struct Grown<'a> {
    index: &'a IvfIndex,
    new: &'a dyn Grouped,
    excluded: Vec<u64>,
    _lease: Lease,
}

impl<'a> Grown<'a> {
    /// Bytes of the largest super-cell of `index` alone while it is handed out.
    pub(super) fn least_bytes(index: &IvfIndex) -> u64 {
        let rows = |cell| index.coarse().lists_of(cell).map(|list| index.list_rows(list)).sum::<u64>();
        (0..index.coarse().super_cells()).map(rows).max().unwrap_or(0) * 3 * row_bytes(index)
    }

    /// The rows of `index` and, behind them, `new` ones in the same lists.
    pub(super) fn new(index: &'a IvfIndex, new: &'a dyn Grouped, budget: &MemoryBudget) -> Result<Self> {
        let lease = budget.take("the rows in no list", index.excluded_bytes())?;
        Ok(Self { index, new, excluded: index.excluded()?, _lease: lease })
    }
}

impl Grouped for Grown<'_> {
    fn rows(&self, cell: u32) -> u64 {
        let lists = self.index.coarse().lists_of(cell);
        lists.map(|list| self.index.list_rows(list)).sum::<u64>() + self.new.rows(cell)
    }

    fn row_bytes(&self) -> u64 {
        // What a list is read into, or what the new rows come as; and the rows of both.
        let row = row_bytes(self.index);
        self.new.row_bytes().max(2 * row) + row
    }

    fn cell(&self, cell: u32) -> Result<CellRows> {
        let (dim, rows, new) = (self.index.dim(), self.rows(cell) as usize, self.new.cell(cell)?);
        let (mut ids, mut values) = (Vec::with_capacity(rows), Vec::with_capacity(rows * dim));
        let (mut starts, mut buffer) = (vec![0], ListBuffer::default());
        for (list, bounds) in self.index.coarse().lists_of(cell).zip(new.starts.windows(2)) {
            let old = self.index.list(list, &mut buffer)?;
            ids.extend((0..old.len()).map(|row| old.ids.get(row)));
            values.extend_from_slice(old.rows);
            ids.extend_from_slice(&new.ids[bounds[0]..bounds[1]]);
            values.extend_from_slice(&new.values[bounds[0] * dim..bounds[1] * dim]);
            starts.push(ids.len());
        }
        Ok(CellRows { starts, ids, values })
    }

    fn excluded(&self) -> u64 {
        self.excluded.len() as u64 + self.new.excluded()
    }

    fn each_excluded(&self, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<()> {
        self.excluded.iter().try_for_each(|&row| each(row))?;
        self.new.each_excluded(each)
    }
}

/// A row in memory, with its number.
fn row_bytes(index: &IvfIndex) -> u64 {
    index.dim() as u64 * 4 + 8
}
