//! The nearest list of a row: among the lists of the super-cells that are nearest to it.

use rayon::prelude::*;

use super::coarse::Coarse;
use super::kmeans::Groups;
use super::nearest::{Askers, FARTHEST, Frame, Score, Targets, best, most};
use crate::distance::DistanceTile;

/// Super-cells whose lists are looked at.
pub(super) const SUPER_CELLS: usize = 12;
/// Rows that a thread assigns at a time at most: enough that the rows of a super-cell fill panels.
const MOST_ROWS: usize = 2048;
/// And at least.
const LEAST_ROWS: usize = 96;
/// Values of these rows that a thread holds, about: what stays in a near cache.
const VALUES: usize = 1 << 18;

/// The levels as the tile reads them.
pub struct Router {
    frame: Frame,
    super_cells: Targets,
    /// The lists of each super-cell, and the first of them.
    lists: Vec<(u32, Targets)>,
    rows_at_a_time: usize,
    widest: usize,
}

impl Router {
    /// Packs the levels.
    pub fn new(coarse: &Coarse, tile: &dyn DistanceTile) -> Self {
        let frame = Frame::new(coarse.centre(), coarse.reach());
        let lists = (0..coarse.super_cells()).map(|cell| {
            let lists = coarse.lists_of(cell);
            (lists.start, Targets::new(coarse.centroids(lists), &frame, tile))
        });
        let lists: Vec<_> = lists.collect();
        let super_cells = Targets::new(coarse.super_centroids(), &frame, tile);
        let widest = lists.iter().map(|(_, lists)| lists.width()).max().unwrap_or(0).max(super_cells.width());
        Self { frame, super_cells, lists, rows_at_a_time: (VALUES / widest).clamp(LEAST_ROWS, MOST_ROWS), widest }
    }

    /// The space in which rows and centroids are compared.
    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The centroids of the super-cells.
    pub(super) fn super_cells(&self) -> &Targets {
        &self.super_cells
    }

    /// The first list of each super-cell, and the centroids of its lists.
    pub(super) fn lists(&self) -> &[(u32, Targets)] {
        &self.lists
    }

    /// Bytes that the packed levels take.
    pub(super) fn bytes(super_cells: u64, lists: u64, dim: u64) -> u64 {
        // Each super-cell's lists end in a block that may be almost empty.
        Targets::bytes(super_cells, dim) + Targets::bytes(lists + super_cells * 16, dim)
    }

    /// Bytes that `threads` threads take while they assign, where no super-cell has very many lists.
    pub(super) fn scratch_bytes(dim: u64, threads: u64) -> u64 {
        let pairs = MOST_ROWS as u64 * (16 * SUPER_CELLS as u64 + 16);
        threads * (Askers::bytes(MOST_ROWS as u64, dim) + pairs + VALUES as u64 * 4)
    }

    /// Bytes that they take beyond that where one has.
    pub(super) fn more_scratch_bytes(&self, threads: u64) -> u64 {
        threads * 4 * (self.rows_at_a_time * self.widest).saturating_sub(VALUES) as u64
    }

    /// The nearest list of each row (row-major); `u32::MAX` where a coordinate is not finite. Ties go to the lower list.
    pub fn assign(&self, rows: &[f32], tile: &dyn DistanceTile) -> Vec<u32> {
        let dim = self.frame.dim();
        let mut assigned = vec![u32::MAX; rows.len() / dim];
        let each = assigned.len().div_ceil(rayon::current_num_threads()).clamp(LEAST_ROWS, self.rows_at_a_time);
        let jobs = assigned.par_chunks_mut(each).zip(rows.par_chunks(each * dim));
        jobs.for_each_init(Scratch::default, |scratch, (assigned, rows)| {
            self.assign_chunk(rows, tile, scratch, assigned);
        });
        assigned
    }

    fn assign_chunk(&self, rows: &[f32], tile: &dyn DistanceTile, scratch: &mut Scratch, assigned: &mut [u32]) {
        let Scratch { askers, members, probed, cells, ranked, nearest } = scratch;
        askers.fill(rows, &self.frame, tile);
        members.clear();
        members.extend((0..askers.len() as u32).filter(|&row| askers.is_valid(row as usize)));
        let probes = SUPER_CELLS.min(self.super_cells.len());
        probed.clear();
        cells.clear();
        askers.ask(members, &self.super_cells, tile, |row, scores| {
            ranked.clear();
            ranked.extend(scores.iter().copied().zip(0..));
            if probes < ranked.len() {
                // Nearest first, the lower cell on ties: a total order, so the set is the same however it is selected.
                ranked.select_nth_unstable_by(probes - 1, |a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            }
            for &(_, cell) in &ranked[..probes] {
                probed.push(row as u32);
                cells.push(cell);
            }
        });
        nearest.clear();
        nearest.resize(askers.len(), FARTHEST);
        let groups = Groups::new(cells, self.lists.len());
        for (cell, (first, lists)) in self.lists.iter().enumerate() {
            members.clear();
            members.extend(groups.members(cell).iter().map(|&pair| probed[pair as usize]));
            askers.ask(members, lists, tile, |row, scores| {
                // Cells come in ascending order, so an equal score is of a higher list.
                let score = most(scores);
                if score > nearest[row] || assigned[row] == u32::MAX {
                    (nearest[row], assigned[row]) = (score, first + best(scores));
                }
            });
        }
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    askers: Askers,
    members: Vec<u32>,
    probed: Vec<u32>,
    cells: Vec<u32>,
    ranked: Vec<(Score, u32)>,
    nearest: Vec<Score>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{Lane, exact_squared};

    #[test]
    fn with_few_super_cells_the_nearest_list_is_found() {
        let lists: Vec<f32> = (0u16..40).flat_map(|i| [f32::from(i * 7 % 40), f32::from(i * 13 % 40)]).collect();
        let coarse = Coarse::new(vec![20.0; 2], 30.0, lists[..20].to_vec(), (0..=10).map(|i| i * 4).collect(), lists);
        let mut rows: Vec<f32> = (0u16..2000).map(|i| f32::from(i * 31 % 397) / 10.0 + 0.013).collect();
        rows[1] = f32::NAN;
        rows[4] = f32::INFINITY;
        let assigned = Router::new(&coarse, &Lane::best()).assign(&rows, &Lane::best());
        for (row, &list) in rows.chunks_exact(2).zip(&assigned) {
            if !row.iter().all(|value| value.is_finite()) {
                assert_eq!(list, u32::MAX);
                continue;
            }
            let to = |list: u32| exact_squared(row, coarse.centroids(list..list + 1));
            let nearest = (0..40).map(to).fold(f64::INFINITY, f64::min);
            assert!(to(list) <= nearest + 0.1, "{row:?} {list}");
        }
    }
}
