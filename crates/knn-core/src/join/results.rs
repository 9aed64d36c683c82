//! The neighbours of some queries while they are being found, and what follows from them for the tile.

use super::barred::Barred;
use super::rank::Ranking;
use crate::distance::{Metric, QueryRows};

/// Queries, and their k nearest known so far.
pub(super) struct Results<'a> {
    /// Row-major, `dim` columns.
    pub(super) rows: &'a [f32],
    pub(super) dim: usize,
    /// What may not become a neighbour of each.
    pub(super) barred: Barred<'a>,
    pub(super) k: usize,
    pub(super) ids: &'a mut [i64],
    pub(super) distances: &'a mut [f32],
}

impl Results<'_> {
    /// The coordinates of a query.
    pub(super) fn row(&self, query: usize) -> &[f32] {
        &self.rows[query * self.dim..(query + 1) * self.dim]
    }

    /// Neighbours that a query's buffer must be able to bound: one of them may be the query itself.
    pub(super) fn sought(&self) -> usize {
        self.k + usize::from(self.barred.own.is_some())
    }

    /// Whether a query has fewer than k neighbours.
    pub(super) fn is_short(&self, query: usize) -> bool {
        self.ids[(query + 1) * self.k - 1] < 0
    }

    /// The limit of a query by what is known of it; nothing is above that of a query that is not finite.
    pub(super) fn limit(&self, query: usize, on_grid: &QueryRows) -> i32 {
        if !on_grid.is_valid(query) {
            return i32::MAX;
        }
        if self.is_short(query) {
            return i32::MIN;
        }
        // Whatever is reported as the same f32 may be a tie.
        on_grid.limit(query, on_grid.metric().bound(self.distances[(query + 1) * self.k - 1]))
    }

    /// Takes what was found (id and exact value) for a query, as far as it is among its k nearest.
    pub(super) fn merge(
        &mut self,
        query: usize,
        metric: Metric,
        found: impl Iterator<Item = (i64, f64)>,
        ranking: &mut Ranking,
    ) {
        let barred = self.barred;
        let own = barred.own.map_or(-1, |own| own[query]);
        let found = found.filter(|(id, _)| !barred.bars(query, *id));
        let slots = query * self.k..(query + 1) * self.k;
        ranking.merge(&mut self.ids[slots.clone()], &mut self.distances[slots], own, metric, found);
    }
}
