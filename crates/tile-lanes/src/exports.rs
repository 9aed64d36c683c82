//! What a host of the WebAssembly module calls. There is no binding: numbers go in and come out.

#![allow(
    unsafe_code,
    reason = "a name that is exported as it is could be another's; this module is linked with no other"
)]

use super::distance::{DistanceTile as _, Lane};
use super::{DIGEST, SAMPLES, all, sample};

/// A lane that the machine has, the slowest first.
fn lane(number: u32) -> Option<Lane> {
    Lane::available().get(number as usize).copied()
}

/// How many lanes there are; the last is the one that would be used.
#[unsafe(no_mangle)]
pub extern "C" fn lanes() -> u32 {
    Lane::available().len() as u32
}

/// Where the name of a lane begins in memory.
#[unsafe(no_mangle)]
pub extern "C" fn name(number: u32) -> *const u8 {
    lane(number).map_or("", |lane| lane.name()).as_ptr()
}

/// Bytes of the name of a lane; 0 if there is no such lane.
#[unsafe(no_mangle)]
pub extern "C" fn name_length(number: u32) -> u32 {
    lane(number).map_or(0, |lane| lane.name().len() as u32)
}

/// The digest of [`SAMPLES`] samples on a lane; 0 if there is no such lane.
#[unsafe(no_mangle)]
pub extern "C" fn digest(number: u32) -> u64 {
    lane(number).map_or(0, |lane| all(lane, SAMPLES))
}

/// [`DIGEST`].
#[unsafe(no_mangle)]
pub extern "C" fn expected() -> u64 {
    DIGEST
}

/// Passes 192 queries over 8 192 references of 50 coordinates so many times, with limits that few pairs reach: how many pairs met.
#[unsafe(no_mangle)]
pub extern "C" fn scan(number: u32, times: u32) -> u64 {
    lane(number).map_or(0, |lane| sample::scan(lane, times))
}
