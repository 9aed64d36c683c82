//! The exact end of a join: what survived the tile gets its distance, and the k best are kept.

use super::slab::Slab;
use crate::distance::{Candidate, DistanceTile, QueryPanels, Resolve, bound};

/// Exact distances for a chunk of queries, kept as its rows of the neighbour block.
pub(super) struct Decide<'a> {
    /// In self-mapping: first row of the block, and the rows of the chunk within it.
    pub(super) own_rows: Option<(u64, &'a [u32])>,
    pub(super) rows: &'a [f32],
    pub(super) panels: &'a QueryPanels,
    pub(super) slab: &'a Slab,
    pub(super) tile: &'a dyn DistanceTile,
    pub(super) k: usize,
    pub(super) ids: &'a mut [i64],
    pub(super) distances: &'a mut [f32],
    /// Distance and id. The bits of a distance, which is not negative, are in the order of the distances.
    pub(super) ranked: &'a mut Vec<(u32, i64)>,
}

impl Decide<'_> {
    /// Starting threshold and error bound of a query.
    pub(super) fn start(&self, query: usize) -> (f32, f64) {
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
