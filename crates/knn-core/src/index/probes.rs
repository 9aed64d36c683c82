//! The lists nearest to a row, in order: where a search looks.
//!
//! The nearest super-cells of a row are found first, then the nearest lists in them, both by the same fused tile that finds
//! neighbours, and both decided by its integers alone: no distance is computed.

use rayon::prelude::*;

use super::kmeans::Groups;
use super::nearest::{Askers, Targets};
use super::route::{Router, SUPER_CELLS};
use crate::distance::{Candidate, DistanceTile, Resolve, Survivors};

/// Lists that are looked at for each one that is probed: what lies in a super-cell that is not looked at cannot be probed.
const LOOKED_AT: usize = 64;
/// Rows that a thread routes at a time at most, and bytes of their buffers.
const ROUTED_ROWS: usize = 1024;
const BUFFER_BYTES: u64 = 4 << 20;

impl Router {
    /// The `probes` lists nearest to each row (row-major), nearest first, ties to the lower list; `u32::MAX` behind them where there are
    /// fewer, and throughout for rows with a coordinate that is not finite.
    pub fn route(&self, rows: &[f32], probes: usize, tile: &dyn DistanceTile) -> Vec<u32> {
        let dim = self.frame().dim();
        let mut routes = vec![u32::MAX; rows.len() / dim * probes];
        let cells = self.cells_for(probes);
        let each = (BUFFER_BYTES / Survivors::bytes(1, probes.max(cells))).clamp(1, ROUTED_ROWS as u64) as usize;
        let jobs = routes.par_chunks_mut(each * probes).zip(rows.par_chunks(each * dim));
        jobs.for_each_init(Scratch::default, |scratch, (routes, rows)| {
            self.route_chunk(rows, probes, cells, tile, scratch, routes);
        });
        routes
    }

    /// Bytes that `threads` threads take while they route.
    pub fn route_bytes(threads: u64, dim: u64, probes: u64) -> u64 {
        let row = probes.max(SUPER_CELLS as u64) * 8 + SUPER_CELLS as u64 * 8;
        threads * (2 * BUFFER_BYTES + Askers::bytes(ROUTED_ROWS as u64, dim) + ROUTED_ROWS as u64 * row)
    }

    /// Super-cells that are looked at where so many lists are probed.
    fn cells_for(&self, probes: usize) -> usize {
        let (cells, lists) = (self.lists().len(), self.list_count().max(1));
        let looked_at = probes.saturating_mul(LOOKED_AT).saturating_mul(cells).div_ceil(lists);
        looked_at.max(SUPER_CELLS).min(cells)
    }

    /// Number of lists.
    fn list_count(&self) -> usize {
        self.lists().iter().map(|(_, lists)| lists.len()).sum()
    }

    fn route_chunk(
        &self,
        rows: &[f32],
        probes: usize,
        cells: usize,
        tile: &dyn DistanceTile,
        scratch: &mut Scratch,
        routes: &mut [u32],
    ) {
        let Scratch { askers, survivors, members, chosen, values, keys } = scratch;
        askers.fill(rows, self.frame(), tile);
        let mut asking = Asking { askers, survivors, keys, tile };
        chosen.clear();
        chosen.resize(asking.askers.len() * cells, u32::MAX);
        members.clear();
        members.extend((0..asking.askers.len() as u32).filter(|&row| asking.askers.is_valid(row as usize)));
        let super_cells = std::iter::once((0, self.super_cells(), members.as_slice()));
        asking.nearest(super_cells, cells, values, chosen);
        // A row's own super-cell first: its lists bound what is still to be found.
        let sorted = [0..1, 1..cells].map(|ranks| {
            let (mut pairs, mut asked) = (Vec::new(), Vec::new());
            for (row, chosen) in chosen.chunks_exact(cells).enumerate() {
                for &cell in chosen[ranks.clone()].iter().filter(|cell| **cell != u32::MAX) {
                    pairs.push(cell);
                    asked.push(row as u32);
                }
            }
            let groups = Groups::new(&pairs, self.lists().len());
            let members = (0..self.lists().len())
                .map(|cell| groups.members(cell).iter().map(|&pair| asked[pair as usize]).collect::<Vec<_>>());
            members.collect::<Vec<_>>()
        });
        let lists = sorted.iter().flat_map(|members| members.iter().zip(self.lists()));
        let lists = lists.map(|(members, (first, lists))| (*first, lists, members.as_slice()));
        asking.nearest(lists, probes, values, routes);
    }
}

/// One thread's rows while they ask.
struct Asking<'a> {
    askers: &'a mut Askers,
    survivors: &'a mut Survivors,
    keys: &'a mut Vec<u64>,
    tile: &'a dyn DistanceTile,
}

impl Asking<'_> {
    /// The `count` nearest of all targets that each row meets, into `nearest` (`count` for each row). Targets come with the number of their
    /// first and the rows that meet them.
    fn nearest<'t>(
        &mut self,
        targets: impl Iterator<Item = (u32, &'t Targets, &'t [u32])>,
        count: usize,
        values: &mut Vec<i32>,
        nearest: &mut [u32],
    ) {
        let Self { askers, survivors, keys, tile } = self;
        values.clear();
        values.resize(askers.len() * count, i32::MIN);
        survivors.reset(askers.len(), count, |row| if askers.is_valid(row) { i32::MIN } else { i32::MAX });
        let mut keep = Keep { count, values, nearest, keys };
        for (first, targets, members) in targets.filter(|(_, _, members)| !members.is_empty()) {
            askers.top(members, first, targets, *tile, survivors, &mut keep);
        }
        askers.finish(*tile, survivors, &mut keep);
    }
}

/// Keeps the best by value, the lowest on ties.
struct Keep<'a> {
    count: usize,
    values: &'a mut [i32],
    nearest: &'a mut [u32],
    keys: &'a mut Vec<u64>,
}

impl Resolve for Keep<'_> {
    fn resolve(&mut self, row: usize, candidates: &mut Vec<Candidate>) -> i32 {
        let range = row * self.count..(row + 1) * self.count;
        let (values, nearest) = (&mut self.values[range.clone()], &mut self.nearest[range]);
        // Ascending keys are descending values, then ascending places. What is loose could not even be moved onto the grid.
        let key = |value: i32, place: u32| u64::from(!(value as u32 ^ (1 << 31))) << 32 | u64::from(place);
        self.keys.clear();
        let known = values.iter().zip(&*nearest).filter(|(_, place)| **place != u32::MAX);
        self.keys.extend(known.map(|(&value, &place)| key(value, place)));
        let found = candidates.iter().map(|found| if found.value == i32::MAX { i32::MIN } else { found.value });
        self.keys.extend(found.zip(&*candidates).map(|(value, found)| key(value, found.slot)));
        self.keys.sort_unstable();
        for ((value, place), &key) in values.iter_mut().zip(nearest).zip(self.keys.iter()) {
            (*value, *place) = (!((key >> 32) as u32) as i32 ^ i32::MIN, key as u32);
        }
        if self.keys.len() < self.count { i32::MIN } else { values[self.count - 1].saturating_sub(1) }
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    askers: Askers,
    survivors: Survivors,
    members: Vec<u32>,
    chosen: Vec<u32>,
    values: Vec<i32>,
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
            let router = Router::new(&coarse, &lane);
            let routes = router.route(&rows, 40, &lane);
            assert_eq!(routes[40..80], [u32::MAX; 40]);
            for (row, route) in rows.chunks_exact(2).zip(routes.chunks_exact(40)).filter(|(row, _)| !row[1].is_nan()) {
                let to = |list: u32| exact_squared(row, coarse.centroids(list..list + 1));
                assert!(route.windows(2).all(|pair| to(pair[0]) <= to(pair[1]) + 0.1));
                let mut sorted = route.to_vec();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..40));
            }
            let few = router.route(&rows, 3, &lane);
            assert!(few.chunks_exact(3).zip(routes.chunks_exact(40)).all(|(few, all)| few == &all[..3]));
            assert!(few.chunks_exact(3).zip(router.assign(&rows, &lane)).all(|(few, one)| few[0] == one));
        }
    }
}
