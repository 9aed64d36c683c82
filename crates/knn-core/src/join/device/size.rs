//! What a join with devices takes of memory, and how much is asked of them at a time.

use std::ops::Range;

use super::judge::Judge;
use super::relay::DEPTH;
use crate::gpu::{BatchSize, Device, Selector};

/// Rows that are asked for beyond those that are sought, at least: where they are as good as ties, the processor decides.
const LEAST_MARGIN: usize = 16;
/// And this part of those that are sought.
const MARGIN_PART: usize = 4;
/// Queries of a batch, and routes of a piece of a join by lists, at least and at most.
pub(super) const BATCH_QUERIES: Range<u64> = 1 << 10..1 << 16;
const PIECE_ROUTES: Range<u64> = 1 << 18..1 << 24;
/// Rows of a group of a join by lists, at least and at most.
const GROUP_ROWS: Range<u64> = 1 << 12..1 << 17;
/// Queries that are left to the processor are copied so many at a time.
pub(super) const LEFT_ROWS: usize = 4096;
/// The parts of what memory is left that more of them take.
const QUERIES_PART: u64 = 16;
const ROUTES_PART: u64 = 32;
const GROUPS_PART: u64 = 16;
/// Bytes of a route: where it leads.
const ROUTE_BYTES: u64 = 4;
/// Bytes of a list: the last group that has it.
const SEEN_BYTES: u64 = 8;
/// Bytes of a row of a group beside its values: its number and its list.
const NUMBER_BYTES: u64 = 12;
/// Bytes for each row of a slab or list while it goes to a device: its length; and for each device which row of it it is.
const LENGTH_BYTES: u64 = 12;
const KEPT_BYTES: u64 = 4;

/// Rows to ask for, where so many are sought.
fn asked(sought: usize) -> usize {
    sought + LEAST_MARGIN.max(sought / MARGIN_PART)
}

/// What a join with devices takes: batches of pinned memory for each, some of which are searched while another is read, routes, and rows of groups.
#[derive(Debug, Clone, Copy)]
pub struct DeviceSize {
    k: usize,
    pub(super) batch: BatchSize,
    pub(super) routes: u64,
    pub(super) group_rows: u64,
    pub(super) devices: u64,
}

impl DeviceSize {
    /// The least that does for k neighbours with so many devices.
    pub fn least(k: usize, dim: usize, devices: usize) -> Self {
        // One more, where a query may be found itself.
        let batch = BatchSize { dim, queries: BATCH_QUERIES.start as usize, sought: asked(k + 1) };
        Self { k, batch, routes: PIECE_ROUTES.start, group_rows: GROUP_ROWS.start, devices: devices as u64 }
    }

    /// Larger batches, pieces and groups, which take less than a quarter of so many bytes more.
    #[must_use]
    pub fn with(self, spare: u64) -> Self {
        let queries = self.batch.queries as u64 + spare / QUERIES_PART / self.query_bytes();
        let queries = queries.min(BATCH_QUERIES.end) as usize;
        let routes = (self.routes + spare / ROUTES_PART / ROUTE_BYTES).min(PIECE_ROUTES.end);
        let group_rows = (self.group_rows + spare / GROUPS_PART / self.group_row_bytes()).min(GROUP_ROWS.end);
        Self { batch: BatchSize { queries, ..self.batch }, routes, group_rows, ..self }
    }

    /// Bytes of a row of groups: of those that each device has been asked for, and one that is decided; and while one goes there.
    fn group_row_bytes(self) -> u64 {
        (self.devices * DEPTH as u64 + 1) * (self.batch.dim as u64 * 4 + NUMBER_BYTES) + self.row_bytes()
    }

    /// Bytes of a query of each device: in its batches, and while it is decided.
    fn query_bytes(self) -> u64 {
        self.devices
            * (Selector::BATCHES as u64 * BatchSize { queries: 1, ..self.batch }.bytes() + self.k as u64 * 12 + 72)
    }

    /// Bytes for each row of a slab or list that goes to the devices, beside the row.
    pub fn row_bytes(self) -> u64 {
        LENGTH_BYTES + self.devices * KEPT_BYTES
    }

    /// Bytes of a join with slabs: batches, and queries that are left to the processor.
    pub fn slabs_bytes(self) -> u64 {
        self.batch.queries as u64 * self.query_bytes() + self.left_bytes()
    }

    /// Bytes of queries that are left to the processor.
    fn left_bytes(self) -> u64 {
        LEFT_ROWS as u64 * 2 * (self.batch.dim as u64 * 4 + self.k as u64 * 12)
    }

    /// Bytes of a join with lists: batches, routes, rows of groups, a list for each thread while they are read, and queries that are left to the
    /// processor.
    pub fn lists_bytes(self, threads: u64, (nlist, longest): (u64, u64)) -> u64 {
        let routes = self.routes * ROUTE_BYTES + nlist * SEEN_BYTES;
        let groups = self.group_rows * self.group_row_bytes();
        let read = threads * longest * (self.batch.dim as u64 * 8 + 8);
        let decided = threads * Judge::bytes(self.batch.sought, self.k) as u64;
        self.batch.queries as u64 * self.query_bytes() + routes + groups + read + decided + self.left_bytes()
    }

    /// Rows of a slab that each of the devices holds beside the largest batches.
    pub fn most_rows(self, devices: &[Device]) -> u64 {
        let memory = devices.iter().map(Device::memory).min().unwrap_or(0);
        BatchSize { queries: BATCH_QUERIES.end as usize, ..self.batch }.most_rows(memory)
    }
}
