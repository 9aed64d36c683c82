//! The chosen cells of a store as a container of their own.
//!
//! Arrays of `obs` are thinned out here, because whoever reads a column opens them; matrices are by whoever opens rows
//! ([`SelectedRows`](super::rows::SelectedRows)), because only there is it known what a row of a sparse one is.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::array::SelectedArray;
use super::condition::Condition;
use super::expression::Expression;
use super::numbered::Numbered;
use super::selection::Selection;
use crate::error::Result;
use crate::progress::Progress;
use crate::source::AnnDataStore;
use crate::source::container::{Container, Declared, Missing, Node, NodeKind, StoredArray};
use crate::types::DType;

/// The column that says which row of the whole store a cell is.
const ROW: &str = "gigamapper_row";
/// Groups of which a member has a row for every cell.
const MATRICES: [&str; 2] = ["obsm", "layers"];

/// A store of which some cells are left.
#[derive(Debug)]
pub struct FilteredStore {
    name: String,
    whole: AnnDataStore,
    selection: Arc<Selection>,
    expression: String,
    warnings: Vec<String>,
    /// Whether the column [`ROW`] is ours.
    tells_row: bool,
}

impl FilteredStore {
    /// The cells of `whole` for which an expression holds. Reads the columns that it names.
    ///
    /// `GM_NOT_FOUND` where there is no such column, `GM_PARAM` where it cannot be compared so, and `GM_CANCELLED` between two pieces of rows.
    pub fn open(whole: AnnDataStore, expression: &Expression, progress: &Progress) -> Result<Self> {
        let (selection, warnings) = Condition::choose(&whole, expression, progress)?;
        let tells_row = !whole.obs_keys().iter().any(|key| key == ROW);
        let expression = expression.to_string();
        let name = format!("{}[{expression}]", whole.name());
        Ok(Self { name, whole, selection: Arc::new(selection), expression, warnings, tells_row })
    }

    /// The store that it is part of.
    pub(in crate::source) fn whole(&self) -> &AnnDataStore {
        &self.whole
    }

    /// Which of its cells are left.
    pub(super) fn selection(&self) -> &Arc<Selection> {
        &self.selection
    }

    /// What is known of the choice: the condition, how many cells of how many, and a digest of which.
    pub fn described(&self) -> Value {
        json!({
            "where": self.expression,
            "cells": self.selection.count(),
            "of": self.selection.rows(),
            "digest": format!("{:032x}", self.selection.digest()),
        })
    }

    /// Values of the condition that no cell has, and a condition that holds for no cell.
    pub fn warnings(&self) -> Vec<String> {
        let none = self.selection.count() == 0 && self.selection.rows() > 0;
        let none = none.then(|| format!("{}: holds for none of {} cells", self.name, self.selection.rows()));
        self.warnings.iter().cloned().chain(none).collect()
    }

    /// Whether some of its cells are also chosen in another part of the same store; one that is not a part is all of it.
    pub(in crate::source) fn meets(&self, other: &dyn Container) -> bool {
        let of_same = |other: &Self| other.selection.rows() == self.selection.rows();
        match other.filtered() {
            Some(other) if of_same(other) => self.selection.meets(&other.selection),
            _ => self.selection.count() > 0,
        }
    }

    /// Whether an array below `obs` has a value for every cell. Categories of a column have not.
    fn is_by_cell(&self, path: &str, shape: &[u64]) -> Result<bool> {
        if shape.first() != Some(&self.selection.rows()) {
            return Ok(false);
        }
        let below = path.strip_prefix("obs/").unwrap_or_default();
        if below.starts_with("__categories/") {
            return Ok(false);
        }
        // Within a categorical of any name: `obs/<key>/categories`, or what lies below it.
        for (at, _) in path.match_indices("/categories") {
            let Some(group) = self.whole.container().node(&path[..at])? else { continue };
            if group.attributes.get("encoding-type").and_then(Value::as_str) == Some("categorical") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_row(&self, path: &str) -> bool {
        self.tells_row && path.strip_prefix("obs/") == Some(ROW)
    }
}

impl Container for FilteredStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> &'static str {
        self.whole.container().format()
    }

    fn zarr_format(&self) -> Option<u64> {
        self.whole.container().zarr_format()
    }

    fn stores(&self) -> Vec<(String, u64)> {
        self.whole.container().stores()
    }

    fn held_bytes(&self) -> u64 {
        self.whole.container().held_bytes() + self.selection.held_bytes()
    }

    fn filtered(&self) -> Option<&FilteredStore> {
        Some(self)
    }

    fn node(&self, path: &str) -> Result<Option<Node>> {
        let cells = self.selection.count();
        if self.is_row(path) {
            let kind = NodeKind::Array(Declared { dtype: DType::Int64.name().into(), shape: vec![cells] });
            let attributes = json!({ "encoding-type": "array", "encoding-version": "0.2.0" });
            return Ok(Some(Node { kind, attributes: attributes.as_object().cloned().unwrap_or_default() }));
        }
        let Some(mut node) = self.whole.container().node(path)? else { return Ok(None) };
        let (top, below) = path.split_once('/').unwrap_or((path, ""));
        if path == "obs"
            && let Some(Value::Array(order)) = node.attributes.get_mut("column-order")
        {
            order.extend(self.tells_row.then(|| Value::from(ROW)));
        }
        let is_matrix = path == "X" || (MATRICES.contains(&top) && !below.is_empty() && !below.contains('/'));
        match &mut node.kind {
            NodeKind::Array(declared) => {
                let is_by_cell = is_matrix || (top == "obs" && self.is_by_cell(path, &declared.shape)?);
                if is_by_cell && declared.shape.first() == Some(&self.selection.rows()) {
                    declared.shape[0] = cells;
                }
            }
            NodeKind::Group if is_matrix => resize(&mut node.attributes, cells),
            NodeKind::Group => {}
        }
        Ok(Some(node))
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        let mut names = self.whole.container().children(path)?;
        if path == "obs" && self.tells_row {
            names.push(ROW.into());
            names.sort_unstable();
        }
        Ok(names)
    }

    fn array(&self, path: &str, missing: Missing) -> Result<Arc<dyn StoredArray>> {
        if self.is_row(path) {
            return Ok(Arc::new(Numbered::new(&self.name, path, Arc::clone(&self.selection))));
        }
        let whole = self.whole.container().array(path, missing)?;
        if path.starts_with("obs/") && self.is_by_cell(path, whole.shape())? {
            return Ok(Arc::new(SelectedArray::new(whole, Arc::clone(&self.selection))));
        }
        Ok(whole)
    }
}

/// Tells of a sparse matrix how many rows are left.
fn resize(attributes: &mut Map<String, Value>, cells: u64) {
    for field in ["shape", "h5sparse_shape"] {
        if let Some(rows) = attributes.get_mut(field).and_then(|shape| shape.get_mut(0)) {
            *rows = cells.into();
        }
    }
}
