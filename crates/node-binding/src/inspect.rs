//! `inspect`: what a store holds.

use std::path::Path;

use gigamapper_core::source;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::job;

/// Resolves to an `Inspection` as JSON text, of the cells for which a condition holds where one is given.
#[napi(catch_unwind)]
pub fn inspect(env: &Env, path: String, condition: Option<String>) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || source::inspect_where(Path::new(&path), condition.as_deref()))
}
