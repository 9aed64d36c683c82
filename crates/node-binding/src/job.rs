//! Runs work of the core on a blocking thread and hands its result to a promise.

use std::panic::{AssertUnwindSafe, catch_unwind};

use gigamapper_core::error::{Error, Result};
use napi::Env;
use napi::bindgen_prelude::{PromiseRaw, ToNapiValue, spawn_blocking};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// A promise of what `work` returns, as JSON text. A panic rejects it with `GM_INTERNAL`.
pub(crate) fn text<T, W>(env: &Env, work: W) -> napi::Result<PromiseRaw<'_, String>>
where
    T: Serialize,
    W: FnOnce() -> Result<T> + Send + 'static,
{
    let written = move || serde_json::to_string(&work()?).map_err(|error| Error::internal(error.to_string()));
    promise(env, written, |text| text)
}

/// A promise of what `work` returns, made a value of JavaScript by `convert` when it is back on JavaScript's thread.
pub(crate) fn promise<T, W, V>(env: &Env, work: W, convert: fn(T) -> V) -> napi::Result<PromiseRaw<'_, V>>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T> + Send + 'static,
    V: ToNapiValue + 'static,
{
    // The worker may be lost only when the process ends, so its own failure is as unexpected as a panic in it.
    let outcome = async { Ok(spawn_blocking(|| settle(work)).await.unwrap_or_else(|lost| Err(unexpected(&lost)))) };
    env.spawn_future_with_callback(outcome, move |env, outcome| {
        outcome.map(convert).map_err(|failure| failure.into_js(*env))
    })
}

/// A request as the core reads it; unknown fields and wrong types are `GM_PARAM`.
pub(crate) fn request<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::param("request", text, error.to_string()))
}

fn settle<T>(work: impl FnOnce() -> Result<T>) -> Result<T, Failure> {
    let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Failure::from_panic(payload.as_ref()))?;
    Ok(outcome?)
}

fn unexpected(error: &dyn std::fmt::Display) -> Failure {
    Error::internal(error.to_string()).into()
}
