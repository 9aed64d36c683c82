//! A zarr store: its nodes and their children, of version 2 or 3 of the format.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::files::{EntryKind, Files};
use super::json::{self, LARGEST_JSON};
use super::metadata::Fields;
use super::object::Object;
use super::version2;
use crate::error::{Error, Result};
use crate::source::key::{is_valid_path, join};

/// More members than any group of an AnnData has.
const MOST_CHILDREN: usize = 1 << 20;

/// A zarr store in a folder or a zip archive. Cloning shares it.
#[derive(Debug, Clone)]
pub struct ZarrStore {
    name: Arc<str>,
    files: Arc<Files>,
    version: u64,
}

/// The metadata of a group or an array.
pub(super) struct ZarrNode {
    pub(super) kind: ZarrKind,
    pub(super) attributes: Map<String, Value>,
}

/// What a node is.
pub(super) enum ZarrKind {
    Group,
    Array(Box<Fields>),
}

impl ZarrStore {
    /// Opens the store at `path`, a folder or a zip archive.
    pub fn open(path: &Path) -> Result<Self> {
        let name: Arc<str> = path.display().to_string().into();
        let files = Files::open(path)?;
        let version = if files.contains("zarr.json")? {
            3
        } else if files.contains(".zgroup")? || files.contains(".zarray")? {
            2
        } else {
            let is_index = path.extension().is_some_and(|ending| ending == "gmx") && files.contains("manifest.json")?;
            let reason = if is_index {
                "there is none: this is the index of a reference, which the command index describes and map takes as index"
            } else {
                "there is none, nor a .zgroup: this is no zarr store"
            };
            return Err(Error::schema(&*name, "", "zarr.json", reason));
        };
        Ok(Self { name, files: Arc::new(files), version })
    }

    /// The store as the user named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version of the format that its root has.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The attributes of the root.
    pub fn root_attributes(&self) -> Result<Map<String, Value>> {
        let root = self.node("")?;
        Ok(root.ok_or_else(|| Error::schema(self.name(), "", "zarr.json", "is missing"))?.attributes)
    }

    /// Opens a file; `None` if it is not there.
    pub(super) fn object(&self, path: &str) -> Result<Option<Object>> {
        self.files.object(path)
    }

    /// Length of a file in bytes.
    pub(super) fn object_len(&self, path: &str) -> Result<u64> {
        self.files.len(path)
    }

    /// The metadata of a node; `None` if there is no such node. The root is the empty path.
    pub(super) fn node(&self, path: &str) -> Result<Option<ZarrNode>> {
        if !path.is_empty() && !is_valid_path(path) {
            return Err(Error::schema(self.name(), path, "key", "is not a plain name inside the store"));
        }
        let Some(text) = self.document(path, "zarr.json")? else { return version2::node(self, path) };
        let mut raw: Fields =
            json::parse(&text).map_err(|reason| Error::schema(self.name(), path, "zarr.json", reason))?;
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

    /// The text of a metadata document of a node, if it is there and not too long.
    pub(super) fn document(&self, path: &str, document: &str) -> Result<Option<Vec<u8>>> {
        let Some(object) = self.object(&join(path, document))? else { return Ok(None) };
        if object.len > LARGEST_JSON {
            let reason = format!("{} bytes are more than {LARGEST_JSON}", object.len);
            return Err(Error::schema(self.name(), path, document, reason));
        }
        object.read(0, object.len).map(Some)
    }

    /// Names of the nodes directly below a group, sorted. Files and folders that are no node are left out.
    pub(super) fn children(&self, path: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for (name, kind) in self.entries(path)? {
            if kind != EntryKind::File && is_valid_path(&name) && self.is_node(&join(path, &name))? {
                names.push(name);
            }
            if names.len() > MOST_CHILDREN {
                return Err(Error::schema(self.name(), path, "members", format!("more than {MOST_CHILDREN}")));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn is_node(&self, path: &str) -> Result<bool> {
        for document in ["zarr.json", ".zarray", ".zgroup"] {
            if self.files.contains(&join(path, document))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Entries of a folder of the store.
    pub(super) fn entries(&self, path: &str) -> Result<Vec<(String, EntryKind)>> {
        self.files.entries(path)
    }
}
