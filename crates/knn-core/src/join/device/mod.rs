//! The joins with a GPU: it selects, within a bound that is proven, and the processor decides as it does behind its own tile.
//!
//! A device is asked for more rows than are sought. Those that may be near get their exact values, and what was not found is ruled out where
//! the least value that it can have lies beyond the last neighbour. A query for which that does not hold (duplicates, rows far out, ties) is
//! joined by the processor, with the same slab or list. So no bit of a result depends on the device, and where it fails in the middle of a run
//! the processor goes on.

mod judge;
mod lists;
mod slab;

use std::ops::Range;

use self::judge::Judge;
use super::visits::Visits;
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::gpu::{Backend, Batch, BatchSize, Device, Fault, Selector};

/// Rows that are asked for beyond those that are sought, at least: where they are as good as ties, the processor decides.
const LEAST_MARGIN: usize = 16;
/// And this part of those that are sought.
const MARGIN_PART: usize = 4;
/// Pairs of queries and rows of a list, fewer than which are compared sooner than a device is asked: that takes about a tenth of a millisecond.
const FEWEST_PAIRS: usize = 1 << 14;
/// Queries of a batch, and routes of a piece of a join by lists, at least and at most.
const BATCH_QUERIES: Range<u64> = 1 << 10..1 << 16;
const PIECE_ROUTES: Range<u64> = 1 << 18..1 << 22;
/// The parts of what memory is left that more of them take.
const QUERIES_PART: u64 = 16;
const ROUTES_PART: u64 = 32;
/// Bytes of a route, where it leads and sorted by where.
const ROUTE_BYTES: u64 = 8;
/// Bytes for each row of a slab or list while it goes to the device: its length, and which row of the device it is.
pub const ROW_BYTES: u64 = 16;

/// Rows to ask for, where so many are sought.
fn asked(sought: usize) -> usize {
    sought + LEAST_MARGIN.max(sought / MARGIN_PART)
}

/// What a join with a device takes: two batches of pinned memory, one of which is searched while the other is read, and routes.
#[derive(Debug, Clone, Copy)]
pub struct DeviceSize {
    k: usize,
    batch: BatchSize,
    routes: u64,
}

impl DeviceSize {
    /// The least that does for k neighbours.
    pub fn least(k: usize, dim: usize) -> Self {
        // One more, where a query may be found itself.
        let batch = BatchSize { dim, queries: BATCH_QUERIES.start as usize, sought: asked(k + 1) };
        Self { k, batch, routes: PIECE_ROUTES.start }
    }

    /// Larger batches and pieces, which take less than an eighth of so many bytes more.
    #[must_use]
    pub fn with(self, spare: u64) -> Self {
        let queries = self.batch.queries as u64 + spare / QUERIES_PART / self.query_bytes();
        let queries = queries.min(BATCH_QUERIES.end) as usize;
        let routes = (self.routes + spare / ROUTES_PART / ROUTE_BYTES).min(PIECE_ROUTES.end);
        Self { batch: BatchSize { queries, ..self.batch }, routes, ..self }
    }

    /// Bytes of a query: in two batches, and while it is decided.
    fn query_bytes(self) -> u64 {
        2 * BatchSize { queries: 1, ..self.batch }.bytes() + self.k as u64 * 12 + 64
    }

    /// Bytes of a join with slabs: batches, and queries that are left to the processor.
    pub fn slabs_bytes(self) -> u64 {
        let left = slab::LEFT_ROWS as u64 * 2 * (self.batch.dim as u64 * 4 + self.k as u64 * 12);
        self.batch.queries as u64 * self.query_bytes() + left
    }

    /// Bytes of a join with lists: batches, routes, and a list that each thread compares in full where there is no other way.
    pub fn lists_bytes(self, threads: u64, (nlist, longest): (u64, u64)) -> u64 {
        let routes = self.routes * 4 + Visits::bytes(self.routes, nlist);
        let list = longest * (self.batch.dim as u64 * 8 + 8 + ROW_BYTES);
        let compared = threads * Judge::bytes(longest as usize, self.k) as u64;
        self.batch.queries as u64 * self.query_bytes() + routes + list + compared
    }

    /// Rows of a slab that the device holds beside the largest batches.
    pub fn most_rows(self, device: &Device) -> u64 {
        BatchSize { queries: BATCH_QUERIES.end as usize, ..self.batch }.most_rows(device.memory())
    }
}

/// A device at work for a join, or what it failed with.
#[derive(Debug)]
pub struct OnDevice {
    work: Option<Work>,
    or_cpu: bool,
    fault: Option<Fault>,
    fewest_pairs: usize,
    /// Routes of a piece.
    routes: usize,
    /// Queries of each slab or list that the device has settled, and those that were left to the processor.
    settled: u64,
    left: u64,
}

/// What is held of a device.
#[derive(Debug)]
struct Work {
    // In this order they are given back: what is on its way into a batch is waited for first.
    selector: Selector,
    batches: [Batch; 2],
    loaded: Option<Loaded>,
}

/// The rows on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loaded {
    /// Of this filling of a slab.
    Slab(u64),
    /// Of a list.
    List(u32),
}

/// Why a device does not go on.
enum Stop {
    /// It failed.
    Fault(Fault),
    /// Something else did.
    Error(Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl OnDevice {
    /// Takes what a join takes on the device that a plan chose; none where it chose the processor.
    pub fn begin(backend: &Backend, metric: Metric, size: DeviceSize) -> Result<Option<Self>> {
        let Backend::Cuda { device, or_cpu } = backend else { return Ok(None) };
        let (fewest_pairs, routes, or_cpu) = (FEWEST_PAIRS, size.routes as usize, *or_cpu);
        let mut begun = Self { work: None, or_cpu, fault: None, fewest_pairs, routes, settled: 0, left: 0 };
        match Work::begin(device, metric, size.batch) {
            Ok(work) => begun.work = Some(work),
            Err(fault) => begun.fail(fault)?,
        }
        Ok(Some(begun))
    }

    /// Asks the device however little there is to compare, and of few queries at a time.
    #[cfg(test)]
    pub(super) fn asking_always(mut self) -> Self {
        (self.fewest_pairs, self.routes) = (0, 4000);
        self
    }

    /// What the device failed with, in a sentence, if the processor had to go on without it.
    pub fn failure(&self) -> Option<String> {
        let fault = self.fault.as_ref()?;
        Some(format!(
            "the GPU failed in {} ({}): the processor went on, and the results are the same",
            fault.call, fault.text
        ))
    }

    /// How many queries the device has settled, each with one slab or list, and how many were left to the processor.
    pub fn shares(&self) -> (u64, u64) {
        (self.settled, self.left)
    }

    /// Gives the device back. An error where nothing else may compute.
    fn fail(&mut self, fault: Fault) -> Result<()> {
        self.work = None;
        if self.or_cpu {
            self.fault.get_or_insert(fault);
            return Ok(());
        }
        Err(Error::Backend {
            backend: "cuda".into(),
            reason: format!("{} failed: {}", fault.call, fault.text),
            remedy: "what was committed is kept: run again with resume, with backend \"auto\" to go on on the CPU"
                .into(),
        })
    }

    /// Goes on without the device where it is that which failed.
    fn stop(&mut self, stop: Stop) -> Result<()> {
        match stop {
            Stop::Fault(fault) => self.fail(fault),
            Stop::Error(error) => Err(error),
        }
    }
}

impl Work {
    fn begin(device: &Device, metric: Metric, size: BatchSize) -> std::result::Result<Self, Fault> {
        let selector = Selector::new(device, metric, size)?;
        let batches = [selector.batch()?, selector.batch()?];
        Ok(Self { selector, batches, loaded: None })
    }

    /// Has these rows on the device. False where they are not fit for one.
    fn load(&mut self, what: Loaded, rows: &[f32]) -> std::result::Result<bool, Fault> {
        if self.loaded != Some(what) {
            self.loaded = None;
            if !self.selector.load(rows, &mut self.batches)? {
                return Ok(false);
            }
            self.loaded = Some(what);
        }
        Ok(true)
    }
}

/// What a device tells that cannot be: its results are of no use.
fn unsound() -> Fault {
    Fault { call: "cuvsBruteForceSearch", text: "what it found cannot be, or is less exact than f32".into() }
}
