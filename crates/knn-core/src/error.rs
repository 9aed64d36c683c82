//! The one error type of the core.
//!
//! Every variant has named fields and a stable code, so that a caller decides on data and never on a message.
//! Bindings turn it into their own error with `code`, `details`, `hint` and `cause`; nothing here knows of them.

use std::path::{Path, PathBuf};

/// What every fallible function of the core returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request could not be carried out. [`Error::code`] is stable across versions; messages are not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `GM_SCHEMA`: data are not as their own metadata, or AnnData, declare them.
    #[error("{}", path_to(&[store, array, field], reason))]
    Schema {
        /// The store as the user named it.
        store: String,
        /// Path of the array or group inside the store; empty for the store itself.
        array: String,
        /// The metadata field or property at fault.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `GM_UNSUPPORTED`: valid, but not something this version does.
    #[error("{what} is not supported")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What to do instead.
        remedy: String,
    },
    /// `GM_NOT_FOUND`: a store or a key that is not there.
    #[error("{}", absent(store, kind, key))]
    NotFound {
        /// The store that was searched.
        store: String,
        /// What kind of thing was looked for: `store`, `obs column`, `obsm key`.
        kind: String,
        /// The name that was asked for.
        key: String,
        /// The names that exist.
        available: Vec<String>,
    },
    /// `GM_EXISTS`: the output, or a lock on it, is already there.
    #[error("{path}: {reason}")]
    Exists {
        /// The path in the way.
        path: PathBuf,
        /// Why that stops the work.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// `GM_SHAPE`: two things that must agree in shape do not.
    #[error("{left} has shape {left_shape:?} but {right} has shape {right_shape:?}: {reason}")]
    Shape {
        /// Store and array of the first.
        left: String,
        /// Its shape.
        left_shape: Vec<u64>,
        /// Store and array of the second.
        right: String,
        /// Its shape.
        right_shape: Vec<u64>,
        /// The rule that both must obey.
        reason: String,
    },
    /// `GM_PARAM`: a parameter out of its range.
    #[error("{}", refused(name, value, reason))]
    Param {
        /// Name of the parameter, camelCase.
        name: String,
        /// The value given.
        value: String,
        /// What it may be.
        reason: String,
    },
    /// `GM_BUDGET`: the work does not fit the declared memory.
    #[error("{what} needs {needed} bytes but the budget leaves {available}")]
    Budget {
        /// What did not fit.
        what: String,
        /// Bytes it needs.
        needed: u64,
        /// Bytes the budget leaves for it.
        available: u64,
        /// What would make it fit.
        remedy: String,
    },
    /// `GM_CORRUPT`: bytes on disk that cannot be what was written.
    #[error("{}", path_to(&[file, block], reason))]
    Corrupt {
        /// The file.
        file: String,
        /// Which part of it: a chunk, a shard index, a journal line.
        block: String,
        /// What is wrong.
        reason: String,
    },
    /// `GM_STALE`: a stored state belongs to other inputs or parameters.
    #[error("{path}: {reason}")]
    Stale {
        /// The stored state.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// `GM_IO`: the operating system refused an operation.
    #[error("{operation} {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done to it.
        operation: &'static str,
        /// The system's own error.
        source: std::io::Error,
    },
    /// `GM_BACKEND`: a compute back end that is not available here.
    #[error("back end {backend} is not available: {reason}")]
    Backend {
        /// Name of the back end.
        backend: String,
        /// Why it cannot be used.
        reason: String,
        /// What would make it available.
        remedy: String,
    },
    /// `GM_CANCELLED`: the caller asked to stop; what was committed is kept.
    #[error("cancelled during {stage}")]
    Cancelled {
        /// The stage that was running.
        stage: String,
    },
    /// `GM_INTERNAL`: a bug of ours.
    #[error("internal error: {reason}")]
    Internal {
        /// What was found to be impossible.
        reason: String,
    },
}

/// Where something is, without the steps that have no name, and what is wrong there.
fn path_to(steps: &[&str], reason: &str) -> String {
    let named = steps.iter().filter(|step| !step.is_empty());
    named.fold(String::new(), |path, step| path + step + ": ") + reason
}

/// What is not there: a key in a store, or the store itself.
fn absent(store: &str, kind: &str, key: &str) -> String {
    if key == store { format!("{store}: there is no {kind}") } else { format!("{store}: no {kind} {key:?}") }
}

/// What a parameter may be, with the value given if there was one.
fn refused(name: &str, value: &str, reason: &str) -> String {
    if value.is_empty() { format!("{name}: {reason}") } else { format!("{name} = {value}: {reason}") }
}

impl Error {
    /// The stable code, the same string in every binding.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Schema { .. } => "GM_SCHEMA",
            Self::Unsupported { .. } => "GM_UNSUPPORTED",
            Self::NotFound { .. } => "GM_NOT_FOUND",
            Self::Exists { .. } => "GM_EXISTS",
            Self::Shape { .. } => "GM_SHAPE",
            Self::Param { .. } => "GM_PARAM",
            Self::Budget { .. } => "GM_BUDGET",
            Self::Corrupt { .. } => "GM_CORRUPT",
            Self::Stale { .. } => "GM_STALE",
            Self::Io { .. } => "GM_IO",
            Self::Backend { .. } => "GM_BACKEND",
            Self::Cancelled { .. } => "GM_CANCELLED",
            Self::Internal { .. } => "GM_INTERNAL",
        }
    }

    /// The named fields as JSON, for bindings.
    pub fn details(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Schema { store, array, field, reason } => {
                json!({ "store": store, "array": array, "field": field, "reason": reason })
            }
            Self::Unsupported { what, .. } => json!({ "what": what }),
            Self::NotFound { store, kind, key, available } => {
                json!({ "store": store, "kind": kind, "key": key, "available": available })
            }
            Self::Exists { path, reason, .. } | Self::Stale { path, reason } => {
                json!({ "path": path, "reason": reason })
            }
            Self::Shape { left, left_shape, right, right_shape, reason } => json!({
                "left": left, "leftShape": left_shape, "right": right, "rightShape": right_shape, "reason": reason
            }),
            Self::Param { name, value, reason } => json!({ "name": name, "value": value, "reason": reason }),
            Self::Budget { what, needed, available, .. } => {
                json!({ "what": what, "needed": needed, "available": available })
            }
            Self::Corrupt { file, block, reason } => json!({ "file": file, "block": block, "reason": reason }),
            Self::Io { path, operation, source } => {
                json!({
                    "path": path,
                    "operation": operation,
                    "os": source.raw_os_error(),
                    "reason": source.to_string(),
                    "resumable": !is_lasting(source),
                })
            }
            Self::Backend { backend, reason, .. } => json!({ "backend": backend, "reason": reason }),
            Self::Cancelled { stage } => json!({ "stage": stage }),
            Self::Internal { reason } => json!({ "reason": reason }),
        }
    }

    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unsupported { remedy, .. }
            | Self::Exists { remedy, .. }
            | Self::Budget { remedy, .. }
            | Self::Backend { remedy, .. } => Some(remedy.clone()),
            Self::NotFound { available, .. } if !available.is_empty() => {
                Some(format!("there are: {}", available.join(", ")))
            }
            Self::Stale { .. } => Some("run again with overwrite, or write to another output".into()),
            Self::Io { source, .. } if is_lasting(source) => Some("allow it, or name another place".into()),
            Self::Io { .. } => Some("what was committed is kept; run again with resume".into()),
            Self::Cancelled { .. } => Some("run again with resume to continue".into()),
            Self::Internal { .. } => Some("this is a bug in gigamapper; please report it".into()),
            _ => None,
        }
    }

    /// Wraps a system error with the path and the operation that met it.
    pub fn io(operation: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), operation, source }
    }

    /// A schema error of `array` in `store`.
    pub fn schema(
        store: impl Into<String>,
        array: impl Into<String>,
        field: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::Schema { store: store.into(), array: array.into(), field: field.into(), reason: reason.into() }
    }

    /// A parameter error.
    pub fn param(name: impl Into<String>, value: impl std::fmt::Display, reason: impl Into<String>) -> Self {
        Self::Param { name: name.into(), value: value.to_string(), reason: reason.into() }
    }

    /// A state that the code rules out.
    pub fn internal(reason: impl Into<String>) -> Self {
        Self::Internal { reason: reason.into() }
    }
}

/// Whether the system will answer the same again, as long as nobody changes what it is asked about.
fn is_lasting(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::NotFound
            | ErrorKind::InvalidFilename
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_out_what_has_no_name() {
        assert_eq!(Error::schema("a.zarr", "", "zarr.json", "missing").to_string(), "a.zarr: zarr.json: missing");
        assert_eq!(Error::param("output", "", "name it").to_string(), "output: name it");
        assert_eq!(Error::param("threads", 0, "at least 1").to_string(), "threads = 0: at least 1");
        let absent = |key: &str| Error::NotFound {
            store: "a.zarr".into(),
            kind: "store".into(),
            key: key.into(),
            available: Vec::new(),
        };
        assert_eq!(absent("a.zarr").to_string(), "a.zarr: there is no store");
        assert_eq!(absent("b").to_string(), "a.zarr: no store \"b\"");
    }
}
