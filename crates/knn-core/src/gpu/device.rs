//! The devices that answer, if any does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::absent::Absent;
use super::driver::{Context, Driver};
use super::library::{Cuvs, Fault};
use super::places::Search;
use super::resources::{DeviceBuffer, Resources};
use crate::budget::format_bytes;

/// With less memory than this a device is not worth the while, bytes.
const LEAST_MEMORY: u64 = 256 << 20;
/// More is not asked for, bytes.
const MOST_MEMORY: u64 = 1 << 38;
/// What a device must be able to give, before it is asked anything else.
const ANSWER: usize = 256;

/// Set to anything but 0 it makes CUDA compute products of f32 with fewer digits than [`Bound`](super::Bound) allows.
pub(super) const COARSE_VARIABLE: &str = "NVIDIA_TF32_OVERRIDE";

/// A GPU that cuVS computes on.
#[derive(Debug, Clone)]
pub struct Device {
    pub(super) cuvs: Arc<Cuvs>,
    /// What must be current for the thread that calls cuVS; none where the driver was not asked, and CUDA takes its first device.
    pub(super) context: Option<Arc<Context>>,
    id: i32,
    name: Option<String>,
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

    /// What its maker calls it, where the driver was asked.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Bytes of its memory that may be used.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Number, name and memory, in words.
    pub fn in_words(&self) -> String {
        let name = self.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        format!("{}{name} with {} of free memory", self.id, format_bytes(self.memory))
    }
}

/// Looks for the library and for devices that answer, at least one, or says what is missing.
pub fn probe(search: &Search) -> Result<Vec<Device>, Absent> {
    if !cfg!(target_os = "linux") {
        return Err(Absent::Platform);
    }
    if std::env::var_os(COARSE_VARIABLE).is_some_and(|value| !value.is_empty() && value != "0") {
        return Err(Absent::Coarse);
    }
    let cuvs = Cuvs::find(search)?;
    let driver = search.driver.as_deref().and_then(Driver::find);
    if let Some(found) = driver.and_then(|driver| all(&cuvs, &driver, search.memory)) {
        return found;
    }
    let (id, memory) = first(&cuvs, search.memory).map_err(|fault| no_device(&cuvs, &fault))?;
    let device = Device { cuvs, context: None, id, name: None, memory };
    with_memory(vec![device])
}

/// The devices that the driver knows, each in its context; none where that tells nothing, or cuVS does not work in the context that is current.
fn all(cuvs: &Arc<Cuvs>, driver: &Arc<Driver>, memory: Option<u64>) -> Option<Result<Vec<Device>, Absent>> {
    let count = driver.devices().ok().filter(|count| *count > 0)?;
    let one = |number: i32| {
        let context = Context::hold(driver, number)?;
        context.make_current()?;
        let id = answer(cuvs)?.device_id()?;
        let memory = memory.map_or_else(|| context.free_memory(), Ok)?;
        Ok(Device { cuvs: Arc::clone(cuvs), name: Some(context.name()?), context: Some(Arc::new(context)), id, memory })
    };
    // By a thread of its own: what is current for the caller stays so.
    let look = || (0..count).map(one).collect::<Vec<Result<Device, Fault>>>();
    let found = std::thread::scope(|scope| std::thread::Builder::new().spawn_scoped(scope, look).ok()?.join().ok())?;
    let is_itself = |(number, device): (i32, &Result<Device, Fault>)| {
        device.as_ref().map_or(true, |device: &Device| device.id == number)
    };
    if !(0..).zip(&found).all(is_itself) {
        return None;
    }
    let fault = found.iter().find_map(|device| device.as_ref().err().cloned());
    let devices: Vec<Device> = found.into_iter().flatten().collect();
    match fault.filter(|_| devices.is_empty()) {
        Some(fault) => Some(Err(no_device(cuvs, &fault))),
        None => Some(with_memory(devices)),
    }
}

/// The device that CUDA takes of its own accord: its number, and what memory may be used.
fn first(cuvs: &Arc<Cuvs>, memory: Option<u64>) -> Result<(i32, u64), Fault> {
    let resources = answer(cuvs)?;
    let id = resources.device_id()?;
    Ok((id, memory.unwrap_or_else(|| most_memory(&resources))))
}

/// A handle of a device that gives memory: without a driver everything before that succeeds.
fn answer(cuvs: &Arc<Cuvs>) -> Result<Arc<Resources>, Fault> {
    let resources = Arc::new(Resources::new(cuvs)?);
    drop(DeviceBuffer::new(&resources, ANSWER)?);
    Ok(resources)
}

/// Those of the devices whose memory is worth the while.
fn with_memory(mut devices: Vec<Device>) -> Result<Vec<Device>, Absent> {
    let found = devices.iter().map(Device::memory).max().unwrap_or(0);
    devices.retain(|device| device.memory >= LEAST_MEMORY);
    if devices.is_empty() { Err(Absent::Memory { found, least: LEAST_MEMORY }) } else { Ok(devices) }
}

/// The most memory that can be taken at once, to the nearest of two steps a power of two, bytes: cuVS has no function that tells how much there is.
fn most_memory(resources: &Arc<Resources>) -> u64 {
    let halves = std::iter::successors(Some(MOST_MEMORY), |bytes| Some(bytes / 2));
    let mut steps = halves.flat_map(|bytes| [bytes, bytes / 4 * 3]).take_while(|bytes| *bytes >= LEAST_MEMORY / 4);
    let gives = |bytes: u64| usize::try_from(bytes).is_ok_and(|bytes| DeviceBuffer::new(resources, bytes).is_ok());
    steps.find(|&bytes| gives(bytes)).unwrap_or(0)
}

fn no_device(cuvs: &Cuvs, fault: &Fault) -> Absent {
    let library: PathBuf = cuvs.path.clone();
    Absent::NoDevice { library, version: cuvs.version(), reason: fault.text.clone() }
}
