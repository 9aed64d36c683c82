//! A directory store: nodes, their children, and files opened only if they lie inside it.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::json::{self, LARGEST_JSON};
use super::metadata::Fields;
use crate::error::{Error, Result};
use crate::source::key::{is_valid_path, join};

/// More members than any group of an AnnData has.
const MOST_CHILDREN: usize = 1 << 20;

/// A zarr v3 store in a directory. Cloning shares it; nothing is kept open.
#[derive(Debug, Clone)]
pub struct ZarrStore {
    name: Arc<str>,
    root: Arc<Path>,
}

/// The `zarr.json` of a group or an array.
pub(super) struct ZarrNode {
    pub(super) kind: ZarrKind,
    pub(super) attributes: Map<String, Value>,
}

/// What a node is.
pub(super) enum ZarrKind {
    Group,
    Array(Box<Fields>),
}

/// An open file of the store. It knows its name for errors.
pub(super) struct Object {
    file: File,
    /// Store and path in it, as the user would name it.
    pub(super) name: String,
    /// Bytes of the file.
    pub(super) len: u64,
}

impl ZarrStore {
    /// Opens the store at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::NotFound {
                    store: name.clone(),
                    kind: "store".into(),
                    key: name,
                    available: Vec::new(),
                });
            }
            Err(error) => return Err(Error::io("open", path, error)),
        };
        if !metadata.is_dir() {
            return Err(Error::Unsupported {
                what: format!("{name}, which is a file and not a zarr folder,"),
                remedy:
                    "write it as a zarr v3 folder: anndata.settings.zarr_write_format = 3; adata.write_zarr(folder)"
                        .into(),
            });
        }
        let root = path.canonicalize().map_err(|error| Error::io("open", path, error))?;
        if !root.join("zarr.json").exists() {
            let old = [".zgroup", ".zarray", ".zattrs", ".zmetadata"].iter().any(|file| root.join(file).exists());
            if old {
                return Err(Error::Unsupported {
                    what: format!("{name}: zarr format 2"),
                    remedy:
                        "write it again as zarr v3: anndata.settings.zarr_write_format = 3; adata.write_zarr(folder)"
                            .into(),
                });
            }
            return Err(Error::schema(name, "", "zarr.json", "the folder has none, so it is not a zarr store"));
        }
        Ok(Self { name: name.into(), root: root.into() })
    }

    /// The store as the user named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The attributes of the root.
    pub fn root_attributes(&self) -> Result<Map<String, Value>> {
        let root = self.node("")?;
        Ok(root.ok_or_else(|| Error::schema(self.name(), "", "zarr.json", "is missing"))?.attributes)
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

    /// Opens a file; `None` if it is not there. Anything but a regular file is refused: a pipe would block for ever.
    pub(super) fn object(&self, path: &str) -> Result<Option<Object>> {
        let Some(real) = self.locate(path)? else { return Ok(None) };
        let metadata = std::fs::metadata(&real).map_err(|error| Error::io("read", &real, error))?;
        if !metadata.is_file() {
            return Err(self.corrupt(path, "is not a regular file"));
        }
        let file = File::open(&real).map_err(|error| Error::io("open", &real, error))?;
        Ok(Some(Object { file, name: format!("{}/{path}", self.name), len: metadata.len() }))
    }

    /// Length of a file in bytes.
    pub(super) fn object_len(&self, path: &str) -> Result<u64> {
        Ok(self.object(path)?.map_or(0, |object| object.len))
    }

    /// The `zarr.json` of a node; `None` if there is no such node. The root is the empty path.
    pub(super) fn node(&self, path: &str) -> Result<Option<ZarrNode>> {
        if !path.is_empty() && !is_valid_path(path) {
            return Err(Error::schema(self.name(), path, "key", "is not a plain name inside the store"));
        }
        let Some(object) = self.object(&join(path, "zarr.json"))? else { return Ok(None) };
        let wrong = |reason: String| Error::schema(self.name(), path, "zarr.json", reason);
        if object.len > LARGEST_JSON {
            return Err(wrong(format!("{} bytes are more than {LARGEST_JSON}", object.len)));
        }
        let mut raw: Fields = json::parse(&object.read(0, object.len)?).map_err(wrong)?;
        if raw.zarr_format != 3 {
            return Err(Error::schema(self.name(), path, "zarr_format", format!("is {} and not 3", raw.zarr_format)));
        }
        let attributes = std::mem::take(&mut raw.attributes);
        let kind = match raw.node_type.as_str() {
            "group" => ZarrKind::Group,
            "array" => ZarrKind::Array(Box::new(raw)),
            other => return Err(Error::schema(self.name(), path, "node_type", format!("{other:?}"))),
        };
        Ok(Some(ZarrNode { kind, attributes }))
    }

    /// Names of the nodes directly below a group, sorted. Files and folders that are no node are left out.
    pub(super) fn children(&self, path: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for (name, _) in self.entries(path)? {
            if is_valid_path(&name) && self.locate(&format!("{}/zarr.json", join(path, &name)))?.is_some() {
                names.push(name);
            }
            if names.len() > MOST_CHILDREN {
                return Err(Error::schema(self.name(), path, "members", format!("more than {MOST_CHILDREN}")));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Entries of a directory of the store: names that are UTF-8, and their types.
    pub(super) fn entries(&self, path: &str) -> Result<Vec<(String, std::fs::FileType)>> {
        let Some(real) = self.locate(path)? else { return Ok(Vec::new()) };
        if !real.is_dir() {
            return Ok(Vec::new());
        }
        let list = || -> std::io::Result<Vec<_>> {
            let mut entries = Vec::new();
            for entry in std::fs::read_dir(&real)? {
                let entry = entry?;
                if let Ok(name) = entry.file_name().into_string() {
                    entries.push((name, entry.file_type()?));
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

impl Object {
    /// Reads `len` bytes at `offset`, which must lie inside the file: the caller knows that, or is told `GM_CORRUPT`.
    pub(super) fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.read_spare(offset, len, Vec::new())
    }

    /// The same into memory that was used before.
    pub(super) fn read_spare(&self, offset: u64, len: u64, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(self.corrupt("file", format!("ends before byte {offset} + {len}")));
        }
        bytes.clear();
        bytes.reserve_exact(len as usize);
        bytes.resize(len as usize, 0);
        self.read_into(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `out` with the bytes at `offset`. Every object has a file of its own, so the cursor is nobody else's.
    pub(super) fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(out));
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.corrupt("file", format!("ends before byte {offset} + {}", out.len())),
            _ => Error::io("read", &self.name, error),
        })
    }

    /// Damage in this file.
    pub(super) fn corrupt(&self, block: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Corrupt { file: self.name.clone(), block: block.into(), reason: reason.into() }
    }
}
