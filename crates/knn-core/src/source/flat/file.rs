//! A flat file as a container: an AnnData of cells without columns, whose only matrix answers to every key.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::layout::{Layout, SUFFIXES};
use super::matrix::FlatMatrix;
use super::row_numbers::RowNumbers;
use crate::error::{Error, Result};
use crate::source::container::{Container, Declared, Missing, Node, NodeKind, StoredArray};
use crate::source::key::is_valid_path;
use crate::store::PositionedFile;

/// An open flat file.
#[derive(Debug)]
pub(in crate::source) struct FlatFile {
    name: String,
    format: &'static str,
    file: Arc<PositionedFile>,
    layout: Layout,
}

/// What a path of the AnnData leads to.
enum Place {
    Group(Map<String, Value>),
    Names,
    Matrix,
}

impl FlatFile {
    /// The format that the suffix of a path says, if it is one of those that are read here.
    fn format_of(path: &Path) -> Option<&'static str> {
        let suffix = path.extension()?.to_str()?.to_ascii_lowercase();
        SUFFIXES.into_iter().find(|known| *known == suffix)
    }

    /// Whether the suffix of a path is that of a flat file.
    pub(in crate::source) fn is_flat(path: &Path) -> bool {
        Self::format_of(path).is_some()
    }

    /// Opens the file at `path` and checks its size.
    pub(in crate::source) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let Some(format) = Self::format_of(path) else {
            let what = format!("{name}, whose suffix is none of {},", SUFFIXES.join(", "));
            return Err(Error::Unsupported { what, remedy: "rename it by what it holds".into() });
        };
        let file = Arc::new(PositionedFile::open(path)?);
        let layout = Layout::read(&file, format, &name)?;
        Ok(Self { name, format, file, layout })
    }

    fn place(path: &str) -> Option<Place> {
        let group = |attributes: Value| attributes.as_object().cloned().map(Place::Group);
        match path {
            "" => group(json!({"encoding-type": "anndata", "encoding-version": "0.1.0"})),
            "obs" => group(json!({
                "encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index", "column-order": [],
            })),
            "obsm" => group(json!({"encoding-type": "dict", "encoding-version": "0.1.0"})),
            "obs/_index" => Some(Place::Names),
            "X" => Some(Place::Matrix),
            _ => {
                path.strip_prefix("obsm/").filter(|key| is_valid_path(key) && !key.contains('/')).map(|_| Place::Matrix)
            }
        }
    }
}

impl Container for FlatFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> &'static str {
        self.format
    }

    fn node(&self, path: &str) -> Result<Option<Node>> {
        let Layout { rows, columns, dtype, .. } = self.layout;
        let array = |dtype: &str, shape: Vec<u64>, encoding: &str| Node {
            kind: NodeKind::Array(Declared { dtype: dtype.into(), shape }),
            attributes: Map::from_iter([("encoding-type".to_owned(), Value::from(encoding))]),
        };
        Ok(Self::place(path).map(|place| match place {
            Place::Group(attributes) => Node { kind: NodeKind::Group, attributes },
            Place::Names => array("uint64", vec![rows], "array"),
            Place::Matrix => array(dtype.name(), vec![rows, columns], "array"),
        }))
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        Ok(match path {
            "" => vec!["X".into(), "obs".into()],
            "obs" => vec!["_index".into()],
            _ => Vec::new(),
        })
    }

    fn array(&self, path: &str, _: Missing) -> Result<Arc<dyn StoredArray>> {
        match Self::place(path) {
            Some(Place::Names) => Ok(Arc::new(RowNumbers::new(self.name.clone(), self.layout.rows))),
            Some(Place::Matrix) => {
                Ok(Arc::new(FlatMatrix::new(self.file.clone(), self.name.clone(), self.layout.clone())))
            }
            Some(Place::Group(_)) => {
                Err(Error::schema(self.name.as_str(), path, "node_type", "is a group where an array is expected"))
            }
            None => Err(Error::NotFound {
                store: self.name.clone(),
                kind: "array".into(),
                key: path.into(),
                available: self.children("")?,
            }),
        }
    }
}
