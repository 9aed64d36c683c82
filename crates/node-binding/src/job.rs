//! Runs work of the core on a thread of its own and hands its result to a promise.
//!
//! The thread ends with the work: there is no pool, so nothing of a job outlives it. A panic anywhere, in the work or in making its
//! result a value of JavaScript, rejects the promise.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use gigamapper_core::error::{Error, Result};
use gigamapper_core::pipeline::read_request;
use napi::Env;
use napi::bindgen_prelude::{JsValue, PromiseRaw, ToNapiValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::injected;

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
    injected::panic_at("call");
    let (deferred, promise) = env.create_deferred()?;
    let job = move || {
        let outcome = caught(|| {
            injected::panic_at("work");
            work()
        });
        deferred.resolve(move |env: Env| {
            let converted = outcome.and_then(|value| {
                caught(|| {
                    injected::panic_at("convert");
                    Ok(convert(value))
                })
            });
            converted.map_err(|failure| failure.into_js(env))
        });
    };
    thread::Builder::new().name("gigamapper".into()).spawn(job)?;
    Ok(PromiseRaw::new(env.raw(), promise.raw()))
}

/// A request as the core reads it; unknown fields and wrong types are `GM_PARAM`.
pub(crate) fn request<T: DeserializeOwned>(text: &str) -> Result<T> {
    read_request(text)
}

fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T, Failure> {
    let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Failure::from_panic(payload.as_ref()))?;
    Ok(outcome?)
}
