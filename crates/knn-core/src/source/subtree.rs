//! A group of a container as a container of its own: a modality of a MuData.

use std::sync::Arc;

use serde_json::Value;

use super::container::{Container, Missing, Node, NodeKind, StoredArray};
use super::key::{is_valid_path, join};
use crate::error::{Error, Result};

/// Everything below one group.
#[derive(Debug)]
pub(super) struct Subtree {
    container: Arc<dyn Container>,
    name: String,
    root: String,
}

impl Subtree {
    /// The group at `root`, which must exist.
    pub(super) fn open(container: Arc<dyn Container>, root: String) -> Result<Self> {
        let name = format!("{}/{root}", container.name());
        let node = if is_valid_path(&root) { container.node(&root)? } else { None };
        match node.map(|node| node.kind) {
            Some(NodeKind::Group) => Ok(Self { container, name, root }),
            Some(NodeKind::Array(_)) => {
                Err(Error::schema(container.name(), root, "node_type", "is an array where a group is expected"))
            }
            None => {
                let available = container.children("mod").unwrap_or_default();
                let available = available.iter().map(|modality| format!("mod/{modality}")).collect();
                Err(Error::NotFound { store: container.name().into(), kind: "group".into(), key: root, available })
            }
        }
    }

    fn path(&self, path: &str) -> String {
        if path.is_empty() { self.root.clone() } else { join(&self.root, path) }
    }
}

impl Container for Subtree {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> &'static str {
        self.container.format()
    }

    fn zarr_format(&self) -> Option<u64> {
        self.container.zarr_format()
    }

    fn held_bytes(&self) -> u64 {
        self.container.held_bytes()
    }

    fn node(&self, path: &str) -> Result<Option<Node>> {
        let mut node = self.container.node(&self.path(path))?;
        // What counts from the root of the container counts from this root here.
        for value in node.iter_mut().flat_map(|node| node.attributes.values_mut()) {
            let below = value.as_str().and_then(|text| text.strip_prefix('/')?.strip_prefix(&self.root));
            if let Some(below) = below.filter(|below| below.starts_with('/')) {
                *value = Value::from(below);
            }
        }
        Ok(node)
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        self.container.children(&self.path(path))
    }

    fn array(&self, path: &str, missing: Missing) -> Result<Arc<dyn StoredArray>> {
        self.container.array(&self.path(path), missing)
    }
}
