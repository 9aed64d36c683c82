//! The exact end of a join: what survived the tile gets its distance, and the k best are kept.

use super::slab::Slab;
use crate::distance::{Candidate, DistanceTile, QueryRows, Resolve, distance_of};

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
    pub(super) ranked: &'a mut Ranked,
}

/// Scratch of a decision.
#[derive(Default)]
pub(super) struct Ranked {
    rows: Vec<u32>,
    squared: Vec<f64>,
    keys: Vec<u64>,
    nearest: Vec<(u32, i64)>,
}

impl Ranked {
    /// Bytes that a decision takes where each query has as many slots and neighbours as this.
    pub(super) fn bytes(slots: usize, k: usize) -> usize {
        (slots + k) * (4 + 8 + 8 + 16)
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
        let Ranked { rows, squared, keys, nearest } = self.ranked;
        rows.clear();
        rows.extend(candidates.iter().map(|candidate| self.slab.row_at(candidate.slot)));
        self.tile.squared(row, &self.slab.rows().values, rows, squared);
        // The bits of a distance, which is not negative, are in the order of the distances.
        nearest.clear();
        let known = self.ids[slots.clone()].iter().zip(&self.distances[slots.clone()]);
        nearest.extend(known.take_while(|(id, _)| **id >= 0).map(|(&id, &distance)| (distance.to_bits(), id)));
        let found = rows.iter().map(|&row| base + i64::from(row)).zip(&*squared);
        nearest.extend(found.filter(|(id, _)| *id != own).map(|(id, squared)| (distance_of(*squared).to_bits(), id)));
        // Numbers are sorted much faster than pairs; the second half of a key says where its pair is.
        keys.clear();
        keys.extend(nearest.iter().zip(0u64..).map(|((bits, _), at)| u64::from(*bits) << 32 | at));
        keys.sort_unstable();
        let pair = |key: u64| nearest[key as u32 as usize];
        for ties in keys.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|ties| ties.len() > 1) {
            ties.sort_unstable_by_key(|key| pair(*key).1);
        }
        for (slot, &key) in slots.zip(keys.iter()) {
            let (bits, id) = pair(key);
            (self.ids[slot], self.distances[slot]) = (id, f32::from_bits(bits));
        }
        self.limit(query)
    }
}
