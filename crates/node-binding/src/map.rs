//! What a mapping, or a part of one, would do and cost.

use gigamapper_core::pipeline::{self, DiffuseRequest, JointRequest, MapRequest, TransferRequest};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::job;

/// `MapRequest` to `Plan`, both as JSON text. Writes nothing.
#[napi(catch_unwind)]
pub fn plan(env: &Env, request: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || pipeline::plan(&job::request::<MapRequest>(&request)?))
}

/// `TransferRequest` to `Plan`, both as JSON text. Writes nothing.
#[napi(catch_unwind)]
pub fn plan_transfer(env: &Env, request: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || pipeline::plan_transfer(&job::request::<TransferRequest>(&request)?))
}

/// `DiffuseRequest` to `Plan`, both as JSON text. Writes nothing.
#[napi(catch_unwind)]
pub fn plan_diffuse(env: &Env, request: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || pipeline::plan_diffuse(&job::request::<DiffuseRequest>(&request)?))
}

/// `JointRequest` to `JointPlan`, both as JSON text. Writes nothing.
#[napi(catch_unwind)]
pub fn plan_joint(env: &Env, request: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || pipeline::plan_joint(&job::request::<JointRequest>(&request)?))
}
