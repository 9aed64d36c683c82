//! The lists nearest to a row, in order: where a search looks.

use rayon::prelude::*;

use super::kmeans::Groups;
use super::nearest::{Askers, Score};
use super::route::{Router, SUPER_CELLS};
use crate::distance::DistanceTile;

/// Lists that are looked at for each one that is probed: what lies in a super-cell that is not looked at cannot be probed.
const LOOKED_AT: usize = 4;
/// Scores that a thread holds at most, about.
const SCORES: usize = 1 << 20;
/// Rows that a thread routes at a time at most.
const ROUTED_ROWS: usize = 1024;

impl Router {
    /// The `probes` lists nearest to each row (row-major), nearest first, ties to the lower list; `u32::MAX` behind them where there are
    /// fewer, and throughout for rows with a coordinate that is not finite.
    pub fn route(&self, rows: &[f32], probes: usize, tile: &dyn DistanceTile) -> Vec<u32> {
        let dim = self.frame().dim();
        let mut routes = vec![u32::MAX; rows.len() / dim * probes];
        let cells = self.cells_for(probes);
        let width = self.most_lists(cells);
        let each = (SCORES / width.max(1)).clamp(1, ROUTED_ROWS);
        let jobs = routes.par_chunks_mut(each * probes).zip(rows.par_chunks(each * dim));
        jobs.for_each_init(Scratch::default, |scratch, (routes, rows)| {
            self.route_chunk(rows, probes, cells, width, tile, scratch, routes);
        });
        routes
    }

    /// Bytes that `threads` threads take while they route.
    pub fn route_bytes(threads: u64) -> u64 {
        threads * (SCORES as u64 * 8 + (1 << 20))
    }

    /// Super-cells that are looked at where so many lists are probed.
    fn cells_for(&self, probes: usize) -> usize {
        let looked_at = probes.saturating_mul(LOOKED_AT).saturating_mul(self.lists().len()).div_ceil(self.list_count().max(1));
        looked_at.max(SUPER_CELLS).min(self.lists().len())
    }

    /// Number of lists.
    fn list_count(&self) -> usize {
        self.lists().iter().map(|(_, lists)| lists.len()).sum()
    }

    /// Lists of any `cells` super-cells at most.
    fn most_lists(&self, cells: usize) -> usize {
        let mut counts: Vec<usize> = self.lists().iter().map(|(_, lists)| lists.len()).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts[..cells].iter().sum()
    }

    #[expect(clippy::too_many_arguments, reason = "sizes that are the same for all chunks are computed once")]
    fn route_chunk(
        &self,
        rows: &[f32],
        probes: usize,
        cells: usize,
        width: usize,
        tile: &dyn DistanceTile,
        scratch: &mut Scratch,
        routes: &mut [u32],
    ) {
        let Scratch { askers, members, probed, chosen, scores, lists, lengths, keys } = scratch;
        askers.fill(rows, self.frame(), tile);
        members.clear();
        members.extend((0..askers.len() as u32).filter(|&row| askers.is_valid(row as usize)));
        probed.clear();
        chosen.clear();
        askers.ask(members, self.super_cells(), tile, |row, scores| {
            nearest_first(scores.iter().copied().zip(0..), scores, cells, tile, keys);
            for &key in keys.iter().take(cells) {
                probed.push(row as u32);
                chosen.push(key as u32);
            }
        });
        scores.resize(askers.len() * width, 0);
        lists.resize(askers.len() * width, 0);
        lengths.clear();
        lengths.resize(askers.len(), 0);
        let groups = Groups::new(chosen, self.lists().len());
        for (cell, (first, targets)) in self.lists().iter().enumerate() {
            members.clear();
            members.extend(groups.members(cell).iter().map(|&pair| probed[pair as usize]));
            askers.ask(members, targets, tile, |row, found| {
                let at = row * width + lengths[row];
                scores[at..at + found.len()].copy_from_slice(found);
                lists[at..at + found.len()].iter_mut().zip(*first..).for_each(|(list, number)| *list = number);
                lengths[row] += found.len();
            });
        }
        for (row, route) in routes.chunks_exact_mut(probes).enumerate() {
            let found = row * width..row * width + lengths[row];
            let (scores, lists) = (&scores[found.clone()], &lists[found]);
            nearest_first(scores.iter().copied().zip(lists.iter().copied()), scores, probes, tile, keys);
            route.iter_mut().zip(keys.iter()).for_each(|(list, &key)| *list = key as u32);
        }
    }
}

/// Keys whose low halves are the places of the `count` best scores, and perhaps a few more, best first, the lower place on ties.
fn nearest_first(
    scored: impl Iterator<Item = (Score, u32)>,
    scores: &[Score],
    count: usize,
    tile: &dyn DistanceTile,
    keys: &mut Vec<u64>,
) {
    let least = tile.kth(scores, count).unwrap_or(Score::MIN);
    keys.clear();
    // Ascending keys are descending scores.
    keys.extend(scored.filter(|(score, _)| *score >= least).map(|(score, place)| {
        u64::from(!(score as u32 ^ (1 << 31))) << 32 | u64::from(place)
    }));
    keys.sort_unstable();
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    askers: Askers,
    members: Vec<u32>,
    probed: Vec<u32>,
    chosen: Vec<u32>,
    scores: Vec<Score>,
    lists: Vec<u32>,
    lengths: Vec<usize>,
    keys: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{Lane, exact_squared};
    use crate::index::Coarse;

    #[test]
    fn lists_come_nearest_first_and_all_where_all_are_asked_for() {
        let lists: Vec<f32> = (0u16..40).flat_map(|i| [f32::from(i * 7 % 40), f32::from(i * 13 % 40)]).collect();
        let coarse = Coarse::new(vec![20.0; 2], 30.0, lists[..20].to_vec(), (0..=10).map(|i| i * 4).collect(), lists);
        let mut rows: Vec<f32> = (0u16..200).map(|i| f32::from(i * 31 % 397) / 10.0 + 0.013).collect();
        rows[3] = f32::NAN;
        for lane in Lane::available() {
            let routes = Router::new(&coarse, &lane).route(&rows, 40, &lane);
            assert_eq!(routes[40..80], [u32::MAX; 40]);
            for (row, route) in rows.chunks_exact(2).zip(routes.chunks_exact(40)).filter(|(row, _)| !row[1].is_nan()) {
                let to = |list: u32| exact_squared(row, coarse.centroids(list..list + 1));
                assert!(route.windows(2).all(|pair| to(pair[0]) <= to(pair[1]) + 0.1));
                let mut sorted = route.to_vec();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..40));
            }
            let few = Router::new(&coarse, &lane).route(&rows, 3, &lane);
            assert!(few.chunks_exact(3).zip(routes.chunks_exact(40)).all(|(few, all)| few == &all[..3]));
            assert!(few.chunks_exact(3).zip(Router::new(&coarse, &lane).assign(&rows, &lane)).all(|(few, one)| few[0] == one));
        }
    }
}
