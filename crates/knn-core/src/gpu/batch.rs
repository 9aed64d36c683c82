//! Queries and what is found for them, in pinned memory: a device writes it, and the processor reads it while the device has another one.

use rayon::prelude::*;

use super::bound::LONGEST;
use super::centre;
use super::library::Fault;
use super::resources::{PinnedBuffer, Resources};

/// Of the memory of a device, the part that is for rows and batches: cuVS takes some for itself.
const SHARE: u64 = 2;

/// Queries that a thread centres at a time, at least.
const FILLED: usize = 256;

/// How much is asked of a device at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// Columns of a row.
    pub dim: usize,
    /// Queries of a batch at most.
    pub queries: usize,
    /// Rows that are sought for each.
    pub sought: usize,
}

impl BatchSize {
    /// Bytes of pinned memory that a batch takes.
    pub fn bytes(self) -> u64 {
        self.queries as u64 * (self.dim as u64 * 4 + self.sought as u64 * 12 + 8)
    }

    /// Rows that a device of this memory holds beside a batch, at least one.
    pub fn most_rows(self, memory: u64) -> u64 {
        // Beside a row its norm.
        ((memory / SHARE).saturating_sub(self.bytes()) / (self.dim as u64 * 4 + 4)).clamp(1, u64::from(u32::MAX))
    }
}

/// Queries, and what was found for them.
#[derive(Debug)]
pub struct Batch {
    size: BatchSize,
    /// Queries; or rows on their way to the device.
    pub(super) rows: PinnedBuffer<f32>,
    pub(super) found: PinnedBuffer<i64>,
    pub(super) values: PinnedBuffer<f32>,
    /// Length of each query, as the device has it; NaN where a coordinate is not finite, infinite where it is too long.
    norms: Vec<f64>,
    /// Rows that are found for each.
    pub(super) width: usize,
}

impl Batch {
    /// Takes the memory.
    pub(super) fn new(resources: &Resources, size: BatchSize) -> Result<Self, Fault> {
        let BatchSize { dim, queries, sought } = size;
        Ok(Self {
            size,
            rows: PinnedBuffer::new(resources, queries * dim)?,
            found: PinnedBuffer::new(resources, queries * sought)?,
            values: PinnedBuffer::new(resources, queries * sought)?,
            norms: Vec::with_capacity(queries),
            width: 0,
        })
    }

    /// Takes queries, less the centre, for each of which so many rows are to be found.
    pub(super) fn fill<'q>(
        &mut self,
        count: usize,
        query: impl Fn(usize) -> &'q [f32] + Sync,
        middle: &[f32],
        width: usize,
    ) {
        self.norms.resize(count, 0.0);
        self.width = width;
        let places = self.rows.get_mut().par_chunks_exact_mut(self.size.dim).zip(&mut self.norms).enumerate();
        places.with_min_len(FILLED).for_each(|(at, (place, norm))| {
            let query = query(at);
            let length = centre::length(query, middle);
            let fits = length <= LONGEST;
            if fits {
                centre::less(query, middle, place);
            } else {
                place.fill(0.0);
            }
            *norm = if fits || length.is_nan() { length } else { f64::INFINITY };
        });
    }

    /// Queries at hand.
    pub fn queries(&self) -> usize {
        self.norms.len()
    }

    /// What was found for one of them.
    pub fn of(&self, query: usize) -> Told<'_> {
        let slots = query * self.width..(query + 1) * self.width;
        Told { rows: &self.found.get()[slots.clone()], values: &self.values.get()[slots], norm: self.norms[query] }
    }
}

/// What a device found for a query.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    pub(super) rows: &'a [i64],
    pub(super) values: &'a [f32],
    /// The query's length, as the device has it; NaN where a coordinate is not finite, infinite where it is too long.
    pub norm: f64,
}
