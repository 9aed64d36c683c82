//! The exact end of a join with a slab: what survived the tile gets its distance, and the k best are kept.

use super::rank::Ranking;
use super::results::Results;
use super::slab::Slab;
use crate::distance::{Candidate, DistanceTile, QueryRows, Resolve};

/// Exact distances for a chunk of queries.
pub(super) struct Decide<'a> {
    pub(super) results: Results<'a>,
    pub(super) queries: &'a QueryRows,
    pub(super) slab: &'a Slab,
    pub(super) tile: &'a dyn DistanceTile,
    pub(super) scratch: &'a mut Decided,
}

/// Scratch of a decision.
#[derive(Debug, Default)]
pub(super) struct Decided {
    rows: Vec<u32>,
    starts: Vec<usize>,
    exact: Vec<f64>,
    ranking: Ranking,
}

impl Decided {
    /// Bytes of a decision on `found` candidates.
    pub(super) fn bytes(found: usize, k: usize) -> usize {
        found * (4 + 8 + 8) + Ranking::bytes(found, k)
    }
}

impl Resolve for Decide<'_> {
    fn bars(&self, query: usize, slot: u32) -> bool {
        self.results.barred.bars(query, self.slab.first_row() as i64 + i64::from(self.slab.row_at(slot)))
    }

    fn resolve(&mut self, query: usize, candidates: &mut Vec<Candidate>) -> i32 {
        let Self { results, queries, slab, tile, scratch } = self;
        if !candidates.is_empty() {
            let Decided { rows, starts, exact, ranking } = &mut **scratch;
            rows.clear();
            rows.extend(candidates.iter().map(|candidate| slab.row_at(candidate.slot)));
            starts.clear();
            starts.extend(rows.iter().map(|&row| row as usize * results.dim));
            tile.exact(queries.metric(), results.row(query), &slab.rows().values, starts, exact);
            let base = slab.first_row() as i64;
            let found = rows.iter().map(|&row| base + i64::from(row)).zip(exact.iter().copied());
            results.merge(query, queries.metric(), found, ranking);
        }
        results.limit(query, queries)
    }
}
