//! A file of generated cells as a container: an AnnData with an embedding and columns that nobody stored.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::array::{GeneratedArray, What};
use super::cells::Cells;
use super::parameters::Parameters;
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::{Container, Declared, Missing, Node, NodeKind, StoredArray};
use crate::source::given::{GivenArray, Values};

/// How the name of such a file ends.
const SUFFIX: &str = ".cells.json";
/// Longer files hold something else.
const MOST_BYTES: u64 = 1 << 16;
/// Where coordinates are.
const COORDINATES: &str = "obsm/X_pca";
/// Columns of `obs`, in their order.
const COLUMNS: [(&str, What); 4] =
    [("cell_type", What::Class), ("batch", What::Batch), ("rare", What::IsRare), ("out_of_reference", What::IsOutside)];

/// Generated cells.
#[derive(Debug)]
pub(in crate::source) struct GeneratedStore {
    name: Arc<str>,
    cells: Arc<Cells>,
}

/// What a path of the AnnData leads to.
enum Place {
    Group(Value),
    Array(What),
    /// Names of the categories of a column.
    Texts(Vec<String>),
}

impl GeneratedStore {
    /// Whether the name of a file is that of generated cells.
    pub(in crate::source) fn is_generated(path: &Path) -> bool {
        path.to_str().is_some_and(|path| path.to_ascii_lowercase().ends_with(SUFFIX))
    }

    /// Reads and checks the parameters at `path`.
    pub(in crate::source) fn open(path: &Path) -> Result<Self> {
        let name: Arc<str> = path.display().to_string().into();
        let file = std::fs::File::open(path).map_err(|error| Error::io("open", path, error))?;
        let mut text = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(|error| Error::io("read", path, error))?;
        if text.len() as u64 > MOST_BYTES {
            return Err(Error::schema(&*name, "", "json", format!("is longer than {MOST_BYTES} bytes")));
        }
        let cells = Arc::new(Cells::new(Parameters::parse(&name, &text)?));
        Ok(Self { name, cells })
    }

    fn place(&self, path: &str) -> Option<Place> {
        let group = |attributes: Value| Some(Place::Group(attributes));
        match path {
            "" => return group(json!({"encoding-type": "anndata", "encoding-version": "0.1.0"})),
            "obs" => {
                return group(json!({
                    "encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index",
                    "column-order": COLUMNS.map(|(key, _)| key),
                }));
            }
            "obsm" => return group(json!({"encoding-type": "dict", "encoding-version": "0.1.0"})),
            "obs/_index" => return Some(Place::Array(What::Name)),
            COORDINATES => return Some(Place::Array(What::Coordinates)),
            _ => {}
        }
        let rest = path.strip_prefix("obs/")?;
        let (key, member) = rest.split_once('/').unwrap_or((rest, ""));
        let (_, what) = COLUMNS.into_iter().find(|(column, _)| *column == key)?;
        match (what, member) {
            (What::Class | What::Batch, "") => {
                group(json!({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": false}))
            }
            (What::IsRare | What::IsOutside, "") | (What::Class | What::Batch, "codes") => Some(Place::Array(what)),
            (What::Class, "categories") => Some(Place::Texts(self.cells.classes())),
            (What::Batch, "categories") => {
                let batches = self.cells.parameters.batches;
                Some(Place::Texts((0..batches).map(|number| format!("batch {number}")).collect()))
            }
            _ => None,
        }
    }
}

impl Container for GeneratedStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> &'static str {
        "generated"
    }

    fn held_bytes(&self) -> u64 {
        self.cells.bytes()
    }

    fn node(&self, path: &str) -> Result<Option<Node>> {
        let array = |dtype: &str, shape: Vec<u64>| Node {
            kind: NodeKind::Array(Declared { dtype: dtype.into(), shape }),
            attributes: Map::new(),
        };
        Ok(self.place(path).map(|place| match place {
            Place::Group(attributes) => {
                Node { kind: NodeKind::Group, attributes: attributes.as_object().cloned().unwrap_or_default() }
            }
            Place::Array(what) => array(what.dtype().name(), what.shape(&self.cells)),
            Place::Texts(texts) => array("string", vec![texts.len() as u64]),
        }))
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = match path {
            "" => vec!["obs".into(), "obsm".into()],
            "obs" => COLUMNS.iter().map(|(key, _)| (*key).to_owned()).chain(["_index".to_owned()]).collect(),
            "obsm" => vec!["X_pca".into()],
            _ if matches!(self.place(path), Some(Place::Group(_))) => vec!["categories".into(), "codes".into()],
            _ => Vec::new(),
        };
        names.sort_unstable();
        Ok(names)
    }

    fn array(&self, path: &str, _: Missing) -> Result<Arc<dyn StoredArray>> {
        match self.place(path) {
            Some(Place::Array(what)) => Ok(Arc::new(GeneratedArray::new(&self.name, path, &self.cells, what))),
            Some(Place::Texts(texts)) => {
                let mut block = StringBlock::default();
                for text in &texts {
                    block.push(text);
                }
                let shape = vec![texts.len() as u64];
                Ok(Arc::new(GivenArray::new(&self.name, path.to_owned(), Values::Texts(block), shape)))
            }
            Some(Place::Group(_)) => {
                Err(Error::schema(&*self.name, path, "node_type", "is a group where an array is expected"))
            }
            None => Err(Error::NotFound {
                store: self.name.to_string(),
                kind: "array".into(),
                key: path.into(),
                available: self.children("obs")?,
            }),
        }
    }
}
