//! Cells in memory as a container: an AnnData whose matrix answers to every key that no embedding has.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::array::GivenArray;
use crate::error::{Error, Result};
use crate::source::container::{Container, Declared, Missing, Node, NodeKind, StoredArray};
use crate::source::flat::RowNumbers;
use crate::source::key::is_valid_path;

/// A column of `obs`.
#[derive(Debug)]
pub(super) enum Column {
    /// Numbers or truths.
    Values(Arc<GivenArray>),
    /// Labels.
    Labels {
        /// A category for each cell.
        codes: Arc<GivenArray>,
        /// What codes stand for.
        categories: Arc<GivenArray>,
        /// Whether their order means something.
        ordered: bool,
    },
}

/// Cells in memory.
#[derive(Debug)]
pub(super) struct GivenStore {
    pub(super) name: Arc<str>,
    pub(super) rows: u64,
    pub(super) x: Arc<GivenArray>,
    pub(super) names: Option<Arc<GivenArray>>,
    pub(super) columns: BTreeMap<String, Column>,
    pub(super) obsm: BTreeMap<String, Arc<GivenArray>>,
}

/// What a path of the AnnData leads to.
enum Place<'s> {
    Group(Value),
    Array(Arc<dyn StoredArray>),
    Labels(&'s Column),
}

impl GivenStore {
    fn place(&self, path: &str) -> Option<Place<'_>> {
        let array = |array: &Arc<GivenArray>| Some(Place::Array(Arc::clone(array) as Arc<dyn StoredArray>));
        match path {
            "" => return Some(Place::Group(json!({"encoding-type": "anndata", "encoding-version": "0.1.0"}))),
            "obs" => {
                let columns: Vec<&String> = self.columns.keys().collect();
                return Some(Place::Group(json!({
                    "encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index", "column-order": columns,
                })));
            }
            "obsm" => return Some(Place::Group(json!({"encoding-type": "dict", "encoding-version": "0.1.0"}))),
            "X" => return array(&self.x),
            "obs/_index" => {
                let numbers = || Some(Place::Array(Arc::new(RowNumbers::new(self.name.to_string(), self.rows))));
                return self.names.as_ref().map_or_else(numbers, array);
            }
            _ => {}
        }
        if let Some(key) = path.strip_prefix("obsm/").filter(|key| is_valid_path(key) && !key.contains('/')) {
            return array(self.obsm.get(key).unwrap_or(&self.x));
        }
        let rest = path.strip_prefix("obs/")?;
        let (key, member) = rest.split_once('/').unwrap_or((rest, ""));
        match (self.columns.get(key)?, member) {
            (Column::Values(values), "") => array(values),
            (column @ Column::Labels { .. }, "") => Some(Place::Labels(column)),
            (Column::Labels { codes, .. }, "codes") => array(codes),
            (Column::Labels { categories, .. }, "categories") => array(categories),
            _ => None,
        }
    }

    fn bytes(&self) -> u64 {
        let columns = self.columns.values().flat_map(|column| match column {
            Column::Values(values) => vec![values],
            Column::Labels { codes, categories, .. } => vec![codes, categories],
        });
        let all = [&self.x].into_iter().chain(&self.names).chain(columns).chain(self.obsm.values());
        all.map(|array| array.bytes()).sum()
    }
}

impl Container for GivenStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> &'static str {
        "memory"
    }

    fn held_bytes(&self) -> u64 {
        self.bytes()
    }

    fn node(&self, path: &str) -> Result<Option<Node>> {
        let group = |attributes: Value| Node {
            kind: NodeKind::Group,
            attributes: attributes.as_object().cloned().unwrap_or_default(),
        };
        Ok(self.place(path).map(|place| match place {
            Place::Group(attributes) => group(attributes),
            Place::Labels(column) => {
                let ordered = matches!(column, Column::Labels { ordered: true, .. });
                group(json!({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": ordered}))
            }
            Place::Array(array) => {
                let declared = Declared { dtype: array.dtype().name().into(), shape: array.shape().to_vec() };
                Node { kind: NodeKind::Array(declared), attributes: Map::new() }
            }
        }))
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = match path {
            "" => ["X", "obs", "obsm"].map(str::to_owned).into(),
            "obs" => self.columns.keys().cloned().chain(["_index".to_owned()]).collect(),
            "obsm" => self.obsm.keys().cloned().collect(),
            _ if matches!(self.place(path), Some(Place::Labels(_))) => vec!["categories".into(), "codes".into()],
            _ => Vec::new(),
        };
        names.sort_unstable();
        Ok(names)
    }

    fn array(&self, path: &str, _: Missing) -> Result<Arc<dyn StoredArray>> {
        match self.place(path) {
            Some(Place::Array(array)) => Ok(array),
            Some(_) => Err(Error::schema(&*self.name, path, "node_type", "is a group where an array is expected")),
            None => Err(Error::NotFound {
                store: self.name.to_string(),
                kind: "array".into(),
                key: path.into(),
                available: self.children("obs")?,
            }),
        }
    }
}
