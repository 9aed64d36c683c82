//! Weights by `hnoca_knn`: rows of the query wait, as many as there is room for, while the graphs that leave the reference are read once from front to
//! back. So nothing of the size of the reference is in memory, and how often its graphs are read is all that follows from the memory.

use super::stored_rows::StoredRows;
use crate::budget::Lease;
use crate::error::Result;
use crate::kernel::{NearCounts, Weights};
use crate::pipeline::memory::sizes::TRANSFER_ROWS;
use crate::progress::Progress;
use crate::types::NeighborBlock;

/// The graphs of all four, as far as they are others.
pub(in crate::pipeline) struct NearGraphs {
    pub(in crate::pipeline) yx: StoredRows,
    pub(in crate::pipeline) xx: Option<StoredRows>,
    /// None within one store.
    pub(in crate::pipeline) xy: Option<StoredRows>,
    pub(in crate::pipeline) yy: Option<StoredRows>,
    pub(in crate::pipeline) n_ref: u64,
    pub(in crate::pipeline) n_obs: u64,
    /// Rows that wait together.
    pub(in crate::pipeline) rows: u64,
    /// What they take besides the fewest.
    pub(in crate::pipeline) _lease: Lease,
    pub(in crate::pipeline) counts: NearCounts,
    /// Of one row that is weighed again.
    pub(in crate::pipeline) one: NearCounts,
}

impl NearGraphs {
    /// Weighs rows, which lie in one part.
    pub(in crate::pipeline) fn weigh(
        &mut self,
        neighbors: &NeighborBlock,
        weights: &mut Weights,
        progress: &Progress,
    ) -> Result<()> {
        let rows = neighbors.first_row..neighbors.first_row + neighbors.rows() as u64;
        let waiting = self.counts.rows();
        if rows.start < waiting.start || rows.end > waiting.end {
            self.wait(rows.start, (rows.start + self.rows).max(rows.end).min(self.n_obs), progress)?;
        }
        self.counts.weigh(rows, weights);
        Ok(())
    }

    /// Lets these rows wait, and all others pass.
    fn wait(&mut self, first: u64, end: u64, progress: &Progress) -> Result<()> {
        let Self { yx, xx, xy, yy, counts, n_ref, .. } = self;
        let within = yy.as_mut().map_or(Ok(0), StoredRows::width)?;
        counts.begin(first, yx.width()?, within);
        let mut next = first;
        while next < end {
            let block = yx.read(next, end)?;
            let last = next + block.rows() as u64;
            match yy {
                None => counts.push(block, None),
                Some(yy) => each_piece(yy, next, last, |within| {
                    counts.push(&part(block, within), Some(within));
                    Ok(())
                })?,
            }
            next = last;
            progress.check()?;
        }
        counts.wait();
        let mut next = 0;
        while next < *n_ref {
            let alone;
            let of_reference = if let Some(xx) = xx {
                xx.read(next, *n_ref)?
            } else {
                let rows = TRANSFER_ROWS.min(*n_ref - next) as usize;
                alone = NeighborBlock { first_row: next, ..NeighborBlock::empty(rows, 1) };
                &alone
            };
            let last = next + of_reference.rows() as u64;
            match xy {
                None => counts.pass(of_reference, None),
                Some(xy) => each_piece(xy, next, last, |to_query| {
                    counts.pass(&part(of_reference, to_query), Some(to_query));
                    Ok(())
                })?,
            }
            next = last;
            progress.check()?;
        }
        Ok(())
    }

    /// Weighs other neighbours of one row.
    pub(in crate::pipeline) fn weigh_again(&mut self, truth: &NeighborBlock, weights: &mut Weights) -> Result<()> {
        let Self { xx, xy, yy, one, .. } = self;
        let row = truth.first_row;
        let within = yy.as_mut().map(|yy| yy.read(row, row + 1)).transpose()?;
        one.begin(row, truth.k, within.map_or(0, |within| within.k));
        one.push(truth, within);
        one.wait();
        let own = xy.is_none().then_some(row as i64);
        for cell in truth.row(0).0.iter().copied().chain(own).map(|id| id as u64) {
            let alone = NeighborBlock { first_row: cell, ..NeighborBlock::empty(1, 1) };
            let of_cell = match xx {
                Some(xx) => xx.read(cell, cell + 1)?,
                None => &alone,
            };
            one.pass(of_cell, xy.as_mut().map(|xy| xy.read(cell, cell + 1)).transpose()?);
        }
        one.weigh(row..row + 1, weights);
        Ok(())
    }
}

/// Shows rows of a graph in pieces, which may be cut otherwise than those of another.
fn each_piece(
    rows: &mut StoredRows,
    first: u64,
    end: u64,
    mut see: impl FnMut(&NeighborBlock) -> Result<()>,
) -> Result<()> {
    let mut next = first;
    while next < end {
        let block = rows.read(next, end)?;
        next += block.rows() as u64;
        see(block)?;
    }
    Ok(())
}

/// The rows of a block that another one has.
fn part(block: &NeighborBlock, other: &NeighborBlock) -> NeighborBlock {
    let from = (other.first_row - block.first_row) as usize * block.k;
    let to = from + other.rows() * block.k;
    let (ids, distances) = (block.ids[from..to].to_vec(), block.distances[from..to].to_vec());
    NeighborBlock { first_row: other.first_row, k: block.k, ids, distances }
}
