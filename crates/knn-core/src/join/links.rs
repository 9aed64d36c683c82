//! The neighbours of references, as far as a repair follows them: the first few of each of some consecutive rows.

use serde::{Deserialize, Serialize};

use crate::types::NeighborBlock;

/// How far a repair looks: at the first `r1` neighbours of each of a query's first `r2` neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Hop {
    /// Neighbours of a neighbour that are looked at.
    #[cfg_attr(test, ts(type = "number"))]
    pub r1: usize,
    /// Neighbours whose neighbours are looked at.
    #[cfg_attr(test, ts(type = "number"))]
    pub r2: usize,
}

impl Hop {
    /// Candidates of a query at most.
    pub fn width(self) -> usize {
        self.r1 * self.r2
    }

    /// No farther than the `k` neighbours that a row has.
    #[must_use]
    pub fn within(self, k: usize) -> Self {
        self.among(k, k)
    }

    /// No farther than the neighbours that a reference has, and the `k` that a query has.
    #[must_use]
    pub fn among(self, of_reference: usize, k: usize) -> Self {
        Self { r1: self.r1.min(of_reference), r2: self.r2.min(k) }
    }
}

/// Low halves of "none", and the high halves of numbers that 32 bits do not hold.
const NONE: u32 = u32::MAX;
const NONE_HIGH: u16 = u16::MAX;

/// The first `r1` neighbours of consecutive rows, in 4 bytes each, or in 6 where there are 2^32 − 1 rows or more.
#[derive(Debug, Default)]
pub struct Links {
    first_row: u64,
    r1: usize,
    low: Vec<u32>,
    /// Empty where the low halves are all there is.
    high: Vec<u16>,
    is_wide: bool,
}

impl Links {
    /// No rows yet, of a reference of `n_ref` (below 2^48).
    pub fn new(r1: usize, n_ref: u64) -> Self {
        Self { r1, is_wide: n_ref >= u64::from(NONE), ..Self::default() }
    }

    /// Bytes of the links of a row.
    pub fn row_bytes(r1: usize, n_ref: u64) -> u64 {
        r1 as u64 * if n_ref >= u64::from(NONE) { 6 } else { 4 }
    }

    /// Forgets what is held; the next row is this one.
    pub fn begin(&mut self, first_row: u64) {
        self.first_row = first_row;
        self.low.clear();
        self.high.clear();
    }

    /// Makes room for so many more rows, and no more than that.
    pub fn reserve(&mut self, rows: usize) {
        self.low.reserve_exact(rows * self.r1);
        self.high.reserve_exact(if self.is_wide { rows * self.r1 } else { 0 });
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.low.len().checked_div(self.r1).unwrap_or(0)
    }

    /// Adds the rows that come next, with at least `r1` places each.
    pub fn push(&mut self, block: &NeighborBlock) {
        self.push_ids(&block.ids, block.k);
    }

    /// The same from their neighbours alone, `k` of each row.
    pub fn push_ids(&mut self, ids: &[i64], k: usize) {
        for ids in ids.chunks_exact(k.max(1)) {
            let ids = &ids[..self.r1];
            self.low.extend(ids.iter().map(|&id| if id < 0 { NONE } else { id as u32 }));
            if self.is_wide {
                self.high.extend(ids.iter().map(|&id| if id < 0 { NONE_HIGH } else { (id >> 32) as u16 }));
            }
        }
    }

    /// The links of a row; none of one that is not held.
    #[inline]
    pub(super) fn of(&self, row: i64) -> impl Iterator<Item = i64> {
        let place = row.checked_sub(self.first_row as i64).filter(|place| (0..self.rows() as i64).contains(place));
        let slots = place.map_or(0..0, |place| place as usize * self.r1..(place as usize + 1) * self.r1);
        let high = if self.is_wide { &self.high[slots.clone()] } else { &[] };
        let low = self.low[slots].iter().enumerate();
        low.map(|(at, &low)| (low, high.get(at).copied()))
            .take_while(|(low, high)| *low != NONE || high.is_some_and(|high| high != NONE_HIGH))
            .map(|(low, high)| i64::from(high.unwrap_or(0)) << 32 | i64::from(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_back_as_far_as_there_are_any() {
        let far = i64::from(u32::MAX);
        for (n_ref, last) in
            [(far as u64 - 1, far - 2), (far as u64, far - 1), (1 << 40, (1 << 40) - 1), (1 << 40, far)]
        {
            let mut links = Links::new(2, n_ref);
            links.begin(7);
            let ids = vec![last, 3, 5, 9, -1, -1, -1, -1, -1, 0, 1, 2];
            links.push(&NeighborBlock { first_row: 0, k: 3, distances: vec![0.0; 12], ids });
            let of = |row| links.of(row).collect::<Vec<_>>();
            assert_eq!((links.rows(), of(7), of(8), of(9)), (4, vec![last, 3], vec![9], vec![]));
            assert_eq!((of(10), of(6), of(11), of(-1)), (vec![0, 1], vec![], vec![], vec![]));
            links.begin(0);
            assert_eq!((links.rows(), links.of(0).next()), (0, None));
        }
    }
}
