//! The device that answers, if one does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::abi;
use super::absent::Absent;
use super::library::{Cuvs, Fault};
use super::places::Search;

/// With less memory than this a device is not worth the while, bytes.
const LEAST_MEMORY: u64 = 256 << 20;
/// More is not asked for, bytes.
const MOST_MEMORY: u64 = 1 << 38;
/// What a device must be able to give, before it is asked anything else.
const ANSWER: usize = 256;

/// A GPU that cuVS computes on.
#[derive(Debug, Clone)]
pub struct Device {
    pub(super) cuvs: Arc<Cuvs>,
    id: i32,
    memory: u64,
}

impl Device {
    /// The library's file, or its name where the system's loader found it.
    pub fn library(&self) -> &Path {
        &self.cuvs.path
    }

    /// The library's version, as `26.10.0`.
    pub fn version(&self) -> String {
        self.cuvs.version()
    }

    /// The device's number, as CUDA counts those that are visible.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Bytes of its memory that may be used.
    pub fn memory(&self) -> u64 {
        self.memory
    }
}

/// Looks for the library and for a device that answers, or says what is missing.
pub fn probe(search: &Search) -> Result<Device, Absent> {
    if !cfg!(target_os = "linux") {
        return Err(Absent::Platform);
    }
    let cuvs = Cuvs::find(search)?;
    let resources = Resources::new(&cuvs).map_err(|fault| no_device(&cuvs, &fault))?;
    // Without a driver everything before this call succeeds.
    resources.gives(ANSWER).map_err(|fault| no_device(&cuvs, &fault))?;
    let id = resources.device_id().map_err(|fault| no_device(&cuvs, &fault))?;
    let memory = search.memory.unwrap_or_else(|| resources.most_memory());
    if memory < LEAST_MEMORY {
        return Err(Absent::Memory { found: memory, least: LEAST_MEMORY });
    }
    drop(resources);
    Ok(Device { cuvs, id, memory })
}

fn no_device(cuvs: &Cuvs, fault: &Fault) -> Absent {
    let library: PathBuf = cuvs.path.clone();
    Absent::NoDevice { library, version: cuvs.version(), reason: fault.text.clone() }
}

/// A handle of cuVS: a stream of its own, and what its functions keep for the next call.
#[derive(Debug)]
pub(super) struct Resources {
    pub(super) cuvs: Arc<Cuvs>,
    pub(super) handle: abi::Resources,
}

impl Resources {
    pub(super) fn new(cuvs: &Arc<Cuvs>) -> Result<Self, Fault> {
        let mut handle = 0;
        // SAFETY: the function writes the handle to the place that it is given.
        let returned = unsafe { (cuvs.table.resources_create)(&raw mut handle) };
        cuvs.check("cuvsResourcesCreate", returned)?;
        Ok(Self { cuvs: Arc::clone(cuvs), handle })
    }

    /// Whether the device has so many bytes to give.
    fn gives(&self, bytes: usize) -> Result<(), Fault> {
        let mut place = std::ptr::null_mut();
        let table = &self.cuvs.table;
        // SAFETY: the handle is that of `resources_create` until it is dropped, and the place is ours.
        let returned = unsafe { (table.alloc)(self.handle, &raw mut place, bytes) };
        self.cuvs.check("cuvsRMMAlloc", returned)?;
        // SAFETY: it is what was just taken, and as many bytes.
        let returned = unsafe { (table.free)(self.handle, place, bytes) };
        self.cuvs.check("cuvsRMMFree", returned)
    }

    fn device_id(&self) -> Result<i32, Fault> {
        let mut id = -1;
        // SAFETY: the handle is good, and the place is ours.
        let returned = unsafe { (self.cuvs.table.device_id)(self.handle, &raw mut id) };
        self.cuvs.check("cuvsDeviceIdGet", returned)?;
        if id >= 0 { Ok(id) } else { Err(Fault { call: "cuvsDeviceIdGet", text: "no device".into() }) }
    }

    /// The most memory that can be taken at once, to the nearest of two steps a power of two, bytes: no function tells how much there is.
    fn most_memory(&self) -> u64 {
        let halves = std::iter::successors(Some(MOST_MEMORY), |bytes| Some(bytes / 2));
        let steps = halves.flat_map(|bytes| [bytes, bytes / 4 * 3]).take_while(|bytes| *bytes >= LEAST_MEMORY / 4);
        let mut steps = steps.filter(|bytes| usize::try_from(*bytes).is_ok());
        steps.find(|&bytes| self.gives(bytes as usize).is_ok()).unwrap_or(0)
    }
}

impl Drop for Resources {
    fn drop(&mut self) {
        // SAFETY: the handle is dropped once, and whatever was taken with it is given back before.
        unsafe { (self.cuvs.table.resources_destroy)(self.handle) };
    }
}
