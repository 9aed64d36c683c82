//! What devices were busy with.

use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What devices were busy with, by the clock of the threads that waited for them; of several together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// Seconds in which rows were copied and their norms computed.
    pub loading: f64,
    /// Seconds in which neighbours were searched, with copying queries there and what was found back.
    pub searching: f64,
    /// Queries times rows.
    pub pairs: u64,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.loading += other.loading;
        self.searching += other.searching;
        self.pairs += other.pairs;
    }
}

/// The account of a device, which its thread writes and whoever asks it reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Account(Arc<Mutex<Spent>>);

impl Account {
    pub(super) fn add(&self, spent: Spent) {
        *self.lock() += spent;
    }

    /// What was added since it was taken last.
    pub(super) fn take(&self) -> Spent {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
