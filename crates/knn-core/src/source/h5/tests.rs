//! Every layout, type and text of `test/fixtures/h5ad/make.py` in both file formats, read in whole and in pieces.

use std::path::PathBuf;

use serde_json::json;

use super::{H5Array, H5File, H5Kind};
use crate::source::zarr::Missing;
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

fn expected(rows: std::ops::Range<u64>, columns: u64) -> Vec<f64> {
    rows.flat_map(|row| (0..columns).map(move |column| ((7 * row + 3 * column) % 101) as f64)).collect()
}

fn text(row: u64) -> String {
    format!("cell{}", 7 * row % 101).repeat((row % 5) as usize)
}

fn read(array: &H5Array, rows: std::ops::Range<u64>) -> Vec<f64> {
    let (mut bytes, mut values) = (Vec::new(), Vec::new());
    array.read_rows(RowRange::new(rows.start, rows.end), &mut bytes).unwrap();
    numbers::each_f64(array.dtype(), &bytes, |value| values.push(value));
    values
}

fn read_strings(array: &H5Array, rows: std::ops::Range<u64>) -> Vec<String> {
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
            let array = file.array(&format!("matrix/{key}")).unwrap().with_missing(Missing::AllOrNone);
            let rows = if key == "compact" { 5 } else { ROWS };
            assert_eq!(array.shape(), [rows, COLUMNS], "{format} {key}");
            assert_eq!(array.dtype(), DType::Float32);
            array.preflight().unwrap();
            assert_eq!(read(&array, 0..rows), expected(0..rows, COLUMNS), "{format} {key} {}", array.codec());
            for range in [3..4, 2..rows - 1, rows - 1..rows, 2..2] {
                assert_eq!(read(&array, range.clone()), expected(range, COLUMNS), "{format} {key}");
            }
            assert!(array.stored_bytes() > 0 && !array.is_absent());
        }
    }
}

#[test]
fn codecs_and_chunks_are_told() {
    let file = open("layouts.h5");
    let array = |key: &str| file.array(&format!("matrix/{key}")).unwrap();
    assert_eq!(array("contiguous").codec(), "raw");
    assert_eq!(array("everything").codec(), "shuffle+gzip+fletcher32");
    assert_eq!(array("columns").inner_chunk(), [20, 2]);
    assert_eq!(array("contiguous").scratch_bytes(10), 0);
    assert!(array("gzip").scratch_bytes(10) >= 8 * 3 * 4);
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
                let array = file.array(&format!("types/{name}")).unwrap();
                assert_eq!(array.dtype(), dtype);
                assert_eq!(read(&array, 0..ROWS), expected(0..ROWS, COLUMNS), "{format} {name}");
            }
        }
        let flags = file.array("types/bool").unwrap();
        assert_eq!(flags.dtype(), DType::Bool);
        let even: Vec<f64> = expected(0..ROWS, COLUMNS).iter().map(|v| f64::from(u8::from(v % 2.0 == 0.0))).collect();
        assert_eq!(read(&flags, 0..ROWS), even);
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
            let error = file.array(path).unwrap_err();
            assert_eq!(error.code(), "GM_UNSUPPORTED", "{path}: {error}");
            assert!(error.to_string().contains(path) && error.to_string().contains(what), "{error}");
        }
        let cube = file.array("types/cube").unwrap();
        assert_eq!(cube.shape(), [2, 3, 4]);
        assert_eq!(cube.read_rows(RowRange::new(0, 2), &mut Vec::new()).unwrap_err().code(), "GM_SCHEMA");
        assert_eq!(
            file.array("text/fixed").unwrap().read_rows(RowRange::new(0, 1), &mut Vec::new()).unwrap_err().code(),
            "GM_SCHEMA"
        );
        let numbers = file.array("types/i4").unwrap();
        assert_eq!(
            numbers.read_strings(RowRange::new(0, 1), &mut StringBlock::default()).unwrap_err().code(),
            "GM_SCHEMA"
        );
        assert_eq!(file.array("matrix").unwrap_err().code(), "GM_SCHEMA");
        assert_eq!(file.array("matrix/nothing").unwrap_err().code(), "GM_NOT_FOUND");
    }
}

#[test]
fn missing_chunks_are_fill_or_damage() {
    for format in FORMATS {
        let file = open(format);
        let absent = file.array("sparse/absent").unwrap().with_missing(Missing::AllOrNone);
        assert!(absent.is_absent());
        absent.preflight().unwrap();
        assert_eq!(read(&absent, 0..2), [2.5; 14]);
        let holes = file.array("sparse/holes").unwrap();
        assert_eq!(read(&holes, 14..18), [expected(14..16, COLUMNS), vec![2.5; 14]].concat());
        let holes = holes.with_missing(Missing::AllOrNone);
        assert!(holes.preflight().unwrap_err().to_string().contains("chunk 2: is missing"));
        assert_eq!(holes.read_rows(RowRange::new(14, 18), &mut Vec::new()).unwrap_err().code(), "GM_CORRUPT");
    }
}

#[test]
fn texts_of_every_kind_read() {
    for format in FORMATS {
        let file = open(format);
        for key in ["variable", "chunked", "fixed", "fixed_gzip"] {
            let array = file.array(&format!("text/{key}")).unwrap();
            assert_eq!(array.dtype(), DType::String);
            for range in [0..ROWS, 7..8, 8..31, 4..4] {
                let wanted: Vec<String> = range.clone().map(text).collect();
                assert_eq!(read_strings(&array, range), wanted, "{format} {key}");
            }
        }
        assert_eq!(read_strings(&file.array("text/umlaut").unwrap(), 0..3), ["größe", "", "日本"]);
    }
}

#[test]
fn a_compound_at_the_root_is_a_group_of_columns() {
    for format in FORMATS {
        let file = open(format);
        for table in ["obs", "plain"] {
            let node = file.node(table).unwrap().unwrap();
            assert_eq!(node.kind, H5Kind::Group);
            assert_eq!(node.attributes["_index"], "index");
            assert_eq!(node.attributes["column-order"], json!(["label", "n", "name", "pca"]));
            assert_eq!(file.children(table).unwrap(), ["index", "label", "n", "name", "pca"]);
            let column = |name: &str| file.array(&format!("{table}/{name}")).unwrap();
            let texts: Vec<String> = (0..ROWS).map(text).collect();
            assert_eq!(read_strings(&column("index"), 0..ROWS), texts);
            assert_eq!(read_strings(&column("name"), 9..12), texts[9..12]);
            let labels: Vec<f64> = (0..ROWS).map(|row| (row % 3) as f64 - 1.0).collect();
            assert_eq!(read(&column("label"), 0..ROWS), labels);
            assert_eq!(read(&column("n"), 5..30), expected(5..30, 1));
            let pca = column("pca");
            assert_eq!(pca.shape(), [ROWS, COLUMNS]);
            assert_eq!(read(&pca, 0..ROWS), expected(0..ROWS, COLUMNS));
            assert_eq!(read(&pca, 11..13), expected(11..13, COLUMNS));
        }
        let label = file.node("obs/label").unwrap().unwrap();
        assert_eq!(label.attributes["categories"], "/uns/label_categories");
        assert_eq!(label.kind, H5Kind::Array { type_name: "int8".into(), shape: vec![ROWS] });
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
        assert_eq!(serde_json::Value::Object(found), wanted, "{format}");
        assert_eq!(file.node("many").unwrap().unwrap().attributes.len(), 40);
        assert!(file.node("nowhere").unwrap().is_none());
        assert!(file.node("../etc").unwrap().is_none());
        assert_eq!(
            file.node("scalar").unwrap().unwrap().kind,
            H5Kind::Array { type_name: "int64".into(), shape: vec![] }
        );
    }
}

#[test]
fn references_of_anndata_0_7_are_paths() {
    let file = open("anndata-v0.7.0-adata.h5ad");
    assert_eq!(file.node("obs/obs_cat").unwrap().unwrap().attributes["categories"], "__categories/obs_cat");
    let categories = file.node("obs/__categories/cat_ordered").unwrap().unwrap();
    assert_eq!(categories.attributes["ordered"], true);
    assert_eq!(read_strings(&file.array("obs/_index").unwrap(), 28..30), ["cell28", "cell29"]);
}

#[test]
fn links_stay_in_the_file_and_do_not_go_round() {
    for format in FORMATS {
        let file = open(format);
        assert_eq!(read(&file.array("links/soft").unwrap(), 0..2), expected(0..2, COLUMNS));
        for lost in ["links/dangling", "links/outside", "links/circle"] {
            let code = file.array(lost).unwrap_err().code();
            assert!(["GM_NOT_FOUND", "GM_CORRUPT"].contains(&code), "{lost}: {code}");
        }
    }
}

#[test]
fn addresses_count_from_the_end_of_a_user_block() {
    assert!(H5File::is_h5(&fixture("user_block.h5")) && !H5File::is_h5(&fixture("make.py")));
    let file = open("user_block.h5");
    for key in ["contiguous", "gzip"] {
        assert_eq!(read(&file.array(key).unwrap(), 0..ROWS), expected(0..ROWS, COLUMNS), "{key}");
    }
    assert_eq!(read_strings(&file.array("text").unwrap(), 6..9), (6..9).map(text).collect::<Vec<_>>());
}

#[test]
fn a_fingerprint_is_of_content() {
    let (old, new) = (open("layouts.h5"), open("latest.h5"));
    let print = |file: &H5File, path: &str| file.array(path).unwrap().fingerprint(0).unwrap();
    for path in ["matrix/contiguous", "text/variable", "text/fixed"] {
        assert_eq!(print(&old, path), print(&new, path), "{path}");
    }
    assert_ne!(print(&old, "matrix/contiguous"), print(&old, "types/f4_big"));
    assert_ne!(print(&old, "matrix/contiguous"), print(&old, "matrix/cut"));
    assert_ne!(print(&old, "obs/index"), print(&old, "text/fixed_gzip"));
}
