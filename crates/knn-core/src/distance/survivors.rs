//! What may still be among a query's k nearest: a buffer and a limit for each query.
//!
//! Whatever the tile finds above a query's limit goes into its buffer. A full buffer is compacted: a value that at least k entries
//! reach bounds the distance of the k-th nearest, which raises the limit. If that does not make room (many references at the
//! same distance), the query is *resolved*: its owner computes exact distances, keeps the k best and sets the limit from them. A
//! flood of ties is therefore slow, never wrong.

use super::pack::BLOCK_ROWS;
use super::query::{PANEL_ROWS, QueryRows};
use super::vector::Vector;

/// A reference (its slot among the packed rows) and the tile's value for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Larger is nearer.
    pub value: i32,
    /// Slot within the packed references.
    pub slot: u32,
}

/// Decides the buffered candidates of a query exactly.
pub trait Resolve {
    /// Takes over all candidates of `query` and returns the limit that follows from the k nearest known so far: the smallest
    /// i32 while there are fewer than k.
    fn resolve(&mut self, query: usize, candidates: &mut Vec<Candidate>) -> i32;

    /// Whether a reference, by its slot, may not become a neighbour of a query. Asked only where buffers were told so
    /// ([`Survivors::barring`]).
    fn bars(&self, _query: usize, _slot: u32) -> bool {
        false
    }

    /// The limit of a query of which k candidates have at least the value `kth`: whatever is farther than they may be is not among the
    /// k nearest.
    fn limit(&self, query: usize, kth: i32, rows: &QueryRows) -> i32 {
        rows.limit(query, rows.farthest(query, kth))
    }
}

/// So often a value is guessed before halves are taken.
const MOST_GUESSES: u32 = 6;
/// How many more than k values may reach what passes for the k-th.
pub const FEW_MORE: usize = 6;

/// Buffers and limits of a group of queries.
#[derive(Debug, Default)]
pub struct Survivors {
    k: usize,
    slots: usize,
    /// Values and references lie apart, so that counting reads values alone.
    values: Vec<i32>,
    references: Vec<i32>,
    lengths: Vec<u32>,
    /// One more than there are queries: the last is that of padding, and nothing is above it.
    limits: Vec<i32>,
    spill: Vec<Candidate>,
    /// Whether whoever resolves is asked of each candidate.
    bars: bool,
}

impl Survivors {
    /// Slots of a buffer for `k` neighbours: it is full when a block of references might not fit behind what is there.
    pub fn slots(k: usize) -> usize {
        (3 * k).max(96).next_multiple_of(BLOCK_ROWS) + BLOCK_ROWS
    }

    /// Bytes of the buffers of `queries` queries.
    pub fn bytes(queries: usize, k: usize) -> u64 {
        ((queries + 1) * (Self::slots(k) * 8 + 8)) as u64
    }

    /// Empties the buffers for `queries` queries; `limit` gives the starting limit of each. A query whose limit is `i32::MAX` keeps
    /// nothing.
    pub fn reset(&mut self, queries: usize, k: usize, limit: impl Fn(usize) -> i32) {
        self.k = k;
        self.bars = false;
        self.slots = Self::slots(k);
        self.values.resize(queries * self.slots, 0);
        self.references.resize(queries * self.slots, 0);
        self.lengths.clear();
        self.lengths.resize(queries, 0);
        self.limits.clear();
        self.limits.extend((0..queries).map(limit));
        self.limits.push(i32::MAX);
    }

    /// Whether some candidates are barred: then whoever resolves is asked of each before it takes a place or bounds a distance.
    pub fn barring(&mut self, bars: bool) {
        self.bars = bars;
    }

    /// The limit of a query: what is not above it is not among its k nearest.
    pub fn limit(&self, query: usize) -> i32 {
        self.limits[query]
    }

    /// The limits of six queries, each in all lanes.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub(super) unsafe fn limits<V: Vector>(&self, members: &[u32; PANEL_ROWS]) -> [V; PANEL_ROWS] {
        // SAFETY: the caller vouches for the instructions of `V`.
        let [a, b, c, d, e, f] = *members;
        let limit = |member: u32| unsafe { V::splat(self.limits[member as usize]) };
        [limit(a), limit(b), limit(c), limit(d), limit(e), limit(f)]
    }

    /// Takes the lanes of `mask`, of which there is at least one, with their slots; whether the limit may have been raised.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub(super) unsafe fn push<V: Vector>(
        &mut self,
        query: usize,
        slots: V,
        mask: u16,
        found: V,
        rows: &QueryRows,
        resolve: &mut dyn Resolve,
    ) -> bool {
        let (base, length) = (query * self.slots, self.lengths[query] as usize);
        let at = base + length;
        let values = self.values[at..].first_chunk_mut().expect("a buffer has room for a block");
        let references = self.references[at..].first_chunk_mut().expect("a buffer has room for a block");
        // SAFETY: the caller vouches for the instructions of `V`.
        unsafe {
            found.pick(mask, values);
            slots.pick(mask, references);
        }
        let found = length + mask.count_ones() as usize;
        let length = if self.bars { self.drop_barred(query, length, found, resolve) } else { found };
        self.lengths[query] = length as u32;
        let full = length > self.slots - BLOCK_ROWS;
        if full {
            // SAFETY: as above.
            unsafe { self.compact::<V>(query, rows, resolve) };
        }
        full
    }

    /// Leaves out of the entries `from..to` those that are barred; where they end then.
    #[inline(never)]
    fn drop_barred(&mut self, query: usize, from: usize, to: usize, resolve: &dyn Resolve) -> usize {
        let base = query * self.slots;
        let mut end = from;
        for at in from..to {
            let (value, slot) = (self.values[base + at], self.references[base + at]);
            if !resolve.bars(query, slot as u32) {
                (self.values[base + end], self.references[base + end]) = (value, slot);
                end += 1;
            }
        }
        end
    }

    /// References without a value of their own are decided at once.
    #[cold]
    pub(super) fn push_loose(&mut self, query: usize, first_slot: u32, mut mask: u16, resolve: &mut dyn Resolve) {
        if self.limits[query] == i32::MAX {
            return; // It is not finite.
        }
        let mut candidates = std::mem::take(&mut self.spill);
        candidates.clear();
        while mask != 0 {
            candidates.push(Candidate { value: i32::MAX, slot: first_slot + mask.trailing_zeros() });
            mask &= mask - 1;
        }
        if self.bars {
            candidates.retain(|candidate| !resolve.bars(query, candidate.slot));
        }
        self.limits[query] = self.limits[query].max(resolve.resolve(query, &mut candidates));
        self.spill = candidates;
    }

    /// Makes room in a full buffer.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(never)]
    unsafe fn compact<V: Vector>(&mut self, query: usize, rows: &QueryRows, resolve: &mut dyn Resolve) {
        // SAFETY: the caller vouches for the instructions of `V`.
        unsafe { self.cut::<V>(query, rows, resolve) };
        if self.lengths[query] as usize > (self.slots - BLOCK_ROWS) * 3 / 4 {
            self.settle(query, resolve);
        }
    }

    /// Raises the limit by what is in the buffer, and drops what is not above it.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    unsafe fn cut<V: Vector>(&mut self, query: usize, rows: &QueryRows, resolve: &dyn Resolve) {
        let (base, length) = (query * self.slots, self.lengths[query] as usize);
        let buffer = base..base + self.slots;
        // SAFETY: the caller vouches for the instructions of `V`.
        if let Some(kth) = unsafe { V::kth(&self.values[buffer.clone()], length, self.k) } {
            self.raise(query, resolve.limit(query, kth, rows));
        }
        let (values, references) = (&mut self.values[buffer.clone()], &mut self.references[buffer]);
        // SAFETY: as above.
        self.lengths[query] = unsafe { V::keep(values, references, length, self.limits[query]) } as u32;
    }

    /// Raises the limit of a query, if this one is higher.
    pub fn raise(&mut self, query: usize, limit: i32) {
        self.limits[query] = self.limits[query].max(limit);
    }

    /// Hands all candidates of a query to `resolve` and takes its limit.
    pub fn settle(&mut self, query: usize, resolve: &mut dyn Resolve) {
        let base = query * self.slots;
        let limit = self.limits[query];
        let mut candidates = std::mem::take(&mut self.spill);
        candidates.clear();
        for at in base..base + self.lengths[query] as usize {
            // Entries from before the limit last rose are dropped here.
            let value = self.values[at];
            if value > limit {
                candidates.push(Candidate { value, slot: self.references[at] as u32 });
            }
        }
        self.lengths[query] = 0;
        self.limits[query] = limit.max(resolve.resolve(query, &mut candidates));
        self.spill = candidates;
    }

    /// Cuts the buffer of every query.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub(super) unsafe fn tighten<V: Vector>(&mut self, rows: &QueryRows, resolve: &dyn Resolve) {
        for query in 0..self.lengths.len() {
            if self.lengths[query] as usize > self.k + FEW_MORE {
                // SAFETY: the caller vouches for the instructions of `V`.
                unsafe { self.cut::<V>(query, rows, resolve) };
            }
        }
    }

    /// Settles every query at the end of a scan, after a last cut.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    pub(super) unsafe fn finish<V: Vector>(&mut self, rows: &QueryRows, resolve: &mut dyn Resolve) {
        for query in 0..self.lengths.len() {
            if self.lengths[query] as usize > self.k {
                // SAFETY: the caller vouches for the instructions of `V`.
                unsafe { self.cut::<V>(query, rows, resolve) };
            }
            self.settle(query, resolve);
        }
    }
}

/// Moves the entries that are greater than `limit` to the front, of the first `length`; returns how many they are. What lies behind them is
/// overwritten with anything.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn keep_greater<V: Vector>(
    values: &mut [i32],
    references: &mut [i32],
    length: usize,
    limit: i32,
) -> usize {
    // SAFETY: the caller vouches for the instructions of `V`.
    let (mut kept, limit) = (0, unsafe { V::splat(limit) });
    for at in (0..length).step_by(BLOCK_ROWS) {
        let block = |entries: &[i32]| *entries[at..].first_chunk().expect("a buffer ends with room for a block");
        // SAFETY: the caller vouches for the instructions of `V`.
        let (some, whose) = unsafe { (V::read(&block(values)), V::read(&block(references))) };
        let inside = u16::MAX >> BLOCK_ROWS.saturating_sub(length - at);
        // SAFETY: as above.
        let mask = unsafe { some.above(limit) } & inside;
        let room = "what is kept lies before what was read";
        // SAFETY: as above.
        unsafe {
            some.pick(mask, values[kept..].first_chunk_mut().expect(room));
            whose.pick(mask, references[kept..].first_chunk_mut().expect(room));
        }
        kept += mask.count_ones() as usize;
    }
    kept
}

/// A value that at least `k` and, where ties allow, at most `k + 6` of the first `length` values reach; none if there are fewer than `k`.
/// `values` ends with a whole block.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn kth_or_a_little_less<V: Vector>(values: &[i32], length: usize, k: usize) -> Option<i32> {
    if length < k {
        return None;
    }
    let least = values[..length].iter().copied().fold(i32::MAX, i32::min);
    let most = values[..length].iter().copied().fold(i32::MIN, i32::max);
    // At least k values are above `low`; fewer are above `high`.
    let (mut low, mut high) = (i64::from(least) - 1, i64::from(most));
    let (mut above_low, mut above_high) = (length, 0);
    let enough = k + FEW_MORE;
    let wanted = (k + enough) as f64 / 2.0;
    let mut guesses = 0;
    while above_low > enough && high - low > 1 {
        // Where it would be if the values were spread evenly in between; if they are far from that, the middle.
        guesses += 1;
        let between = if guesses > MOST_GUESSES {
            i64::midpoint(low, high)
        } else {
            let share = (above_low as f64 - wanted) / (above_low - above_high) as f64;
            low + ((high - low) as f64 * share) as i64
        };
        let between = between.clamp(low + 1, high - 1);
        // SAFETY: the caller vouches for the instructions of `V`.
        let counted = unsafe { count_greater::<V>(values, length, between as i32) };
        if counted >= k {
            (low, above_low) = (between, counted);
        } else {
            (high, above_high) = (between, counted);
        }
    }
    // What is above `low` reaches the value after it.
    Some((low + 1) as i32)
}

/// How many of the first `length` values are greater than `limit`.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
unsafe fn count_greater<V: Vector>(values: &[i32], length: usize, limit: i32) -> usize {
    // SAFETY: the caller vouches for the instructions of `V`.
    let limit = unsafe { V::splat(limit) };
    let (whole, rest) = (length / BLOCK_ROWS * BLOCK_ROWS, length % BLOCK_ROWS);
    let (blocks, _) = values[..whole].as_chunks();
    let mut count = 0;
    for block in blocks {
        // SAFETY: as above.
        count += unsafe { V::read(block).above(limit) }.count_ones();
    }
    if rest != 0 {
        let block = values[whole..].first_chunk().expect("the values end with a whole block");
        // SAFETY: as above.
        count += (unsafe { V::read(block).above(limit) } & !(u16::MAX << rest)).count_ones();
    }
    count as usize
}

#[cfg(test)]
mod tests {
    use super::super::vector::Scalar;
    use super::*;
    use proptest::prelude::*;

    fn kth(values: &[i32], k: usize) -> Option<i32> {
        let length = values.len();
        // What is behind the values counts for nothing.
        let block = [values, &[i32::MAX; BLOCK_ROWS]].concat();
        // SAFETY: plain Rust.
        unsafe { kth_or_a_little_less::<Scalar>(&block[..length.next_multiple_of(BLOCK_ROWS)], length, k) }
    }

    proptest! {
        #[test]
        fn at_least_k_values_reach_the_limit(values in prop::collection::vec(-1_000_000i32..1_000_000, 1..200), k in 1usize..100) {
            match kth(&values, k) {
                None => prop_assert!(values.len() < k),
                Some(limit) => prop_assert!(values.iter().filter(|v| **v >= limit).count() >= k),
            }
        }

        #[test]
        fn without_ties_few_values_beyond_the_kth_reach_the_limit(seed in any::<u64>(), k in 1usize..60) {
            let mut values: Vec<i32> = (0..96).map(|i| i * 1_000 + (seed >> (i % 32)) as i32 % 500).collect();
            values.push(i32::MIN);
            values.push(i32::MAX);
            let limit = kth(&values, k).unwrap();
            prop_assert!(values.iter().filter(|v| **v >= limit).count() <= k + FEW_MORE);
        }
    }

    #[test]
    fn equal_values_all_reach_the_limit() {
        assert_eq!(kth(&[7; 96], 30), Some(7));
        assert_eq!(kth(&[i32::MIN; 40], 30), Some(i32::MIN));
    }
}
