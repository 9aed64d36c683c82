//! A block in the order of work: queries that are alike lie side by side, and so do their results until the block is done.

use crate::types::NeighborBlock;

/// The block's rows and neighbours in that order. Kept from block to block, because allocating it anew costs time and leaves holes.
#[derive(Debug, Default)]
pub struct Ordered {
    /// Row of the block at each place.
    pub(super) order: Vec<u32>,
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
    pub(super) fn sort_by_key(&mut self, rows: usize, key: impl Fn(u32) -> u32) {
        self.order.clear();
        self.order.extend(0..rows as u32);
        self.order.sort_unstable_by_key(|&row| (key(row), row));
    }

    /// Copies the rows (row-major) and their neighbours into that order.
    pub(super) fn gather(&mut self, rows: &[f32], dim: usize, nearest: &NeighborBlock) {
        gather(rows, dim, &self.order, &mut self.rows);
        gather(&nearest.ids, nearest.k, &self.order, &mut self.ids);
        gather(&nearest.distances, nearest.k, &self.order, &mut self.distances);
    }

    /// Copies the neighbours back.
    pub(super) fn scatter(&self, nearest: &mut NeighborBlock) {
        scatter(&self.ids, nearest.k, &self.order, &mut nearest.ids);
        scatter(&self.distances, nearest.k, &self.order, &mut nearest.distances);
    }
}

fn gather<T: Copy>(rows: &[T], width: usize, order: &[u32], gathered: &mut Vec<T>) {
    gathered.clear();
    gathered.reserve_exact(rows.len());
    for &row in order {
        gathered.extend_from_slice(&rows[row as usize * width..(row as usize + 1) * width]);
    }
}

fn scatter<T: Copy>(gathered: &[T], width: usize, order: &[u32], rows: &mut [T]) {
    for (&row, values) in order.iter().zip(gathered.chunks_exact(width)) {
        rows[row as usize * width..(row as usize + 1) * width].copy_from_slice(values);
    }
}
