//! The core of gigamapper: weighted k-nearest-neighbour mapping of single cells, from disk to disk, under a declared
//! memory budget.
//!
//! Each stage is one module; a stage imports only from modules listed above it. `pipeline` alone sees them all.

pub mod error;
pub mod types;
pub mod budget;
pub mod progress;
pub mod store;
pub mod distance;
pub mod source;
pub mod representation;
pub mod index;
pub mod join;
pub mod graph;
pub mod kernel;
pub mod operator;
pub mod sink;
pub mod pipeline;
