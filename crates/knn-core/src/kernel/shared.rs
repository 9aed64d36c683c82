//! Kernels of shared neighbours: how many cells are neighbours of both ends, whatever their distances.
//!
//! `s = A_yx·A_xxᵀ + A_yy·A_xyᵀ` counts reference cells that a query cell y has as neighbours and a reference cell x as well, and query cells
//! likewise; within one store every cell is its own neighbour. `jaccard` is s / (4k − s), `hnoca` its square (CellMapper 0.2.6), where k is
//! the number of stored neighbours of a query cell. In self-mapping the four graphs are one. Where k is 1 there, a cell shares all with itself, and
//! 4k − s is taken as 1 instead of 0. `hnoca_knn`, the same for the stored neighbours alone, is in `near_counts.rs`.
//!
//! The graphs that leave reference cells are held as their transposes, a u32 for each edge and each cell: rows of s are made one by one, and a
//! block of them lives as long as any other block of weights.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::method::KernelMethod;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::types::NeighborBlock;

/// For every cell of one side the reference cells that have it as a neighbour.
#[derive(Debug, Clone, Default)]
pub struct Sharers {
    starts: Vec<u32>,
    cells: Vec<u32>,
}

/// Rows that one thread counts at a time.
const TASK_ROWS: usize = 32;

/// The transposes of both graphs that leave the reference, and what their counts become.
#[derive(Debug)]
pub struct SharedNeighbors {
    method: KernelMethod,
    k: u64,
    n_ref: usize,
    xx: Sharers,
    /// None in self-mapping, where it is `xx`.
    xy: Option<Sharers>,
    /// Counts that no thread has at the moment: as long as the reference, so they are not made anew.
    idle: Mutex<Vec<Counts>>,
}

impl Sharers {
    /// Of so many cells, counting no edge yet.
    pub fn new(cells: u64) -> Self {
        Self { starts: vec![0; cells as usize + 1], cells: Vec::new() }
    }

    /// Counts the edges of a block of reference cells, which come in order; with `own`, each is its own neighbour as well.
    pub fn count(&mut self, block: &NeighborBlock, own: bool) {
        each(block, own, |cell, _| self.starts[cell + 1] += 1);
    }

    /// Ends counting. `GM_UNSUPPORTED` beyond 2^32 edges.
    pub fn counted(&mut self) -> Result<()> {
        let too_many = || Error::Unsupported {
            what: "a kernel of shared neighbors between more than 2^32 edges".into(),
            remedy: "take fewer cells at a time, or another kernel".into(),
        };
        let mut end = 0u32;
        for start in &mut self.starts {
            end = end.checked_add(*start).ok_or_else(too_many)?;
            *start = end;
        }
        self.cells = vec![0; end as usize];
        Ok(())
    }

    /// Enters the edges of a block that was counted; all blocks once more, in order.
    pub fn enter(&mut self, block: &NeighborBlock, own: bool) {
        // Starts move to the ends of their cells, and are moved back at the end.
        each(block, own, |cell, from| {
            let at = &mut self.starts[cell];
            self.cells[*at as usize] = from as u32;
            *at += 1;
        });
    }

    /// Ends entering.
    pub fn entered(&mut self) {
        self.starts.rotate_right(1);
        self.starts[0] = 0;
    }

    fn of(&self, cell: u64) -> &[u32] {
        let cell = cell as usize;
        &self.cells[self.starts[cell] as usize..self.starts[cell + 1] as usize]
    }

    /// Bytes for so many cells and edges.
    pub fn bytes(cells: u64, edges: u64) -> u64 {
        (cells + 1).saturating_add(edges).saturating_mul(4)
    }
}

fn each(block: &NeighborBlock, own: bool, mut see: impl FnMut(usize, u64)) {
    for row in 0..block.rows() {
        let (ids, number) = (block.row(row).0, block.first_row + row as u64);
        for &id in ids {
            see(id as usize, number);
        }
        if own {
            see(number as usize, number);
        }
    }
}

/// The weight of a cell that shares so much with one that has `k` stored neighbours.
pub(super) fn weight(method: KernelMethod, k: u64, shared: u32) -> f64 {
    let (shared, most) = (f64::from(shared), 4.0 * k as f64);
    let jaccard = shared / (most - shared).max(1.0);
    if method == KernelMethod::Jaccard { jaccard } else { jaccard * jaccard }
}

/// Counts of one row, by reference cell; all 0 between rows.
#[derive(Debug, Default)]
struct Counts {
    of: Vec<u32>,
    touched: Vec<u32>,
}

impl SharedNeighbors {
    /// For rows with `k` stored neighbours among `n_ref` reference cells.
    pub fn new(method: KernelMethod, k: u64, n_ref: u64, xx: Sharers, xy: Option<Sharers>) -> Self {
        Self { method, k, n_ref: n_ref as usize, xx, xy, idle: Mutex::default() }
    }

    /// How many of the first rows have no more than so many weights in all; at least one. `yy` are the neighbours of the same rows within
    /// the query, none in self-mapping.
    pub fn rows_that_fit(&self, yx: &NeighborBlock, yy: Option<&NeighborBlock>, most: usize) -> usize {
        let mut weights = 0;
        let fitting = (0..yx.rows()).take_while(|&row| {
            weights += self.most_of(yx, yy, row);
            weights <= most
        });
        fitting.count().max(1).min(yx.rows())
    }

    /// Weights of all rows of a block at most.
    pub fn most(&self, yx: &NeighborBlock, yy: Option<&NeighborBlock>) -> usize {
        (0..yx.rows()).map(|row| self.most_of(yx, yy, row)).sum()
    }

    fn most_of(&self, yx: &NeighborBlock, yy: Option<&NeighborBlock>, row: usize) -> usize {
        let mut weights = 0;
        self.lists(yx, yy, row, |list| weights += list.len());
        weights.min(self.n_ref)
    }

    /// Shows the lists of reference cells whose entries are counted for a row.
    fn lists<'s>(&'s self, yx: &NeighborBlock, yy: Option<&NeighborBlock>, row: usize, mut see: impl FnMut(&'s [u32])) {
        let (ids, number) = (yx.row(row).0, yx.first_row + row as u64);
        if ids.is_empty() {
            return;
        }
        for &id in ids {
            see(self.xx.of(id as u64));
        }
        let Some(xy) = &self.xy else { return see(self.xx.of(number)) };
        if let Some(yy) = yy {
            yy.row(row).0.iter().for_each(|&id| see(xy.of(id as u64)));
        }
        see(xy.of(number));
    }

    /// Fills `weights`, columns ascending. A row without neighbours has none.
    pub fn weigh(&self, yx: &NeighborBlock, yy: Option<&NeighborBlock>, weights: &mut Weights) {
        let tasks: Vec<_> = (0..yx.rows()).step_by(TASK_ROWS).collect();
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let of_task = |first: usize| {
            let mut counts = idle().pop().unwrap_or_default();
            counts.of.resize(self.n_ref, 0);
            let rows = first..yx.rows().min(first + TASK_ROWS);
            let rows: Vec<_> = rows.map(|row| self.row(yx, yy, row, &mut counts)).collect();
            idle().push(counts);
            rows
        };
        let rows: Vec<Vec<(u32, u32)>> = tasks.into_par_iter().flat_map_iter(of_task).collect();
        weights.clear(yx.first_row);
        // Both products are the same in self-mapping, where one graph is all four.
        let twice = if self.xy.is_none() { 2 } else { 1 };
        for row in rows {
            weights.block.columns.extend(row.iter().map(|(column, _)| u64::from(*column)));
            weights.block.weights.extend(row.iter().map(|(_, shared)| weight(self.method, self.k, shared * twice)));
            weights.end_unshifted();
        }
    }

    fn row(
        &self,
        yx: &NeighborBlock,
        yy: Option<&NeighborBlock>,
        row: usize,
        Counts { of, touched }: &mut Counts,
    ) -> Vec<(u32, u32)> {
        self.lists(yx, yy, row, |list| {
            for &cell in list {
                if of[cell as usize] == 0 {
                    touched.push(cell);
                }
                of[cell as usize] += 1;
            }
        });
        touched.sort_unstable();
        let found: Vec<_> = touched.iter().map(|&cell| (cell, of[cell as usize])).collect();
        for cell in touched.drain(..) {
            of[cell as usize] = 0;
        }
        found
    }

    /// Bytes for each thread.
    pub fn thread_bytes(n_ref: u64) -> u64 {
        n_ref.saturating_mul(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of neighbours, of which a row may have fewer than `k`.
    fn block(k: usize, rows: &[&[i64]]) -> NeighborBlock {
        let mut block = NeighborBlock::empty(rows.len(), k);
        for (row, ids) in rows.iter().enumerate() {
            block.ids[row * k..row * k + ids.len()].copy_from_slice(ids);
            block.distances[row * k..row * k + ids.len()].fill(1.0);
        }
        block
    }

    fn sharers(cells: u64, blocks: &[NeighborBlock], own: bool) -> Sharers {
        let mut sharers = Sharers::new(cells);
        for block in blocks {
            sharers.count(block, own);
        }
        sharers.counted().unwrap();
        for block in blocks {
            sharers.enter(block, own);
        }
        sharers.entered();
        sharers
    }

    /// The product by its definition: rows of 0 and 1.
    fn product(yx: &[Vec<u32>], xx: &[Vec<u32>], yy: &[Vec<u32>], xy: &[Vec<u32>]) -> Vec<Vec<u32>> {
        let dot = |a: &[u32], b: &[u32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<u32>();
        let row = |y: usize| (0..xx.len()).map(|x| dot(&yx[y], &xx[x]) + dot(&yy[y], &xy[x])).collect();
        (0..yx.len()).map(row).collect()
    }

    fn dense(rows: &[&[i64]], columns: usize, own: bool) -> Vec<Vec<u32>> {
        let row = |(row, ids): (usize, &&[i64])| {
            (0..columns).map(|column| u32::from(ids.contains(&(column as i64)) || (own && row == column))).collect()
        };
        rows.iter().enumerate().map(row).collect()
    }

    #[test]
    fn counts_are_the_product_of_the_four_graphs() {
        let yx: [&[i64]; 2] = [&[0, 2], &[3, 1]];
        let xx: [&[i64]; 4] = [&[1, 2], &[0, 3], &[3, 0], &[2, 1]];
        let yy: [&[i64]; 2] = [&[1], &[0]];
        let xy: [&[i64]; 4] = [&[0, 1], &[1], &[0], &[1, 0]];
        let expected =
            product(&dense(&yx, 4, false), &dense(&xx, 4, true), &dense(&yy, 2, true), &dense(&xy, 2, false));
        let halves = [block(2, &xx[..2]), NeighborBlock { first_row: 2, ..block(2, &xx[2..]) }];
        for method in [KernelMethod::Jaccard, KernelMethod::Hnoca] {
            let shared = SharedNeighbors::new(
                method,
                2,
                4,
                sharers(4, &halves, true),
                Some(sharers(2, &[block(2, &xy)], false)),
            );
            let mut weights = Weights::default();
            shared.weigh(&block(2, &yx), Some(&block(1, &yy)), &mut weights);
            for (row, counts) in expected.iter().enumerate() {
                let of = |(x, &s): (usize, &u32)| {
                    let jaccard = f64::from(s) / (8.0 - f64::from(s));
                    let weight = if method == KernelMethod::Jaccard { jaccard } else { jaccard * jaccard };
                    (s > 0).then_some((x as u64, weight))
                };
                let expected: Vec<_> = counts.iter().enumerate().filter_map(of).collect();
                assert_eq!(weights.raw(row).collect::<Vec<_>>(), expected, "{method:?}");
            }
            assert_eq!(shared.rows_that_fit(&block(2, &yx), Some(&block(1, &yy)), 1), 1);
            assert_eq!(shared.rows_that_fit(&block(2, &yx), Some(&block(1, &yy)), 100), 2);
        }
    }

    #[test]
    fn within_one_store_the_four_graphs_are_one_and_one_neighbor_is_guarded() {
        let all: [&[i64]; 3] = [&[1], &[0], &[1]];
        let shared = SharedNeighbors::new(KernelMethod::Jaccard, 1, 3, sharers(3, &[block(1, &all)], true), None);
        let mut weights = Weights::default();
        shared.weigh(&block(1, &all), None, &mut weights);
        // s of the first row: 2·2 with itself, 2·2 with the second, 2·1 with the third.
        assert_eq!(weights.raw(0).collect::<Vec<_>>(), [(0, 4.0), (1, 4.0), (2, 1.0)]);
        shared.weigh(&block(1, &[&[], &[0]]), None, &mut weights);
        assert_eq!((weights.raw(0).count(), weights.raw(1).count()), (0, 3));
    }
}
