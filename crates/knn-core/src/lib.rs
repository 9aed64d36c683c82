//! The core of gigamapper: weighted k-nearest-neighbour mapping of single cells, from disk to disk, under a declared
//! memory budget.
//!
//! Each stage is one module; a stage imports only from modules listed above it. `pipeline` alone sees them all.

pub mod error;
pub mod types;
pub mod budget;
pub mod progress;
pub mod store;
pub mod sink;
pub mod pipeline;
