//! A block in the order of work: queries that are alike lie side by side, and so do their results until the block is done.

use rayon::prelude::*;

use crate::types::NeighborBlock;

/// Rows that a thread moves at a time.
const MOVED_ROWS: usize = 1024;

/// The block's rows and neighbours in that order. Kept from block to block, because allocating it anew costs time and leaves holes.
#[derive(Debug, Default)]
pub struct Ordered {
    /// Row of the block at each place.
    pub(super) order: Vec<u32>,
    /// Place of each row of the block.
    places: Vec<u32>,
    pub(super) rows: Vec<f32>,
    pub(super) ids: Vec<i64>,
    pub(super) distances: Vec<f32>,
}

/// Bytes that a join takes for each query of a block, besides tile and neighbours: their copies in the order of work.
pub fn ordered_bytes(k: u64, dim: u64) -> u64 {
    dim * 4 + k * 12 + 8
}

impl Ordered {
    /// Sorts the rows of a block by a key, then by row.
    pub(super) fn sort_by_key(&mut self, rows: usize, key: impl Fn(u32) -> u32 + Sync) {
        self.order.clear();
        self.order.extend(0..rows as u32);
        self.order.par_sort_unstable_by_key(|&row| (key(row), row));
    }

    /// Copies the rows (row-major) and their neighbours into that order.
    pub(super) fn gather(&mut self, rows: &[f32], dim: usize, nearest: &NeighborBlock) {
        self.room(nearest.k);
        self.rows.resize(rows.len(), 0.0);
        let Self { order, rows: gathered, ids, distances, .. } = self;
        reorder(rows, dim, order, gathered);
        reorder(&nearest.ids, nearest.k, order, ids);
        reorder(&nearest.distances, nearest.k, order, distances);
    }

    /// Makes room for neighbours in that order; what is in it counts for nothing.
    pub(super) fn room(&mut self, k: usize) {
        self.ids.resize(self.order.len() * k, -1);
        self.distances.resize(self.order.len() * k, f32::NAN);
    }

    /// Copies the neighbours back.
    pub(super) fn scatter(&mut self, nearest: &mut NeighborBlock) {
        let Self { order, places, ids, distances, .. } = self;
        places.resize(order.len(), 0);
        order.iter().zip(0..).for_each(|(&row, place)| places[row as usize] = place);
        reorder(ids, nearest.k, places, &mut nearest.ids);
        reorder(distances, nearest.k, places, &mut nearest.distances);
    }
}

/// Copies the row that `from` names to each place.
fn reorder<T: Copy + Send + Sync>(rows: &[T], width: usize, from: &[u32], to: &mut [T]) {
    to.par_chunks_mut(MOVED_ROWS * width).zip(from.par_chunks(MOVED_ROWS)).for_each(|(to, from)| {
        for (to, &row) in to.chunks_exact_mut(width).zip(from) {
            to.copy_from_slice(&rows[row as usize * width..(row as usize + 1) * width]);
        }
    });
}
