//! `capabilities`: what this build can do.

use gigamapper_core::pipeline;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::job;

/// Resolves to `Capabilities` as JSON text.
#[napi(catch_unwind)]
pub fn capabilities(env: &Env) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, || Ok(pipeline::capabilities()))
}
