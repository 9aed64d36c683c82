//! What passed the tile: a small buffer per query of (value, reference) pairs that may be among its k nearest.
//!
//! A full buffer is compacted: a value that at least k entries do not exceed is found by bisection, and whatever lies above it by
//! more than twice the error bound is dropped for good. If too much is left (duplicates, ties within the bound), the buffer is
//! *resolved*: its owner computes exact distances, keeps the k best and sets the threshold from them. A flood of ties is
//! therefore slow, never wrong.

use super::bound;
use super::pack::PANEL_ROWS;

/// A reference (its slot among the packed rows) and the tile's value for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// ‖x‖² − 2·q·x, f32.
    pub value: f32,
    /// Slot within the packed references.
    pub slot: u32,
}

/// Decides the buffered candidates of a query exactly.
pub trait Resolve {
    /// Takes over all candidates of `query` and returns the threshold that follows from the k nearest known so far:
    /// infinity while there are fewer than k.
    fn resolve(&mut self, query: usize, candidates: &mut Vec<Candidate>) -> f32;
    /// The slot of the one row that must not survive for `query`: itself, in self-mapping.
    fn excluded(&self, query: usize) -> Option<u32>;
}

/// Buffers and thresholds of a group of queries.
#[derive(Debug, Default)]
pub struct Survivors {
    k: usize,
    slots: usize,
    /// Values and references lie apart, so that counting reads values alone.
    values: Vec<f32>,
    references: Vec<u32>,
    lengths: Vec<u32>,
    thresholds: Vec<f32>,
    /// Twice the error bound of each query.
    margins: Vec<f32>,
    spill: Vec<Candidate>,
}

impl Survivors {
    /// Slots of a buffer for `k` neighbours.
    pub fn slots(k: usize) -> usize {
        (3 * k).max(96)
    }

    /// Bytes of the buffers of `queries` queries.
    pub fn bytes(queries: usize, k: usize) -> u64 {
        (queries.next_multiple_of(PANEL_ROWS) * (Self::slots(k) * 8 + 16)) as u64
    }

    /// Empties the buffers for `queries` queries; `bounds` gives the starting threshold and the error bound of each.
    pub fn reset(&mut self, queries: usize, k: usize, bounds: impl Fn(usize) -> (f32, f64)) {
        let padded = queries.next_multiple_of(PANEL_ROWS);
        self.k = k;
        self.slots = Self::slots(k);
        self.values.resize(padded * self.slots, 0.0);
        self.references.resize(padded * self.slots, 0);
        self.lengths.clear();
        self.lengths.resize(padded, 0);
        self.thresholds.clear();
        self.margins.clear();
        for query in 0..queries {
            let (threshold, error) = bounds(query);
            self.thresholds.push(threshold);
            self.margins.push(bound::round_up(2.0 * error));
        }
        // Nothing is as small as minus infinity but itself, and no norm is: padding queries keep nothing.
        self.thresholds.resize(padded, f32::NEG_INFINITY);
        self.margins.resize(padded, 0.0);
    }

    /// The threshold of a query: what lies above it is not among its k nearest.
    pub fn threshold(&self, query: usize) -> f32 {
        self.thresholds[query]
    }

    #[inline(always)]
    pub(super) fn thresholds(&self, first_query: usize) -> &[f32; PANEL_ROWS] {
        self.thresholds[first_query..].first_chunk().expect("thresholds are padded to whole panels")
    }

    #[inline(always)]
    pub(super) fn push(
        &mut self,
        query: usize,
        first_slot: u32,
        mut mask: u16,
        found: &[f32; 16],
        resolve: &mut dyn Resolve,
    ) {
        let base = query * self.slots;
        while mask != 0 {
            let lane = mask.trailing_zeros();
            mask &= mask - 1;
            let length = self.lengths[query] as usize;
            self.values[base + length] = found[lane as usize];
            self.references[base + length] = first_slot + lane;
            self.lengths[query] += 1;
            if length + 1 == self.slots {
                self.compact(query, resolve);
            }
        }
    }

    /// Makes room in a full buffer.
    #[cold]
    #[inline(never)]
    fn compact(&mut self, query: usize, resolve: &mut dyn Resolve) {
        self.drop_excluded(query, resolve);
        let buffer = query * self.slots..query * self.slots + self.lengths[query] as usize;
        let limit = kth_or_a_little_more(&self.values[buffer.clone()], self.k);
        let threshold = limit.map_or(f32::INFINITY, |value| value + self.margins[query]);
        if threshold.is_finite() {
            let threshold = threshold.min(self.thresholds[query]);
            let mut kept = buffer.start;
            for slot in buffer {
                if self.values[slot] <= threshold {
                    self.values[kept] = self.values[slot];
                    self.references[kept] = self.references[slot];
                    kept += 1;
                }
            }
            self.lengths[query] = (kept - query * self.slots) as u32;
            self.thresholds[query] = threshold;
        }
        if self.lengths[query] as usize > self.slots * 3 / 4 {
            self.settle(query, resolve);
        }
    }

    /// Hands all candidates of a query to `resolve` and takes its threshold.
    pub fn settle(&mut self, query: usize, resolve: &mut dyn Resolve) {
        self.drop_excluded(query, resolve);
        let base = query * self.slots;
        let limit = self.thresholds[query];
        let mut candidates = std::mem::take(&mut self.spill);
        candidates.clear();
        for slot in base..base + self.lengths[query] as usize {
            let value = self.values[slot];
            // Entries from before the threshold last fell are dropped here; NaN is kept.
            if !matches!(value.partial_cmp(&limit), Some(std::cmp::Ordering::Greater)) {
                candidates.push(Candidate { value, slot: self.references[slot] });
            }
        }
        self.lengths[query] = 0;
        let threshold = resolve.resolve(query, &mut candidates);
        self.thresholds[query] = self.thresholds[query].min(threshold);
        self.spill = candidates;
    }

    /// Settles a query at the end of a scan, after a last cut at its k-th value.
    pub fn finish(&mut self, query: usize, resolve: &mut dyn Resolve) {
        self.drop_excluded(query, resolve);
        let base = query * self.slots;
        let values = &self.values[base..base + self.lengths[query] as usize];
        if values.len() > self.k
            && let Some(limit) = kth_or_a_little_more(values, self.k)
        {
            let threshold = limit + self.margins[query];
            if threshold.is_finite() {
                self.thresholds[query] = self.thresholds[query].min(threshold);
            }
        }
        self.settle(query, resolve);
    }

    /// A query that is its own reference would make the k-th value look smaller than it is.
    fn drop_excluded(&mut self, query: usize, resolve: &dyn Resolve) {
        let Some(excluded) = resolve.excluded(query) else { return };
        let base = query * self.slots;
        let length = self.lengths[query] as usize;
        if let Some(at) = self.references[base..base + length].iter().position(|&row| row == excluded) {
            self.values.swap(base + at, base + length - 1);
            self.references.swap(base + at, base + length - 1);
            self.lengths[query] -= 1;
        }
    }
}

/// A value that at least `k` and, where ties allow, at most `k + 6` of the values do not exceed; none if a value is not finite or
/// there are fewer than `k`.
#[inline(always)]
fn kth_or_a_little_more(values: &[f32], k: usize) -> Option<f32> {
    let count = |limit: f32| values.iter().map(|&value| u32::from(value <= limit)).sum::<u32>() as usize;
    let mut low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let mut high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if values.len() < k || count(f32::MAX) != values.len() || !low.is_finite() {
        return None;
    }
    let mut within = values.len();
    // Halving 24 times separates any two values that differ by more than the rounding of the interval.
    for _ in 0..24 {
        if within <= k + 6 {
            break;
        }
        let middle = low + (high - low) * 0.5;
        let counted = count(middle);
        if counted >= k {
            high = middle;
            within = counted;
        } else {
            low = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn at_least_k_values_are_within_the_limit(values in prop::collection::vec(-1e6f32..1e6, 1..200), k in 1usize..100) {
            match kth_or_a_little_more(&values, k) {
                None => prop_assert!(values.len() < k),
                Some(limit) => prop_assert!(values.iter().filter(|v| **v <= limit).count() >= k),
            }
        }
    }

    #[test]
    fn values_that_are_not_numbers_are_left_to_the_exact_distance() {
        assert_eq!(kth_or_a_little_more(&[1.0, f32::NAN, 3.0], 2), None);
        assert_eq!(kth_or_a_little_more(&[1.0, f32::INFINITY, 3.0], 2), None);
    }
}
