//! The `zarr.json` of groups and arrays, as zarr-python writes them and anndata reads them.

use serde_json::{Map, Value, json};

use super::spec::Categories;
use crate::types::DType;

/// One group or array with what little of it is written at once.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Path inside its AnnData; empty for the AnnData itself.
    pub(super) path: String,
    /// Its `zarr.json`.
    pub(super) document: Value,
    /// Its only chunk, where it has one from the start: key and bytes.
    pub(super) chunk: Option<(&'static str, Vec<u8>)>,
}

/// Attributes that say how anndata reads a node.
pub(super) fn encoding(kind: &str, version: &str) -> Map<String, Value> {
    let pairs = [("encoding-type", kind), ("encoding-version", version)];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// A group.
pub(super) fn group(path: impl Into<String>, attributes: &Map<String, Value>) -> Node {
    let document = json!({ "zarr_format": 3, "node_type": "group", "attributes": attributes });
    Node { path: path.into(), document, chunk: None }
}

/// An empty mapping.
pub(super) fn dict(path: impl Into<String>) -> Node {
    group(path, &encoding("dict", "0.1.0"))
}

/// An array of whole chunks compressed by zstd.
pub(super) fn compressed(
    path: &str,
    shape: &[u64],
    chunk: &[u64],
    dtype: DType,
    attributes: &Map<String, Value>,
) -> Node {
    let first =
        if dtype == DType::String { json!({ "name": "vlen-utf8", "configuration": {} }) } else { little_endian() };
    let zstd = json!({ "name": "zstd", "configuration": { "level": ZSTD_LEVEL, "checksum": false } });
    array(path, shape, chunk, dtype, &json!([first, zstd]), attributes)
}

/// An array in shards of chunks that are plain, or compressed. Shapes are those of the array, a shard and a chunk.
pub(super) fn sharded(
    path: &str,
    [shape, shard, inner]: [[u64; 2]; 3],
    dtype: DType,
    compact: bool,
    attributes: &Map<String, Value>,
) -> Node {
    let typesize = dtype.size().unwrap_or(1);
    let blosc = json!({ "name": "blosc", "configuration": {
        "typesize": typesize, "cname": "zstd", "clevel": BLOSC_LEVEL, "shuffle": "shuffle", "blocksize": 0,
    }});
    let inside: Vec<_> = std::iter::once(little_endian()).chain(compact.then_some(blosc)).collect();
    let codecs = json!([{ "name": "sharding_indexed", "configuration": {
        "chunk_shape": inner,
        "codecs": inside,
        "index_codecs": [little_endian(), { "name": "crc32c" }],
        "index_location": "end",
    }}]);
    array(path, &shape, &shard, dtype, &codecs, attributes)
}

fn array(
    path: &str,
    shape: &[u64],
    chunk: &[u64],
    dtype: DType,
    codecs: &Value,
    attributes: &Map<String, Value>,
) -> Node {
    let document = json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype.name(),
        "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": chunk } },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
        "fill_value": fill_value(dtype),
        "codecs": codecs,
        "attributes": attributes,
        "storage_transformers": [],
    });
    Node { path: path.into(), document, chunk: None }
}

/// A one-dimensional array that is there from the start.
pub(super) fn categories(path: &str, categories: &Categories) -> Node {
    match categories {
        Categories::Strings(names) => strings(path, names),
        Categories::Numbers { dtype, bytes } => {
            let n = categories.len() as u64;
            let mut node = compressed(path, &[n], &[n.max(1)], *dtype, &encoding("array", "0.2.0"));
            node.chunk = (n > 0).then(|| ("c/0", compress(bytes)));
            node
        }
    }
}

/// A one-dimensional array of texts that is there from the start.
pub(super) fn strings(path: &str, texts: &[String]) -> Node {
    let n = texts.len() as u64;
    let mut node = compressed(path, &[n], &[n.max(1)], DType::String, &encoding("string-array", "0.2.0"));
    node.chunk = (n > 0).then(|| ("c/0", compress(&vlen_utf8(texts))));
    node
}

/// A one-dimensional array of numbers that is there from the start; at least one.
pub(super) fn floats(path: &str, values: &[f64]) -> Node {
    let shape = [values.len() as u64];
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut node = compressed(path, &shape, &shape, DType::Float64, &encoding("array", "0.2.0"));
    node.chunk = Some(("c/0", compress(&bytes)));
    node
}

/// A single value: its `encoding-type`, type and encoded bytes.
pub(super) fn scalar(path: &str, kind: &str, dtype: DType, bytes: &[u8]) -> Node {
    let mut node = compressed(path, &[], &[], dtype, &encoding(kind, "0.2.0"));
    node.chunk = Some(("c", compress(bytes)));
    node
}

/// zarr's encoding of texts: their number, then each with its length.
pub(super) fn vlen_utf8(texts: &[String]) -> Vec<u8> {
    let mut bytes = (texts.len() as u32).to_le_bytes().to_vec();
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// One zstd frame that says how long its content is, as numcodecs demands.
pub(super) fn compress(bytes: &[u8]) -> Vec<u8> {
    // It cannot fail: the buffer is as large as the bound that zstd itself gives.
    zstd::bulk::compress(bytes, ZSTD_LEVEL).expect("zstd compresses into a buffer of its own bound")
}

/// Fast, and for codes and repeated names as good as any.
pub(super) const ZSTD_LEVEL: i32 = 1;

/// The same for the chunks of matrices, whose bytes are put in the order of their places in a value first.
pub(super) const BLOSC_LEVEL: u8 = 1;

fn little_endian() -> Value {
    json!({ "name": "bytes", "configuration": { "endian": "little" } })
}

/// The fill value: one that no finished row has, where the type allows it.
fn fill_value(dtype: DType) -> Value {
    match dtype {
        DType::Bool => false.into(),
        DType::Int8 | DType::Int16 | DType::Int32 | DType::Int64 => (-1).into(),
        DType::UInt8 | DType::UInt16 | DType::UInt32 | DType::UInt64 => 0.into(),
        DType::Float16 | DType::Float32 | DType::Float64 => "NaN".into(),
        DType::String => "".into(),
    }
}

/// The same, as the bytes of one value; none for texts.
pub(super) fn fill_bytes(dtype: DType) -> Vec<u8> {
    match dtype {
        DType::Int8 | DType::Int16 | DType::Int32 | DType::Int64 => vec![0xff; dtype.size().unwrap_or(0)],
        DType::Float16 => 0x7e00_u16.to_le_bytes().to_vec(),
        DType::Float32 => f32::NAN.to_le_bytes().to_vec(),
        DType::Float64 => f64::NAN.to_le_bytes().to_vec(),
        _ => vec![0; dtype.size().unwrap_or(0)],
    }
}
