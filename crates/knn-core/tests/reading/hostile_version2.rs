//! Hostile stores of zarr version 2: metadata and chunks that lie.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::refusal::{accepted, refused};

/// Cells of the store, and values of each.
const N: usize = 8;
const DIM: usize = 2;

pub(crate) fn write(root: &Path, path: &str, document: &str, json: &Value) {
    let folder = root.join(path);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(document), json.to_string()).unwrap();
}

pub(crate) fn group(root: &Path, path: &str, attributes: &Value) {
    write(root, path, ".zgroup", &json!({"zarr_format": 2}));
    write(root, path, ".zattrs", attributes);
}

/// An uncompressed array of one chunk.
pub(crate) fn array(root: &Path, path: &str, dtype: &str, shape: &[usize], bytes: &[u8]) {
    let chunks: Vec<usize> = shape.iter().map(|&extent| extent.max(1)).collect();
    let filters = if dtype == "|O" { json!([{"id": "vlen-utf8"}]) } else { Value::Null };
    let document = json!({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "compressor": null,
        "fill_value": 0, "order": "C", "filters": filters});
    write(root, path, ".zarray", &document);
    fs::write(root.join(path).join(vec!["0"; shape.len()].join(".")), bytes).unwrap();
}

pub(crate) fn texts(values: &[&str]) -> Vec<u8> {
    let mut bytes = (values.len() as u32).to_le_bytes().to_vec();
    for value in values {
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend(value.as_bytes());
    }
    bytes
}

/// Cells with names, a categorical of version 0.1.0, and `obsm/X_pca`.
pub(crate) fn cells(root: &Path) {
    group(root, "", &json!({}));
    for frame in ["obs", "var"] {
        let columns = if frame == "obs" { json!(["type"]) } else { json!([]) };
        let frame_attributes = json!({"encoding-type": "dataframe", "encoding-version": "0.1.0", "_index": "_index",
            "column-order": columns});
        group(root, frame, &frame_attributes);
    }
    let names: Vec<String> = (0..N).map(|cell| format!("cell{cell}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    array(root, "obs/_index", "|O", &[N], &texts(&names));
    array(root, "var/_index", "|O", &[1], &texts(&["g"]));
    array(root, "obs/type", "|i1", &[N], &[0, 1, 0, 1, 255, 0, 0, 1]);
    write(root, "obs/type", ".zattrs", &json!({"categories": "__categories/type"}));
    group(root, "obs/__categories", &json!({}));
    array(root, "obs/__categories/type", "|O", &[2], &texts(&["B", "T"]));
    group(root, "obsm", &json!({}));
    let values: Vec<u8> = (0..N * DIM).flat_map(|value| (value as f32).to_le_bytes()).collect();
    array(root, "obsm/X_pca", "<f4", &[N, DIM], &values);
}

fn store() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cells.zarr");
    cells(&root);
    (folder, root)
}

/// Changes a document of the store.
fn edit(root: &Path, document: &str, change: impl FnOnce(&mut Value)) {
    let file = root.join(document);
    let mut json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut json);
    fs::write(file, json.to_string()).unwrap();
}

type Change = fn(&mut Value);

#[test]
fn the_store_that_is_damaged_here_is_read() {
    let (_folder, root) = store();
    accepted(&root, "X_pca");
}

#[test]
fn lying_metadata_of_version_2_are_refused() {
    let cases: [(&str, &str, Change); 25] = [
        ("GM_SCHEMA", "shape", |json| json["shape"] = json!([1u64 << 60, 2])),
        ("GM_SCHEMA", "shape", |json| json["shape"] = json!([u64::MAX, u64::MAX])),
        ("GM_SCHEMA", "shape", |json| json["shape"] = json!([0, 1u64 << 60])),
        ("GM_SCHEMA", "shape", |json| json["shape"] = json!(vec![1; 33])),
        ("GM_SCHEMA", ".zarray", |json| json["shape"] = json!([-1, 2])),
        ("GM_SCHEMA", ".zarray", |json| json["shape"] = json!("wide")),
        ("GM_SHAPE", "X_pca", |json| json["shape"] = json!([7, 2])),
        ("GM_SCHEMA", "chunk_grid", |json| json["chunks"] = json!([0, 2])),
        ("GM_SCHEMA", "chunk_grid", |json| json["chunks"] = json!([8])),
        ("GM_SCHEMA", "chunk_grid", |json| json["chunks"] = json!([1u64 << 40, 1u64 << 40])),
        ("GM_SCHEMA", "chunk_grid", |json| json["chunks"] = json!([1u64 << 28, 2])),
        ("GM_SCHEMA", "dtype", |json| json["dtype"] = json!(4)),
        ("GM_SCHEMA", "dtype", |json| json["dtype"] = json!("f4")),
        ("GM_SCHEMA", "dtype", |json| json["dtype"] = json!("<U99999999999")),
        ("GM_UNSUPPORTED", "structured", |json| json["dtype"] = json!([["a", "<f4"]])),
        ("GM_UNSUPPORTED", "<c8", |json| json["dtype"] = json!("<c8")),
        ("GM_UNSUPPORTED", "<f16", |json| json["dtype"] = json!("<f16")),
        ("GM_SCHEMA", "filters", |json| json["dtype"] = json!("|O")),
        ("GM_UNSUPPORTED", "lzma", |json| json["compressor"] = json!({"id": "lzma"})),
        ("GM_SCHEMA", "compressor", |json| json["compressor"] = json!({"level": 1})),
        ("GM_SCHEMA", "filters", |json| json["filters"] = json!([{"id": "delta", "dtype": "<M8"}])),
        ("GM_SCHEMA", "filters", |json| json["filters"] = json!([{"id": "shuffle", "elementsize": 0}])),
        ("GM_UNSUPPORTED", "codecs", |json| json["filters"] = json!(vec![json!({"id": "shuffle"}); 99])),
        ("GM_SCHEMA", "order", |json| json["order"] = json!("K")),
        ("GM_SCHEMA", "zarr_format", |json| json["zarr_format"] = json!(4)),
    ];
    for (number, (code, field, change)) in cases.into_iter().enumerate() {
        let (_folder, root) = store();
        edit(&root, "obsm/X_pca/.zarray", change);
        refused(&format!("change {number}"), &root, "X_pca", code, field);
    }
}

#[test]
fn lying_documents_and_keys_of_version_2_are_refused() {
    let cases: [(&str, &str, &str, &str, Change); 9] = [
        ("GM_SCHEMA", "fill_value", "obsm/X_pca", ".zarray", |json| json["fill_value"] = json!("much")),
        ("GM_SCHEMA", "chunk_key_encoding", "obsm/X_pca", ".zarray", |json| json["dimension_separator"] = json!("../")),
        ("GM_SCHEMA", "zarr_format", "obs", ".zgroup", |json| json["zarr_format"] = json!(1)),
        ("GM_SCHEMA", "_index", "obs", ".zattrs", |json| json["_index"] = json!("../../outside")),
        ("GM_SCHEMA", "column-order", "obs", ".zattrs", |json| json["column-order"] = json!([7])),
        ("GM_SCHEMA", "column-order", "obs", ".zattrs", |json| json["column-order"] = json!(["nowhere"])),
        ("GM_SCHEMA", "categories", "obs/type", ".zattrs", |json| json["categories"] = json!("../../outside")),
        ("GM_SCHEMA", "categories", "obs/type", ".zattrs", |json| json["categories"] = json!("__categories/none")),
        ("GM_SCHEMA", "categories", "obs/type", ".zattrs", |json| json["categories"] = json!(7)),
    ];
    for (number, (code, field, path, document, change)) in cases.into_iter().enumerate() {
        let (_folder, root) = store();
        edit(&root, &format!("{path}/{document}"), change);
        refused(&format!("change {number}"), &root, "X_pca", code, field);
    }
    let texts: [(&str, &str, Vec<u8>); 5] = [
        ("deep", ".zarray", "[".repeat(100_000).into_bytes()),
        ("truncated", ".zarray", b"{\"zarr_format\": 2".to_vec()),
        ("no object", ".zarray", b"2".to_vec()),
        ("not UTF-8", ".zattrs", vec![0xff; 100]),
        ("wide", ".zattrs", format!("{{\"a\": [{}0]}}", "0,".repeat(1 << 21)).into_bytes()),
    ];
    for (case, document, text) in texts {
        let (_folder, root) = store();
        fs::write(root.join("obsm/X_pca").join(document), text).unwrap();
        refused(case, &root, "X_pca", "GM_SCHEMA", document);
    }
}

#[test]
fn chunks_of_version_2_that_are_bombs_or_damaged_are_corrupt() {
    let zeros = vec![0u8; 96 << 20];
    let zlib = |bytes: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let mut blosc = vec![2, 1, 0x21, 4];
    for number in [0x7fff_ffffu32, 1 << 16, 64] {
        blosc.extend(number.to_le_bytes());
    }
    blosc.extend([0; 48]);
    let chunk = "inner chunk";
    let cases: [(&str, Value, Vec<u8>, &str); 10] = [
        ("zstd bomb", json!({"id": "zstd"}), zstd::bulk::compress(&zeros, 19).unwrap(), chunk),
        ("zlib bomb", json!({"id": "zlib"}), zlib(&zeros), chunk),
        ("gzip that is none", json!({"id": "gzip"}), b"PK\x03\x04 no gzip".to_vec(), chunk),
        ("blosc that lies of its size", json!({"id": "blosc"}), blosc, chunk),
        ("blosc cut short", json!({"id": "blosc"}), vec![2, 1, 1, 4, 64, 0, 0, 0], chunk),
        ("raw and too short", Value::Null, vec![0; 63], chunk),
        ("raw and too long", Value::Null, vec![0; 65], chunk),
        ("empty", json!({"id": "zstd"}), Vec::new(), chunk),
        ("zstd of fewer bytes", json!({"id": "zstd"}), zstd::bulk::compress(&[0; 60], 1).unwrap(), chunk),
        ("zstd cut short", json!({"id": "zstd"}), zstd::bulk::compress(&[7; 64], 1).unwrap()[..9].to_vec(), chunk),
    ];
    for (case, compressor, bytes, field) in cases {
        let (_folder, root) = store();
        edit(&root, "obsm/X_pca/.zarray", |json| json["compressor"] = compressor);
        fs::write(root.join("obsm/X_pca/0.0"), bytes).unwrap();
        refused(case, &root, "X_pca", "GM_CORRUPT", field);
    }
    let (_folder, root) = store();
    fs::write(root.join("obs/_index/0"), [255; 40]).unwrap();
    refused("names beyond their chunk", &root, "X_pca", "GM_CORRUPT", "obs/_index/0");
    let (_folder, root) = store();
    fs::write(root.join("obs/type/0"), [0, 1, 2, 0, 0, 0, 0, 0]).unwrap();
    refused("a code without a category", &root, "X_pca", "GM_SCHEMA", "codes");
    let (_folder, root) = store();
    edit(&root, "obs/__categories/type/.zarray", |json| json["shape"] = json!([4_000_000]));
    fs::remove_file(root.join("obs/__categories/type/0")).unwrap();
    refused("millions of categories that are not there", &root, "X_pca", "GM_SCHEMA", "shape");
    let (_folder, root) = store();
    fs::remove_dir_all(root.join("obs")).unwrap();
    refused("no obs", &root, "X_pca", "GM_SCHEMA", "encoding-type");
}
