//! A block of queries against one slab of references.
//!
//! Queries are taken in the order of their nearest centroid, so that the six of a panel are alike; each chunk of them visits the
//! groups of references nearest first. A group is left out for a panel when the triangle inequality proves that it holds none of
//! the k nearest of any of the six: ‖q − x‖ ≥ ‖q − c‖ − r. What is left out therefore never changes a result.

use rayon::prelude::*;

use super::slab::{Group, Slab};
use crate::distance::{BLOCK_ROWS, Candidate, DistanceTile, PANEL_ROWS, QueryPanels, Resolve, Survivors, Visit, bound};
use crate::error::Result;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Queries whose panels and buffers stay in the second-level cache together.
pub const QUERY_CHUNK: usize = 192;

/// Bytes of scratch that one thread of a join takes.
pub fn scratch_bytes(k: usize, dim: usize) -> u64 {
    let centroids = QUERY_CHUNK * (4 + 8) * 1024;
    Survivors::bytes(QUERY_CHUNK, k) + (QUERY_CHUNK * (dim * 8 + 8) + centroids + (Survivors::slots(k) + k) * 24) as u64
}

/// Bytes that a join takes for each query of a block, besides tile and neighbours: their copies in the order of work.
pub fn ordered_bytes(k: u64, dim: u64) -> u64 {
    dim * 4 + k * 12 + 8
}

/// Improves `nearest` by the references of `slab`: afterwards it holds, for each query, the k nearest of all slabs so far,
/// ascending by (f32 distance, id). Queries with a NaN or infinite coordinate stay without neighbours.
///
/// With `self_mapping` the queries are reference rows, and no row becomes its own neighbour. A cancelled run stops within a
/// chunk of queries and leaves `nearest` incomplete.
pub fn join_slab(
    queries: &Tile,
    slab: &Slab,
    self_mapping: bool,
    tile: &dyn DistanceTile,
    nearest: &mut NeighborBlock,
    progress: &Progress,
) -> Result<()> {
    let (dim, k) = (queries.dim, nearest.k);
    debug_assert_eq!(nearest.rows(), queries.rows());
    let assigned = slab.clusters.assign(&queries.values, slab.centre(), tile);
    let mut order: Vec<u32> = (0..queries.rows() as u32).collect();
    order.sort_by_key(|&row| (assigned[row as usize], row));
    let rows = gather(&queries.values, dim, &order);
    let mut ids = gather(&nearest.ids, k, &order);
    let mut distances = gather(&nearest.distances, k, &order);
    let results = ids.par_chunks_mut(QUERY_CHUNK * k).zip(distances.par_chunks_mut(QUERY_CHUNK * k));
    let jobs = results.zip(rows.par_chunks(QUERY_CHUNK * dim)).zip(order.par_chunks(QUERY_CHUNK));
    jobs.try_for_each_init(Scratch::default, |scratch, (((ids, distances), rows), order)| {
        progress.check()?;
        let Scratch { panels, survivors, ranked, bounds } = scratch;
        panels.repack(rows, dim, slab.centre());
        bounds.fill(panels, slab, tile);
        let own_rows = self_mapping.then_some((queries.first_row, order));
        let mut decide = Decide { own_rows, rows, panels, slab, tile, k, ids, distances, ranked };
        survivors.reset(panels.rows(), k, |query| decide.start(query));
        for at in 0..bounds.order.len() {
            let group = slab.groups[bounds.order[at] as usize];
            bounds.choose(group, panels, survivors);
            if bounds.chosen.is_empty() {
                continue;
            }
            let visit = Visit { panels: &bounds.chosen, first_block: group.first_block, end_block: group.end_block };
            tile.top_k(panels, slab.packed(), visit, survivors, &mut decide);
        }
        for query in 0..panels.rows() {
            survivors.finish(query, &mut decide);
        }
        Ok(())
    })?;
    scatter(&ids, k, &order, &mut nearest.ids);
    scatter(&distances, k, &order, &mut nearest.distances);
    Ok(())
}

fn gather<T: Copy>(rows: &[T], width: usize, order: &[u32]) -> Vec<T> {
    let mut gathered = Vec::with_capacity(rows.len());
    for &row in order {
        gathered.extend_from_slice(&rows[row as usize * width..(row as usize + 1) * width]);
    }
    gathered
}

fn scatter<T: Copy>(gathered: &[T], width: usize, order: &[u32], rows: &mut [T]) {
    for (&row, values) in order.iter().zip(gathered.chunks_exact(width)) {
        rows[row as usize * width..(row as usize + 1) * width].copy_from_slice(values);
    }
}

#[derive(Default)]
struct Scratch {
    panels: QueryPanels,
    survivors: Survivors,
    ranked: Vec<(u32, i64)>,
    bounds: Bounds,
}

/// How near each group is to each query of a chunk, and how far each query still has to look.
#[derive(Default)]
struct Bounds {
    /// The tile's value of each query with each centroid.
    values: Vec<f32>,
    /// Centroids of a row of `values`, padding included.
    width: usize,
    /// Groups, nearest first.
    order: Vec<u32>,
    reach: Vec<Reach>,
    /// Panels that the group at hand may concern.
    chosen: Vec<u32>,
    nearest: Vec<f32>,
}

/// What a query needs to rule a group out without a square root.
#[derive(Clone, Copy)]
struct Reach {
    /// ‖q'‖² less the error bound of the values: added to a value it gives at most ‖q − c‖².
    offset: f64,
    /// The threshold of which `distance` was made.
    threshold: f32,
    /// No neighbour is farther than this; infinite while there are fewer than k.
    distance: f64,
}

impl Bounds {
    fn fill(&mut self, panels: &QueryPanels, slab: &Slab, tile: &dyn DistanceTile) {
        let clusters = &slab.clusters.packed;
        tile.values(panels, clusters, &mut self.values);
        self.width = clusters.blocks() * BLOCK_ROWS;
        self.nearest.clear();
        self.nearest.resize(self.width, f32::INFINITY);
        self.reach.clear();
        for (query, values) in self.values.chunks_exact(self.width).take(panels.rows()).enumerate() {
            let norm = panels.norm_squared(query);
            let offset = norm - panels.error_bound(query, clusters);
            self.reach.push(Reach { offset, threshold: f32::INFINITY, distance: f64::INFINITY });
            let norm = norm as f32;
            self.nearest.iter_mut().zip(values).for_each(|(nearest, value)| *nearest = nearest.min(value + norm));
        }
        self.order.clear();
        self.order.extend(0..slab.groups.len() as u32);
        let nearest = |group: u32| self.nearest[slab.groups[group as usize].cluster as usize];
        self.order.sort_unstable_by(|&a, &b| nearest(a).total_cmp(&nearest(b)).then(a.cmp(&b)));
    }

    /// The panels of which some query may have a neighbour in the group: ‖q − c‖ ≤ r + the query's reach.
    fn choose(&mut self, group: Group, panels: &QueryPanels, survivors: &Survivors) {
        self.chosen.clear();
        for panel in 0..panels.panels() {
            let queries = panel * PANEL_ROWS..((panel + 1) * PANEL_ROWS).min(panels.rows());
            let near = |query: usize| {
                let reach = &mut self.reach[query];
                let threshold = survivors.threshold(query);
                if threshold == f32::NEG_INFINITY {
                    return false;
                }
                if threshold < reach.threshold {
                    reach.threshold = threshold;
                    let squared = f64::from(threshold) + panels.norm_squared(query);
                    // Rounded up by far more than f64's own errors.
                    reach.distance = squared.max(0.0).sqrt() * (1.0 + 1e-12);
                }
                let squared = f64::from(self.values[query * self.width + group.cluster as usize]) + reach.offset;
                let limit = (group.radius + reach.distance) * (1.0 + 1e-12);
                // What is not a number proves nothing.
                !matches!(squared.partial_cmp(&(limit * limit)), Some(std::cmp::Ordering::Greater))
            };
            if queries.into_iter().any(near) {
                self.chosen.push(panel as u32);
            }
        }
    }
}

/// Exact distances for a chunk of queries, kept as its rows of the neighbour block.
struct Decide<'a> {
    /// In self-mapping: first row of the block, and the rows of the chunk within it.
    own_rows: Option<(u64, &'a [u32])>,
    rows: &'a [f32],
    panels: &'a QueryPanels,
    slab: &'a Slab,
    tile: &'a dyn DistanceTile,
    k: usize,
    ids: &'a mut [i64],
    distances: &'a mut [f32],
    /// Distance and id. The bits of a distance, which is not negative, are in the order of the distances.
    ranked: &'a mut Vec<(u32, i64)>,
}

impl Decide<'_> {
    /// Starting threshold and error bound of a query.
    fn start(&self, query: usize) -> (f32, f64) {
        let error = self.panels.error_bound(query, self.slab.packed());
        if error.is_nan() {
            return (f32::NEG_INFINITY, 0.0);
        }
        (self.threshold(query), error)
    }

    fn threshold(&self, query: usize) -> f32 {
        let last = (query + 1) * self.k - 1;
        if self.ids[last] < 0 {
            return f32::INFINITY;
        }
        let error = self.panels.error_bound(query, self.slab.packed());
        bound::threshold(self.distances[last], self.panels.norm_squared(query), error)
    }
}

impl Resolve for Decide<'_> {
    fn resolve(&mut self, query: usize, candidates: &mut Vec<Candidate>) -> f32 {
        if candidates.is_empty() {
            return self.threshold(query);
        }
        let slots = query * self.k..(query + 1) * self.k;
        let dim = self.slab.rows().dim;
        let row = &self.rows[query * dim..(query + 1) * dim];
        let base = self.slab.first_row() as i64;
        self.ranked.clear();
        let known = self.ids[slots.clone()].iter().zip(&self.distances[slots.clone()]);
        self.ranked.extend(known.take_while(|(id, _)| **id >= 0).map(|(&id, &distance)| (distance.to_bits(), id)));
        self.ranked.extend(candidates.iter().map(|candidate| {
            let reference = self.slab.row_at(candidate.slot);
            let distance = self.tile.distance(row, self.slab.rows().row(reference as usize));
            (distance.to_bits(), base + i64::from(reference))
        }));
        self.ranked.sort_unstable();
        for (slot, &(distance, id)) in slots.zip(self.ranked.iter()) {
            self.ids[slot] = id;
            self.distances[slot] = f32::from_bits(distance);
        }
        self.threshold(query)
    }

    fn excluded(&self, query: usize) -> Option<u32> {
        let (first_row, rows) = self.own_rows?;
        let own = first_row + u64::from(rows[query]);
        self.slab.slot_of(own.checked_sub(self.slab.first_row())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{Lane, exact_distance};
    use proptest::prelude::*;

    fn tile(first_row: u64, dim: usize, values: Vec<f32>) -> Tile {
        Tile { first_row, dim, values }
    }

    fn empty(queries: &Tile, k: usize) -> NeighborBlock {
        let slots = queries.rows() * k;
        NeighborBlock { first_row: queries.first_row, k, ids: vec![-1; slots], distances: vec![f32::NAN; slots] }
    }

    /// The naive double loop: every finite pair, exact, sorted.
    fn naive(queries: &Tile, references: &Tile, k: usize, self_mapping: bool) -> NeighborBlock {
        let mut block = empty(queries, k);
        let finite = |row: &[f32]| row.iter().all(|v| v.is_finite());
        for q in (0..queries.rows()).filter(|&q| finite(queries.row(q))) {
            let own = queries.first_row + q as u64;
            let mut all: Vec<(f32, i64)> = (0..references.rows())
                .filter(|&r| finite(references.row(r)) && !(self_mapping && r as u64 == own))
                .map(|r| (exact_distance(queries.row(q), references.row(r)), r as i64))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (slot, (distance, id)) in all.into_iter().take(k).enumerate() {
                block.ids[q * k + slot] = id;
                block.distances[q * k + slot] = distance;
            }
        }
        block
    }

    fn joined(
        queries: &Tile,
        references: &Tile,
        k: usize,
        self_mapping: bool,
        slab_rows: usize,
        lane: Lane,
    ) -> NeighborBlock {
        let mut block = empty(queries, k);
        let centre = Slab::mean(references);
        for first in (0..references.rows()).step_by(slab_rows) {
            let last = (first + slab_rows).min(references.rows());
            let values = references.values[first * references.dim..last * references.dim].to_vec();
            let slab = Slab::new(tile(first as u64, references.dim, values), centre.clone(), &lane);
            join_slab(queries, &slab, self_mapping, &lane, &mut block, &Progress::silent()).unwrap();
        }
        block
    }

    fn assert_same(left: &NeighborBlock, right: &NeighborBlock) {
        assert_eq!(left.ids, right.ids);
        let bits = |block: &NeighborBlock| block.distances.iter().map(|d| d.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(left), bits(right));
    }

    /// Values on a coarse grid make many ties; a large offset makes cancellation; a few rows are not finite.
    fn rows(count: usize, dim: usize) -> impl Strategy<Value = Vec<f32>> {
        let value = prop_oneof![
            20 => (-3i8..4).prop_map(f32::from),
            20 => -10f32..10.0,
            1 => Just(f32::NAN),
            1 => Just(f32::INFINITY),
        ];
        let offset = prop_oneof![Just(0f32), Just(1e6f32), Just(-3e-30f32)];
        let scale = prop_oneof![3 => Just(1f32), 1 => Just(1e18f32), 1 => Just(1e-25f32)];
        (prop::collection::vec(value, count * dim), offset, scale)
            .prop_map(|(values, offset, scale)| values.into_iter().map(|v| v * scale + offset).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn every_lane_and_slab_size_gives_the_naive_answer(
            (dim, queries, references) in (1usize..20, 1usize..40, 1usize..300).prop_flat_map(|(dim, nq, nr)| {
                (Just(dim), rows(nq, dim), rows(nr, dim))
            }),
            k in 1usize..40,
            slab_rows in 1usize..400,
        ) {
            let (queries, references) = (tile(0, dim, queries), tile(0, dim, references));
            let expected = naive(&queries, &references, k, false);
            for lane in Lane::available() {
                assert_same(&joined(&queries, &references, k, false, slab_rows, lane), &expected);
            }
        }

        #[test]
        fn no_cell_is_its_own_neighbor(
            (dim, cells) in (1usize..8, 1usize..120).prop_flat_map(|(dim, n)| (Just(dim), rows(n, dim))),
            k in 1usize..12,
            slab_rows in 1usize..200,
        ) {
            let cells = tile(0, dim, cells);
            let expected = naive(&cells, &cells, k, true);
            for lane in Lane::available() {
                assert_same(&joined(&cells, &cells, k, true, slab_rows, lane), &expected);
            }
        }
    }

    #[test]
    fn what_the_triangle_inequality_leaves_out_is_never_a_neighbor() {
        // Blobs of very different sizes and distances, so that some groups are ruled out at once, some late and some never.
        let mut state = 7u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let mut cells = |count: usize, dim: usize| {
            let blob = |row: usize| [0.0, 1.0, 1.5, 40.0, 1e4][row * 31 % 5];
            let values = (0..count * dim).map(|i| blob(i / dim) + uniform() * [0.1, 3.0, 10.0][i / dim % 3]);
            values.collect::<Vec<f32>>()
        };
        for dim in [1, 3, 17] {
            let (queries, references) = (tile(0, dim, cells(300, dim)), tile(0, dim, cells(4000, dim)));
            let expected = naive(&queries, &references, 30, false);
            for lane in Lane::available() {
                assert_same(&joined(&queries, &references, 30, false, 4000, lane), &expected);
                assert_same(&joined(&queries, &references, 30, false, 1500, lane), &expected);
            }
        }
    }

    #[test]
    fn a_flood_of_duplicates_is_resolved_to_the_lowest_ids() {
        let references = tile(0, 3, [1.0f32, 2.0, 3.0].repeat(5000));
        let queries = tile(0, 3, vec![1.0, 2.0, 3.5]);
        for lane in Lane::available() {
            let block = joined(&queries, &references, 30, false, 5000, lane);
            assert_eq!(block.ids, (0..30).collect::<Vec<i64>>());
            assert!(block.distances.iter().all(|&d| d == 0.5));
        }
    }
}
