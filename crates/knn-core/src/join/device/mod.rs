//! The joins with GPUs: they select, within a bound that is proven, and the processor decides as it does behind its own tile.
//!
//! A device is asked for more rows than are sought. Those that may be near get their exact values, and what was not found is ruled out where
//! the least value that it can have lies beyond the last neighbour. A query for which that does not hold (duplicates, rows far out, ties) is
//! joined by the processor, with the same slab or list. So no bit of a result depends on the device, and where it fails in the middle of a run
//! the processor goes on.

mod groups;
mod judge;
mod lists;
mod relay;
mod size;
mod slab;
mod work;
#[cfg(all(test, target_os = "linux"))]
mod tests;

pub use self::size::DeviceSize;
pub use self::work::DeviceWork;

use self::groups::{Extent, MOST_QUERIES, Spare};
use self::size::BATCH_QUERIES;
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::gpu::{Backend, Fault, Selector};

/// Pairs of queries and rows of a group, fewer than which are compared sooner than a device is asked.
const FEWEST_PAIRS: usize = 1 << 14;
/// Pieces of a block for each device: what is decided when no device has anything left to do is a small part.
const BLOCK_PIECES: usize = 4;

/// Devices at work for a join, and what those failed with that are no longer.
#[derive(Debug)]
pub struct OnDevice {
    /// None in the place of a device that failed.
    desks: Vec<Option<Desk>>,
    or_cpu: bool,
    /// Devices that failed, in words, with what.
    lost: Vec<(String, Fault)>,
    /// Routes of a piece, and how large groups are.
    routes: usize,
    group: Extent,
    /// Room for rows of groups.
    spare: Spare,
    /// What was done and nobody has asked for.
    work: DeviceWork,
}

/// A device at work.
#[derive(Debug)]
struct Desk {
    selector: Selector,
    /// The filling of a slab that it was given last, and whether that is on the device; none where it has something else.
    loaded: Option<(u64, bool)>,
    /// How it is called when it fails.
    name: String,
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
    /// Takes what a join takes on the devices that a plan chose, as many as it has memory for; none where it chose the processor.
    pub fn begin(backend: &Backend, metric: Metric, size: DeviceSize) -> Result<Option<Self>> {
        let Backend::Cuda { devices, or_cpu } = backend else { return Ok(None) };
        let mut begun = Self {
            desks: Vec::with_capacity(devices.len()),
            or_cpu: *or_cpu,
            lost: Vec::new(),
            routes: size.routes as usize,
            group: Extent { rows: size.group_rows as usize, queries: MOST_QUERIES, fewest_pairs: FEWEST_PAIRS },
            spare: Spare::default(),
            work: DeviceWork::default(),
        };
        for device in devices.iter().take(size.devices as usize) {
            let name = if devices.len() == 1 { "the GPU".into() } else { format!("the GPU {}", device.id()) };
            match Selector::new(device, metric, size.batch) {
                Ok(selector) => begun.desks.push(Some(Desk { selector, loaded: None, name })),
                Err(fault) => begun.lost.push((name, fault)),
            }
        }
        if let Some((_, fault)) = begun.lost.last().filter(|_| begun.desks.is_empty()).cloned() {
            begun.end(&fault)?;
        }
        Ok(Some(begun))
    }

    /// Asks devices however little there is to compare, and of few queries and rows at a time.
    #[cfg(test)]
    pub(super) fn asking_always(mut self) -> Self {
        (self.routes, self.group) = (4000, Extent { rows: 1500, queries: 200, fewest_pairs: 0 });
        self
    }

    /// What devices failed with, in a sentence, if the others or the processor had to go on without them.
    pub fn failure(&self) -> Option<String> {
        let failed = |(name, fault): &(String, Fault)| format!("{name} failed in {} ({})", fault.call, fault.text);
        let failed: Vec<String> = self.lost.iter().map(failed).collect();
        let others = if self.has_device() { "what else there is of GPUs" } else { "the processor" };
        (!failed.is_empty()).then(|| format!("{}: {others} went on, and the results are the same", failed.join("; ")))
    }

    /// What devices did since this was asked last.
    pub fn take_work(&mut self) -> DeviceWork {
        for desk in self.desks.iter().flatten() {
            self.work.spent += desk.selector.take_spent();
        }
        std::mem::take(&mut self.work)
    }

    fn has_device(&self) -> bool {
        self.desks.iter().any(Option::is_some)
    }

    /// Rows that each of the devices holds.
    fn most_rows(&self) -> usize {
        self.desks.iter().flatten().map(|desk| desk.selector.most_rows()).min().unwrap_or(0)
    }

    /// Queries that a device is asked for at a time, of so many.
    fn batch_queries(&self, queries: usize) -> usize {
        let (at_work, least) = (self.desks.iter().flatten(), BATCH_QUERIES.start as usize);
        let most = at_work.clone().map(|desk| desk.selector.size().queries).min().unwrap_or(least);
        queries.div_ceil(at_work.count().max(1) * BLOCK_PIECES).clamp(least, most)
    }

    /// Gives a device back that failed.
    fn lose(&mut self, number: usize, fault: Fault) {
        if let Some(desk) = self.desks[number].take() {
            self.work.spent += desk.selector.take_spent();
            self.lost.push((desk.name, fault));
        }
    }

    /// Goes on without devices where it is they that failed. An error where nothing else may compute.
    fn stop(&mut self, stop: Stop) -> Result<()> {
        match stop {
            Stop::Fault(fault) => self.end(&fault),
            Stop::Error(error) => Err(error),
        }
    }

    fn end(&mut self, fault: &Fault) -> Result<()> {
        self.desks.clear();
        if self.or_cpu {
            return Ok(());
        }
        Err(Error::Backend {
            backend: "cuda".into(),
            reason: format!("{} failed: {}", fault.call, fault.text),
            remedy: "what was committed is kept: run again with resume, with backend \"auto\" to go on on the CPU"
                .into(),
        })
    }
}

impl Desk {
    /// Has this filling of a slab on the device, or on its way there. False where it is not fit for one.
    fn load_slab(&mut self, filling: u64, rows: &[f32]) -> std::result::Result<bool, Fault> {
        match self.loaded {
            Some((loaded, is_there)) if loaded == filling => Ok(is_there),
            _ => {
                let is_there = self.load_group(rows)?;
                self.loaded = Some((filling, is_there));
                Ok(is_there)
            }
        }
    }

    /// Has the rows of a group on their way there, in the place of what it had.
    fn load_group(&mut self, rows: &[f32]) -> std::result::Result<bool, Fault> {
        self.loaded = None;
        self.selector.load(rows)
    }
}

/// What a device tells that cannot be: its results are of no use.
fn unsound() -> Fault {
    Fault { call: "cuvsBruteForceSearch", text: "what it found cannot be, or is less exact than f32".into() }
}
