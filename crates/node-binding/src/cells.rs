//! Cells that JavaScript holds in memory.

use gigamapper_core::source::{self, CellsDescription};
use napi::Env;
use napi::bindgen_prelude::{PromiseRaw, Uint8Array};
use napi_derive::napi;

use crate::{injected, job};

/// `CellsDescription` as JSON text and the arrays that it counts, to the path that requests call them, as JSON text. The arrays are
/// copied before this returns: nothing reads them while JavaScript runs.
#[napi(catch_unwind)]
pub fn hold_cells(env: &Env, description: String, arrays: Vec<Uint8Array>) -> napi::Result<PromiseRaw<'_, String>> {
    let copies: Vec<Vec<u8>> = arrays.into_iter().map(|array| array.to_vec()).collect();
    job::text(env, move || source::hold(CellsDescription::parse(&description)?, copies))
}

/// Lets go of what is held at a path.
#[napi(catch_unwind)]
#[allow(clippy::needless_pass_by_value, reason = "napi hands texts over")]
pub fn release_cells(path: String) {
    injected::panic_at("call");
    source::release(&path);
}
