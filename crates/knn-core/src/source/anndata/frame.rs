//! A data frame: its index, and its columns in their order. `obs`, `var`, and members of `obsm` are ones.
//!
//! Versions 0.1.0 and 0.2.0 differ in where categories are, which a column finds out. Before them a frame said nothing of
//! itself: its index then is the member of the name that pandas gave it, and its columns are all others.

use serde_json::Value;

use super::column::ObsColumn;
use crate::error::{Error, Result};
use crate::source::container::{Container, Node, NodeKind};
use crate::source::key::{is_valid_path, join};

/// Where version 0.1.0 keeps the categories of its columns.
const CATEGORIES: &str = "__categories";
/// What an index is called that no attribute names.
const INDEX_NAMES: [&str; 2] = ["_index", "index"];

/// A frame whose members have not been looked at.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    path: String,
    /// Path of the index.
    pub(super) index: String,
    /// Names of the columns, in their order.
    pub(super) columns: Vec<String>,
}

impl Frame {
    pub(super) fn open(store: &dyn Container, path: &str) -> Result<Self> {
        let node = group(store, path)?;
        let index = index(store, path, &node)?;
        let columns = match node.attributes.get("column-order") {
            Some(order) => listed(order).map_err(|reason| Error::schema(store.name(), path, "column-order", reason))?,
            None if is_declared(&node) => return Err(Error::schema(store.name(), path, "column-order", "is missing")),
            None => {
                let members = store.children(path)?.into_iter();
                members.filter(|name| *name != index && name != CATEGORIES).collect()
            }
        };
        Ok(Self { path: path.into(), index: join(path, &index), columns })
    }

    /// Opens a column of `rows` values.
    pub(super) fn column(&self, store: &dyn Container, key: &str, rows: u64) -> Result<ObsColumn> {
        let column = ObsColumn::open(store, &self.path, key, rows)?;
        if column.rows() != rows {
            return Err(Error::Shape {
                left: format!("{}/{}", store.name(), join(&self.path, key)),
                left_shape: vec![column.rows()],
                right: format!("{}/obs", store.name()),
                right_shape: vec![rows],
                reason: "one row for every cell".into(),
            });
        }
        Ok(column)
    }
}

/// The group at a path, which must exist.
pub(super) fn group(store: &dyn Container, path: &str) -> Result<Node> {
    match store.node(path)? {
        Some(node) if matches!(node.kind, NodeKind::Group) => Ok(node),
        Some(_) => Err(Error::schema(store.name(), path, "node_type", "is an array where a group is expected")),
        None => Err(Error::schema(store.name(), path, "node", "the group is missing")),
    }
}

fn is_declared(node: &Node) -> bool {
    node.attributes.contains_key("encoding-type")
}

fn index(store: &dyn Container, path: &str, node: &Node) -> Result<String> {
    let missing =
        || Error::schema(store.name(), path, "_index", "is missing: it must name the member that holds the names");
    let index = match node.attributes.get("_index").and_then(Value::as_str) {
        Some(index) => index.to_owned(),
        None if is_declared(node) => return Err(missing()),
        None => {
            let members = store.children(path)?;
            let found = INDEX_NAMES.iter().find(|name| members.iter().any(|member| member == *name));
            (*found.ok_or_else(missing)?).to_owned()
        }
    };
    if is_valid_path(&index) {
        return Ok(index);
    }
    Err(Error::schema(store.name(), path, "_index", format!("{index:?} is not a plain name")))
}

fn listed(order: &Value) -> Result<Vec<String>, &'static str> {
    let names = order.as_array().ok_or("is not a list")?;
    names.iter().map(|name| name.as_str().map(str::to_owned).ok_or("has a member that is no name")).collect()
}
