//! What a mapping would do and cost.

use gigamapper_core::pipeline::{self, MapRequest};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::job;

/// `MapRequest` to `Plan`, both as JSON text. Writes nothing.
#[napi(catch_unwind)]
pub fn plan(env: &Env, request: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || pipeline::plan(&job::request::<MapRequest>(&request)?))
}
