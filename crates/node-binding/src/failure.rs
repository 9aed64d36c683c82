//! A failure on its way to JavaScript: the core's error, or a panic, as a real `Error` with `code`, `details` and `hint`.
//!
//! The facade makes its own class of it; nothing is decided here.

use std::any::Any;

use gigamapper_core::error::Error;
use napi::bindgen_prelude::JsValue;
use napi::{Env, Status};

/// What the promise of a failed job rejects with.
#[derive(Debug)]
pub(crate) struct Failure {
    code: &'static str,
    message: String,
    details: String,
    hint: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            details: error.details().to_string(),
            hint: error.hint(),
        }
    }
}

impl Failure {
    /// A panic that ended a job: a bug of ours, not the end of the process.
    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let told = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let told = told.or_else(|| payload.downcast_ref::<String>().cloned());
        Error::internal(told.unwrap_or_else(|| "a panic without a message".into())).into()
    }

    /// The JavaScript `Error`. `details` is JSON text.
    pub(crate) fn into_js(self, env: Env) -> napi::Error {
        match self.build(env) {
            Ok(error) | Err(error) => error,
        }
    }

    fn build(self, env: Env) -> napi::Result<napi::Error> {
        let mut error = env.create_error(napi::Error::new(Status::GenericFailure, self.message))?;
        error.set("code", self.code)?;
        error.set("details", self.details)?;
        error.set("hint", self.hint)?;
        Ok(napi::Error::from(error.to_unknown()))
    }
}
