//! The device that answers, if one does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::absent::Absent;
use super::library::{Cuvs, Fault};
use super::places::Search;
use super::resources::{DeviceBuffer, Resources};

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
    if std::env::var_os(COARSE_VARIABLE).is_some_and(|value| !value.is_empty() && value != "0") {
        return Err(Absent::Coarse);
    }
    let cuvs = Cuvs::find(search)?;
    let answer = || {
        let resources = Arc::new(Resources::new(&cuvs)?);
        // Without a driver everything before this call succeeds.
        drop(DeviceBuffer::new(&resources, ANSWER)?);
        let id = resources.device_id()?;
        Ok((resources, id))
    };
    let (resources, id) = answer().map_err(|fault| no_device(&cuvs, &fault))?;
    let memory = search.memory.unwrap_or_else(|| most_memory(&resources));
    if memory < LEAST_MEMORY {
        return Err(Absent::Memory { found: memory, least: LEAST_MEMORY });
    }
    Ok(Device { cuvs, id, memory })
}

/// The most memory that can be taken at once, to the nearest of two steps a power of two, bytes: no function tells how much there is.
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
