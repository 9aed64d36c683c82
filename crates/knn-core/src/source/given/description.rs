//! How cells in memory are described beside the arrays that are given. Arrays are counted from 0 in the order given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::types::DType;

/// Cells in memory: either `matrix` with what belongs to it, or `table`. Unknown fields are refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CellsDescription {
    /// What errors and reports call them.
    pub name: String,
    /// The array that holds the bytes of a table: Arrow IPC, a file or a stream, or Parquet.
    pub table: Option<usize>,
    /// One row for each cell. It stands for every representation that is not in `obsm`, and is `X`.
    pub matrix: Option<GivenMatrix>,
    /// Names of the cells; none for their numbers.
    pub names: Option<Vec<String>>,
    /// Columns, by name.
    pub obs: BTreeMap<String, GivenColumn>,
    /// Further embeddings, by key.
    pub obsm: BTreeMap<String, GivenMatrix>,
}

impl CellsDescription {
    /// Reads one that is written as JSON. What is wrong is told without the whole, which may be as long as the cells are many.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::param("cells", "", error.to_string()))
    }
}

/// Numbers of one type in one of the arrays, in the machine's order of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenNumbers {
    /// The array.
    pub array: usize,
    /// Type of each number.
    #[cfg_attr(test, ts(type = "string"))]
    pub dtype: DType,
}

/// A matrix, row-major.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenMatrix {
    /// Its values.
    pub x: GivenNumbers,
    /// Cells and columns.
    pub shape: Vec<f64>,
}

/// A column of `obs`: `values`, `labels`, or `codes` with `categories`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GivenColumn {
    /// A number or truth for each cell. NaN is a missing one.
    pub values: Option<GivenNumbers>,
    /// A label for each cell, or null. Their categories are the different ones, sorted.
    pub labels: Option<Vec<Option<String>>>,
    /// A category for each cell, or −1.
    pub codes: Option<GivenNumbers>,
    /// What the codes stand for.
    pub categories: Option<Vec<String>>,
    /// Whether the order of categories means something.
    pub ordered: bool,
}
