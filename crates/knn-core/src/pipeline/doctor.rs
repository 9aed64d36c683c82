//! What this machine offers.

use serde::{Deserialize, Serialize};

use super::backend;
use crate::budget;
use crate::distance::{DistanceTile, Lane};
use crate::gpu::Device;

/// CPU, memory and back ends as a run would find them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Doctor {
    /// Version of gigamapper's core.
    pub version: String,
    /// The processor.
    pub cpu: Cpu,
    /// Cores that a run takes by default.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: u64,
    /// Memory, bytes.
    pub memory: MachineMemory,
    /// Back ends and whether they can be used.
    pub backends: Vec<BackendState>,
}

/// The processor, and what the distance tile uses of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Cpu {
    /// `x86_64`, `aarch64`, …
    pub arch: String,
    /// The maker's name for it, where the system tells.
    pub model: String,
    /// Instruction sets that matter here and are present.
    pub features: Vec<String>,
    /// Lane of the distance tile: `avx512-vnni`, `avx2`, `neon`, `simd128` or `scalar`.
    pub tile: String,
}

/// Memory of the machine, bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MachineMemory {
    /// What this process may use at most.
    #[cfg_attr(test, ts(type = "number"))]
    pub machine: u64,
    /// Limit of its cgroup, where there is one.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub cgroup: Option<u64>,
    /// Budget of a run that names none.
    #[cfg_attr(test, ts(type = "number"))]
    pub default: u64,
}

/// A back end and why it cannot be used, if it cannot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BackendState {
    /// `cpu` or `cuda`.
    pub name: String,
    /// Whether a run can use it.
    pub available: bool,
    /// Why not, or how it can be used alone.
    pub reason: Option<String>,
    /// What would change that.
    pub remedy: Option<String>,
    /// The devices, by number, name and memory, and the library that drives them, where there are any.
    pub device: Option<String>,
}

/// Looks at the machine.
pub fn doctor() -> Doctor {
    Doctor {
        version: env!("CARGO_PKG_VERSION").into(),
        cpu: Cpu {
            arch: std::env::consts::ARCH.into(),
            model: model(),
            features: features(),
            tile: Lane::best().name().into(),
        },
        threads: std::thread::available_parallelism().map_or(1, usize::from) as u64,
        memory: MachineMemory {
            machine: budget::machine_memory(),
            cgroup: budget::cgroup_limit(),
            default: budget::default_limit(),
        },
        backends: vec![cpu(), cuda()],
    }
}

fn cpu() -> BackendState {
    BackendState { name: "cpu".into(), available: true, reason: None, remedy: None, device: None }
}

/// As `auto` finds it; or where that finds no library, as `cuda` does, which asks other programs too.
fn cuda() -> BackendState {
    let state = |available, device, told: Option<(String, String)>| {
        let (reason, remedy) = told.unzip();
        BackendState { name: "cuda".into(), available, reason, remedy, device }
    };
    let quick = backend::look(false);
    let is_absent = quick.as_ref().is_err_and(|missing| !missing.is_meant);
    match if is_absent { backend::look(true) } else { quick } {
        Ok((devices, told)) => {
            let library = devices.first().map(Device::library).filter(|_| is_absent);
            state(true, Some(told), library.map(backend::hidden))
        }
        Err(missing) => state(false, None, Some((missing.reason, missing.remedy))),
    }
}

fn model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.and_then(|line| line.split_once(':')).map_or_else(|| "unknown".into(), |(_, name)| name.trim().to_owned())
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<String> {
    let known = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
    ];
    known.into_iter().filter(|(_, present)| *present).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<String> {
    std::arch::is_aarch64_feature_detected!("neon").then(|| "neon".to_owned()).into_iter().collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<String> {
    cfg!(target_feature = "simd128").then(|| "simd128".to_owned()).into_iter().collect()
}
