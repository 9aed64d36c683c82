//! A block of queries against the lists of an index that lie nearest to each: the approximate join.
//!
//! Queries are taken in the order of their nearest lists, in slices of some thousands; a thread has a slice to itself. It visits
//! the nearest list of each query first, then the next three, which bound the distance of what is still to be found, then the others,
//! each time in the order of the file and once for all queries of the slice that probe a list. What survives is decided by exact
//! distances: at the end of the slice where lists stay in memory, at the end of each visit where they do not. Both give the same
//! neighbours.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

use super::barred::{Barred, Reordered};
use super::codes::Coded;
use super::order::Ordered;
use super::results::Results;
use super::slice::{Looks, Slice};
use crate::budget::{Lease, MemoryBudget};
use crate::distance::{DistanceTile, Grid, PackedReferences};
use crate::error::Result;
use crate::index::{Around, IvfIndex, Probes, RouteScratch, Router};
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Queries of a slice at most: enough that a list is packed for many of them.
pub(super) const SLICE_ROWS: usize = 8192;
/// Queries of a slice where lists stay packed: few enough that their buffers stay in a near cache.
const NEAR_SLICE_ROWS: usize = 2048;
/// Routes of a slice, however many lists its queries probe: where they are many, a slice has fewer queries.
pub(super) const SLICE_ROUTES: usize = 128 * SLICE_ROWS;
/// Lists that queries with too few neighbours look in, each time: as many times more.
const WIDER: usize = 4;

/// An index, ready to be joined.
pub struct ListJoin<'a> {
    pub(super) index: &'a IvfIndex,
    pub(super) router: Router,
    pub(super) grid: Grid,
    pub(super) tile: &'a dyn DistanceTile,
    /// What codes select by, in an index that has them.
    pub(super) coded: Option<Coded<'a>>,
    /// Lists as the tile reads them, once they were visited; none where they would not fit.
    packed: Option<Vec<OnceLock<PackedReferences>>>,
    /// The lists around lists, for the number of probes that was last asked for.
    around: Mutex<Arc<Around>>,
    budget: MemoryBudget,
    _lease: Option<Lease>,
}

impl<'a> ListJoin<'a> {
    /// Packs the centroids of the index. Where most of what `budget` has left is enough for all packed lists, they are kept from one visit to
    /// the next.
    pub fn new(index: &'a IvfIndex, tile: &'a dyn DistanceTile, budget: &MemoryBudget) -> Self {
        let coarse = index.coarse();
        let metric = index.manifest().metric;
        let grid = Grid::by(metric, coarse.centre().to_vec(), coarse.reach());
        let lists = 0..index.nlist();
        let one = |list| PackedReferences::bytes(index.list_rows(list), index.dim() as u64) + 192;
        let bytes: u64 = lists.clone().map(one).sum();
        let lease =
            (bytes <= budget.available() / 8 * 7).then(|| budget.take("the packed lists", bytes).ok()).flatten();
        let packed = lease.is_some().then(|| lists.map(|_| OnceLock::new()).collect());
        let router = Router::by(metric, coarse, tile);
        let around = Mutex::new(Arc::new(Around::new(0, 0, budget)));
        let coded = Coded::of(index);
        Self { index, router, grid, tile, coded, packed, around, budget: budget.clone(), _lease: lease }
    }

    /// The index that is searched.
    pub fn index(&self) -> &'a IvfIndex {
        self.index
    }

    /// The nearest list of each of these rows (row-major), `u32::MAX` where a coordinate is not finite.
    pub fn nearest_lists(&self, rows: &[f32]) -> Vec<u32> {
        self.router.assign(rows, self.tile)
    }

    /// The same, but codes may lose this share of the farthest true neighbours that are looked at: more of them are looked at closely
    /// the less that is. It is [`DEFAULT_LOSS`](super::DEFAULT_LOSS) otherwise, and means nothing without codes.
    #[must_use]
    pub fn losing(mut self, share: f64) -> Self {
        self.coded = self.coded.map(|coded| coded.losing(share));
        self
    }

    /// Number of lists.
    pub fn nlist(&self) -> usize {
        self.index.nlist() as usize
    }

    /// Lists that each of these rows (row-major) looks in, on average.
    pub(super) fn mean_probes(&self, rows: &[f32], probes: Probes) -> f64 {
        let dim = self.index.dim();
        let looked_in = |rows| self.routes(rows, probes).iter().filter(|list| **list != u32::MAX).count();
        // A few at a time, because with many probes the routes of all would be large.
        let looked_in: usize = rows.chunks(rows_at_a_time(probes.most()) * dim).map(looked_in).sum();
        looked_in as f64 / (rows.len() / dim).max(1) as f64
    }

    /// The lists that each of these rows (row-major) looks in, as [`Around::route`] has them.
    pub(super) fn routes(&self, rows: &[f32], probes: Probes) -> Vec<u32> {
        let (dim, around) = (self.index.dim(), self.around(probes));
        let own = self.router.own(rows, self.tile);
        let (mut scratch, mut lists, mut all) = (RouteScratch::default(), Vec::new(), Vec::new());
        for (row, own) in rows.chunks_exact(dim).zip(own.chunks(1)) {
            self.route(&around, row, own, probes, &mut scratch, &mut lists);
            all.extend_from_slice(&lists);
        }
        all
    }

    /// Where rows look that lie side by side with others of the same list.
    pub(super) fn route(
        &self,
        around: &Around,
        rows: &[f32],
        own: &[u32],
        probes: Probes,
        scratch: &mut RouteScratch,
        lists: &mut Vec<u32>,
    ) {
        around.route(&self.router, self.index.coarse(), rows, own, probes, self.tile, scratch, lists);
    }

    /// The lists around lists that so many probes ask for.
    pub(super) fn around(&self, probes: Probes) -> Arc<Around> {
        let count = Around::count_for(probes, self.nlist());
        let mut around = self.around.lock().unwrap_or_else(PoisonError::into_inner);
        if around.count() != count {
            // What the others took is given back first.
            *around = Arc::new(Around::new(0, 0, &self.budget));
            *around = Arc::new(Around::new(count, self.nlist(), &self.budget));
        }
        Arc::clone(&around)
    }

    /// Rows of the reference that are in no list.
    pub fn excluded(&self) -> u64 {
        self.index.manifest().excluded
    }

    /// Whether lists are packed once and stay so.
    pub(super) fn keeps_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// A list as the tile reads it: kept, or made in `scratch`.
    pub(super) fn packed<'s>(
        &'s self,
        list: u32,
        rows: &[f32],
        scratch: &'s mut PackedReferences,
    ) -> &'s PackedReferences {
        if let Some(kept) = &self.packed {
            return kept[list as usize].get_or_init(|| {
                let mut packed = PackedReferences::default();
                self.tile.pack(&mut packed, rows, &self.grid);
                packed
            });
        }
        self.tile.pack(scratch, rows, &self.grid);
        scratch
    }

    /// Finds the k nearest of each query, by the metric of the index and prepared for it, among the lists that it looks in; where those
    /// hold fewer than k, among as many more as it takes. `nearest` has room for them, and leaves ascending by (f32 distance, id).
    ///
    /// Where queries are rows of the index, `barred` has their ids, and no row becomes its own neighbour; nor does one of the same batch. A
    /// cancelled run stops within a list and leaves `nearest` incomplete.
    pub fn join(
        &self,
        queries: &Tile,
        probes: Probes,
        barred: Barred,
        nearest: &mut NeighborBlock,
        ordered: &mut Ordered,
        progress: &Progress,
    ) -> Result<()> {
        let (dim, k) = (queries.dim, nearest.k);
        let probes = probes.with(probes.most().clamp(1, self.nlist()));
        let around = self.around(probes);
        let own_lists = self.router.own(&queries.values, self.tile);
        let most = if self.packed.is_some() { NEAR_SLICE_ROWS } else { SLICE_ROWS };
        let each = rows_at_a_time(probes.most()).min(most);
        ordered.sort_by_key(queries.rows(), |row| own_lists[row as usize]);
        ordered.room(k);
        let Ordered { order, ids, distances, .. } = ordered;
        let results = ids.par_chunks_mut(each * k).zip(distances.par_chunks_mut(each * k));
        results.zip(order.par_chunks(each)).try_for_each_init(
            || (Slice::new(self), RouteScratch::default(), Vec::new(), Vec::new(), Vec::new(), Reordered::default()),
            |(slice, scratch, rows, from, lists, reordered), ((ids, distances), order)| {
                ids.fill(-1);
                distances.fill(f32::NAN);
                rows.clear();
                from.clear();
                for &row in order {
                    let row = row as usize;
                    rows.extend_from_slice(queries.row(row));
                    from.push(own_lists[row]);
                }
                self.route(&around, rows, from, probes, scratch, lists);
                let barred = reordered.take(barred, &order.iter().map(|&row| row as usize));
                let mut results = Results { rows, dim, barred, k, ids, distances };
                slice.join(&mut results, Looks::In { lists, probes: probes.most() }, progress)?;
                self.widen(slice, &mut results, probes.most(), progress)
            },
        )?;
        ordered.scatter(nearest);
        Ok(())
    }

    /// Finds the true k nearest of each query, in all lists: what an approximate join is measured by. Otherwise as [`Self::join`].
    pub fn join_all(
        &self,
        queries: &Tile,
        barred: Barred,
        nearest: &mut NeighborBlock,
        progress: &Progress,
    ) -> Result<()> {
        let (dim, k) = (queries.dim, nearest.k);
        let routes = self.router.own(&queries.values, self.tile);
        // All threads take part, also where there are few queries.
        let each = queries.rows().div_ceil(rayon::current_num_threads()).clamp(1, SLICE_ROWS);
        let results = nearest.ids.par_chunks_mut(each * k).zip(nearest.distances.par_chunks_mut(each * k));
        let jobs = results.zip(queries.values.par_chunks(each * dim)).zip(routes.par_chunks(each)).enumerate();
        jobs.try_for_each_init(
            || Slice::new(self),
            |slice, (chunk, (((ids, distances), rows), nearest))| {
                let barred = barred.part(chunk * each..chunk * each + nearest.len());
                slice.join(
                    &mut Results { rows, dim, barred, k, ids, distances },
                    Looks::Everywhere { nearest },
                    progress,
                )
            },
        )
    }

    /// Lists that queries with too few neighbours in so many look in next.
    pub(super) fn wider(&self, probes: usize) -> usize {
        probes.saturating_mul(WIDER).min(self.nlist())
    }

    /// Looks in more lists for queries that found fewer than k, until there are enough or no more lists. A query that found all that are not
    /// of its batch looks no further.
    pub(super) fn widen(
        &self,
        slice: &mut Slice,
        results: &mut Results,
        probes: usize,
        progress: &Progress,
    ) -> Result<()> {
        let (dim, k, mut probes) = (results.dim, results.k, probes);
        while probes < self.nlist() {
            let is_finite = |query: usize| results.row(query).iter().all(|value| value.is_finite());
            let queries = 0..results.rows.len() / dim;
            let found =
                |query: usize| results.ids[query * k..(query + 1) * k].iter().filter(|id| **id >= 0).count() as u64;
            let has_others = |query: usize| {
                !results.barred.has_batches() || found(query) < results.barred.others(query, self.index.rows())
            };
            let is_open = |query: &usize| results.is_short(*query) && is_finite(*query) && has_others(*query);
            let short: Vec<usize> = queries.filter(is_open).collect();
            if short.is_empty() {
                break;
            }
            probes = self.wider(probes);
            for few in short.chunks(rows_at_a_time(probes)) {
                let rows: Vec<f32> = few.iter().flat_map(|&query| results.row(query).iter().copied()).collect();
                let mut reordered = Reordered::default();
                let barred = reordered.take(results.barred, &few.iter().copied());
                let (mut ids, mut distances) = (vec![-1; few.len() * k], vec![f32::NAN; few.len() * k]);
                let lists = &self.router.nearest(&rows, probes, self.tile);
                let mut wider = Results { rows: &rows, dim, barred, k, ids: &mut ids, distances: &mut distances };
                slice.join(&mut wider, Looks::In { lists, probes }, progress)?;
                for (&query, (found, at)) in few.iter().zip(ids.chunks(k).zip(distances.chunks(k))) {
                    results.ids[query * k..(query + 1) * k].copy_from_slice(found);
                    results.distances[query * k..(query + 1) * k].copy_from_slice(at);
                }
            }
        }
        Ok(())
    }
}

/// Queries whose routes fill a slice.
pub(super) fn rows_at_a_time(probes: usize) -> usize {
    (SLICE_ROUTES / probes).clamp(1, SLICE_ROWS)
}
