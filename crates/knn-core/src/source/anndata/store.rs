//! An AnnData store: its cells, and access to columns and representations by key.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::column::{ColumnKind, ObsColumn};
use super::frame::{Frame, group};
use super::matrix;
use super::names::ObsNames;
use super::nullable::Nullable;
use super::pairwise::{PairwiseColumns, PairwiseRows};
use super::sparse::{Compressed, Sparse};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::source::container::{Container, Node};
use crate::source::key::{is_valid_path, join};
use crate::source::{EdgeRows, FilteredStore, RowSource, StringBlock, open, open_while};
use crate::types::RowRange;

/// More colours than any key has.
const MOST_COLORS: u64 = 1 << 16;

/// More genes than any genome has, with every isoform.
const MOST_GENES: u64 = 1 << 20;

/// An AnnData, in whatever format it is stored.
#[derive(Debug, Clone)]
pub struct AnnDataStore {
    store: Arc<dyn Container>,
    version: String,
    n_obs: u64,
    n_vars: u64,
    obs: Frame,
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

    /// The same for a run that may be cancelled while the condition of a path is evaluated: `GM_CANCELLED`.
    pub fn open_while(path: &Path, progress: &Progress) -> Result<Self> {
        Self::of(open_while(path, progress)?)
    }

    /// The AnnData whose root is that of a container.
    pub fn of(container: Arc<dyn Container>) -> Result<Self> {
        let store = container.as_ref();
        let root = group(store, "")?;
        check_root(store, &root)?;
        let version = root.attributes.get("encoding-version").and_then(Value::as_str).unwrap_or_default().to_owned();
        let obs = Frame::open(store, "obs")?;
        let n_obs = Nullable::open(store, &obs.index)?.rows();
        let n_vars = match store.node("var")? {
            Some(_) => Nullable::open(store, &Frame::open(store, "var")?.index)?.rows(),
            None => 0,
        };
        Ok(Self { store: container, version, n_obs, n_vars, obs })
    }

    /// The store as the user named it.
    pub fn name(&self) -> &str {
        self.store.name()
    }

    /// What it is stored in.
    pub fn container(&self) -> &dyn Container {
        self.store.as_ref()
    }

    /// What it is part of, where it is the cells for which a condition holds.
    pub fn filtered(&self) -> Option<&FilteredStore> {
        self.store.filtered()
    }

    /// Whether a cell is in both, if both are the same store or parts of it.
    pub fn shares_cells(&self, other: &Self) -> bool {
        match (self.filtered(), other.filtered()) {
            (Some(part), _) => part.meets(other.container()),
            (None, Some(part)) => part.meets(self.container()),
            (None, None) => self.n_obs > 0,
        }
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
        self.obs.columns.clone()
    }

    /// Keys of `obsm`, sorted.
    pub fn obsm_keys(&self) -> Vec<String> {
        self.store.children("obsm").unwrap_or_default()
    }

    /// Keys of `layers`, sorted; without `X`.
    pub fn layer_keys(&self) -> Vec<String> {
        self.store.children("layers").unwrap_or_default()
    }

    /// A matrix with a row for every cell, as a source of f32 rows: a key of `obsm`, `X`, `layers/<name>` or
    /// `obsm/<key>`; dense, sparse, or a data frame of numbers.
    pub fn representation(&self, key: &str) -> Result<Arc<dyn RowSource>> {
        matrix::open(self, key, &matrix::path_of(key))
    }

    /// A member of `obsm`, whatever it is called.
    pub fn embedding(&self, key: &str) -> Result<Arc<dyn RowSource>> {
        matrix::open(self, key, &join("obsm", key))
    }

    /// A member of `obsp` as edges: a sparse matrix of cells × cells.
    pub fn pairwise(&self, key: &str) -> Result<Arc<dyn EdgeRows>> {
        let path = join("obsp", key);
        if self.filtered().is_some() {
            return Err(Error::Unsupported {
                what: format!("{}/{path}: cells × cells of chosen cells", self.name()),
                remedy: "take the whole store, or find the neighbors of the chosen cells".into(),
            });
        }
        let node = if is_valid_path(&path) { self.store.node(&path)? } else { None };
        let Some(node) = node else {
            return Err(self.not_found("obsp key", key, self.store.children("obsp").unwrap_or_default()));
        };
        let compressed = matrix::compression(&node).ok_or_else(|| Error::Unsupported {
            what: format!("{}/{path}, which is no sparse matrix,", self.name()),
            remedy: "store it by rows: scipy.sparse.csr_matrix(matrix)".into(),
        })?;
        let matrix = Sparse::open(self.container(), &path, &node, compressed)?;
        Ok(match compressed {
            Compressed::Rows => Arc::new(PairwiseRows::new(matrix)),
            Compressed::Columns => Arc::new(PairwiseColumns::new(matrix)?),
        })
    }

    /// A column of `obs`.
    pub fn column(&self, key: &str) -> Result<ObsColumn> {
        if !self.obs.columns.iter().any(|known| known == key) {
            if !["zarr", "h5ad"].contains(&self.store.format()) && self.obs.columns.is_empty() {
                return Err(Error::Unsupported {
                    what: format!("transferring {key:?} from {}, which holds rows and no columns,", self.name()),
                    remedy: "name an AnnData or a table that has the column as reference".into(),
                });
            }
            return Err(self.not_found("obs column", key, self.obs_keys()));
        }
        self.obs.column(self.container(), key, self.n_obs)
    }

    /// The names of the genes, in their order.
    pub fn gene_names(&self) -> Result<Vec<String>> {
        if self.n_vars > MOST_GENES {
            return Err(Error::schema(self.name(), "var", "shape", format!("more than {MOST_GENES} genes")));
        }
        if self.n_vars == 0 {
            return Ok(Vec::new());
        }
        let names = ObsNames::open(self.container(), &Frame::open(self.container(), "var")?.index)?;
        let mut block = StringBlock::default();
        names.read(RowRange::new(0, self.n_vars), &mut block)?;
        Ok(block.iter().map(str::to_owned).collect())
    }

    /// A column of `var`.
    pub fn gene_column(&self, key: &str) -> Result<ObsColumn> {
        let var = Frame::open(self.container(), "var")?;
        if !var.columns.iter().any(|known| known == key) {
            return Err(self.not_found("var column", key, var.columns));
        }
        var.column(self.container(), key, self.n_vars)
    }

    /// Which genes a column of booleans in `var` says yes to, in their order.
    pub fn gene_mask(&self, key: &str) -> Result<Vec<bool>> {
        let frame = match self.store.node("var")? {
            Some(_) => Frame::open(self.container(), "var")?,
            None => return Err(self.not_found("var column", key, Vec::new())),
        };
        if !frame.columns.iter().any(|known| known == key) {
            return Err(self.not_found("var column", key, frame.columns));
        }
        let column = ObsColumn::open(self.container(), "var", key, self.n_vars)?;
        let path = join("var", key);
        if !matches!(column.kind(), ColumnKind::Boolean) {
            return Err(Error::schema(self.name(), path, "data_type", "a mask of genes holds booleans"));
        }
        if column.rows() != self.n_vars || self.n_vars > MOST_GENES {
            return Err(Error::schema(self.name(), path, "shape", "is not one value for every gene"));
        }
        let mut codes = Vec::new();
        column.read_codes(RowRange::new(0, self.n_vars), &mut codes)?;
        Ok(codes.into_iter().map(|code| code == 1).collect())
    }

    /// The names of the cells.
    pub fn names(&self) -> Result<ObsNames> {
        ObsNames::open(self.container(), &self.obs.index)
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
}

/// Whether the root is that of an AnnData. Before version 0.8 it said nothing of itself.
fn check_root(store: &dyn Container, root: &Node) -> Result<()> {
    match encoding(&root.attributes) {
        "anndata" => Ok(()),
        "" if store.node("obs")?.is_some() => Ok(()),
        found if found.eq_ignore_ascii_case("mudata") => {
            let modalities = store.children("mod")?;
            let named: Vec<String> = modalities.iter().map(|name| format!("{}/mod/{name}", store.name())).collect();
            Err(Error::Unsupported {
                what: format!("{}, a MuData of several modalities,", store.name()),
                remedy: format!("name one of them: {}", named.join(", ")),
            })
        }
        found => Err(Error::schema(store.name(), "", "encoding-type", format!("is {found:?} and not \"anndata\""))),
    }
}
