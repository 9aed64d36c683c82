//! What a store holds, for people and programs: `inspect PATH --json`.
//!
//! Columns are summarised in bands, so that a store of any size can be inspected. What cannot be read is listed with the
//! reason, and never stops the rest.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::anndata::{AnnDataStore, Categories, ColumnKind, Compressed, ObsColumn, compression, encoding};
use super::container::{Container, Missing, NodeKind, StoredArray};
use super::filtered::filtered_path;
use super::key::join;
use super::strings::StringBlock;
use super::times;
use crate::error::{Error, Result};
use crate::types::{DType, RowRange};

/// Names shown.
const FIRST_NAMES: u64 = 3;
/// Fewest rows summarised at a time, where chunks are small.
const SUMMARY_ROWS: u64 = 1 << 18;
/// Nodes nest no deeper in an AnnData, `uns` included.
const DEEPEST_NODE: usize = 12;
/// More nodes than this are not described.
const MOST_NODES: usize = 100_000;
/// Cells and chunks of a column that are looked at although nothing is stored of them, and for each stored byte: a column that claims
/// more could keep its reader busy for days and costs its writer nothing.
const MOST_FILL_ROWS: u64 = 1 << 26;
const ROWS_PER_BYTE: u64 = 1 << 15;
const MOST_FILL_CHUNKS: u64 = 1 << 14;
/// The batch whose read amplification is told.
const BATCH_ROWS: u64 = 65_536;

/// A described store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// `zarr` or `h5ad`.
    pub format: String,
    /// 2 or 3; null for other formats.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub zarr_format: Option<u64>,
    /// `encoding-version` of the AnnData.
    pub encoding_version: String,
    /// Cells.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_obs: u64,
    /// Genes.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_vars: u64,
    /// The stores that are described as one, in the order of their cells; empty where it is one store.
    pub stores: Vec<StoreReport>,
    /// Names of the first cells, at most three.
    pub obs_names_first: Vec<String>,
    /// Columns of `obs`.
    pub obs: BTreeMap<String, ColumnReport>,
    /// Members of `obsm`: `array`, `dataframe` or `sparse`.
    pub obsm: BTreeMap<String, MatrixReport>,
    /// `X` and every layer: `dense`, `csr` or `csc`.
    pub layers: BTreeMap<String, MatrixReport>,
    /// What is there but not read.
    pub skipped: Vec<SkippedNode>,
    /// Storage of every array; empty for many stores, each of which tells its own, and for chosen cells of a store.
    pub arrays: BTreeMap<String, ArrayReport>,
}

/// One of many stores that are read as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct StoreReport {
    /// The store.
    pub path: String,
    /// Its cells.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_obs: u64,
}

/// A column of `obs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct ColumnReport {
    /// As pandas names it: `category`, `float32`, `Int64`, `bool`.
    pub dtype: String,
    /// What can be done with it; `other` is not read.
    #[cfg_attr(
        test,
        ts(
            type = "\"categorical\" | \"numeric\" | \"boolean\" | \"string\" | \"datetime\" | \"timedelta\" | \"other\""
        )
    )]
    pub kind: String,
    /// Cells without a value: missing codes, masked values and NaN.
    #[cfg_attr(test, ts(type = "number"))]
    pub missing: u64,
    /// Labels of the categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// Whether their order means something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// Sum of a numeric column without what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum: Option<f64>,
    /// Cells that are true in a boolean column.
    #[serde(rename = "true", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub true_count: Option<u64>,
}

/// A member of `obsm` or `layers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct MatrixReport {
    /// How it is stored.
    pub kind: String,
    /// Rows and columns.
    #[cfg_attr(test, ts(type = "number[]"))]
    pub shape: Vec<u64>,
    /// Element type; null for a data frame.
    pub dtype: Option<String>,
    /// Stored values of a sparse matrix; null for others, and where cells are chosen.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub nnz: Option<u64>,
}

/// Something that is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SkippedNode {
    /// Path in the store.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// How an array is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ArrayReport {
    /// Shape of an inner chunk: what is decoded at once.
    #[cfg_attr(test, ts(type = "number[]"))]
    pub chunks: Vec<u64>,
    /// Shape of a shard; null without shards.
    #[cfg_attr(test, ts(type = "number[] | null"))]
    pub shards: Option<Vec<u64>>,
    /// Compression: `raw`, `zstd`, `blosc`, `gzip`.
    pub codec: String,
    /// Elements decoded for each element wanted, where 65 536 rows are read on their own. gigamapper's tiles follow the
    /// chunks and decode each once.
    pub read_amplification: f64,
}

/// Describes the cells of the AnnData at `path` for which a condition holds; all without one.
pub fn inspect_where(path: &Path, condition: Option<&str>) -> Result<Inspection> {
    inspect(&filtered_path(path, "where", condition)?)
}

/// Describes the AnnData at `path`, or as one the stores that it names.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let store = AnnDataStore::open(path)?;
    let mut names = StringBlock::default();
    store.names()?.read(RowRange::new(0, store.n_obs().min(FIRST_NAMES)), &mut names)?;
    let mut report = Inspection {
        format: store.container().format().into(),
        zarr_format: store.container().zarr_format(),
        encoding_version: store.encoding_version().to_owned(),
        n_obs: store.n_obs(),
        n_vars: store.n_vars(),
        stores: store.container().stores().into_iter().map(|(path, n_obs)| StoreReport { path, n_obs }).collect(),
        obs_names_first: names.iter().map(str::to_owned).collect(),
        obs: BTreeMap::new(),
        obsm: BTreeMap::new(),
        layers: BTreeMap::new(),
        skipped: Vec::new(),
        arrays: BTreeMap::new(),
    };
    if report.stores.is_empty() && store.container().filtered().is_none() {
        walk(store.container(), "", 0, &mut report)?;
    }
    for key in store.obs_keys() {
        if let Some(column) = readable(store.column(&key), &join("obs", &key), &mut report.skipped)? {
            match claimed(&column) {
                None => drop(report.obs.insert(key, column_report(&column)?)),
                Some(reason) => report.skipped.push(SkippedNode { path: join("obs", &key), reason }),
            }
        }
    }
    for key in store.obsm_keys() {
        if let Some(matrix) = matrix_report(&store, &join("obsm", &key), &mut report.skipped)? {
            let kind = match matrix.kind.as_str() {
                "dense" => "array",
                "csr" | "csc" => "sparse",
                other => other,
            };
            report.obsm.insert(key, MatrixReport { kind: kind.into(), ..matrix });
        }
    }
    let layers = store.layer_keys().into_iter().map(|key| (join("layers", &key), key));
    for (path, key) in [("X".to_owned(), "X".to_owned())].into_iter().chain(layers) {
        if let Some(matrix) = matrix_report(&store, &path, &mut report.skipped)? {
            report.layers.insert(key, matrix);
        }
    }
    report.skipped.sort_by(|left, right| left.path.cmp(&right.path));
    report.skipped.dedup_by(|left, right| left.path == right.path);
    Ok(report)
}

/// Turns "cannot be read" into a note; damage stays an error.
fn readable<T>(opened: Result<T>, path: &str, skipped: &mut Vec<SkippedNode>) -> Result<Option<T>> {
    match opened {
        Ok(value) => Ok(Some(value)),
        Err(error @ (Error::Unsupported { .. } | Error::Schema { .. } | Error::Shape { .. })) => {
            skipped.push(SkippedNode { path: path.into(), reason: error.to_string() });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Describes every array below a node, and notes what is encoded in a way that is not known.
fn walk(store: &dyn Container, path: &str, depth: usize, report: &mut Inspection) -> Result<()> {
    for name in store.children(path)? {
        let path = join(path, &name);
        if report.arrays.len() + report.skipped.len() >= MOST_NODES {
            report.skipped.push(SkippedNode { path, reason: format!("more than {MOST_NODES} nodes") });
            return Ok(());
        }
        let Some(Some(node)) = readable(store.node(&path), &path, &mut report.skipped)? else { continue };
        let found = encoding(&node.attributes);
        if !is_known(found) {
            report.skipped.push(SkippedNode { path, reason: format!("encoding {found:?} is not read") });
        } else if matches!(node.kind, NodeKind::Group) {
            if depth < DEEPEST_NODE {
                walk(store, &path, depth + 1, report)?;
            }
        } else if let Some(array) = readable(store.array(&path, Missing::Fill), &path, &mut report.skipped)? {
            report.arrays.insert(path, array_report(array.as_ref()));
        }
    }
    Ok(())
}

fn is_known(encoding: &str) -> bool {
    matches!(
        encoding,
        "" | "anndata"
            | "raw"
            | "dict"
            | "null"
            | "dataframe"
            | "array"
            | "csr_matrix"
            | "csc_matrix"
            | "categorical"
            | "string-array"
            | "string"
            | "numeric-scalar"
            | "nullable-string-array"
            | "nullable-integer"
            | "nullable-boolean"
    )
}

fn array_report(array: &dyn StoredArray) -> ArrayReport {
    let (shape, chunk) = (array.shape(), array.inner_chunk());
    let rows = shape.first().copied().unwrap_or(1).min(BATCH_ROWS);
    let wanted = shape.iter().skip(1).fold(rows as f64, |elements, &extent| elements * extent as f64);
    let padded = |extent: u64, chunk: u64| (extent.div_ceil(chunk) * chunk) as f64;
    let first = chunk.first().map_or(1.0, |&chunk| padded(rows, chunk));
    let decoded =
        shape.iter().zip(chunk).skip(1).fold(first, |elements, (&extent, &chunk)| elements * padded(extent, chunk));
    ArrayReport {
        chunks: chunk.to_vec(),
        shards: array.shard().map(<[u64]>::to_vec),
        codec: array.codec(),
        read_amplification: if wanted > 0.0 { decoded / wanted } else { 1.0 },
    }
}

/// What a column claims beyond what is stored of it, where that is too much to look at.
pub(super) fn claimed(column: &ObsColumn) -> Option<String> {
    let (rows, stored) = (column.rows(), column.stored_bytes());
    let chunks = rows.div_ceil(column.natural_tile_rows().max(1));
    let fine = rows <= MOST_FILL_ROWS.saturating_add(stored.saturating_mul(ROWS_PER_BYTE))
        && chunks <= MOST_FILL_CHUNKS.saturating_add(stored);
    (!fine).then(|| format!("{rows} cells in {chunks} chunks, of which {stored} bytes are stored: not summarised"))
}

fn column_report(column: &ObsColumn) -> Result<ColumnReport> {
    let mut report = ColumnReport {
        dtype: pandas_name(column),
        kind: column.kind().name().into(),
        missing: 0,
        categories: None,
        ordered: None,
        sum: None,
        true_count: None,
    };
    if let ColumnKind::Categorical { categories, ordered } = column.kind() {
        report.categories = Some(labels(categories));
        report.ordered = Some(*ordered);
    }
    let band = column.natural_tile_rows();
    let step = SUMMARY_ROWS.div_ceil(band).saturating_mul(band);
    let pieces = RowRange::new(0, column.rows()).pieces(step.max(1));
    match column.kind() {
        ColumnKind::Categorical { .. } => {
            let mut codes = Vec::new();
            for piece in pieces {
                column.read_codes(piece, &mut codes)?;
                report.missing += codes.iter().filter(|code| **code < 0).count() as u64;
            }
        }
        ColumnKind::Boolean => {
            let (mut codes, mut count) = (Vec::new(), 0);
            for piece in pieces {
                column.read_codes(piece, &mut codes)?;
                report.missing += codes.iter().filter(|code| **code < 0).count() as u64;
                count += codes.iter().filter(|code| **code == 1).count() as u64;
            }
            report.true_count = Some(count);
        }
        ColumnKind::Numeric(_) => {
            let (mut numbers, mut sum) = (Vec::new(), 0.0);
            for piece in pieces {
                column.read_numbers(piece, &mut numbers)?;
                report.missing += numbers.iter().filter(|value| value.is_nan()).count() as u64;
                sum += numbers.iter().filter(|value| !value.is_nan()).sum::<f64>();
            }
            report.sum = Some(sum);
        }
        ColumnKind::String => {
            let (mut block, mut missing) = (StringBlock::default(), Vec::new());
            for piece in pieces {
                column.read_strings(piece, &mut block, &mut missing)?;
                report.missing += missing.iter().filter(|missing| **missing).count() as u64;
            }
        }
        ColumnKind::Datetime { .. } | ColumnKind::Timedelta { .. } => {
            let mut numbers = Vec::new();
            for piece in pieces {
                column.read_numbers(piece, &mut numbers)?;
                report.missing += numbers.iter().filter(|value| value.is_nan()).count() as u64;
            }
        }
        ColumnKind::Other(_) => {}
    }
    Ok(report)
}

fn labels(categories: &Categories) -> Vec<String> {
    (0..categories.len()).map(|index| categories.label(index)).collect()
}

fn pandas_name(column: &ObsColumn) -> String {
    let name = column.dtype().map_or("", DType::name);
    match column.kind() {
        ColumnKind::Categorical { .. } => "category".into(),
        ColumnKind::Boolean if column.is_nullable() => "boolean".into(),
        ColumnKind::Numeric(_) if column.is_nullable() => {
            name.replace("uint", "UInt").replace("int", "Int").replace("float", "Float")
        }
        ColumnKind::Other(name) => name.clone(),
        ColumnKind::Datetime { unit } => times::declared("datetime64", unit, 1),
        ColumnKind::Timedelta { unit } => times::declared("timedelta64", unit, 1),
        _ => name.to_owned(),
    }
}

/// Describes a matrix without reading it; `None` if there is none or it is not understood.
fn matrix_report(store: &AnnDataStore, path: &str, skipped: &mut Vec<SkippedNode>) -> Result<Option<MatrixReport>> {
    let Some(Some(node)) = readable(store.container().node(path), path, skipped)? else { return Ok(None) };
    let found = encoding(&node.attributes);
    if let NodeKind::Array(declared) = &node.kind {
        // X may be a null scalar; that is no matrix.
        let dtype = Some(declared.dtype.clone());
        let report = MatrixReport { kind: "dense".into(), shape: declared.shape.clone(), dtype, nnz: None };
        return Ok((found != "null").then_some(report));
    }
    if found == "dataframe" {
        let columns = node.attributes.get("column-order").and_then(Value::as_array).map_or(0, Vec::len);
        let shape = vec![store.n_obs(), columns as u64];
        return Ok(Some(MatrixReport { kind: "dataframe".into(), shape, dtype: None, nnz: None }));
    }
    let Some(compressed) = compression(&node) else {
        let reason = format!("encoding {found:?} is not a matrix that is read");
        skipped.push(SkippedNode { path: path.into(), reason });
        return Ok(None);
    };
    let kind = if compressed == Compressed::Rows { "csr" } else { "csc" };
    let data = store.container().array(&join(path, "data"), Missing::Fill);
    let Some(data) = readable(data, path, skipped)? else { return Ok(None) };
    let shape = node
        .attributes
        .get("shape")
        .or_else(|| node.attributes.get("h5sparse_shape"))
        .and_then(|shape| Vec::<u64>::deserialize(shape).ok())
        .unwrap_or_default();
    // How many entries chosen rows have is not known without reading.
    let nnz = store.container().filtered().is_none().then(|| data.rows());
    let dtype = Some(data.dtype().name().to_owned());
    Ok(Some(MatrixReport { kind: kind.into(), shape, dtype, nnz }))
}
