//! `clean`: what interrupted work has left.

use gigamapper_core::pipeline;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::job;

/// `CleanRequest` to `CleanReport`, as JSON text.
#[napi(catch_unwind)]
pub fn clean(env: &Env, request: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || pipeline::clean(&job::request(&request)?))
}
