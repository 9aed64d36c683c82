//! A store in a folder: files are opened only if they lie inside it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files::EntryKind;
use super::object::Object;
use crate::error::{Error, Result};

/// The root of a store. Nothing is kept open.
#[derive(Debug)]
pub(super) struct Folder {
    name: String,
    root: PathBuf,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let root = path.canonicalize().map_err(|error| Error::io("open", path, error))?;
        Ok(Self { name: path.display().to_string(), root })
    }

    /// The real path of something in the store; `None` if it is not there. Symbolic links are followed as long as they
    /// end inside the store.
    fn locate(&self, path: &str) -> Result<Option<PathBuf>> {
        let joined = self.root.join(path);
        match joined.canonicalize() {
            Ok(real) if real.starts_with(&self.root) => Ok(Some(real)),
            Ok(_) => Err(self.corrupt(path, "a symbolic link leads out of the store")),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                // A link to nowhere is damage, not a chunk that was never written.
                if joined.is_symlink() { Err(self.corrupt(path, "a symbolic link to nothing")) } else { Ok(None) }
            }
            Err(error) => Err(Error::io("open", joined, error)),
        }
    }

    pub(super) fn contains(&self, path: &str) -> Result<bool> {
        Ok(self.locate(path)?.is_some())
    }

    /// Opens a file; `None` if it is not there. Anything but a regular file is refused: a pipe would block for ever.
    pub(super) fn object(&self, path: &str) -> Result<Option<Object>> {
        let Some(real) = self.locate(path)? else { return Ok(None) };
        let metadata = std::fs::metadata(&real).map_err(|error| Error::io("read", &real, error))?;
        if !metadata.is_file() {
            return Err(self.corrupt(path, "is not a regular file"));
        }
        let file = File::open(&real).map_err(|error| Error::io("open", &real, error))?;
        Ok(Some(Object::new(file, format!("{}/{path}", self.name), metadata.len())))
    }

    /// Entries of a folder of the store: names that are UTF-8, and what they are.
    pub(super) fn entries(&self, path: &str) -> Result<Vec<(String, EntryKind)>> {
        let Some(real) = self.locate(path)? else { return Ok(Vec::new()) };
        if !real.is_dir() {
            return Ok(Vec::new());
        }
        let list = || -> std::io::Result<Vec<_>> {
            let mut entries = Vec::new();
            for entry in std::fs::read_dir(&real)? {
                let entry = entry?;
                if let Ok(name) = entry.file_name().into_string() {
                    let kind = entry.file_type()?;
                    let kind = if kind.is_dir() {
                        EntryKind::Folder
                    } else if kind.is_symlink() {
                        EntryKind::Link
                    } else {
                        EntryKind::File
                    };
                    entries.push((name, kind));
                }
            }
            Ok(entries)
        };
        list().map_err(|error| Error::io("list", &real, error))
    }

    fn corrupt(&self, path: &str, reason: &str) -> Error {
        Error::Corrupt { file: format!("{}/{path}", self.name), block: "file".into(), reason: reason.into() }
    }
}
