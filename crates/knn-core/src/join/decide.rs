//! The exact end of a join: what survived the tile gets its distance, and the k best are kept.

use super::rank::Ranking;
use super::slab::Slab;
use crate::distance::{Candidate, DistanceTile, QueryRows, Resolve};

/// Exact distances for a chunk of queries, kept as its rows of the neighbour block.
pub(super) struct Decide<'a> {
    /// In self-mapping: first row of the block, and the rows of the chunk within it.
    pub(super) own_rows: Option<(u64, &'a [u32])>,
    pub(super) rows: &'a [f32],
    pub(super) queries: &'a QueryRows,
    pub(super) slab: &'a Slab,
    pub(super) tile: &'a dyn DistanceTile,
    pub(super) k: usize,
    pub(super) ids: &'a mut [i64],
    pub(super) distances: &'a mut [f32],
    pub(super) scratch: &'a mut Decided,
}

/// Scratch of a decision.
#[derive(Debug, Default)]
pub(super) struct Decided {
    rows: Vec<u32>,
    squared: Vec<f64>,
    ranking: Ranking,
}

impl Decided {
    /// Bytes of a decision on `found` candidates.
    pub(super) fn bytes(found: usize, k: usize) -> usize {
        found * (4 + 8) + Ranking::bytes(found, k)
    }
}

impl Decide<'_> {
    /// The limit of a query by what is known of it; nothing is above that of a query that is not finite.
    pub(super) fn limit(&self, query: usize) -> i32 {
        if !self.queries.is_valid(query) {
            return i32::MAX;
        }
        let last = (query + 1) * self.k - 1;
        if self.ids[last] < 0 {
            return i32::MIN;
        }
        // Whatever rounds to the same f32 may be a tie.
        self.queries.limit(query, f64::from(self.distances[last].next_up()))
    }

    /// Neighbours that a query's buffer must be able to bound: in self-mapping, one of them may be the query itself.
    pub(super) fn sought(&self) -> usize {
        self.k + usize::from(self.own_rows.is_some())
    }
}

impl Resolve for Decide<'_> {
    fn resolve(&mut self, query: usize, candidates: &mut Vec<Candidate>) -> i32 {
        if candidates.is_empty() {
            return self.limit(query);
        }
        let slots = query * self.k..(query + 1) * self.k;
        let dim = self.slab.rows().dim;
        let row = &self.rows[query * dim..(query + 1) * dim];
        let base = self.slab.first_row() as i64;
        let own = self.own_rows.map_or(-1, |(first_row, rows)| (first_row + u64::from(rows[query])) as i64);
        let Decided { rows, squared, ranking } = self.scratch;
        rows.clear();
        rows.extend(candidates.iter().map(|candidate| self.slab.row_at(candidate.slot)));
        self.tile.squared(row, &self.slab.rows().values, rows, squared);
        let found = rows.iter().map(|&row| base + i64::from(row)).zip(squared.iter().copied());
        ranking.merge(&mut self.ids[slots.clone()], &mut self.distances[slots], own, found);
        self.limit(query)
    }
}
