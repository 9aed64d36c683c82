//! Where the files of a store lie: in a folder, or in a zip archive.

use std::io::ErrorKind;
use std::path::Path;

use super::folder::Folder;
use super::object::Object;
use super::zip::Zip;
use crate::error::{Error, Result};

/// Files by their paths, with `/` between names.
#[derive(Debug)]
pub(super) enum Files {
    Folder(Folder),
    Zip(Zip),
}

/// What an entry of a folder is, itself and not where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    Folder,
    File,
    Link,
}

impl Files {
    /// Opens the folder or the archive at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Self::Folder(Folder::open(path)?)),
            Ok(metadata) if metadata.is_file() => Ok(Self::Zip(Zip::open(path)?)),
            Ok(_) => Err(Error::Unsupported {
                what: format!("{}, which is neither a folder nor a file,", path.display()),
                remedy: "name a zarr folder, or a zip archive of one".into(),
            }),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                let name = path.display().to_string();
                Err(Error::NotFound { store: name.clone(), kind: "store".into(), key: name, available: Vec::new() })
            }
            Err(error) => Err(Error::io("open", path, error)),
        }
    }

    /// Whether there is such a file or folder.
    pub(super) fn contains(&self, path: &str) -> Result<bool> {
        match self {
            Self::Folder(folder) => folder.contains(path),
            Self::Zip(zip) => Ok(zip.contains(path)),
        }
    }

    /// Opens a file; `None` if it is not there.
    pub(super) fn object(&self, path: &str) -> Result<Option<Object>> {
        match self {
            Self::Folder(folder) => folder.object(path),
            Self::Zip(zip) => zip.object(path),
        }
    }

    /// Length of a file in bytes, 0 where there is none.
    pub(super) fn len(&self, path: &str) -> Result<u64> {
        match self {
            Self::Folder(folder) => Ok(folder.object(path)?.map_or(0, |object| object.len)),
            Self::Zip(zip) => Ok(zip.len(path)),
        }
    }

    /// Entries of a folder of the store, and what they are.
    pub(super) fn entries(&self, path: &str) -> Result<Vec<(String, EntryKind)>> {
        match self {
            Self::Folder(folder) => folder.entries(path),
            Self::Zip(zip) => Ok(zip.entries(path)),
        }
    }
}
