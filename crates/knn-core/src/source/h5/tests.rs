//! Every layout, type and text of `test/fixtures/h5ad/make.py` in both file formats, read in whole and in pieces.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::H5File;
use crate::error::Result;
use crate::source::container::{Container, Missing, NodeKind, StoredArray};
use crate::source::{StringBlock, numbers};
use crate::types::{DType, RowRange};

const ROWS: u64 = 53;
const COLUMNS: u64 = 7;
const FORMATS: [&str; 2] = ["layouts.h5", "latest.h5"];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/h5ad").join(name)
}

fn open(name: &str) -> H5File {
    H5File::open(&fixture(name)).unwrap()
}

fn array(file: &H5File, path: &str) -> Result<Arc<dyn StoredArray>> {
    file.array(path, Missing::Fill)
}

fn whole(file: &H5File, path: &str) -> Result<Arc<dyn StoredArray>> {
    file.array(path, Missing::AllOrNone)
}

/// What a node says that it is: `group`, or type and shape.
fn kind(file: &H5File, path: &str) -> Option<Value> {
    file.node(path).unwrap().map(|node| match node.kind {
        NodeKind::Group => json!("group"),
        NodeKind::Array(declared) => json!([declared.dtype, declared.shape]),
    })
}

fn expected(rows: std::ops::Range<u64>, columns: u64) -> Vec<f64> {
    rows.flat_map(|row| (0..columns).map(move |column| ((7 * row + 3 * column) % 101) as f64)).collect()
}

fn text(row: u64) -> String {
    format!("cell{}", 7 * row % 101).repeat((row % 5) as usize)
}

fn read(array: &dyn StoredArray, rows: std::ops::Range<u64>) -> Vec<f64> {
    let (mut bytes, mut values) = (Vec::new(), Vec::new());
    array.read_rows(RowRange::new(rows.start, rows.end), &mut bytes).unwrap();
    numbers::each_f64(array.dtype(), &bytes, |value| values.push(value));
    values
}

fn read_strings(array: &dyn StoredArray, rows: std::ops::Range<u64>) -> Vec<String> {
    let mut block = StringBlock::default();
    array.read_strings(RowRange::new(rows.start, rows.end), &mut block).unwrap();
    block.iter().map(str::to_owned).collect()
}

#[test]
fn every_layout_reads_as_what_was_written() {
    for format in FORMATS {
        let file = open(format);
        let keys = file.children("matrix").unwrap();
        assert!(keys.len() >= 16, "{keys:?}");
        for key in keys {
            let array = whole(&file, &format!("matrix/{key}")).unwrap();
            let rows = if key == "compact" { 5 } else { ROWS };
            assert_eq!(array.shape(), [rows, COLUMNS], "{format} {key}");
            assert_eq!(array.dtype(), DType::Float32);
            array.preflight().unwrap();
            assert_eq!(read(&*array, 0..rows), expected(0..rows, COLUMNS), "{format} {key} {}", array.codec());
            for range in [3..4, 2..rows - 1, rows - 1..rows, 2..2] {
                assert_eq!(read(&*array, range.clone()), expected(range, COLUMNS), "{format} {key}");
            }
            assert!(array.stored_bytes() > 0 && !array.is_absent().unwrap());
        }
    }
}

#[test]
fn codecs_and_chunks_are_told() {
    let file = open("layouts.h5");
    let open = |key: &str| array(&file, &format!("matrix/{key}")).unwrap();
    assert_eq!(open("contiguous").codec(), "raw");
    assert_eq!(open("everything").codec(), "shuffle+gzip+fletcher32");
    assert_eq!(open("columns").inner_chunk(), [20, 2]);
    assert_eq!(open("contiguous").scratch_bytes(10), 0);
    assert!(open("gzip").scratch_bytes(10) >= 8 * 3 * 4);
}

#[test]
fn every_type_reads_in_both_byte_orders() {
    for format in FORMATS {
        let file = open(format);
        for (name, dtype) in [
            ("i1", DType::Int8),
            ("i2", DType::Int16),
            ("i4", DType::Int32),
            ("i8", DType::Int64),
            ("u1", DType::UInt8),
            ("u2", DType::UInt16),
            ("u4", DType::UInt32),
            ("u8", DType::UInt64),
            ("f2", DType::Float16),
            ("f4", DType::Float32),
            ("f8", DType::Float64),
        ] {
            for name in [name.to_owned(), format!("{name}_big")] {
                let array = array(&file, &format!("types/{name}")).unwrap();
                assert_eq!(array.dtype(), dtype);
                assert_eq!(read(&*array, 0..ROWS), expected(0..ROWS, COLUMNS), "{format} {name}");
            }
        }
        let flags = array(&file, "types/bool").unwrap();
        assert_eq!(flags.dtype(), DType::Bool);
        let even: Vec<f64> = expected(0..ROWS, COLUMNS).iter().map(|v| f64::from(u8::from(v % 2.0 == 0.0))).collect();
        assert_eq!(read(&*flags, 0..ROWS), even);
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    for format in FORMATS {
        let file = open(format);
        for (path, what) in [
            ("types/bfloat16", "not IEEE"),
            ("types/complex", "compound of 2 fields"),
            ("types/scaled", "the filter scaleoffset"),
        ] {
            let error = array(&file, path).unwrap_err();
            assert_eq!(error.code(), "GM_UNSUPPORTED", "{path}: {error}");
            assert!(error.to_string().contains(path) && error.to_string().contains(what), "{error}");
        }
        let cube = array(&file, "types/cube").unwrap();
        assert_eq!(cube.shape(), [2, 3, 4]);
        assert_eq!(cube.read_rows(RowRange::new(0, 2), &mut Vec::new()).unwrap_err().code(), "GM_SCHEMA");
        assert_eq!(
            array(&file, "text/fixed").unwrap().read_rows(RowRange::new(0, 1), &mut Vec::new()).unwrap_err().code(),
            "GM_SCHEMA"
        );
        let numbers = array(&file, "types/i4").unwrap();
        assert_eq!(
            numbers.read_strings(RowRange::new(0, 1), &mut StringBlock::default()).unwrap_err().code(),
            "GM_SCHEMA"
        );
        assert_eq!(array(&file, "matrix").unwrap_err().code(), "GM_SCHEMA");
        assert_eq!(array(&file, "matrix/nothing").unwrap_err().code(), "GM_NOT_FOUND");
    }
}

#[test]
fn missing_chunks_are_fill_or_damage() {
    for format in FORMATS {
        let file = open(format);
        let absent = whole(&file, "sparse/absent").unwrap();
        assert!(absent.is_absent().unwrap());
        absent.preflight().unwrap();
        assert_eq!(read(&*absent, 0..2), [2.5; 14]);
        let holes = array(&file, "sparse/holes").unwrap();
        assert_eq!(read(&*holes, 14..18), [expected(14..16, COLUMNS), vec![2.5; 14]].concat());
        let holes = whole(&file, "sparse/holes").unwrap();
        assert!(holes.preflight().unwrap_err().to_string().contains("chunk 2: is missing"));
        assert_eq!(holes.read_rows(RowRange::new(14, 18), &mut Vec::new()).unwrap_err().code(), "GM_CORRUPT");
        // Its chunks are whole rows, so rows of which no chunk is there are lost for expression too.
        let holes = file.array("sparse/holes", Missing::Bands).unwrap();
        assert!(holes.preflight().unwrap_err().to_string().contains("chunk 2: is missing"));
        assert_eq!(holes.read_rows(RowRange::new(14, 18), &mut Vec::new()).unwrap_err().code(), "GM_CORRUPT");
        assert_eq!(read(&*holes, 14..16), expected(14..16, COLUMNS));
    }
}

#[test]
fn texts_of_every_kind_read() {
    for format in FORMATS {
        let file = open(format);
        for key in ["variable", "chunked", "fixed", "fixed_gzip"] {
            let array = array(&file, &format!("text/{key}")).unwrap();
            assert_eq!(array.dtype(), DType::String);
            for range in [0..ROWS, 7..8, 8..31, 4..4] {
                let wanted: Vec<String> = range.clone().map(text).collect();
                assert_eq!(read_strings(&*array, range), wanted, "{format} {key}");
            }
        }
        assert_eq!(read_strings(&*array(&file, "text/umlaut").unwrap(), 0..3), ["größe", "", "日本"]);
    }
}

#[test]
fn a_compound_at_the_root_is_a_group_of_columns() {
    for format in FORMATS {
        let file = open(format);
        for table in ["obs", "plain"] {
            let node = file.node(table).unwrap().unwrap();
            assert_eq!(kind(&file, table).unwrap(), "group");
            assert_eq!(node.attributes["_index"], "index");
            assert_eq!(node.attributes["column-order"], json!(["label", "n", "name", "pca"]));
            assert_eq!(file.children(table).unwrap(), ["index", "label", "n", "name", "pca"]);
            let column = |name: &str| array(&file, &format!("{table}/{name}")).unwrap();
            let texts: Vec<String> = (0..ROWS).map(text).collect();
            assert_eq!(read_strings(&*column("index"), 0..ROWS), texts);
            assert_eq!(read_strings(&*column("name"), 9..12), texts[9..12]);
            let labels: Vec<f64> = (0..ROWS).map(|row| (row % 3) as f64 - 1.0).collect();
            assert_eq!(read(&*column("label"), 0..ROWS), labels);
            assert_eq!(read(&*column("n"), 5..30), expected(5..30, 1));
            let pca = column("pca");
            assert_eq!(pca.shape(), [ROWS, COLUMNS]);
            assert_eq!(read(&*pca, 0..ROWS), expected(0..ROWS, COLUMNS));
            assert_eq!(read(&*pca, 11..13), expected(11..13, COLUMNS));
        }
        let label = file.node("obs/label").unwrap().unwrap();
        assert_eq!(label.attributes["categories"], "/uns/label_categories");
        assert_eq!(kind(&file, "obs/label").unwrap(), json!(["int8", [ROWS]]));
        assert_eq!(kind(&file, "obs/pca").unwrap(), json!(["float32", [ROWS, COLUMNS]]));
        assert!(file.node("obs/n").unwrap().unwrap().attributes.is_empty());
        assert!(file.node("obs/nothing").unwrap().is_none());
    }
}

#[test]
fn attributes_are_json() {
    for format in FORMATS {
        let file = open(format);
        let found = file.node("attributes").unwrap().unwrap().attributes;
        let wanted = json!({
            "text": "größe", "fixed": "abc", "texts": ["a", "", "c"], "none": [], "flag": true, "count": -3,
            "big": u64::MAX, "shape": [30, 20], "half": 0.5,
        });
        assert_eq!(Value::Object(found), wanted, "{format}");
        assert_eq!(file.node("many").unwrap().unwrap().attributes.len(), 40);
        assert!(file.node("nowhere").unwrap().is_none());
        assert!(file.node("../etc").unwrap().is_none());
        assert_eq!(kind(&file, "scalar").unwrap(), json!(["int64", []]));
    }
}

#[test]
fn references_of_anndata_0_7_are_paths() {
    let file = open("anndata-v0.7.0-adata.h5ad");
    assert_eq!(file.node("obs/obs_cat").unwrap().unwrap().attributes["categories"], "__categories/obs_cat");
    let categories = file.node("obs/__categories/cat_ordered").unwrap().unwrap();
    assert_eq!(categories.attributes["ordered"], true);
    assert_eq!(read_strings(&*array(&file, "obs/_index").unwrap(), 28..30), ["cell28", "cell29"]);
}

#[test]
fn links_stay_in_the_file_and_do_not_go_round() {
    for format in FORMATS {
        let file = open(format);
        assert_eq!(read(&*array(&file, "links/soft").unwrap(), 0..2), expected(0..2, COLUMNS));
        for lost in ["links/dangling", "links/outside", "links/circle"] {
            let code = array(&file, lost).unwrap_err().code();
            assert!(["GM_NOT_FOUND", "GM_CORRUPT"].contains(&code), "{lost}: {code}");
        }
    }
}

#[test]
fn addresses_count_from_the_end_of_a_user_block() {
    assert!(H5File::is_h5(&fixture("user_block.h5")) && !H5File::is_h5(&fixture("make.py")));
    let file = open("user_block.h5");
    for key in ["contiguous", "gzip"] {
        assert_eq!(read(&*array(&file, key).unwrap(), 0..ROWS), expected(0..ROWS, COLUMNS), "{key}");
    }
    assert_eq!(read_strings(&*array(&file, "text").unwrap(), 6..9), (6..9).map(text).collect::<Vec<_>>());
}

#[test]
fn a_fingerprint_is_of_content() {
    let (old, new) = (open("layouts.h5"), open("latest.h5"));
    let print = |file: &H5File, path: &str| array(file, path).unwrap().fingerprint(0).unwrap();
    for path in ["matrix/contiguous", "text/variable", "text/fixed"] {
        assert_eq!(print(&old, path), print(&new, path), "{path}");
    }
    assert_ne!(print(&old, "matrix/contiguous"), print(&old, "types/f4_big"));
    assert_ne!(print(&old, "matrix/contiguous"), print(&old, "matrix/cut"));
    assert_ne!(print(&old, "obs/index"), print(&old, "text/fixed_gzip"));
}
