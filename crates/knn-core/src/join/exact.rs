//! A block of queries against one slab of references.
//!
//! Queries are taken in the order of their nearest centroid, so that the six of a panel are alike; each chunk of them visits the
//! groups of references nearest first and leaves out those that `reach` rules out. What is left out never changes a result.

use rayon::prelude::*;

use super::barred::{Barred, Batches};
use super::clusters::MOST_CLUSTERS;
use super::decide::{Decide, Decided};
use super::order::Ordered;
use super::reach::Bounds;
use super::results::Results;
use super::slab::{Group, Slab};
use crate::distance::{DistanceTile, QueryPanels, QueryRows, Survivors, Visit};
use crate::error::Result;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Queries whose panels and buffers stay in the second-level cache together.
pub const QUERY_CHUNK: usize = 192;

/// Bytes of scratch that one thread of a join takes.
pub fn scratch_bytes(k: usize, dim: usize) -> u64 {
    let centroids = QUERY_CHUNK * (4 * MOST_CLUSTERS + 32) + 12 * MOST_CLUSTERS;
    let queries = QueryRows::bytes(QUERY_CHUNK as u64, dim as u64) + QueryPanels::bytes(QUERY_CHUNK as u64);
    Survivors::bytes(QUERY_CHUNK, k + 1) + queries + (centroids + Decided::bytes(Survivors::slots(k + 1), k)) as u64
}

/// Improves `nearest` by the references of `slab`: afterwards it holds, for each query, the k nearest of all slabs so far,
/// ascending by (f32 distance, id). Queries with a NaN or infinite coordinate stay without neighbours.
///
/// Queries are prepared for the metric of the slab, as its rows are. With `self_mapping` the queries are reference rows, and no row becomes its own
/// neighbour; with `batches` no reference of a query's own batch does. A cancelled run stops within a chunk of queries and leaves `nearest` incomplete.
pub fn join_slab(
    queries: &Tile,
    slab: &Slab,
    (self_mapping, batches): (bool, Option<(&[u32], Batches)>),
    tile: &dyn DistanceTile,
    nearest: &mut NeighborBlock,
    ordered: &mut Ordered,
    progress: &Progress,
) -> Result<()> {
    let own = |row: u32| queries.first_row as i64 + i64::from(row);
    join_rows(queries, slab, (self_mapping, &own), batches, tile, nearest, ordered, progress)
}

/// The same of queries that are the reference rows which `own` says.
#[allow(
    clippy::too_many_arguments,
    reason = "what is joined, with what, and what must not be a neighbour are what they are"
)]
pub(super) fn join_rows(
    queries: &Tile,
    slab: &Slab,
    (self_mapping, own_id): (bool, &(dyn Fn(u32) -> i64 + Sync)),
    batches: Option<(&[u32], Batches)>,
    tile: &dyn DistanceTile,
    nearest: &mut NeighborBlock,
    ordered: &mut Ordered,
    progress: &Progress,
) -> Result<()> {
    let (dim, k) = (queries.dim, nearest.k);
    debug_assert_eq!(nearest.rows(), queries.rows());
    let assigned = slab.clusters.assign(&queries.values, slab.grid(), tile);
    ordered.sort_by_key(queries.rows(), |row| assigned[row as usize]);
    ordered.gather(&queries.values, dim, nearest);
    let Ordered { order, rows, ids, distances, .. } = ordered;
    let results = ids.par_chunks_mut(QUERY_CHUNK * k).zip(distances.par_chunks_mut(QUERY_CHUNK * k));
    let jobs = results.zip(rows.par_chunks(QUERY_CHUNK * dim)).zip(order.par_chunks(QUERY_CHUNK));
    jobs.try_for_each_init(Scratch::default, |scratch, (((ids, distances), rows), order)| {
        progress.check()?;
        let Scratch { queries: on_grid, panels, survivors, decided, bounds, own, codes } = scratch;
        tile.fill(on_grid, rows, slab.grid());
        panels.all(on_grid);
        bounds.fill(on_grid, panels, slab, tile);
        own.clear();
        own.extend(order.iter().map(|&row| own_id(row)));
        codes.clear();
        codes.extend(batches.iter().flat_map(|(of, _)| order.iter().map(|&row| of[row as usize])));
        let batches = batches.map(|(_, references)| (codes.as_slice(), references));
        let barred = Barred { own: self_mapping.then_some(own.as_slice()), batches };
        let results = Results { rows, dim, barred, k, ids, distances };
        survivors.reset(on_grid.rows(), results.sought(), |query| results.limit(query, on_grid));
        survivors.barring(barred.has_batches());
        let mut decide = Decide { results, queries: on_grid, slab, tile, scratch: decided };
        for at in 0..bounds.order.len() {
            let group = slab.groups[bounds.order[at] as usize];
            bounds.choose(group, on_grid, panels, survivors);
            if bounds.chosen.is_empty() {
                continue;
            }
            let Group { first_block, end_block, .. } = group;
            let visit = Visit { rows: on_grid, panels, chosen: &bounds.chosen, first_block, end_block, first_slot: 0 };
            tile.top_k(slab.packed(), visit, survivors, &mut decide);
        }
        tile.finish(on_grid, survivors, &mut decide);
        Ok(())
    })?;
    ordered.scatter(nearest);
    Ok(())
}

#[derive(Default)]
struct Scratch {
    queries: QueryRows,
    panels: QueryPanels,
    survivors: Survivors,
    decided: Decided,
    bounds: Bounds,
    own: Vec<i64>,
    codes: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{Lane, Metric, exact_product, exact_squared};
    use proptest::prelude::*;

    fn tile(first_row: u64, dim: usize, values: Vec<f32>) -> Tile {
        Tile { first_row, dim, values }
    }

    fn empty(queries: &Tile, k: usize) -> NeighborBlock {
        let slots = queries.rows() * k;
        NeighborBlock { first_row: queries.first_row, k, ids: vec![-1; slots], distances: vec![f32::NAN; slots] }
    }

    /// The naive double loop: every pair that can be compared, exact, sorted.
    fn naive(metric: Metric, queries: &Tile, references: &Tile, k: usize, self_mapping: bool) -> NeighborBlock {
        let mut block = empty(queries, k);
        let whole = |row: &[f32]| metric.flaw(row).is_none();
        let reported = |q: &[f32], x: &[f32]| {
            metric.reported(if metric.is_product() { -exact_product(q, x) } else { exact_squared(q, x) })
        };
        for q in (0..queries.rows()).filter(|&q| whole(queries.row(q))) {
            let own = queries.first_row + q as u64;
            let mut all: Vec<(f32, i64)> = (0..references.rows())
                .filter(|&r| whole(references.row(r)) && !(self_mapping && r as u64 == own))
                .map(|r| (reported(queries.row(q), references.row(r)), r as i64))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (slot, (distance, id)) in all.into_iter().take(k).enumerate() {
                block.ids[q * k + slot] = id;
                block.distances[q * k + slot] = distance;
            }
        }
        block
    }

    /// Rows as they are read for a metric.
    fn prepared(metric: Metric, dim: usize, mut values: Vec<f32>) -> Tile {
        if let Some(prepare) = metric.prepare() {
            values.chunks_exact_mut(dim).for_each(prepare);
        }
        tile(0, dim, values)
    }

    fn joined(
        metric: Metric,
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
            let slab = Slab::new(tile(first as u64, references.dim, values), centre.clone(), metric, &lane);
            let (mut ordered, silent) = (Ordered::default(), Progress::silent());
            join_slab(queries, &slab, (self_mapping, None), &lane, &mut block, &mut ordered, &silent).unwrap();
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
        #![proptest_config(ProptestConfig::with_cases(600))]
        #[test]
        fn every_lane_and_slab_size_gives_the_naive_answer(
            (dim, queries, references) in (1usize..20, 1usize..40, 1usize..300).prop_flat_map(|(dim, nq, nr)| {
                (Just(dim), rows(nq, dim), rows(nr, dim))
            }),
            k in 1usize..40,
            slab_rows in 1usize..400,
            metric in prop::sample::select(Metric::ALL.to_vec()),
        ) {
            let (queries, references) = (prepared(metric, dim, queries), prepared(metric, dim, references));
            let expected = naive(metric, &queries, &references, k, false);
            for lane in Lane::available() {
                assert_same(&joined(metric, &queries, &references, k, false, slab_rows, lane), &expected);
            }
        }

        #[test]
        fn no_cell_is_its_own_neighbor(
            (dim, cells) in (1usize..8, 1usize..120).prop_flat_map(|(dim, n)| (Just(dim), rows(n, dim))),
            k in 1usize..12,
            slab_rows in 1usize..200,
            metric in prop::sample::select(Metric::ALL.to_vec()),
        ) {
            let cells = prepared(metric, dim, cells);
            let expected = naive(metric, &cells, &cells, k, true);
            for lane in Lane::available() {
                assert_same(&joined(metric, &cells, &cells, k, true, slab_rows, lane), &expected);
            }
        }
    }

    #[test]
    fn what_an_inequality_leaves_out_is_never_a_neighbor() {
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
        for (dim, metric) in [1, 3, 17].into_iter().flat_map(|dim| Metric::ALL.map(|metric| (dim, metric))) {
            let (queries, references) = (cells(300, dim), cells(4000, dim));
            let (queries, references) = (prepared(metric, dim, queries), prepared(metric, dim, references));
            let expected = naive(metric, &queries, &references, 30, false);
            for lane in Lane::available() {
                assert_same(&joined(metric, &queries, &references, 30, false, 4000, lane), &expected);
                assert_same(&joined(metric, &queries, &references, 30, false, 1500, lane), &expected);
            }
        }
    }

    #[test]
    fn groups_that_hold_no_neighbor_are_ruled_out_by_every_metric() {
        // Twenty directions, of every length: what has another direction is far by cosine, and what is short has small products.
        let values: Vec<f32> = (0..20 * 400u16)
            .flat_map(|row| {
                let (angle, length) = (f32::from(row % 20) * 0.3, 1.0 + f32::from(row / 20 % 7));
                [length * (angle + 1e-4 * f32::from(row / 20)).cos(), length * angle.sin()]
            })
            .collect();
        for metric in Metric::ALL {
            let references = prepared(metric, 2, values.clone());
            let queries = tile(0, 2, references.values[..2].repeat(6));
            let slab = Slab::new(references.clone(), Slab::mean(&references), metric, &Lane::best());
            let mut scratch = Scratch::default();
            let Scratch { queries: on_grid, panels, survivors, bounds, .. } = &mut scratch;
            Lane::best().fill(on_grid, &queries.values, slab.grid());
            panels.all(on_grid);
            bounds.fill(on_grid, panels, &slab, &Lane::best());
            let expected = naive(metric, &queries, &references, 10, false);
            survivors.reset(6, 10, |query| on_grid.limit(query, metric.bound(expected.distances[9])));
            let mut chosen = 0;
            for group in &slab.groups {
                bounds.choose(*group, on_grid, panels, survivors);
                chosen += bounds.chosen.len();
            }
            assert!((1..slab.groups.len() / 2).contains(&chosen), "{metric:?}: {chosen} of {}", slab.groups.len());
        }
    }

    #[test]
    fn a_flood_of_duplicates_is_resolved_to_the_lowest_ids() {
        let references = tile(0, 3, [1.0f32, 2.0, 3.0].repeat(5000));
        let queries = tile(0, 3, vec![1.0, 2.0, 3.5]);
        for (lane, metric) in Lane::available().into_iter().flat_map(|lane| Metric::ALL.map(|metric| (lane, metric))) {
            let prepared = |rows: &Tile| prepared(metric, 3, rows.values.clone());
            let block = joined(metric, &prepared(&queries), &prepared(&references), 30, false, 5000, lane);
            assert_eq!(block.ids, (0..30).collect::<Vec<i64>>());
            // 1 − 15.5 / √(14 · 17.25), and −15.5.
            let expected = match metric {
                Metric::Euclidean => 0.5,
                Metric::SquaredEuclidean => 0.25,
                Metric::Cosine => 0.002_591_347,
                Metric::InnerProduct => -15.5,
            };
            assert!(block.distances.iter().all(|&d| (d - expected).abs() < 1e-6), "{metric:?}: {:?}", block.distances);
        }
    }
}
