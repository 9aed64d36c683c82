//! What devices did for a join.

use std::ops::AddAssign;

use crate::gpu::Spent;

/// What devices did for a join, all together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DeviceWork {
    /// What they were busy with.
    pub spent: Spent,
    /// Queries that a device has settled, once for each slab or for their lists together.
    pub settled: u64,
    /// Those that were left to the processor.
    pub left: u64,
}

impl AddAssign for DeviceWork {
    fn add_assign(&mut self, other: Self) {
        self.spent += other.spent;
        self.settled += other.settled;
        self.left += other.left;
    }
}
