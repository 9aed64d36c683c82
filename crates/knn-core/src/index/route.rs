//! The lists nearest to a row, in order: where a row belongs, and what lies around a list.
//!
//! The nearest centroids of the top level are chosen from the values of all of them, then the nearest of their children by the same fused tile
//! that finds neighbours; with three levels twice. All is decided by its integers alone: no distance is computed.

use rayon::prelude::*;

use super::coarse::Coarse;
use super::descent::{Chosen, Descent};
use super::levels::Levels;
use super::nearest::{Askers, Frame, Targets};
use crate::distance::{DistanceTile, FEW_MORE, Metric, Survivors};

/// Super-cells whose lists are looked at, at least.
const SUPER_CELLS: usize = 8;
/// Super-cells that are looked at for a list to search from: a few more are, and whether it is the very nearest decides nothing.
const OWN_SUPER_CELLS: usize = 2;
/// Lists that are looked at for each one that is sought: what lies in a super-cell that is not looked at cannot be found.
const LOOKED_AT: usize = 16;
/// Lists that are looked at for each one around a list: far ones among them are of no use.
const LOOKED_AT_AROUND: usize = 4;
/// Regions that are looked at, at least, and for a list to search from.
const REGIONS: usize = 8;
const OWN_REGIONS: usize = 4;
/// Super-cells that are looked at for each one that is sought: a cut loses what lies behind it, and this one loses whole super-cells.
const CELLS_LOOKED_AT: usize = 4;
/// Centroids that tell the spacing.
const SPACED_LISTS: usize = 1024;
/// Rows that a thread routes at a time at most, and bytes of their buffers.
pub(super) const ROUTED_ROWS: usize = 1024;
pub(super) const BUFFER_BYTES: u64 = 4 << 20;

/// The levels as the tile reads them.
pub struct Router {
    pub(super) frame: Frame,
    /// The regions, or the super-cells where there are none.
    top: Targets,
    /// The super-cells of each region, and the first of them.
    cells: Vec<(u32, Targets)>,
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
        let cells = (0..coarse.regions()).map(|region| {
            let cells = coarse.cells_of(region);
            (cells.start, Targets::new(coarse.centroids_of_cells(cells), &frame, tile))
        });
        let cells: Vec<_> = cells.collect();
        let top = if cells.is_empty() { coarse.super_centroids() } else { coarse.region_centroids() };
        let top = Targets::new(top, &frame, tile);
        let mut router = Self { top, cells, lists, nlist, frame, spacing: 1.0 };
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
            self.route_chunk(rows, 2, self.looks(SUPER_CELLS, REGIONS), tile, &mut scratch, &mut routes);
            let Scratch { askers, descent, .. } = &scratch;
            for row in (0..routes.len() / 2).filter(|row| routes[row * 2 + 1] != u32::MAX) {
                sum += askers.farther(row, descent.values[row * 2], descent.values[row * 2 + 1]);
                count += 1;
            }
        }
        (sum / f64::from(count.max(1))).max(1.0)
    }

    /// Bytes that the packed levels take.
    pub(super) fn bytes(levels: Levels, dim: u64) -> u64 {
        let (top, cells) = (u64::from(levels.top()), u64::from(levels.super_cells));
        // What is in each centroid ends in a block that may be almost empty.
        let packed = |children: u64, parents: u64| Targets::bytes(children + parents * 16, dim);
        let cells_of_regions = if levels.regions == 0 { 0 } else { packed(cells, top) };
        Targets::bytes(top, dim) + cells_of_regions + packed(u64::from(levels.lists), cells)
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
        self.nearest_in(rows, 1, self.looks(OWN_SUPER_CELLS, OWN_REGIONS), tile)
    }

    /// The `count` lists nearest to each row (row-major), nearest first, ties to the lower list: `count` places for each row, with `u32::MAX`
    /// behind the lists, and throughout for rows with a coordinate that is not finite.
    pub fn nearest(&self, rows: &[f32], count: usize, tile: &dyn DistanceTile) -> Vec<u32> {
        self.nearest_in(rows, count, self.looks_for(count, LOOKED_AT), tile)
    }

    fn nearest_in(&self, rows: &[f32], count: usize, looks: Looks, tile: &dyn DistanceTile) -> Vec<u32> {
        let dim = self.frame.dim();
        let mut routes = vec![u32::MAX; rows.len() / dim * count];
        let each = BUFFER_BYTES / Survivors::bytes(1, count.max(looks.top).max(looks.cells));
        let each = each.clamp(1, ROUTED_ROWS as u64) as usize;
        let jobs = routes.par_chunks_mut(each * count).zip(rows.par_chunks(each * dim));
        jobs.for_each_init(Scratch::default, |scratch, (routes, rows)| {
            self.route_chunk(rows, count, looks, tile, scratch, routes);
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
        let looks = self.looks_for(count, LOOKED_AT_AROUND);
        self.route_chunk(coarse.centroids(list..list + 1), count, looks, tile, scratch, around);
        around.retain(|list| *list != u32::MAX);
    }

    /// Where a list is among the packed centroids.
    pub(super) fn packed(&self, list: u32) -> (&Targets, usize) {
        // Super-cells without lists begin where the next one does.
        let cell = self.lists.partition_point(|(first, _)| *first <= list) - 1;
        let (first, targets) = &self.lists[cell];
        (targets, (list - first) as usize)
    }

    /// Where to look for so many lists, in super-cells of `looked_at` times as many.
    fn looks_for(&self, sought: usize, looked_at: usize) -> Looks {
        let cells = sought.saturating_mul(looked_at).saturating_mul(self.lists.len()).div_ceil(self.nlist.max(1));
        self.looks(cells.max(SUPER_CELLS), REGIONS)
    }

    /// Where to look for the lists of so many super-cells: of three levels, in regions of several times as many, but in `regions` at least.
    fn looks(&self, cells: usize, regions: usize) -> Looks {
        let cells = cells.min(self.lists.len());
        if self.cells.is_empty() {
            return Looks { top: cells, cells: 0 };
        }
        // As two levels do, a few more than are asked for.
        let cells = (cells + FEW_MORE).min(self.lists.len());
        let looked_at =
            cells.saturating_mul(CELLS_LOOKED_AT).saturating_mul(self.cells.len()).div_ceil(self.lists.len());
        Looks { top: looked_at.max(regions).min(self.cells.len()), cells }
    }

    fn route_chunk(
        &self,
        rows: &[f32],
        count: usize,
        looks: Looks,
        tile: &dyn DistanceTile,
        scratch: &mut Scratch,
        routes: &mut [u32],
    ) {
        let Scratch { askers, descent, members, chosen, cells } = scratch;
        askers.fill(rows, &self.frame, tile);
        let places = looks.top + FEW_MORE;
        chosen.clear();
        chosen.resize(askers.len() * places, u32::MAX);
        members.clear();
        members.extend((0..askers.len() as u32).filter(|&row| askers.is_valid(row as usize)));
        askers.few(members, looks.top, &self.top, tile, chosen);
        let mut chosen = Chosen { centroids: chosen, places };
        if !self.cells.is_empty() {
            cells.clear();
            cells.resize(askers.len() * looks.cells, u32::MAX);
            descent.step(&self.cells, chosen, looks.cells, askers, tile, cells);
            chosen = Chosen { centroids: cells, places: looks.cells };
        }
        descent.step(&self.lists, chosen, count, askers, tile, routes);
    }
}

/// How many centroids of the upper levels a row looks below.
#[derive(Debug, Clone, Copy)]
struct Looks {
    /// Of the top level.
    top: usize,
    /// Super-cells, where the top level is of regions.
    cells: usize,
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Scratch {
    askers: Askers,
    descent: Descent,
    members: Vec<u32>,
    chosen: Vec<u32>,
    cells: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::super::coarse::Regions;
    use super::*;
    use crate::distance::{Lane, exact_product, exact_squared};

    /// Forty lists in ten super-cells, and with three levels those in four regions.
    fn coarse(three: bool) -> Coarse {
        let lists: Vec<f32> = (0u16..40).flat_map(|i| [f32::from(i * 7 % 40), f32::from(i * 13 % 40)]).collect();
        let cells = lists[..20].to_vec();
        let regions = Regions { first_cell: vec![0, 3, 5, 6, 10], centroids: cells[4..12].to_vec() };
        let coarse = Coarse::new(vec![20.0; 2], 30.0, cells, (0..=10).map(|i| i * 4).collect(), lists);
        coarse.below(three.then_some(regions))
    }

    #[test]
    fn with_few_super_cells_the_nearest_list_is_found() {
        let mut rows: Vec<f32> = (0u16..2000).map(|i| f32::from(i * 31 % 397) / 10.0 + 0.013).collect();
        rows[1] = f32::NAN;
        rows[4] = f32::INFINITY;
        for coarse in [coarse(false), coarse(true)] {
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

    #[test]
    fn for_inner_products_lists_come_by_the_products_with_their_centroids() {
        let rows = [1.0, 0.5, -2e6, 3e5, 1e-9, -1e-9, 0.0, 0.0, f32::NAN, 1.0];
        for (lane, coarse) in
            Lane::available().into_iter().flat_map(|lane| [(lane, coarse(false)), (lane, coarse(true))])
        {
            let routes = Router::by(Metric::InnerProduct, &coarse, &lane).nearest(&rows, 40, &lane);
            for (row, route) in rows.chunks_exact(2).zip(routes.chunks_exact(40)) {
                if row[0].is_nan() {
                    assert_eq!(route, [u32::MAX; 40]);
                    continue;
                }
                let product = |list: u32| exact_product(row, coarse.centroids(list..list + 1));
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
        let mut rows: Vec<f32> = (0u16..200).map(|i| f32::from(i * 31 % 397) / 10.0 + 0.013).collect();
        rows[3] = f32::NAN;
        for (lane, coarse) in
            Lane::available().into_iter().flat_map(|lane| [(lane, coarse(false)), (lane, coarse(true))])
        {
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
