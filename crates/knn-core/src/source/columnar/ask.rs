//! Calls of the libraries that decode tables, whose errors and panics are damage of the file.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};

/// Damage of the part `block` of the file `name`.
pub(super) fn damaged(name: &str, block: &str, reason: impl Display) -> Error {
    Error::Corrupt { file: name.into(), block: block.into(), reason: reason.to_string() }
}

/// Decodes the part `block` of the file `name`.
pub(super) fn ask<T, E: Display>(name: &str, block: &str, decode: impl FnOnce() -> Result<T, E>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| damaged(name, block, error)),
        Err(_) => Err(damaged(name, block, "its parts contradict each other")),
    }
}
