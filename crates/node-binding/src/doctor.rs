//! `doctor`: what this machine offers.

use gigamapper_core::pipeline;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::job;

/// Resolves to a `Doctor` as JSON text.
#[napi(catch_unwind)]
pub fn doctor(env: &Env) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, || Ok(pipeline::doctor()))
}
