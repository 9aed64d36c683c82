//! Small zarr v3 stores for tests, written without any of the reader's own code.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use zarrs::array::codec::{BloscCompressor, BloscShuffleMode, blosc_compress_bytes};

use crate::types::DType;

/// How to store an array.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a test writer")]
pub(super) struct Spec {
    pub(super) shape: Vec<u64>,
    pub(super) dtype: DType,
    pub(super) object: Vec<u64>,
    /// Inner chunks; none is unsharded.
    pub(super) inner: Option<Vec<u64>>,
    /// Names of bytes-to-bytes codecs.
    pub(super) codecs: Vec<&'static str>,
    pub(super) index_at_start: bool,
    pub(super) checksum: bool,
    pub(super) big_endian: bool,
    pub(super) transposed: bool,
    pub(super) separator: &'static str,
    pub(super) fill: Value,
}

impl Spec {
    /// One raw chunk.
    pub(super) fn new(dtype: DType, shape: &[u64]) -> Self {
        let fill = match dtype {
            DType::Bool => json!(false),
            DType::String => json!(""),
            _ => json!(0),
        };
        Self {
            shape: shape.to_vec(),
            dtype,
            object: shape.iter().map(|&extent| extent.max(1)).collect(),
            inner: None,
            codecs: Vec::new(),
            index_at_start: false,
            checksum: true,
            big_endian: false,
            transposed: false,
            separator: "/",
            fill,
        }
    }

    pub(super) fn chunks(mut self, object: &[u64]) -> Self {
        self.object = object.to_vec();
        self
    }

    pub(super) fn shards(mut self, object: &[u64], inner: &[u64]) -> Self {
        self.object = object.to_vec();
        self.inner = Some(inner.to_vec());
        self
    }

    pub(super) fn codecs(mut self, codecs: &[&'static str]) -> Self {
        self.codecs = codecs.to_vec();
        self
    }

    /// The `zarr.json` of the array.
    pub(super) fn json(&self, attributes: &Value) -> Value {
        let endian = if self.big_endian { "big" } else { "little" };
        let mut chain = Vec::new();
        if self.transposed {
            chain.push(json!({"name": "transpose", "configuration": {"order": [1, 0]}}));
        }
        chain.push(match self.dtype {
            DType::String => json!({"name": "vlen-utf8", "configuration": {}}),
            dtype if dtype.size() == Some(1) => json!({"name": "bytes"}),
            _ => json!({"name": "bytes", "configuration": {"endian": endian}}),
        });
        chain.extend(self.codecs.iter().map(|name| json!({"name": name, "configuration": {}})));
        if let Some(inner) = &self.inner {
            let mut index = vec![json!({"name": "bytes", "configuration": {"endian": endian}})];
            if self.checksum {
                index.push(json!({"name": "crc32c"}));
            }
            let location = if self.index_at_start { "start" } else { "end" };
            chain = vec![json!({"name": "sharding_indexed", "configuration":
                {"chunk_shape": inner, "codecs": chain, "index_codecs": index, "index_location": location}})];
        }
        json!({
            "zarr_format": 3, "node_type": "array", "shape": self.shape, "data_type": self.dtype.name(),
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": self.object}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": self.separator}},
            "fill_value": self.fill, "codecs": chain, "attributes": attributes, "storage_transformers": [],
        })
    }

    fn encode(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for codec in &self.codecs {
            bytes = match *codec {
                "zstd" => zstd::bulk::compress(&bytes, 1).unwrap(),
                "gzip" => {
                    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    std::io::Write::write_all(&mut out, &bytes).unwrap();
                    out.finish().unwrap()
                }
                "blosc" => {
                    let level = 1.try_into().unwrap();
                    blosc_compress_bytes(&bytes, level, BloscShuffleMode::Shuffle, 4, BloscCompressor::LZ4, 0, 1)
                        .unwrap()
                }
                "crc32c" => [bytes.as_slice(), &crc32c::crc32c(&bytes).to_le_bytes()].concat(),
                other => panic!("no test encoder for {other}"),
            };
        }
        bytes
    }
}

/// Writes a `zarr.json`.
pub(super) fn node(root: &Path, path: &str, json: &Value) {
    let folder = root.join(path);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("zarr.json"), json.to_string()).unwrap();
}

/// Writes a group.
pub(super) fn group(root: &Path, path: &str, attributes: &Value) {
    node(root, path, &json!({"zarr_format": 3, "node_type": "group", "attributes": attributes}));
}

/// Writes an array of little-endian elements. Inner chunks and objects of nothing but zeros are left out, as zarr does.
pub(super) fn array(root: &Path, path: &str, spec: &Spec, values: &[u8]) {
    let size = spec.dtype.size().unwrap();
    let element = |index: u64| values[index as usize * size..(index as usize + 1) * size].to_vec();
    elements(root, path, spec, &json!({"encoding-type": "array", "encoding-version": "0.2.0"}), size, element);
}

/// Writes an array of strings.
pub(super) fn strings(root: &Path, path: &str, spec: &Spec, values: &[&str]) {
    let element = |index: u64| {
        let text = values[index as usize].as_bytes();
        [&(text.len() as u32).to_le_bytes(), text].concat()
    };
    elements(root, path, spec, &json!({"encoding-type": "string-array", "encoding-version": "0.2.0"}), 4, element);
}

fn elements(root: &Path, path: &str, spec: &Spec, attributes: &Value, size: usize, at: impl Fn(u64) -> Vec<u8>) {
    node(root, path, &spec.json(attributes));
    let two = |shape: &[u64]| [shape[0], shape.get(1).copied().unwrap_or(1)];
    let (shape, object) = (two(&spec.shape), two(&spec.object));
    let inner = spec.inner.as_deref().map_or(object, two);
    let chunk = |rows: u64, columns: u64| -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        if spec.dtype == DType::String {
            bytes.extend_from_slice(&((inner[0] * inner[1]) as u32).to_le_bytes());
        }
        let mut empty = true;
        for number in 0..inner[0] * inner[1] {
            let (row, column) = if spec.transposed {
                (rows + number % inner[0], columns + number / inner[0])
            } else {
                (rows + number / inner[1], columns + number % inner[1])
            };
            let inside = row < shape[0] && column < shape[1];
            let mut element = if inside { at(row * shape[1] + column) } else { vec![0; size] };
            empty &= element.iter().all(|&byte| byte == 0);
            if spec.big_endian {
                element.reverse();
            }
            bytes.extend(element);
        }
        (!empty).then(|| spec.encode(bytes))
    };
    for i in 0..shape[0].div_ceil(object[0]) {
        for j in 0..shape[1].div_ceil(object[1]) {
            let mut chunks = Vec::new();
            for row in (0..object[0]).step_by(inner[0] as usize) {
                for column in (0..object[1]).step_by(inner[1] as usize) {
                    chunks.push(chunk(i * object[0] + row, j * object[1] + column));
                }
            }
            if chunks.iter().all(Option::is_none) {
                continue;
            }
            let bytes = match &spec.inner {
                None => chunks.remove(0).unwrap(),
                Some(_) => shard(spec, &chunks),
            };
            let numbers: Vec<String> = [i, j].iter().take(spec.shape.len()).map(u64::to_string).collect();
            let key = format!("c{0}{1}", spec.separator, numbers.join(spec.separator));
            let file = root.join(path).join(key);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
    }
}

fn shard(spec: &Spec, chunks: &[Option<Vec<u8>>]) -> Vec<u8> {
    let length = chunks.len() as u64 * 16 + if spec.checksum { 4 } else { 0 };
    let mut offset = if spec.index_at_start { length } else { 0 };
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let span = chunk.as_ref().map_or([u64::MAX; 2], |chunk| [offset, chunk.len() as u64]);
        for number in span {
            index.extend(if spec.big_endian { number.to_be_bytes() } else { number.to_le_bytes() });
        }
        if let Some(chunk) = chunk {
            offset += chunk.len() as u64;
            data.extend_from_slice(chunk);
        }
    }
    if spec.checksum {
        index.extend(crc32c::crc32c(&index).to_le_bytes());
    }
    if spec.index_at_start { [index, data].concat() } else { [data, index].concat() }
}

/// Bytes of f32 values.
pub(super) fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// An AnnData of `n` cells named `cell0…` and three genes, with the obs columns `columns` still to be written.
pub(super) fn anndata(n: usize, columns: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store.zarr");
    let encoding = |kind: &str, version: &str| json!({"encoding-type": kind, "encoding-version": version});
    group(&root, "", &encoding("anndata", "0.1.0"));
    for (frame, order) in [("obs", columns), ("var", &[])] {
        let mut attributes: Map<String, Value> = Map::new();
        attributes.insert("encoding-type".into(), json!("dataframe"));
        attributes.insert("encoding-version".into(), json!("0.2.0"));
        attributes.insert("_index".into(), json!("_index"));
        attributes.insert("column-order".into(), json!(order));
        group(&root, frame, &Value::Object(attributes));
    }
    for dict in ["obsm", "layers", "uns"] {
        group(&root, dict, &encoding("dict", "0.1.0"));
    }
    let names: Vec<String> = (0..n).map(|cell| format!("cell{cell}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let spec = Spec::new(DType::String, &[n as u64]).chunks(&[(n as u64 / 2).max(1)]).codecs(&["zstd"]);
    strings(&root, "obs/_index", &spec, &names);
    strings(&root, "var/_index", &Spec::new(DType::String, &[3]), &["a", "b", "c"]);
    (folder, root)
}
