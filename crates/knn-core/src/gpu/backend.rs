//! What a run computes on.

use super::device::Device;

/// What neighbours are searched with, decided when a run is planned. It changes no result, and is no part of a run's identity.
#[derive(Debug, Clone, Default)]
pub enum Backend {
    /// The lanes of the processor.
    #[default]
    Cpu,
    /// A GPU selects and the processor decides.
    Cuda {
        /// The device.
        device: Device,
        /// What the run does when the device fails in the middle of it: goes on on the CPU and says so, or ends with `GM_BACKEND`, to be resumed.
        or_cpu: bool,
    },
}
