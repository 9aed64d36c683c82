//! Questions to the HDF5 parser, one at a time, and its errors as ours.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use hdf5_reader::Hdf5File;
use hdf5_reader::error::Error as H5Error;

use super::file::H5File;
use crate::error::{Error, Result};
use crate::source::container::Container;

impl H5File {
    /// Asks the parser about the object at `path`. What it reads is bounded, and a panic of it is damage of the file.
    pub(super) fn ask<T>(
        &self,
        path: &str,
        question: impl FnOnce(&Hdf5File) -> hdf5_reader::error::Result<T>,
    ) -> Result<T> {
        let _one = self.shared().gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared().file.allow();
        match catch_unwind(AssertUnwindSafe(|| question(&self.shared().reader))) {
            Ok(answer) => answer.map_err(|error| translate(self.name(), path, error)),
            Err(_) => Err(Error::Corrupt {
                file: self.name().into(),
                block: path.into(),
                reason: "its metadata contradict each other".into(),
            }),
        }
    }
}

/// Whether the parser says that there is nothing of that name and kind.
pub(super) fn is_absent(error: &H5Error) -> bool {
    match error {
        H5Error::GroupNotFound(_) | H5Error::DatasetNotFound(_) => true,
        H5Error::Context { source, .. } => is_absent(source),
        _ => false,
    }
}

/// An error of the parser, about the object at `path`.
pub(super) fn translate(name: &str, path: &str, error: H5Error) -> Error {
    match error {
        H5Error::Context { source, .. } => translate(name, path, *source),
        H5Error::Io(source) => Error::io("read", name, source),
        H5Error::ResourceLimit(reason) => Error::schema(name, path, "metadata", reason),
        H5Error::InvalidMagic => Error::schema(name, path, "signature", "is not an HDF5 file"),
        H5Error::UnsupportedDatatypeClass(_)
        | H5Error::UnsupportedFilter(_)
        | H5Error::UnsupportedEncoding(_)
        | H5Error::UnsupportedLayoutClass(_)
        | H5Error::UnsupportedSuperblockVersion(_) => Error::Unsupported {
            what: format!("{name}/{path} ({error})"),
            remedy: "write the file again with anndata".into(),
        },
        other => Error::Corrupt { file: name.into(), block: path.into(), reason: other.to_string() },
    }
}
