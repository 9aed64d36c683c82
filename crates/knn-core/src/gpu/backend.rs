//! What a run computes on.

use super::device::Device;

/// What neighbours are searched with, decided when a run is planned. It changes no result, and is no part of a run's identity.
#[derive(Debug, Clone, Default)]
pub enum Backend {
    /// The lanes of the processor.
    #[default]
    Cpu,
    /// GPUs select and the processor decides.
    Cuda {
        /// The devices, at least one.
        devices: Vec<Device>,
        /// What the run does when the last device fails in the middle of it: goes on on the CPU and says so, or ends with `GM_BACKEND`, to be resumed.
        or_cpu: bool,
    },
}
