//! Panics on demand, by which tests show that one anywhere in the addon becomes an error and ends no process.
//!
//! The environment variable `GIGAMAPPER_TEST_PANIC` names a place: `new` (constructors), `call` (every other function, on JavaScript's
//! thread), `work` (a job's thread), `convert` (its result, on JavaScript's thread) or `progress` (the callback of events). It is read
//! once, at the first call.

use std::sync::LazyLock;

static PLACE: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("GIGAMAPPER_TEST_PANIC").ok());

/// Panics if this is the place that was asked for.
pub(crate) fn panic_at(place: &str) {
    assert!(PLACE.as_deref() != Some(place), "injected at {place}");
}
