//! Buffers that are used again. A pass decodes chunks of one size all the time; handing each buffer back to the allocator
//! leaves every thread's heap with one of its own, and memory grows with the length of the pass.

use std::sync::{Mutex, PoisonError};

/// More than a read has in flight is given to the allocator.
const MOST: usize = 64;

/// Buffers of an array that nobody uses at the moment.
#[derive(Debug, Default)]
pub(in crate::source) struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    /// A buffer of any content and capacity.
    pub(in crate::source) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next one who needs one.
    pub(in crate::source) fn give(&self, buffer: Vec<u8>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST && buffer.capacity() > 0 {
            spare.push(buffer);
        }
    }
}
