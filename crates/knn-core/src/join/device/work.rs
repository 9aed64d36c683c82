//! What devices did for a join.

use std::ops::AddAssign;

use crate::gpu::Spent;

/// What devices did for a join, all together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DeviceWork {
    /// What they were busy with.
    pub spent: Spent,
    /// Queries of each slab or list that a device has settled.
    pub settled: u64,
    /// Those that it was asked for and that were left to the processor.
    pub left: u64,
}

impl AddAssign for DeviceWork {
    fn add_assign(&mut self, other: Self) {
        self.spent += other.spent;
        self.settled += other.settled;
        self.left += other.left;
    }
}
