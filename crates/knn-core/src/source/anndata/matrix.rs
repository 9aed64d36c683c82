//! A matrix with one row for every cell, as rows: `X`, a layer, or a member of `obsm`, however it is encoded.

use std::sync::Arc;

use serde_json::Value;

use super::csc_rows::CscRows;
use super::csr_rows::CsrRows;
use super::frame::Frame;
use super::frame_rows::FrameRows;
use super::sparse::{Compressed, Sparse};
use super::store::{AnnDataStore, encoding};
use crate::error::{Error, Result};
use crate::source::container::{Missing, Node, NodeKind};
use crate::source::filtered::SelectedRows;
use crate::source::key::{is_valid_path, join};
use crate::source::{ArrayRows, RowSource};

/// Path of the matrix that a request calls `key`: `X`, `layers/counts`, `obsm/X_pca`, or a key of `obsm`.
pub(super) fn path_of(key: &str) -> String {
    let whole = key == "X" || key.starts_with("layers/") || key.starts_with("obsm/");
    if whole { key.to_owned() } else { join("obsm", key) }
}

/// How a sparse matrix is compressed, if the attributes are those of one; `h5sparse_format` is of before anndata 0.7.
pub(in crate::source) fn compression(node: &Node) -> Option<Compressed> {
    let legacy = || node.attributes.get("h5sparse_format").and_then(Value::as_str).unwrap_or_default();
    match (encoding(&node.attributes), legacy()) {
        ("csr_matrix", _) | ("", "csr") => Some(Compressed::Rows),
        ("csc_matrix", _) | ("", "csc") => Some(Compressed::Columns),
        _ => None,
    }
}

/// Opens the matrix at a path, which a request calls `key`. It must have a row for every cell.
pub(super) fn open(store: &AnnDataStore, key: &str, path: &str) -> Result<Arc<dyn RowSource>> {
    let container = store.container();
    if let Some(filtered) = store.filtered() {
        let rows = open(filtered.whole(), key, path)?;
        return Ok(Arc::new(SelectedRows::new(rows, filtered)));
    }
    let node = if is_valid_path(path) { container.node(path)? } else { None };
    let Some(node) = node else {
        let (kind, available) = match path.strip_prefix("layers/") {
            Some(_) => ("layer", store.layer_keys().iter().map(|layer| join("layers", layer)).collect()),
            None if path == "X" => ("matrix", store.obsm_keys()),
            None => ("obsm key", store.obsm_keys()),
        };
        return Err(Error::NotFound { store: store.name().into(), kind: kind.into(), key: key.into(), available });
    };
    let rows: Arc<dyn RowSource> = match (&node.kind, compression(&node)) {
        (NodeKind::Array(_), _) => {
            let missing = if path.starts_with("obsm/") { Missing::AllOrNone } else { Missing::Bands };
            Arc::new(ArrayRows::new(container.array(path, missing)?)?)
        }
        (NodeKind::Group, Some(Compressed::Rows)) => {
            Arc::new(CsrRows::new(Sparse::open(container, path, &node, Compressed::Rows)?))
        }
        (NodeKind::Group, Some(Compressed::Columns)) => {
            Arc::new(CscRows::new(Sparse::open(container, path, &node, Compressed::Columns)?)?)
        }
        (NodeKind::Group, None) if encoding(&node.attributes) == "dataframe" => {
            Arc::new(FrameRows::open(container, path, &Frame::open(container, path)?, store.n_obs())?)
        }
        (NodeKind::Group, None) => {
            return Err(Error::Unsupported {
                what: format!("{}/{path}, a {:?},", store.name(), encoding(&node.attributes)),
                remedy: "store it as a dense or sparse matrix to use it as a representation".into(),
            });
        }
    };
    if rows.dim() == 0 {
        return Err(Error::schema(store.name(), path, "shape", "there is no column"));
    }
    if rows.rows() != store.n_obs() {
        return Err(Error::Shape {
            left: rows.name(),
            left_shape: vec![rows.rows(), rows.dim() as u64],
            right: format!("{}/obs", store.name()),
            right_shape: vec![store.n_obs()],
            reason: "one row for every cell".into(),
        });
    }
    Ok(rows)
}
