//! Indexes: what building one would cost, and what one holds.

use std::path::Path;

use gigamapper_core::pipeline::{self, IndexRequest};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::job;

/// `IndexRequest` to `IndexPlan`, both as JSON text. Writes nothing.
#[napi(catch_unwind)]
pub fn plan_index(env: &Env, request: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || pipeline::plan_index(&job::request::<IndexRequest>(&request)?))
}

/// Resolves to an `IndexDescription` as JSON text.
#[napi(catch_unwind)]
pub fn describe_index(env: &Env, path: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || pipeline::describe_index(Path::new(&path)))
}
