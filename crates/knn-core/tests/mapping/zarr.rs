//! A writer of small zarr v3 arrays, which shares no code with the core's own writer and reader.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// How an array is cut into chunks, and how their bytes are stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    /// Shape of a chunk object.
    pub(crate) object: [usize; 2],
    /// Shape of the inner chunks, where objects are shards.
    pub(crate) inner: Option<[usize; 2]>,
    /// Whether chunks are compressed.
    pub(crate) zstd: bool,
    /// Whether elements are stored big-endian.
    pub(crate) big_endian: bool,
}

impl Grid {
    /// Plain chunks of `rows` × `columns`.
    pub(crate) fn chunks(rows: usize, columns: usize) -> Self {
        Self { object: [rows, columns], inner: None, zstd: false, big_endian: false }
    }

    /// Compressed inner chunks in shards, as anndata writes embeddings.
    pub(crate) fn shards(object: [usize; 2], inner: [usize; 2]) -> Self {
        Self { object, inner: Some(inner), zstd: true, big_endian: false }
    }
}

/// Elements that zarr has a name for.
pub(crate) trait Element: Copy {
    const NAME: &'static str;
    const FILL: &'static str;
    fn little_endian(self) -> Vec<u8>;
}

macro_rules! elements {
    ($($type:ty: $name:literal, $fill:literal;)*) => {$(
        impl Element for $type {
            const NAME: &'static str = $name;
            const FILL: &'static str = $fill;
            fn little_endian(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
        }
    )*};
}

elements! {
    i8: "int8", "0";
    i16: "int16", "0";
    i32: "int32", "0";
    i64: "int64", "0";
    u8: "uint8", "0";
    f32: "float32", "0.0";
    f64: "float64", "0.0";
    half::f16: "float16", "0.0";
}

impl Element for bool {
    const NAME: &'static str = "bool";
    const FILL: &'static str = "false";
    fn little_endian(self) -> Vec<u8> {
        vec![u8::from(self)]
    }
}

/// Writes the `zarr.json` of a group.
pub(crate) fn group(root: &Path, path: &str, attributes: &Value) {
    node(root, path, &json!({ "zarr_format": 3, "node_type": "group", "attributes": attributes }));
}

/// Writes an array of one or two dimensions.
pub(crate) fn array<T: Element>(root: &Path, path: &str, shape: &[usize], values: &[T], grid: Grid) {
    let endian = if grid.big_endian { "big" } else { "little" };
    let bytes = if size_of::<T>() == 1 {
        json!({ "name": "bytes" })
    } else {
        json!({ "name": "bytes", "configuration": { "endian": endian } })
    };
    let fill: Value = serde_json::from_str(T::FILL).unwrap();
    let encoding = json!({ "encoding-type": "array", "encoding-version": "0.2.0" });
    node(root, path, &document(T::NAME, shape, &fill, grid, &bytes, &encoding));
    let columns = shape.get(1).copied().unwrap_or(1);
    let chunk = |first: [usize; 2], extent: [usize; 2]| {
        let mut bytes = Vec::new();
        for row in first[0]..first[0] + extent[0] {
            for column in first[1]..first[1] + extent[1] {
                let inside = row < shape[0] && column < columns;
                let mut element =
                    if inside { values[row * columns + column].little_endian() } else { vec![0; size_of::<T>()] };
                if grid.big_endian {
                    element.reverse();
                }
                bytes.extend(element);
            }
        }
        if grid.zstd { zstd::bulk::compress(&bytes, 1).unwrap() } else { bytes }
    };
    for i in 0..shape[0].div_ceil(grid.object[0]) {
        for j in 0..columns.div_ceil(grid.object[1]) {
            let first = [i * grid.object[0], j * grid.object[1]];
            let bytes = match grid.inner {
                None => chunk(first, grid.object),
                Some(inner) => shard(first, grid.object, inner, &chunk),
            };
            let key = if shape.len() == 1 { format!("c/{i}") } else { format!("c/{i}/{j}") };
            let file = root.join(path).join(key);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
    }
}

/// Writes an array of texts, in one chunk.
pub(crate) fn strings<S: AsRef<str>>(root: &Path, path: &str, values: &[S]) {
    let codec = json!({ "name": "vlen-utf8", "configuration": {} });
    let encoding = json!({ "encoding-type": "string-array", "encoding-version": "0.2.0" });
    let grid = Grid::chunks(values.len().max(1), 1);
    node(root, path, &document("string", &[values.len()], &json!(""), grid, &codec, &encoding));
    if values.is_empty() {
        return;
    }
    let mut bytes = (values.len() as u32).to_le_bytes().to_vec();
    for value in values {
        bytes.extend((value.as_ref().len() as u32).to_le_bytes());
        bytes.extend(value.as_ref().as_bytes());
    }
    fs::create_dir_all(root.join(path).join("c")).unwrap();
    fs::write(root.join(path).join("c/0"), bytes).unwrap();
}

fn shard(
    first: [usize; 2],
    object: [usize; 2],
    inner: [usize; 2],
    chunk: &impl Fn([usize; 2], [usize; 2]) -> Vec<u8>,
) -> Vec<u8> {
    let (mut data, mut index) = (Vec::new(), Vec::new());
    for row in (0..object[0]).step_by(inner[0]) {
        for column in (0..object[1]).step_by(inner[1]) {
            let bytes = chunk([first[0] + row, first[1] + column], inner);
            index.extend((data.len() as u64).to_le_bytes());
            index.extend((bytes.len() as u64).to_le_bytes());
            data.extend(bytes);
        }
    }
    index.extend(crc32c::crc32c(&index).to_le_bytes());
    [data, index].concat()
}

fn document(dtype: &str, shape: &[usize], fill: &Value, grid: Grid, bytes: &Value, attributes: &Value) -> Value {
    let cut = |extents: [usize; 2]| extents[..shape.len()].to_vec();
    let mut codecs = vec![bytes.clone()];
    if grid.zstd {
        codecs.push(json!({ "name": "zstd", "configuration": { "level": 1, "checksum": false } }));
    }
    if let Some(inner) = grid.inner {
        let index = json!([{ "name": "bytes", "configuration": { "endian": "little" } }, { "name": "crc32c" }]);
        codecs = vec![json!({ "name": "sharding_indexed", "configuration": {
            "chunk_shape": cut(inner), "codecs": codecs, "index_codecs": index, "index_location": "end"
        } })];
    }
    json!({
        "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": dtype, "fill_value": fill,
        "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": cut(grid.object) } },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
        "codecs": codecs, "attributes": attributes, "storage_transformers": [],
    })
}

fn node(root: &Path, path: &str, document: &Value) {
    let folder = root.join(path);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("zarr.json"), document.to_string()).unwrap();
}
