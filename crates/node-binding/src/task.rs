//! Work that takes long: the runs of the core, each of which can be cancelled and tells its progress.

use gigamapper_core::error::Result;
use gigamapper_core::pipeline;
use gigamapper_core::progress::{Cancel, Progress};
use napi::bindgen_prelude::PromiseRaw;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{injected, job};

/// A JavaScript listener. Weak, so that it never keeps a process alive, with a queue of one, so that events are
/// dropped while JavaScript is busy instead of piling up.
type Listener = ThreadsafeFunction<String, (), String, Status, false, true, 1>;

/// One run that can be cancelled. Its verbs take a request as JSON text and resolve to a report as JSON text;
/// `onProgress` gets `ProgressEvent`s as JSON text and must not throw.
#[napi]
#[derive(Default)]
pub struct Task {
    cancel: Cancel,
}

/// Nobody waits for a run whose task is gone: the thread of JavaScript that started it has ended.
impl Drop for Task {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[napi]
impl Task {
    /// A task that has not begun.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        injected::panic_at("new");
        Self::default()
    }

    /// `MapRequest` to `RunReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn map<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::run)
    }

    /// `NeighborsRequest` to `RunReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn neighbors<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::neighbors)
    }

    /// `TransferRequest` to `RunReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn transfer<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::transfer)
    }

    /// `IndexRequest` to `IndexReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn build_index<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::build_index)
    }

    /// `RechunkRequest` to `RechunkReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn rechunk<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::rechunk)
    }

    /// `DiffuseRequest` to `RunReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn diffuse<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::diffuse)
    }

    /// `JointRequest` to `JointReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn joint<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::joint)
    }

    /// `PresenceRequest` to `PresenceReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn presence<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::presence)
    }

    /// `EvaluateRequest` to `EvaluationReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn evaluate<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::evaluate)
    }

    /// `VerifyRequest` to `VerifyReport`.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn verify<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.start(env, request, on_progress, pipeline::verify)
    }

    /// Asks the run to stop at the next tile. What was committed is kept.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        injected::panic_at("call");
        self.cancel.cancel();
    }

    fn start<'env, Request: DeserializeOwned + 'static, Report: Serialize + Send + 'static>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
        run: fn(&Request, &Progress) -> Result<Report>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let cancel = self.cancel.clone();
        job::text(env, move || {
            let request = job::request::<Request>(&request)?;
            let listener = on_progress.map(|listener| -> Box<dyn Fn(_) + Send + Sync> {
                Box::new(move |event| {
                    injected::panic_at("progress");
                    if let Ok(text) = serde_json::to_string(&event) {
                        listener.call(text, ThreadsafeFunctionCallMode::NonBlocking);
                    }
                })
            });
            run(&request, &Progress::new(cancel, listener))
        })
    }
}
