//! What a join with devices takes of memory, and how much is asked of them at a time.

use std::ops::Range;

use super::judge::Judge;
use super::slab;
use crate::gpu::{BatchSize, Device};
use crate::join::visits::Visits;

/// Rows that are asked for beyond those that are sought, at least: where they are as good as ties, the processor decides.
const LEAST_MARGIN: usize = 16;
/// And this part of those that are sought.
const MARGIN_PART: usize = 4;
/// Queries of a batch, and routes of a piece of a join by lists, at least and at most.
pub(super) const BATCH_QUERIES: Range<u64> = 1 << 10..1 << 16;
const PIECE_ROUTES: Range<u64> = 1 << 18..1 << 22;
/// The parts of what memory is left that more of them take.
const QUERIES_PART: u64 = 16;
const ROUTES_PART: u64 = 32;
/// Bytes of a route: where it leads, sorted by where, and of the lists at hand once more.
const ROUTE_BYTES: u64 = 12;
/// Bytes for each row of a slab or list while it goes to a device: its length; and for each device which row of it it is.
const LENGTH_BYTES: u64 = 12;
const KEPT_BYTES: u64 = 4;

/// Rows to ask for, where so many are sought.
fn asked(sought: usize) -> usize {
    sought + LEAST_MARGIN.max(sought / MARGIN_PART)
}

/// What a join with devices takes: two batches of pinned memory for each, one of which is searched while the other is read, and routes.
#[derive(Debug, Clone, Copy)]
pub struct DeviceSize {
    k: usize,
    pub(super) batch: BatchSize,
    pub(super) routes: u64,
    pub(super) devices: u64,
}

impl DeviceSize {
    /// The least that does for k neighbours with so many devices.
    pub fn least(k: usize, dim: usize, devices: usize) -> Self {
        // One more, where a query may be found itself.
        let batch = BatchSize { dim, queries: BATCH_QUERIES.start as usize, sought: asked(k + 1) };
        Self { k, batch, routes: PIECE_ROUTES.start, devices: devices as u64 }
    }

    /// Larger batches and pieces, which take less than an eighth of so many bytes more.
    #[must_use]
    pub fn with(self, spare: u64) -> Self {
        let queries = self.batch.queries as u64 + spare / QUERIES_PART / self.query_bytes();
        let queries = queries.min(BATCH_QUERIES.end) as usize;
        let routes = (self.routes + spare / ROUTES_PART / ROUTE_BYTES).min(PIECE_ROUTES.end);
        Self { batch: BatchSize { queries, ..self.batch }, routes, ..self }
    }

    /// Bytes of a query of each device: in two batches, and while it is decided.
    fn query_bytes(self) -> u64 {
        self.devices * (2 * BatchSize { queries: 1, ..self.batch }.bytes() + self.k as u64 * 12 + 72)
    }

    /// Bytes for each row of a slab or list that goes to the devices, beside the row.
    pub fn row_bytes(self) -> u64 {
        LENGTH_BYTES + self.devices * KEPT_BYTES
    }

    /// Bytes of a join with slabs: batches, and queries that are left to the processor.
    pub fn slabs_bytes(self) -> u64 {
        let left = slab::LEFT_ROWS as u64 * 2 * (self.batch.dim as u64 * 4 + self.k as u64 * 12);
        self.batch.queries as u64 * self.query_bytes() + left
    }

    /// Bytes of a join with lists: batches, routes, a list for each device and the one that is decided, and one that each thread compares in full
    /// where there is no other way.
    pub fn lists_bytes(self, threads: u64, (nlist, longest): (u64, u64)) -> u64 {
        let routes = self.routes * 8 + Visits::bytes(self.routes, nlist);
        let list = longest * (self.batch.dim as u64 * 8 + 8);
        let lists = (self.devices + 1) * list + longest * self.row_bytes();
        let compared = threads * Judge::bytes(longest as usize, self.k) as u64;
        self.batch.queries as u64 * self.query_bytes() + routes + lists + compared
    }

    /// Rows of a slab that each of the devices holds beside the largest batches.
    pub fn most_rows(self, devices: &[Device]) -> u64 {
        let memory = devices.iter().map(Device::memory).min().unwrap_or(0);
        BatchSize { queries: BATCH_QUERIES.end as usize, ..self.batch }.most_rows(memory)
    }
}
