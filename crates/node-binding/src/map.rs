//! `plan` and the job that maps.

use gigamapper_core::pipeline::{self, MapRequest};
use gigamapper_core::progress::{Cancel, Progress};
use napi::bindgen_prelude::PromiseRaw;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;

use crate::job;

/// A JavaScript listener. Weak, so that it never keeps a process alive, with a queue of one, so that events are
/// dropped while JavaScript is busy instead of piling up.
type Listener = ThreadsafeFunction<String, (), String, Status, false, true, 1>;

/// Resolves to a `Plan` as JSON text. Writes nothing.
#[napi(catch_unwind)]
pub fn plan(env: &Env, request: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::promise(env, move || pipeline::plan(&job::request::<MapRequest>(&request)?))
}

/// One run of `map` that can be cancelled.
#[napi]
#[derive(Default)]
pub struct MapJob {
    cancel: Cancel,
}

#[napi]
impl MapJob {
    /// A job that has not begun.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Resolves to a `RunReport` as JSON text; `on_progress` gets `ProgressEvent`s as JSON text and must not throw.
    #[napi(catch_unwind, ts_args_type = "request: string, onProgress?: ((event: string) => void) | null")]
    pub fn start<'env>(
        &self,
        env: &'env Env,
        request: String,
        on_progress: Option<Listener>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let cancel = self.cancel.clone();
        job::promise(env, move || {
            let request = job::request::<MapRequest>(&request)?;
            let listener = on_progress.map(|listener| -> Box<dyn Fn(_) + Send + Sync> {
                Box::new(move |event| {
                    if let Ok(text) = serde_json::to_string(&event) {
                        listener.call(text, ThreadsafeFunctionCallMode::NonBlocking);
                    }
                })
            });
            pipeline::run(&request, &Progress::new(cancel, listener))
        })
    }

    /// Asks the run to stop at the next tile. What was committed is kept.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}
