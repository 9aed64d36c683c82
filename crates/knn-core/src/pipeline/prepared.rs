//! A run that may start: everything is opened, checked and counted, and nothing is written.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::inputs::Inputs;
use super::memory::sizes::Sizes;
use super::report::{GpuReport, Plan};
use super::request::Resolved;
use crate::error::Result;
use crate::gpu::Backend;
use crate::join::{DeviceSize, DeviceWork, OnDevice};
use crate::sink::StoreSpec;
use crate::source::RowSource;

/// A run that may start.
pub(super) struct Prepared {
    pub(super) resolved: Resolved,
    /// The same before the search was chosen, from which other graphs are asked for.
    pub(super) asked: Resolved,
    pub(super) inputs: Inputs,
    pub(super) spec: StoreSpec,
    pub(super) sizes: Sizes,
    /// What compares cells.
    pub(super) backend: Backend,
    /// What devices failed with, where the others or the processor went on without them.
    pub(super) device_failure: OnceLock<String>,
    /// What devices did.
    pub(super) device_work: Mutex<DeviceWork>,
    pub(super) plan: Plan,
}

impl Prepared {
    /// Keeps what devices did, and what one failed with, if it did, for the report.
    pub(super) fn note_device(&self, device: Option<&mut OnDevice>) {
        let Some(device) = device else { return };
        *self.device_work.lock().unwrap_or_else(PoisonError::into_inner) += device.take_work();
        if let Some(failure) = device.failure() {
            self.device_failure.get_or_init(|| failure);
        }
    }

    /// What devices did; none for the CPU.
    pub(super) fn gpu_report(&self) -> Option<GpuReport> {
        let Backend::Cuda { .. } = &self.backend else { return None };
        Some(GpuReport::of(*self.device_work.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What a plan's devices take for the join, where there are any.
    pub(super) fn on_device(&self) -> Result<Option<OnDevice>> {
        let Backend::Cuda { devices, .. } = &self.backend else { return Ok(None) };
        let least = || DeviceSize::least(self.spec.k as usize, self.inputs.query_rows.dim(), devices.len());
        let size = self.sizes.device.unwrap_or_else(least);
        OnDevice::begin(&self.backend, self.resolved.parameters.metric, size)
    }
}
