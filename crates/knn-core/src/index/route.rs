//! The lists nearest to a row, in order: where a row belongs, and what lies around a list.
//!
//! The nearest super-cells of a row are chosen first from the values of all of them, then the nearest lists in these by the same fused
//! tile that finds neighbours. Both are decided by its integers alone: no distance is computed.

use rayon::prelude::*;

use super::coarse::Coarse;
use super::kmeans::Groups;
use super::nearest::{Askers, Frame, Targets};
use crate::distance::{Candidate, DistanceTile, FEW_MORE, Metric, QueryRows, Resolve, Survivors};

/// Super-cells whose lists are looked at, at least.
const SUPER_CELLS: usize = 8;
/// Super-cells that are looked at for a list to search from: a few more are, and whether it is the very nearest decides nothing.
const OWN_SUPER_CELLS: usize = 2;
/// Lists that are looked at for each one that is sought: what lies in a super-cell that is not looked at cannot be found.
const LOOKED_AT: usize = 16;
/// Lists that are looked at for each one around a list: far ones among them are of no use.
const LOOKED_AT_AROUND: usize = 4;
/// Centroids that tell the spacing.
const SPACED_LISTS: usize = 1024;
/// Rows that a thread routes at a time at most, and bytes of their buffers.
pub(super) const ROUTED_ROWS: usize = 1024;
pub(super) const BUFFER_BYTES: u64 = 4 << 20;

/// The levels as the tile reads them.
pub struct Router {
    pub(super) frame: Frame,
    super_cells: Targets,
    /// The lists of each super-cell, and the first of them.
    lists: Vec<(u32, Targets)>,
    pub(super) nlist: usize,
    /// Mean squared distance between a centroid and the nearest other one, in squared steps of the grid.
    pub(super) spacing: f64,
}

impl Router {
    /// Packs the levels, to find where rows belong.
    pub fn new(coarse: &Coarse, tile: &dyn DistanceTile) -> Self {
        Self::by(Metric::Euclidean, coarse, tile)
    }

    /// Packs the levels, to find where neighbours by a metric are: for inner products lists come by the products with their centroids,
    /// the largest first.
    pub fn by(metric: Metric, coarse: &Coarse, tile: &dyn DistanceTile) -> Self {
        let frame = Frame::by(metric, coarse.centre(), coarse.reach());
        let lists = (0..coarse.super_cells()).map(|cell| {
            let lists = coarse.lists_of(cell);
            (lists.start, Targets::new(coarse.centroids(lists), &frame, tile))
        });
        let (lists, nlist) = (lists.collect(), coarse.nlist() as usize);
        let super_cells = Targets::new(coarse.super_centroids(), &frame, tile);
        let mut router = Self { super_cells, lists, nlist, frame, spacing: 1.0 };
        if !router.frame.is_product() {
            router.spacing = router.spacing(coarse, tile);
        }
        router
    }

    /// The spacing of some centroids all over the index, at least a step.
    fn spacing(&self, coarse: &Coarse, tile: &dyn DistanceTile) -> f64 {
        let every = self.nlist.div_ceil(SPACED_LISTS);
        let some = (0..self.nlist as u32).step_by(every).flat_map(|list| coarse.centroids(list..list + 1));
        let rows: Vec<f32> = some.copied().collect();
        let (mut sum, mut count) = (0.0, 0);
        let mut scratch = Scratch::default();
        for rows in rows.chunks(ROUTED_ROWS * self.frame.dim()) {
            let mut routes = vec![u32::MAX; rows.len() / self.frame.dim() * 2];
            self.route_chunk(rows, 2, SUPER_CELLS.min(self.lists.len()), tile, &mut scratch, &mut routes);
            for row in (0..routes.len() / 2).filter(|row| routes[row * 2 + 1] != u32::MAX) {
                sum += scratch.askers.farther(row, scratch.values[row * 2], scratch.values[row * 2 + 1]);
                count += 1;
            }
        }
        (sum / f64::from(count.max(1))).max(1.0)
    }

    /// Bytes that the packed levels take.
    pub(super) fn bytes(super_cells: u64, lists: u64, dim: u64) -> u64 {
        // Each super-cell's lists end in a block that may be almost empty.
        Targets::bytes(super_cells, dim) + Targets::bytes(lists + super_cells * 16, dim)
    }

    /// Bytes that `threads` threads take while they route: buffers, and not more than as much for what is kept of them.
    pub fn scratch_bytes(dim: u64, threads: u64) -> u64 {
        threads * (2 * BUFFER_BYTES + Askers::bytes(ROUTED_ROWS as u64, dim))
    }

    /// The nearest list of each row (row-major): that in which it is stored. `u32::MAX` for rows with a coordinate that is not finite.
    pub fn assign(&self, rows: &[f32], tile: &dyn DistanceTile) -> Vec<u32> {
        self.nearest(rows, 1, tile)
    }

    /// A list near each row (row-major), the nearest but for a few: to search from. `u32::MAX` for rows with a coordinate that is not finite.
    pub fn own(&self, rows: &[f32], tile: &dyn DistanceTile) -> Vec<u32> {
        self.nearest_in(rows, 1, OWN_SUPER_CELLS.min(self.lists.len()), tile)
    }

    /// The `count` lists nearest to each row (row-major), nearest first, ties to the lower list: `count` places for each row, with `u32::MAX`
    /// behind the lists, and throughout for rows with a coordinate that is not finite.
    pub fn nearest(&self, rows: &[f32], count: usize, tile: &dyn DistanceTile) -> Vec<u32> {
        self.nearest_in(rows, count, self.cells_for(count, LOOKED_AT), tile)
    }

    fn nearest_in(&self, rows: &[f32], count: usize, cells: usize, tile: &dyn DistanceTile) -> Vec<u32> {
        let dim = self.frame.dim();
        let mut routes = vec![u32::MAX; rows.len() / dim * count];
        let each = (BUFFER_BYTES / Survivors::bytes(1, count.max(cells))).clamp(1, ROUTED_ROWS as u64) as usize;
        let jobs = routes.par_chunks_mut(each * count).zip(rows.par_chunks(each * dim));
        jobs.for_each_init(Scratch::default, |scratch, (routes, rows)| {
            self.route_chunk(rows, count, cells, tile, scratch, routes);
        });
        routes
    }

    /// The `count` lists around a list: those with the nearest centroids, nearest first.
    pub(super) fn around(
        &self,
        list: u32,
        count: usize,
        coarse: &Coarse,
        tile: &dyn DistanceTile,
        scratch: &mut Scratch,
        around: &mut Vec<u32>,
    ) {
        around.clear();
        if count >= self.nlist {
            around.extend(0..self.nlist as u32);
            return;
        }
        around.resize(count, u32::MAX);
        let cells = self.cells_for(count, LOOKED_AT_AROUND);
        self.route_chunk(coarse.centroids(list..list + 1), count, cells, tile, scratch, around);
        around.retain(|list| *list != u32::MAX);
    }

    /// Where a list is among the packed centroids.
    pub(super) fn packed(&self, list: u32) -> (&Targets, usize) {
        // Super-cells without lists begin where the next one does.
        let cell = self.lists.partition_point(|(first, _)| *first <= list) - 1;
        let (first, targets) = &self.lists[cell];
        (targets, (list - first) as usize)
    }

    /// Super-cells that are looked at where so many lists are sought.
    fn cells_for(&self, sought: usize, looked_at: usize) -> usize {
        let cells = self.lists.len();
        let looked_at = sought.saturating_mul(looked_at).saturating_mul(cells).div_ceil(self.nlist.max(1));
        looked_at.max(SUPER_CELLS).min(cells)
    }

    fn route_chunk(
        &self,
        rows: &[f32],
        count: usize,
        cells: usize,
        tile: &dyn DistanceTile,
        scratch: &mut Scratch,
        routes: &mut [u32],
    ) {
        let Scratch { askers, survivors, members, chosen, sought, values, keys } = scratch;
        askers.fill(rows, &self.frame, tile);
        let places = cells + FEW_MORE;
        chosen.clear();
        chosen.resize(askers.len() * places, u32::MAX);
        members.clear();
        members.extend((0..askers.len() as u32).filter(|&row| askers.is_valid(row as usize)));
        askers.few(members, cells, &self.super_cells, tile, chosen);
        let mut asking = Asking::begin(askers, survivors, Keep::new(count, values, routes, keys), tile);
        // A row's own super-cell first: its lists bound what is still to be found.
        for own in [true, false] {
            sought.clear();
            sought.extend(chosen.iter().enumerate().map(
                |(at, &cell)| {
                    if (at % places == 0) == own { cell } else { u32::MAX }
                },
            ));
            let groups = Groups::new(sought, self.lists.len());
            for (cell, (first, lists)) in self.lists.iter().enumerate() {
                members.clear();
                members.extend(groups.members(cell).iter().map(|&at| at / places as u32));
                if !members.is_empty() {
                    asking.meet(*first, lists, members);
                }
            }
        }
        asking.end();
    }
}

/// One thread's rows while they ask for the nearest of all targets that they meet.
struct Asking<'a> {
    askers: &'a mut Askers,
    survivors: &'a mut Survivors,
    keep: Keep<'a>,
    tile: &'a dyn DistanceTile,
}

impl<'a> Asking<'a> {
    fn begin(askers: &'a mut Askers, survivors: &'a mut Survivors, keep: Keep<'a>, tile: &'a dyn DistanceTile) -> Self {
        survivors.reset(askers.len(), keep.count, |row| if askers.is_valid(row) { i32::MIN } else { i32::MAX });
        Self { askers, survivors, keep, tile }
    }

    /// Shows some rows some targets, numbered from `first`.
    fn meet(&mut self, first: u32, targets: &Targets, members: &[u32]) {
        self.askers.top(members, first, targets, self.tile, self.survivors, &mut self.keep);
    }

    fn end(mut self) {
        self.askers.finish(self.tile, self.survivors, &mut self.keep);
    }
}

/// Keeps the best by value, the lowest on ties.
struct Keep<'a> {
    count: usize,
    values: &'a mut [i32],
    nearest: &'a mut [u32],
    keys: &'a mut Vec<u64>,
}

impl<'a> Keep<'a> {
    fn new(count: usize, values: &'a mut Vec<i32>, nearest: &'a mut [u32], keys: &'a mut Vec<u64>) -> Self {
        values.clear();
        values.resize(nearest.len(), i32::MIN);
        Self { count, values, nearest, keys }
    }
}

impl Resolve for Keep<'_> {
    /// The values themselves are compared, so nothing below the k-th is kept.
    fn limit(&self, _: usize, kth: i32, _: &QueryRows) -> i32 {
        kth.saturating_sub(1)
    }

    fn resolve(&mut self, row: usize, candidates: &mut Vec<Candidate>) -> i32 {
        let range = row * self.count..(row + 1) * self.count;
        let (values, nearest) = (&mut self.values[range.clone()], &mut self.nearest[range]);
        // What is loose could not even be moved onto the grid.
        self.keys.clear();
        let known = values.iter().zip(&*nearest).filter(|(_, place)| **place != u32::MAX);
        self.keys.extend(known.map(|(&value, &place)| key(value, place)));
        let found = candidates.iter().map(|found| if found.value == i32::MAX { i32::MIN } else { found.value });
        self.keys.extend(found.zip(&*candidates).map(|(value, found)| key(value, found.slot)));
        self.keys.sort_unstable();
        for ((value, place), &key) in values.iter_mut().zip(nearest).zip(self.keys.iter()) {
            (*value, *place) = keyed(key);
        }
        if self.keys.len() < self.count { i32::MIN } else { values[self.count - 1].saturating_sub(1) }
    }
}

/// Ascending keys are descending values, then ascending places.
pub(super) fn key(value: i32, place: u32) -> u64 {
    u64::from(!(value as u32 ^ (1 << 31))) << 32 | u64::from(place)
}

/// Value and place of a key.
pub(super) fn keyed(key: u64) -> (i32, u32) {
    (!((key >> 32) as u32) as i32 ^ i32::MIN, key as u32)
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Scratch {
    askers: Askers,
    survivors: Survivors,
    members: Vec<u32>,
    chosen: Vec<u32>,
    sought: Vec<u32>,
    values: Vec<i32>,
    keys: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{Lane, exact_product, exact_squared};

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

    #[test]
    fn for_inner_products_lists_come_by_the_products_with_their_centroids() {
        let lists: Vec<f32> = (0u16..40).flat_map(|i| [f32::from(i * 7 % 40), f32::from(i * 13 % 40)]).collect();
        let coarse =
            Coarse::new(vec![20.0; 2], 30.0, lists[..20].to_vec(), (0..=10).map(|i| i * 4).collect(), lists.clone());
        let rows = [1.0, 0.5, -2e6, 3e5, 1e-9, -1e-9, 0.0, 0.0, f32::NAN, 1.0];
        for lane in Lane::available() {
            let routes = Router::by(Metric::InnerProduct, &coarse, &lane).nearest(&rows, 40, &lane);
            for (row, route) in rows.chunks_exact(2).zip(routes.chunks_exact(40)) {
                if row[0].is_nan() {
                    assert_eq!(route, [u32::MAX; 40]);
                    continue;
                }
                let product = |list: u32| exact_product(row, &lists[list as usize * 2..][..2]);
                let length = exact_product(row, row).sqrt();
                assert!(route.windows(2).all(|pair| product(pair[0]) >= product(pair[1]) - 0.1 * length), "{row:?}");
                let mut sorted = route.to_vec();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..40));
            }
        }
    }

    #[test]
    fn lists_come_nearest_first_and_all_where_all_are_asked_for() {
        let lists: Vec<f32> = (0u16..40).flat_map(|i| [f32::from(i * 7 % 40), f32::from(i * 13 % 40)]).collect();
        let coarse = Coarse::new(vec![20.0; 2], 30.0, lists[..20].to_vec(), (0..=10).map(|i| i * 4).collect(), lists);
        let mut rows: Vec<f32> = (0u16..200).map(|i| f32::from(i * 31 % 397) / 10.0 + 0.013).collect();
        rows[3] = f32::NAN;
        for lane in Lane::available() {
            let router = Router::new(&coarse, &lane);
            let routes = router.nearest(&rows, 40, &lane);
            assert_eq!(routes[40..80], [u32::MAX; 40]);
            for (row, route) in rows.chunks_exact(2).zip(routes.chunks_exact(40)).filter(|(row, _)| !row[1].is_nan()) {
                let to = |list: u32| exact_squared(row, coarse.centroids(list..list + 1));
                assert!(route.windows(2).all(|pair| to(pair[0]) <= to(pair[1]) + 0.1));
                let mut sorted = route.to_vec();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..40));
            }
            let few = router.nearest(&rows, 3, &lane);
            assert!(few.chunks_exact(3).zip(routes.chunks_exact(40)).all(|(few, all)| few == &all[..3]));
        }
    }
}
