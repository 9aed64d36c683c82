//! A block of queries against one slab of references.

use rayon::prelude::*;

use super::slab::Slab;
use crate::distance::{Candidate, DistanceTile, QueryPanels, Resolve, Survivors, bound, exact_distance};
use crate::error::Result;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Queries whose panels and buffers stay in the second-level cache together.
pub const QUERY_CHUNK: usize = 192;

/// Bytes of scratch that one thread of a join takes.
pub fn scratch_bytes(k: usize, dim: usize) -> u64 {
    Survivors::bytes(QUERY_CHUNK, k) + (QUERY_CHUNK * (dim * 4 + 8)) as u64 + (Survivors::slots(k) + k) as u64 * 24
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
    let ids = nearest.ids.par_chunks_mut(QUERY_CHUNK * k);
    let distances = nearest.distances.par_chunks_mut(QUERY_CHUNK * k);
    let chunks = queries.values.par_chunks(QUERY_CHUNK * dim);
    let jobs = ids.zip(distances).zip(chunks).enumerate();
    jobs.try_for_each_init(Scratch::default, |scratch, (chunk, ((ids, distances), rows))| {
        progress.check()?;
        let first_query = queries.first_row + (chunk * QUERY_CHUNK) as u64;
        let Scratch { panels, survivors, ranked } = scratch;
        panels.repack(rows, dim, slab.centre());
        let mut decide = Decide { first_query, rows, panels, slab, self_mapping, k, ids, distances, ranked };
        survivors.reset(panels.rows(), k, |query| decide.start(query));
        tile.top_k(panels, slab.packed(), survivors, &mut decide);
        for query in 0..panels.rows() {
            survivors.finish(query, &mut decide);
        }
        Ok(())
    })
}

#[derive(Default)]
struct Scratch {
    panels: QueryPanels,
    survivors: Survivors,
    ranked: Vec<(f32, i64)>,
}

/// Exact distances for a chunk of queries, kept as its rows of the neighbour block.
struct Decide<'a> {
    first_query: u64,
    rows: &'a [f32],
    panels: &'a QueryPanels,
    slab: &'a Slab,
    self_mapping: bool,
    k: usize,
    ids: &'a mut [i64],
    distances: &'a mut [f32],
    ranked: &'a mut Vec<(f32, i64)>,
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
        self.ranked.extend(known.take_while(|(id, _)| **id >= 0).map(|(&id, &distance)| (distance, id)));
        self.ranked.extend(candidates.iter().map(|candidate| {
            let reference = self.slab.rows().row(candidate.row as usize);
            (exact_distance(row, reference), base + i64::from(candidate.row))
        }));
        self.ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (slot, &(distance, id)) in slots.zip(self.ranked.iter()) {
            self.ids[slot] = id;
            self.distances[slot] = distance;
        }
        self.threshold(query)
    }

    fn excluded(&self, query: usize) -> Option<u32> {
        let own = self.self_mapping.then(|| self.first_query + query as u64)?;
        u32::try_from(own.checked_sub(self.slab.first_row())?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Lane;
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
            let slab = Slab::new(tile(first as u64, references.dim, values), centre.clone());
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
