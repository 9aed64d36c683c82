//! An AnnData store: its cells, and access to columns and representations by key.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::column::ObsColumn;
use super::names::ObsNames;
use super::nullable::Nullable;
use crate::error::{Error, Result};
use crate::source::container::{Container, Missing, Node, NodeKind};
use crate::source::key::{is_valid_path, join};
use crate::source::{ArrayRows, RowSource, StringBlock, open};
use crate::types::RowRange;

/// More colours than any key has.
const MOST_COLORS: u64 = 1 << 16;

/// An AnnData, in whatever format it is stored.
#[derive(Debug, Clone)]
pub struct AnnDataStore {
    store: Arc<dyn Container>,
    version: String,
    n_obs: u64,
    n_vars: u64,
    obs_index: String,
    obs_keys: Vec<String>,
}

/// The `encoding-type` of a node; empty where it says none.
pub(in crate::source) fn encoding(attributes: &Map<String, Value>) -> &str {
    attributes.get("encoding-type").and_then(Value::as_str).unwrap_or_default()
}

impl AnnDataStore {
    /// Opens the AnnData at `path` and learns its number of cells and genes.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(open(path)?)
    }

    /// The AnnData whose root is that of a container.
    pub fn of(container: Arc<dyn Container>) -> Result<Self> {
        let store = container.as_ref();
        let root = group(store, "")?;
        if encoding(&root.attributes) != "anndata" {
            let found = encoding(&root.attributes);
            let reason = if store.node("obs")?.is_some() && found.is_empty() {
                "is missing: this looks like an AnnData of before version 0.8; read and write it again".to_owned()
            } else {
                format!("is {found:?} and not \"anndata\"")
            };
            return Err(Error::schema(store.name(), "", "encoding-type", reason));
        }
        let version = root.attributes.get("encoding-version").and_then(Value::as_str).unwrap_or_default().to_owned();
        let obs = group(store, "obs")?;
        let obs_index = index_path(store, "obs", &obs)?;
        let n_obs = Nullable::open(store, &obs_index)?.rows();
        let n_vars = match store.node("var")? {
            Some(var) => Nullable::open(store, &index_path(store, "var", &var)?)?.rows(),
            None => 0,
        };
        let obs_keys = column_order(store, "obs", &obs)?;
        Ok(Self { store: container, version, n_obs, n_vars, obs_index, obs_keys })
    }

    /// The store as the user named it.
    pub fn name(&self) -> &str {
        self.store.name()
    }

    /// What it is stored in.
    pub fn container(&self) -> &dyn Container {
        self.store.as_ref()
    }

    /// `encoding-version` of the AnnData.
    pub fn encoding_version(&self) -> &str {
        &self.version
    }

    /// Number of cells.
    pub fn n_obs(&self) -> u64 {
        self.n_obs
    }

    /// Number of genes.
    pub fn n_vars(&self) -> u64 {
        self.n_vars
    }

    /// Columns of `obs`, in their order.
    pub fn obs_keys(&self) -> Vec<String> {
        self.obs_keys.clone()
    }

    /// Keys of `obsm`, sorted.
    pub fn obsm_keys(&self) -> Vec<String> {
        self.store.children("obsm").unwrap_or_default()
    }

    /// Keys of `layers`, sorted; without `X`.
    pub fn layer_keys(&self) -> Vec<String> {
        self.store.children("layers").unwrap_or_default()
    }

    /// A dense array of `obsm`, as a source of f32 rows.
    pub fn representation(&self, key: &str) -> Result<Arc<dyn RowSource>> {
        let path = join("obsm", key);
        let node = if is_valid_path(key) { self.store.node(&path)? } else { None };
        let Some(node) = node else { return Err(self.not_found("obsm key", key, self.obsm_keys())) };
        if matches!(node.kind, NodeKind::Group) {
            return Err(Error::Unsupported {
                what: format!("{}/{path}, a {:?},", self.name(), encoding(&node.attributes)),
                remedy: "store it as a dense array to use it as a representation".into(),
            });
        }
        let array = self.store.array(&path, Missing::AllOrNone)?;
        let shape = array.shape().to_vec();
        let rows = ArrayRows::new(array)?;
        if rows.rows() != self.n_obs {
            return Err(self.shape_error(&path, &shape));
        }
        Ok(Arc::new(rows))
    }

    /// A column of `obs`.
    pub fn column(&self, key: &str) -> Result<ObsColumn> {
        if !self.obs_keys.iter().any(|known| known == key) {
            if !["zarr", "h5ad"].contains(&self.store.format()) && self.obs_keys.is_empty() {
                return Err(Error::Unsupported {
                    what: format!("transferring {key:?} from {}, which holds rows and no columns,", self.name()),
                    remedy: "name an AnnData or a table that has the column as reference".into(),
                });
            }
            return Err(self.not_found("obs column", key, self.obs_keys()));
        }
        let column = ObsColumn::open(self.container(), key, &join("obs", key), self.n_obs)?;
        if column.rows() != self.n_obs {
            return Err(self.shape_error(&join("obs", key), &[column.rows()]));
        }
        Ok(column)
    }

    /// The names of the cells.
    pub fn names(&self) -> Result<ObsNames> {
        ObsNames::open(self.container(), &self.obs_index)
    }

    /// The colours that scanpy stored for the categories of a column; `None` where there are none.
    pub fn colors(&self, key: &str) -> Result<Option<Vec<String>>> {
        let path = format!("uns/{key}_colors");
        if !is_valid_path(&path) || self.store.node(&path)?.is_none() {
            return Ok(None);
        }
        let colors = Nullable::open(self.container(), &path)?;
        if colors.rows() > MOST_COLORS {
            return Err(Error::schema(self.name(), path, "shape", format!("more than {MOST_COLORS} colors")));
        }
        let mut block = StringBlock::default();
        colors.values.read_strings(RowRange::new(0, colors.rows()), &mut block)?;
        Ok(Some(block.iter().map(str::to_owned).collect()))
    }

    fn not_found(&self, kind: &str, key: &str, available: Vec<String>) -> Error {
        Error::NotFound { store: self.name().into(), kind: kind.into(), key: key.into(), available }
    }

    fn shape_error(&self, path: &str, shape: &[u64]) -> Error {
        Error::Shape {
            left: format!("{}/{path}", self.name()),
            left_shape: shape.to_vec(),
            right: format!("{}/obs", self.name()),
            right_shape: vec![self.n_obs],
            reason: "one row for every cell".into(),
        }
    }
}

fn group(store: &dyn Container, path: &str) -> Result<Node> {
    match store.node(path)? {
        Some(node) if matches!(node.kind, NodeKind::Group) => Ok(node),
        Some(_) => Err(Error::schema(store.name(), path, "node_type", "is an array where a group is expected")),
        None => Err(Error::schema(store.name(), path, "node", "the group is missing")),
    }
}

fn index_path(store: &dyn Container, frame: &str, node: &Node) -> Result<String> {
    let index = node.attributes.get("_index").and_then(Value::as_str).ok_or_else(|| {
        Error::schema(store.name(), frame, "_index", "is missing: it must name the member that holds the names")
    })?;
    if !is_valid_path(index) {
        return Err(Error::schema(store.name(), frame, "_index", format!("{index:?} is not a plain name")));
    }
    Ok(join(frame, index))
}

fn column_order(store: &dyn Container, frame: &str, node: &Node) -> Result<Vec<String>> {
    let wrong = |reason: &str| Error::schema(store.name(), frame, "column-order", reason);
    let order = node.attributes.get("column-order").ok_or_else(|| wrong("is missing"))?;
    let names = order.as_array().ok_or_else(|| wrong("is not a list"))?;
    names
        .iter()
        .map(|name| name.as_str().map(str::to_owned).ok_or_else(|| wrong("has a member that is no name")))
        .collect()
}
