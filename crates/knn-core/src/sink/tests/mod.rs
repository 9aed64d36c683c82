//! Whole stores: written, interrupted, resumed, and read back by zarrs, which shares no code with the writer.

mod faults;
mod interop;
mod ragged;
mod readback;
mod resume;
mod sample;
