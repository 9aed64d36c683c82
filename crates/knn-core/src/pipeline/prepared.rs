//! A run that may start: everything is opened, checked and counted, and nothing is written.

use std::sync::OnceLock;

use super::inputs::Inputs;
use super::memory::sizes::Sizes;
use super::report::Plan;
use super::request::Resolved;
use crate::error::Result;
use crate::gpu::Backend;
use crate::join::{DeviceSize, OnDevice};
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
    pub(super) plan: Plan,
}

impl Prepared {
    /// Keeps what a device failed with, if it did, for the report.
    pub(super) fn note_failure(&self, device: Option<&OnDevice>) {
        if let Some(failure) = device.and_then(OnDevice::failure) {
            self.device_failure.get_or_init(|| failure);
        }
    }

    /// What a plan's devices take for the join, where there are any.
    pub(super) fn on_device(&self) -> Result<Option<OnDevice>> {
        let Backend::Cuda { devices, .. } = &self.backend else { return Ok(None) };
        let least = || DeviceSize::least(self.spec.k as usize, self.inputs.query_rows.dim(), devices.len());
        let size = self.sizes.device.unwrap_or_else(least);
        OnDevice::begin(&self.backend, self.resolved.parameters.metric, size)
    }
}
