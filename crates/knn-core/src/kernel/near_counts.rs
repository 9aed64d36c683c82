//! `hnoca_knn`: neighbours that a cell shares with each of its stored neighbours, and with nobody else.
//!
//! Of an edge from a query cell y to a reference cell x the count is `|N_yx(y) ∩ N_xx(x)| + |N_yy(y) ∩ N_xy(x)|` (see `shared.rs`), which needs the rows
//! of y and the rows of x and nothing of any other cell. So rows of the query wait with their edges in the order of x, and the graphs that leave the
//! reference pass by once for all of them: memory bounds how many wait, and not how large the reference is. Within one store the four graphs are
//! one, and a cell is a neighbour of itself.

use rayon::prelude::*;

use super::method::KernelMethod;
use super::shared::weight;
use super::weights::Weights;
use crate::types::NeighborBlock;

/// Stands behind the last neighbour of a row that has fewer.
const NONE: u64 = u64::MAX;
/// Edges that one thread counts at a time.
const TASK_EDGES: usize = 2048;

/// Rows of sorted neighbours, one behind another.
#[derive(Debug, Default)]
struct SortedRows {
    width: usize,
    ids: Vec<u64>,
}

/// Rows that wait, and what was counted of their edges.
#[derive(Debug)]
pub struct NearCounts {
    /// Stored neighbours of a row.
    k: u64,
    /// Whether query and reference are one store.
    own: bool,
    first_row: u64,
    near: SortedRows,
    /// Neighbours within the query, where that is another store.
    within: SortedRows,
    /// Reference cell and place in `near` of every edge, in this order.
    edges: Vec<(u64, usize)>,
    /// By place.
    counts: Vec<u32>,
    xx: SortedRows,
    xy: SortedRows,
}

impl SortedRows {
    /// Replaces what is there by the rows of a block, each with its own cell if `own` and it has neighbours or `always`.
    fn fill(&mut self, block: &NeighborBlock, own: bool, always: bool) {
        self.width = block.k + usize::from(own);
        self.ids.clear();
        self.append(block, own, always);
    }

    fn append(&mut self, block: &NeighborBlock, own: bool, always: bool) {
        let (width, before) = (self.width, self.ids.len());
        self.ids.resize(before + block.rows() * width, NONE);
        self.ids[before..].par_chunks_mut(width.max(1)).enumerate().with_min_len(256).for_each(|(row, sorted)| {
            let ids = block.row(row).0;
            let own = (own && (always || !ids.is_empty())).then_some(block.first_row + row as u64);
            let all = ids.iter().map(|&id| id as u64).chain(own);
            let mut last = 0;
            for (place, id) in sorted.iter_mut().zip(all) {
                *place = id;
                last += 1;
            }
            sorted[..last].sort_unstable();
        });
    }

    fn row(&self, row: usize) -> &[u64] {
        let ids = &self.ids[row * self.width..(row + 1) * self.width];
        &ids[..ids.partition_point(|&id| id != NONE)]
    }
}

impl NearCounts {
    /// For rows with `k` stored neighbours, within one store if `own`.
    pub fn new(k: u64, own: bool) -> Self {
        Self {
            k,
            own,
            first_row: 0,
            near: SortedRows::default(),
            within: SortedRows::default(),
            edges: Vec::new(),
            counts: Vec::new(),
            xx: SortedRows::default(),
            xy: SortedRows::default(),
        }
    }

    /// Begins anew with rows from `first_row` on, of so many neighbours, and so many within the query.
    pub fn begin(&mut self, first_row: u64, k: usize, within: usize) {
        self.first_row = first_row;
        self.near.width = k + usize::from(self.own);
        self.within.width = if self.own { 0 } else { within + 1 };
        self.near.ids.clear();
        self.within.ids.clear();
    }

    /// Appends rows: their neighbours in the reference, and within the query where that is another store. A cell that has no stored neighbour within
    /// the query has itself.
    pub fn push(&mut self, yx: &NeighborBlock, yy: Option<&NeighborBlock>) {
        self.near.append(yx, self.own, false);
        if let Some(yy) = yy {
            self.within.append(yy, true, true);
        } else if !self.own {
            let alone = NeighborBlock { first_row: yx.first_row, ..NeighborBlock::empty(yx.rows(), 1) };
            self.within.append(&alone, true, true);
        }
    }

    /// Ends appending, and puts the edges in order.
    pub fn wait(&mut self) {
        self.edges.clear();
        self.edges
            .extend(self.near.ids.iter().enumerate().filter(|(_, id)| **id != NONE).map(|(place, &id)| (id, place)));
        self.edges.par_sort_unstable();
        self.counts.clear();
        self.counts.resize(self.near.ids.len(), 0);
    }

    /// Counts the edges to the cells of a block, given the graph within the reference, with none of its rows where a cell is alone there, and the graph
    /// to the query where that is another store.
    pub fn pass(&mut self, xx: &NeighborBlock, xy: Option<&NeighborBlock>) {
        let (first, end) = (xx.first_row, xx.first_row + xx.rows() as u64);
        let from = self.edges.partition_point(|edge| edge.0 < first);
        let to = from + self.edges[from..].partition_point(|edge| edge.0 < end);
        if from == to {
            return;
        }
        self.xx.fill(xx, true, true);
        if let Some(xy) = xy {
            self.xy.fill(xy, false, false);
        }
        let Self { near, within, edges, counts, xx, xy, own, .. } = self;
        let count = |&(cell, place): &(u64, usize)| {
            let (row, cell) = (place / near.width, (cell - first) as usize);
            let shared = common(near.row(row), xx.row(cell));
            // Both products are the same within one store.
            if *own { 2 * shared } else { shared + common(within.row(row), xy.row(cell)) }
        };
        let found: Vec<u32> = edges[from..to].par_iter().with_min_len(TASK_EDGES).map(count).collect();
        for ((_, place), found) in edges[from..to].iter().zip(found) {
            counts[*place] = found;
        }
    }

    /// Rows that wait.
    pub fn rows(&self) -> std::ops::Range<u64> {
        self.first_row..self.first_row + (self.near.ids.len() / self.near.width.max(1)) as u64
    }

    /// Fills `weights` with those of these rows, columns ascending. A row without neighbours has none.
    pub fn weigh(&self, rows: std::ops::Range<u64>, weights: &mut Weights) {
        weights.clear(rows.start);
        for row in rows {
            let place = (row - self.first_row) as usize * self.near.width;
            let ids = self.near.row((row - self.first_row) as usize);
            weights.block.columns.extend_from_slice(ids);
            let counts = &self.counts[place..place + ids.len()];
            weights.block.weights.extend(counts.iter().map(|&count| weight(KernelMethod::HnocaKnn, self.k, count)));
            weights.end_unshifted();
        }
    }

    /// Bytes of a row that waits.
    pub fn row_bytes(k: u64, within: u64) -> u64 {
        // The neighbours; of each edge its cell and place, its count, and that of the block that passes.
        (k + 1) * (8 + 16 + 4 + 4) + (within + 1) * 8
    }

    /// Bytes of a block of the graphs that pass, in order.
    pub fn pass_bytes(rows: u64, xx: u64, xy: u64) -> u64 {
        rows * (xx + 1 + xy) * 8
    }
}

/// How many ids two ascending rows have in common.
fn common(left: &[u64], right: &[u64]) -> u32 {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while i < left.len() && j < right.len() {
        let (a, b) = (left[i], right[j]);
        shared += u32::from(a == b);
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{SharedNeighbors, Sharers};

    /// Rows of `k` different neighbours among so many cells, without the cell itself where they are the same; every seventh row has fewer.
    fn graph(rows: usize, k: usize, cells: usize, within: bool) -> NeighborBlock {
        let mut block = NeighborBlock::empty(rows, k);
        for row in 0..rows {
            let all =
                (0..).map(|i: usize| (row * 31 + i * (row % 5 + 1) * 7 + i) % cells).filter(|&id| !within || id != row);
            let mut ids: Vec<i64> = Vec::new();
            for id in all.take(20 * k) {
                if ids.len() < k - usize::from(row % 7 == 3) && !ids.contains(&(id as i64)) {
                    ids.push(id as i64);
                }
            }
            if row == 11 {
                ids.clear();
            }
            block.ids[row * k..row * k + ids.len()].copy_from_slice(&ids);
            block.distances[row * k..row * k + ids.len()].fill(1.0);
        }
        block
    }

    fn sharers(cells: u64, block: &NeighborBlock, own: bool) -> Sharers {
        let mut sharers = Sharers::new(cells);
        sharers.count(block, own);
        sharers.counted().unwrap();
        sharers.enter(block, own);
        sharers.entered();
        sharers
    }

    fn cut(block: &NeighborBlock, rows: std::ops::Range<usize>) -> NeighborBlock {
        let of = rows.start * block.k..rows.end * block.k;
        let (ids, distances) = (block.ids[of.clone()].to_vec(), block.distances[of].to_vec());
        NeighborBlock { first_row: rows.start as u64, k: block.k, ids, distances }
    }

    /// What all shared neighbours say of each row's own neighbours.
    fn expected(all: &Weights, yx: &NeighborBlock, own: bool) -> Vec<Vec<(u64, f64)>> {
        let row = |row: usize| {
            let ids = yx.row(row).0;
            let is_near = |column: u64| ids.contains(&(column as i64)) || (own && column == row as u64);
            all.raw(row).filter(|(column, _)| is_near(*column)).collect()
        };
        (0..yx.rows()).map(row).collect()
    }

    #[test]
    fn counts_are_those_of_all_shared_neighbors_wherever_rows_and_graphs_are_cut() {
        let (n, n_ref, k) = (40, 60, 6);
        let (yx, xx, yy, xy) =
            (graph(n, k, n_ref, false), graph(n_ref, 5, n_ref, true), graph(n, 4, n, true), graph(n_ref, 7, n, false));
        let mut across = Weights::default();
        let xy_sharers = Some(sharers(n as u64, &xy, false));
        let shared = SharedNeighbors::new(
            KernelMethod::Hnoca,
            k as u64,
            n_ref as u64,
            sharers(n_ref as u64, &xx, true),
            xy_sharers,
        );
        shared.weigh(&yx, Some(&yy), &mut across);
        let own = graph(n, k, n, true);
        let mut within = Weights::default();
        SharedNeighbors::new(KernelMethod::Hnoca, k as u64, n as u64, sharers(n as u64, &own, true), None).weigh(
            &own,
            None,
            &mut within,
        );
        for (rows, passing) in [(40, 60), (7, 13), (1, 1)] {
            for is_own in [false, true] {
                let (yx, xx, all) = if is_own { (&own, &own, &within) } else { (&yx, &xx, &across) };
                let expected = expected(all, yx, is_own);
                let mut counts = NearCounts::new(k as u64, is_own);
                for first in (0..n).step_by(rows) {
                    let waiting = first..n.min(first + rows);
                    counts.begin(first as u64, yx.k, if is_own { 0 } else { yy.k });
                    counts.push(&cut(yx, waiting.clone()), (!is_own).then(|| cut(&yy, waiting.clone())).as_ref());
                    counts.wait();
                    assert_eq!(counts.rows(), waiting.start as u64..waiting.end as u64);
                    for cell in (0..xx.rows()).step_by(passing) {
                        let block = cell..xx.rows().min(cell + passing);
                        counts.pass(&cut(xx, block.clone()), (!is_own).then(|| cut(&xy, block)).as_ref());
                    }
                    let mut weights = Weights::default();
                    counts.weigh(counts.rows(), &mut weights);
                    for row in waiting.clone() {
                        let found: Vec<_> = weights.raw(row - waiting.start).collect();
                        assert_eq!(found, expected[row], "{is_own}, row {row}, {rows} and {passing}");
                    }
                }
            }
        }
    }
}
