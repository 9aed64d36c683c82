//! The core's error on its way to JavaScript: JSON text with `code`, `message`, `details` and `hint`.

use gigamapper_core::error::Error;
use serde_json::json;
use wasm_bindgen::JsValue;

/// What an exported function fails with.
pub(crate) type Result<T> = std::result::Result<T, JsValue>;

/// The error as text.
pub(crate) fn failed(error: &Error) -> JsValue {
    let details = error.details().to_string();
    let told = json!({ "code": error.code(), "message": error.to_string(), "details": details, "hint": error.hint() });
    JsValue::from_str(&told.to_string())
}

/// A result of the core as one of the binding.
pub(crate) fn told<T>(result: gigamapper_core::error::Result<T>) -> Result<T> {
    result.map_err(|error| failed(&error))
}
