//! The GPU, by way of cuVS: a library that is looked for and loaded at run time, and weighs nothing where it is absent.
//!
//! There is no CUDA when this is compiled. `libcuvs_c.so` is opened where [`Search`] says, a table of its C functions is resolved once, its
//! version is checked, and [`probe`] tells the devices or why there is none. Each has a context, by CUDA's driver, and while it works a thread that
//! alone calls cuVS for it. What a device computes in f32 only selects, within a [`Bound`] that is proven: whoever asks a [`Selector`] decides by
//! exact values, as after a CPU tile. This module does not know of stores, joins or plans; it is handed rows.

#![allow(unsafe_code, reason = "a C library is called; every block says why it is sound")]

mod abi;
mod absent;
mod backend;
mod batch;
mod block;
mod bound;
mod centre;
mod device;
mod driver;
mod library;
#[cfg(all(test, target_os = "linux"))]
#[path = "../../tests/gpu/mock.rs"]
pub(crate) mod mock;
mod places;
mod resources;
mod selector;
mod spent;
mod table;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod worker;

pub use absent::Absent;
pub use backend::Backend;
pub use batch::{Batch, BatchSize, Told};
pub use block::Block;
pub use bound::Bound;
pub use device::{Device, probe};
pub use library::Fault;
pub use places::{LIBRARY_VARIABLE, MEMORY_VARIABLE, Search};
pub use selector::Selector;
pub use spent::Spent;
