//! The core of gigamapper: weighted k-nearest-neighbour mapping of single cells, from disk to disk, under a declared
//! memory budget.
//!
//! Each stage is one module; a stage imports only from modules listed above it. `pipeline` alone sees them all.

#![cfg_attr(
    not(feature = "disk"),
    allow(dead_code, unreachable_pub, reason = "stages that build and write have no caller where there is no disk")
)]

pub mod error;
pub mod types;
pub mod budget;
pub mod progress;
pub mod store;
pub mod distance;
#[cfg(feature = "disk")]
pub mod gpu;
#[cfg(feature = "disk")]
pub mod source;
#[cfg(feature = "disk")]
pub mod representation;
pub mod index;
pub mod join;
pub mod graph;
pub mod kernel;
pub mod operator;
pub mod portable;
#[cfg(feature = "disk")]
pub mod sink;
#[cfg(feature = "disk")]
pub mod pipeline;
