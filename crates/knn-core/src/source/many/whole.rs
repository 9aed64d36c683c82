//! The AnnData that many stores are together, as a container.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::colors::colors;
use super::joined::Joined;
use super::listed::Listed;
use super::part::Part;
use super::united::{Form, United};
use crate::error::{Error, Result};
use crate::source::container::{Container, Declared, Missing, Node, NodeKind, StoredArray};
use crate::source::key::is_valid_path;
use crate::source::{AnnDataStore, Categories, RowSource};
use crate::types::DType;

/// The column that says which store a cell is from.
const STORE: &str = "gigamapper_store";

/// Stores that are read as one.
#[derive(Debug)]
pub(in crate::source) struct ManyStores {
    name: String,
    stores: Vec<AnnDataStore>,
    /// Columns that all stores have, in the order of the first.
    columns: Vec<String>,
    /// Whether the column [`STORE`] is ours.
    tells_store: bool,
}

impl ManyStores {
    /// The AnnData stores `containers`, of which there is at least one, under one name.
    pub(in crate::source) fn open(name: String, containers: Vec<Arc<dyn Container>>) -> Result<Self> {
        let stores = containers.into_iter().map(AnnDataStore::of).collect::<Result<Vec<_>>>()?;
        let (first, others) = stores.split_first().ok_or_else(|| Error::internal("no store among many"))?;
        let others: Vec<_> = others.iter().map(AnnDataStore::obs_keys).collect();
        let tells_store = !others.iter().chain([&first.obs_keys()]).any(|keys| keys.iter().any(|key| key == STORE));
        let shared = |key: &String| others.iter().all(|keys| keys.contains(key));
        let columns = first.obs_keys().into_iter().filter(shared).collect();
        Ok(Self { name, stores, columns, tells_store })
    }

    fn names_of_stores(&self) -> Categories {
        Categories::Strings(self.stores.iter().map(|store| store.name().to_owned()).collect())
    }

    /// A key of `obsm` that at least one store has, of every store.
    fn matrix(&self, key: &str) -> Result<Option<Vec<Arc<dyn RowSource>>>> {
        if !self.stores.iter().any(|store| store.obsm_keys().iter().any(|known| known == key)) {
            return Ok(None);
        }
        let rows = self.stores.iter().map(|store| store.embedding(key)).collect::<Result<Vec<_>>>()?;
        let shape = |rows: &dyn RowSource| vec![rows.rows(), rows.dim() as u64];
        if let Some(other) = rows.iter().find(|other| other.dim() != rows[0].dim()) {
            return Err(Error::Shape {
                left: rows[0].name(),
                left_shape: shape(&rows[0]),
                right: other.name(),
                right_shape: shape(other),
                reason: "stores that are read as one need the same number of columns".into(),
            });
        }
        Ok(Some(rows))
    }

    /// The column that a path below `obs` is, or is part of, and which part.
    fn column<'p>(&self, path: &'p str) -> Option<(&'p str, &'p str)> {
        let known = |key: &str| (self.tells_store && key == STORE) || self.columns.iter().any(|column| column == key);
        if known(path) {
            return Some((path, ""));
        }
        path.rsplit_once('/').filter(|(key, _)| known(key))
    }

    /// A column or a part of it: its node, and its array where it is one.
    fn member(&self, path: &str, key: &str, member: &str) -> Result<Option<Found>> {
        if self.tells_store && key == STORE {
            let shares = || self.stores.iter().zip(0..).map(|(store, place)| Part::Constant(place, store.n_obs()));
            return Ok(match member {
                "" => Some(categorical(false)),
                "codes" => Some(self.joined(path, None, shares().collect())?),
                "categories" => Some(self.listed(path, self.names_of_stores())),
                _ => None,
            });
        }
        let united = United::open(&self.stores, key)?;
        Ok(match (&united.form, member) {
            (Form::Categorical { ordered, .. }, "") => Some(categorical(*ordered)),
            (Form::Categorical { categories, .. }, "categories") => Some(self.listed(path, categories.clone())),
            (Form::Values { dtype: DType::Bool, masked: true }, "") => Some(group("nullable-boolean")),
            (Form::Values { masked: true, .. }, "") => Some(group("nullable-integer")),
            (Form::Texts { masked: true }, "") => Some(group("nullable-string-array")),
            (Form::Other(encoding), "") => Some(group(encoding)),
            (Form::Times(declared), "") => {
                let declared = Some(declared.clone());
                Some(Found { declared, ..self.joined(path, None, united.values())? })
            }
            (Form::Values { masked: true, .. } | Form::Texts { masked: true }, "mask") => {
                Some(self.joined(path, None, united.mask())?)
            }
            (Form::Categorical { .. }, "codes")
            | (Form::Values { masked: true, .. } | Form::Texts { masked: true }, "values")
            | (Form::Values { masked: false, .. } | Form::Texts { masked: false } | Form::Numbers, "") => {
                Some(self.joined(path, None, united.values())?)
            }
            _ => None,
        })
    }

    fn find(&self, path: &str) -> Result<Option<Found>> {
        if !path.is_empty() && !is_valid_path(path) {
            return Ok(None);
        }
        let (top, below) = path.split_once('/').unwrap_or((path, ""));
        Ok(match (top, below) {
            ("", _) => Some(group("anndata")),
            ("obs", "") => Some(self.frame()),
            ("obs", "_index") => {
                let names = self.stores.iter().map(|store| store.names().map(Part::Names));
                Some(self.joined(path, None, names.collect::<Result<_>>()?)?)
            }
            ("obs", below) => match self.column(below) {
                Some((key, member)) => self.member(path, key, member)?,
                None => None,
            },
            ("obsm" | "uns", "") => Some(group("dict")),
            ("obsm", key) => match self.matrix(key)? {
                Some(rows) => {
                    let width = rows[0].dim() as u64;
                    Some(self.joined(path, Some(width), rows.into_iter().map(Part::Rows).collect())?)
                }
                None => None,
            },
            ("uns", name) => match name.strip_suffix("_colors").and_then(|key| self.column(key)) {
                Some((key, "")) if key != STORE || !self.tells_store => self.colors(path, key)?,
                _ => None,
            },
            ("X" | "layers", _) if !below.is_empty() || top == "X" => {
                return Err(Error::Unsupported {
                    what: format!("{}/{path}: X or a layer of many stores", self.name),
                    remedy: "take a key of obsm, or each store by itself".into(),
                });
            }
            _ => None,
        })
    }

    fn colors(&self, path: &str, key: &str) -> Result<Option<Found>> {
        let Form::Categorical { categories, .. } = United::open(&self.stores, key)?.form else { return Ok(None) };
        let colors = colors(&self.stores, key, &categories)?;
        Ok(colors.map(|colors| self.listed(path, Categories::Strings(colors))))
    }

    fn frame(&self) -> Found {
        let mut order = self.columns.clone();
        order.extend(self.tells_store.then(|| STORE.to_owned()));
        let mut frame = group("dataframe");
        frame.attributes.insert("_index".into(), "_index".into());
        frame.attributes.insert("column-order".into(), order.into());
        frame
    }

    fn joined(&self, path: &str, width: Option<u64>, shares: Vec<Part>) -> Result<Found> {
        Ok(array(Arc::new(Joined::new(&self.name, path, width, shares)?)))
    }

    fn listed(&self, path: &str, values: Categories) -> Found {
        array(Arc::new(Listed::new(&self.name, path, values)))
    }
}

/// What lies at a path.
struct Found {
    attributes: Map<String, Value>,
    array: Option<Arc<dyn StoredArray>>,
    /// What declares its values, where these do not do so themselves.
    declared: Option<String>,
}

fn group(encoding: &str) -> Found {
    let version = if ["dataframe", "categorical"].contains(&encoding) { "0.2.0" } else { "0.1.0" };
    let attributes = json!({ "encoding-type": encoding, "encoding-version": version });
    Found { attributes: attributes.as_object().cloned().unwrap_or_default(), array: None, declared: None }
}

fn categorical(ordered: bool) -> Found {
    let mut found = group("categorical");
    found.attributes.insert("ordered".into(), ordered.into());
    found
}

fn array(array: Arc<dyn StoredArray>) -> Found {
    let encoding = if array.dtype() == DType::String { "string-array" } else { "array" };
    let attributes = json!({ "encoding-type": encoding, "encoding-version": "0.2.0" });
    Found { attributes: attributes.as_object().cloned().unwrap_or_default(), array: Some(array), declared: None }
}

impl Container for ManyStores {
    fn name(&self) -> &str {
        &self.name
    }

    /// That of all stores, or `mixed`.
    fn format(&self) -> &'static str {
        let first = self.stores.first().map_or("mixed", |store| store.container().format());
        if self.stores.iter().all(|store| store.container().format() == first) { first } else { "mixed" }
    }

    fn zarr_format(&self) -> Option<u64> {
        let first = self.stores.first().and_then(|store| store.container().zarr_format());
        first.filter(|_| self.stores.iter().all(|store| store.container().zarr_format() == first))
    }

    fn held_bytes(&self) -> u64 {
        self.stores.iter().map(|store| store.container().held_bytes()).sum()
    }

    fn stores(&self) -> Vec<(String, u64)> {
        self.stores.iter().map(|store| (store.name().to_owned(), store.n_obs())).collect()
    }

    fn node(&self, path: &str) -> Result<Option<Node>> {
        Ok(self.find(path)?.map(|Found { attributes, array, declared }| {
            let kind = array.map_or(NodeKind::Group, |array| {
                let dtype = declared.unwrap_or_else(|| array.dtype().name().into());
                NodeKind::Array(Declared { dtype, shape: array.shape().to_vec() })
            });
            Node { kind, attributes }
        }))
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = match path {
            "" => ["obs", "obsm", "uns"].map(str::to_owned).into(),
            "obs" => self.columns.iter().cloned().chain(self.tells_store.then(|| STORE.to_owned())).collect(),
            "obsm" => {
                let shared = |key: &String| self.stores.iter().all(|store| store.obsm_keys().contains(key));
                self.stores
                    .first()
                    .map(AnnDataStore::obsm_keys)
                    .unwrap_or_default()
                    .into_iter()
                    .filter(shared)
                    .collect()
            }
            _ => Vec::new(),
        };
        if path == "obs" {
            names.push("_index".into());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn array(&self, path: &str, _: Missing) -> Result<Arc<dyn StoredArray>> {
        let found = self.find(path)?.and_then(|found| found.array);
        found.ok_or_else(|| Error::NotFound {
            store: self.name.clone(),
            kind: "array".into(),
            key: path.into(),
            available: Vec::new(),
        })
    }
}
