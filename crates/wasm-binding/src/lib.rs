//! The core as a WebAssembly module: convert, call, convert.
//!
//! Arrays are copied in and out. What a call refuses with is JSON text of the core's error, of which the facade makes its own. Nothing
//! is decided here, and there are no threads, files or clocks.

mod failure;
mod mapping;
mod reference;
