//! Reading of every layout, and refusal of everything hostile.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ZarrArray, ZarrStore};
use crate::error::Result;
use crate::source::testing::{Spec, array, floats, group, strings};
use crate::source::{Missing, StringBlock};
use crate::types::{DType, RowRange};

fn store() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store.zarr");
    group(&root, "", &json!({}));
    (folder, root)
}

fn open(root: &Path, path: &str) -> Result<ZarrArray> {
    ZarrArray::open(&ZarrStore::open(root)?, path)
}

fn matrix(rows: usize, columns: usize) -> Vec<u8> {
    floats((0..rows * columns).map(|i| i as f32 + 1.0))
}

/// A `zarr.json` changed at one field.
fn edit(root: &Path, path: &str, change: impl FnOnce(&mut Value)) {
    let file = root.join(path).join("zarr.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut json);
    fs::write(file, json.to_string()).unwrap();
}

fn code(result: Result<impl Sized>) -> &'static str {
    result.err().map_or("ok", |error| error.code())
}

#[test]
fn every_layout_reads_as_what_was_written() {
    let base = Spec::new(DType::Float32, &[23, 7]);
    let split = base.clone().shards(&[12, 4], &[4, 2]);
    let layouts = [
        base.clone(),
        base.clone().chunks(&[5, 7]),
        base.clone().chunks(&[5, 3]),
        base.clone().chunks(&[5, 3]).codecs(&["zstd"]),
        base.clone().shards(&[10, 7], &[5, 7]),
        split.clone(),
        split.clone().codecs(&["zstd"]),
        split.clone().codecs(&["gzip"]),
        split.clone().codecs(&["blosc"]),
        split.clone().codecs(&["zstd", "crc32c"]),
        split.clone().codecs(&["crc32c", "zstd"]),
        base.clone().shards(&[24, 7], &[6, 1]).codecs(&["zstd"]),
        Spec { index_at_start: true, ..split.clone() },
        Spec { index_at_start: true, checksum: false, ..split.clone().codecs(&["zstd"]) },
        Spec { big_endian: true, ..split.clone() },
        Spec { big_endian: true, ..base.clone() },
        Spec { transposed: true, ..split.clone().codecs(&["zstd"]) },
        Spec { separator: ".", ..split },
    ];
    for spec in layouts {
        let (_folder, root) = store();
        let values = matrix(23, 7);
        array(&root, "x", &spec, &values);
        let array = open(&root, "x").unwrap().with_missing(Missing::AllOrNone);
        array.preflight().unwrap();
        let mut out = Vec::new();
        for start in 0..23 {
            for end in start..=23 {
                array.read_rows(RowRange::new(start, end), &mut out).unwrap();
                assert_eq!(out, values[start as usize * 28..end as usize * 28], "{start}..{end} of {spec:?}");
            }
        }
        assert_eq!(array.read_rows(RowRange::new(20, 24), &mut out).unwrap_err().code(), "GM_INTERNAL");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_range_is_a_slice_of_the_whole(
        rows in 1u64..200, columns in 1u64..12, inner in (1u64..40, 1u64..6), times in (1u64..4, 1u64..4),
        cut in (0.0f64..1.0, 0.0f64..1.0), packed in any::<bool>(),
    ) {
        let (_folder, root) = store();
        let spec = Spec::new(DType::Int16, &[rows, columns])
            .shards(&[inner.0 * times.0, inner.1 * times.1], &[inner.0, inner.1])
            .codecs(if packed { &["zstd"] } else { &[] });
        // Whole runs of zeros, so that inner chunks and shards are left out.
        let values: Vec<u8> = (0..rows * columns).flat_map(|i| (if i % 97 < 40 { 0 } else { i as i16 }).to_le_bytes()).collect();
        array(&root, "x", &spec, &values);
        let array = open(&root, "x").unwrap();
        let (a, b) = ((cut.0 * rows as f64) as u64, (cut.1 * rows as f64) as u64);
        let range = RowRange::new(a.min(b), a.max(b));
        let mut out = Vec::new();
        array.read_rows(range, &mut out).unwrap();
        let row = columns as usize * 2;
        prop_assert_eq!(&out, &values[range.start as usize * row..range.end as usize * row]);
    }
}

#[test]
fn strings_are_read_in_ranges() {
    let (_folder, root) = store();
    let texts: Vec<String> = (0..50).map(|i| "ä".repeat(i % 4)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for spec in [Spec::new(DType::String, &[50]).chunks(&[7]), Spec::new(DType::String, &[50]).shards(&[20], &[5])] {
        let spec = spec.codecs(&["zstd"]);
        strings(&root, "s", &spec, &texts);
        let array = open(&root, "s").unwrap();
        array.preflight().unwrap();
        let mut block = StringBlock::default();
        for (start, end) in [(0, 50), (3, 4), (6, 22), (50, 50)] {
            array.read_strings(RowRange::new(start, end), &mut block).unwrap();
            assert_eq!(block.iter().collect::<Vec<_>>(), texts[start as usize..end as usize]);
        }
        assert!(array.scratch_bytes(50) < 100_000, "{}", array.scratch_bytes(50));
        fs::remove_dir_all(root.join("s")).unwrap();
    }
}

#[test]
fn missing_inner_chunks_are_fill_and_missing_objects_are_not_for_embeddings() {
    let (_folder, root) = store();
    let spec = Spec { fill: json!("NaN"), ..Spec::new(DType::Float32, &[20, 2]).shards(&[10, 2], &[5, 2]) };
    // Rows 5..10 are left out of their shard.
    let values = floats((0..40).map(|i| if (10..20).contains(&i) { 0.0 } else { 1.0 }));
    array(&root, "x", &spec, &values);
    let all = RowRange::new(0, 20);
    let mut out = Vec::new();
    let strict = || open(&root, "x").unwrap().with_missing(Missing::AllOrNone);
    strict().preflight().unwrap();
    strict().read_rows(all, &mut out).unwrap();
    assert!(out[40..80].chunks(4).all(|v| f32::from_ne_bytes(v.try_into().unwrap()).is_nan()));
    fs::remove_file(root.join("x/c/1/0")).unwrap();
    let error = strict().preflight().unwrap_err();
    assert_eq!(error.code(), "GM_CORRUPT");
    assert!(error.to_string().contains("store.zarr/x/c/1/0"), "{error}");
    assert_eq!(code(strict().read_rows(all, &mut out)), "GM_CORRUPT");
    open(&root, "x").unwrap().read_rows(all, &mut out).unwrap();
    fs::remove_file(root.join("x/c/0/0")).unwrap();
    strict().preflight().unwrap();
    assert!(strict().is_absent().unwrap());
    strict().read_rows(all, &mut out).unwrap();
}

#[test]
fn a_chunk_beside_others_of_its_rows_may_be_left_out_of_expression() {
    let (_folder, root) = store();
    array(&root, "x", &Spec::new(DType::Float32, &[23, 7]).chunks(&[6, 3]), &matrix(23, 7));
    let read = |missing: Missing| {
        let (opened, mut out) = (open(&root, "x").unwrap().with_missing(missing), Vec::new());
        opened.preflight().and_then(|()| opened.read_rows(RowRange::new(0, 23), &mut out)).map(|()| out)
    };
    let whole = read(Missing::AllOrNone).unwrap();
    for lost in ["x/c/1/0", "x/c/1/2", "x/c/3/1"] {
        fs::remove_file(root.join(lost)).unwrap();
    }
    assert_eq!(code(read(Missing::AllOrNone)), "GM_CORRUPT");
    let found = read(Missing::Bands).unwrap();
    let is_left_out =
        |row: usize, column: usize| (row / 6 == 1 && column / 3 != 1) || (row / 6 == 3 && column / 3 == 1);
    for (place, (found, stored)) in found.chunks(4).zip(whole.chunks(4)).enumerate() {
        let expected = if is_left_out(place / 7, place % 7) { &[0; 4] } else { stored };
        assert_eq!(found, expected, "{place}");
    }
    // The last chunk of some rows: nobody measured nothing of so many cells.
    fs::remove_file(root.join("x/c/1/1")).unwrap();
    let error = read(Missing::Bands).unwrap_err();
    assert_eq!(error.code(), "GM_CORRUPT");
    assert!(error.to_string().contains("store.zarr/x/c/1/0"), "{error}");
    let unchecked = open(&root, "x").unwrap().with_missing(Missing::Bands);
    assert_eq!(code(unchecked.read_rows(RowRange::new(6, 7), &mut Vec::new())), "GM_CORRUPT");
    for band in [0, 2] {
        fs::remove_dir_all(root.join(format!("x/c/{band}"))).unwrap();
    }
    let error = read(Missing::Bands).unwrap_err();
    assert!(error.to_string().contains("store.zarr/x/c/0/0"), "{error}");
    fs::remove_dir_all(root.join("x/c")).unwrap();
    assert!(read(Missing::Bands).unwrap().iter().all(|&byte| byte == 0));
}

#[test]
fn damaged_shards_are_corrupt_before_anything_is_decoded() {
    let spec = Spec::new(DType::Float32, &[16, 2]).shards(&[16, 2], &[4, 2]).codecs(&["zstd"]);
    let index_at = |len: usize| len - 4 * 16 - 4;
    let with_crc = move |bytes: &mut Vec<u8>| {
        let (at, len) = (index_at(bytes.len()), bytes.len());
        let crc = crc32c::crc32c(&bytes[at..len - 4]);
        bytes[len - 4..].copy_from_slice(&crc.to_le_bytes());
    };
    let damages: [(&str, Damage); 8] = [
        ("truncated", Box::new(|bytes| bytes.truncate(bytes.len() - 1))),
        ("shorter than its index", Box::new(|bytes| bytes.truncate(20))),
        ("empty", Box::new(Vec::clear)),
        (
            "bad crc",
            Box::new(move |bytes| {
                let at = index_at(bytes.len());
                bytes[at] ^= 1;
            }),
        ),
        (
            "offset outside",
            Box::new(move |bytes| {
                let at = index_at(bytes.len());
                bytes[at..at + 8].copy_from_slice(&u64::from(u32::MAX).to_le_bytes());
                with_crc(bytes);
            }),
        ),
        (
            "offset + length overflows",
            Box::new(move |bytes| {
                let at = index_at(bytes.len());
                bytes[at..at + 8].copy_from_slice(&(u64::MAX - 1).to_le_bytes());
                with_crc(bytes);
            }),
        ),
        (
            "overlaps the index",
            Box::new(move |bytes| {
                let at = index_at(bytes.len());
                bytes[at..at + 8].copy_from_slice(&(at as u64 - 1).to_le_bytes());
                with_crc(bytes);
            }),
        ),
        (
            "length 0",
            Box::new(move |bytes| {
                let at = index_at(bytes.len());
                bytes[at + 8..at + 16].fill(0);
                with_crc(bytes);
            }),
        ),
    ];
    for (name, damage) in damages {
        let (_folder, root) = store();
        array(&root, "x", &spec, &matrix(16, 2));
        let file = root.join("x/c/0/0");
        let mut bytes = fs::read(&file).unwrap();
        damage(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let error = open(&root, "x").unwrap().preflight().unwrap_err();
        assert_eq!(error.code(), "GM_CORRUPT", "{name}: {error}");
        assert!(error.to_string().contains("x/c/0/0"), "{name}: {error}");
        assert_eq!(code(open(&root, "x").unwrap().read_rows(RowRange::new(0, 16), &mut Vec::new())), "GM_CORRUPT");
    }
}

#[test]
fn damaged_payloads_are_corrupt_when_met() {
    let (_folder, root) = store();
    let read = |root: &Path| open(root, "x").and_then(|array| array.read_rows(RowRange::new(0, 8), &mut Vec::new()));
    array(&root, "x", &Spec::new(DType::Float32, &[8, 2]).codecs(&["zstd"]), &matrix(8, 2));
    let bomb = zstd::bulk::compress(&vec![0u8; 64 << 20], 1).unwrap();
    fs::write(root.join("x/c/0/0"), bomb).unwrap();
    let error = read(&root).unwrap_err();
    assert!(error.code() == "GM_CORRUPT" && error.to_string().contains("67108864"), "{error}");
    fs::write(root.join("x/c/0/0"), b"not zstd").unwrap();
    assert_eq!(code(read(&root)), "GM_CORRUPT");
    // Metadata that lie about the type: the sizes no longer agree.
    array(&root, "x", &Spec::new(DType::Float32, &[8, 2]).codecs(&["zstd"]), &matrix(8, 2));
    edit(&root, "x", |json| json["data_type"] = json!("float64"));
    assert_eq!(code(read(&root)), "GM_CORRUPT");
    // Raw chunks of the wrong size are found before work starts.
    array(&root, "x", &Spec::new(DType::Float32, &[8, 2]), &matrix(8, 2));
    fs::write(root.join("x/c/0/0"), vec![0; 63]).unwrap();
    assert_eq!(code(open(&root, "x").unwrap().preflight()), "GM_CORRUPT");
    assert_eq!(code(read(&root)), "GM_CORRUPT");
    fs::remove_file(root.join("x/c/0/0")).unwrap();
    fs::create_dir(root.join("x/c/0/0")).unwrap();
    assert_eq!(code(read(&root)), "GM_CORRUPT");
}

type Change = fn(&mut Value);
type Damage = Box<dyn Fn(&mut Vec<u8>)>;

#[test]
fn hostile_metadata_are_refused() {
    let changes: [(&str, Change); 17] = [
        ("GM_SCHEMA", |json| json["shape"] = json!([1u64 << 60, 2])),
        ("GM_SCHEMA", |json| json["shape"] = json!([0, 1u64 << 60])),
        ("GM_SCHEMA", |json| json["shape"] = json!([u64::MAX, u64::MAX])),
        ("GM_SCHEMA", |json| json["shape"] = json!([-1, 2])),
        ("GM_SCHEMA", |json| json["shape"] = json!(vec![1; 33])),
        ("GM_SCHEMA", |json| json["chunk_grid"]["configuration"]["chunk_shape"] = json!([0, 2])),
        ("GM_SCHEMA", |json| json["chunk_grid"]["configuration"]["chunk_shape"] = json!([8])),
        ("GM_SCHEMA", |json| json["chunk_grid"]["configuration"]["chunk_shape"] = json!([1u64 << 40, 1u64 << 40])),
        ("GM_SCHEMA", |json| json["chunk_grid"]["configuration"]["chunk_shape"] = json!([1u64 << 28, 2])),
        ("GM_UNSUPPORTED", |json| json["chunk_grid"]["name"] = json!("rectilinear")),
        ("GM_UNSUPPORTED", |json| json["data_type"] = json!("complex128")),
        ("GM_UNSUPPORTED", |json| json["codecs"] = json!([{"name": "bytes"}, {"name": "pcodec"}])),
        ("GM_UNSUPPORTED", |json| json["codecs"] = json!([{"name": "zstd"}])),
        ("GM_UNSUPPORTED", |json| json["codecs"] = json!([])),
        ("GM_SCHEMA", |json| json["fill_value"] = json!("zero")),
        ("GM_SCHEMA", |json| json["zarr_format"] = json!(2)),
        ("GM_SCHEMA", |json| json["node_type"] = json!("link")),
    ];
    for (number, (expected, change)) in changes.into_iter().enumerate() {
        let (_folder, root) = store();
        array(&root, "x", &Spec::new(DType::Float32, &[8, 2]), &matrix(8, 2));
        edit(&root, "x", change);
        assert_eq!(code(open(&root, "x")), expected, "change {number}");
    }
    let (_folder, root) = store();
    array(&root, "x", &Spec::new(DType::Float32, &[8, 2]).shards(&[8, 2], &[4, 2]), &matrix(8, 2));
    edit(&root, "x", |json| json["codecs"][0]["configuration"]["chunk_shape"] = json!([3, 2]));
    assert_eq!(code(open(&root, "x")), "GM_SCHEMA");
    fs::write(root.join("x/zarr.json"), "[".repeat(100_000)).unwrap();
    assert_eq!(code(open(&root, "x")), "GM_SCHEMA");
    fs::write(root.join("x/zarr.json"), "{\"zarr_format\": 3").unwrap();
    assert_eq!(code(open(&root, "x")), "GM_SCHEMA");
}

#[test]
fn keys_and_links_do_not_leave_the_store() {
    let (folder, root) = store();
    array(folder.path(), "outside", &Spec::new(DType::Float32, &[8, 2]), &matrix(8, 2));
    for path in ["../outside", "x/../../outside", "/etc", "x//y"] {
        assert_eq!(code(open(&root, path)), "GM_SCHEMA", "{path}");
    }
    assert_eq!(code(open(&root, "nothing")), "GM_NOT_FOUND");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(folder.path().join("outside"), root.join("link")).unwrap();
        assert_eq!(code(open(&root, "link")), "GM_CORRUPT");
        array(&root, "x", &Spec::new(DType::Float32, &[8, 2]), &matrix(8, 2));
        let chunk = root.join("x/c/0/0");
        fs::rename(&chunk, root.join("x/moved")).unwrap();
        symlink("../../moved", &chunk).unwrap();
        let read = || open(&root, "x").unwrap().read_rows(RowRange::new(0, 8), &mut Vec::new());
        read().unwrap();
        fs::remove_file(&chunk).unwrap();
        symlink(folder.path().join("outside/c/0/0"), &chunk).unwrap();
        assert_eq!(code(read()), "GM_CORRUPT");
        fs::remove_file(&chunk).unwrap();
        symlink("nowhere", &chunk).unwrap();
        assert_eq!(code(read()), "GM_CORRUPT");
        fs::remove_file(&chunk).unwrap();
        fs::rename(root.join("x/c"), root.join("elsewhere")).unwrap();
        symlink("../elsewhere", root.join("x/c")).unwrap();
        assert_eq!(code(open(&root, "x").unwrap().preflight()), "GM_CORRUPT");
        // The store itself may be reached through a link.
        symlink(&root, folder.path().join("alias.zarr")).unwrap();
        ZarrStore::open(&folder.path().join("alias.zarr")).unwrap();
    }
}

#[test]
fn other_formats_are_named() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(code(ZarrStore::open(&folder.path().join("none.zarr"))), "GM_NOT_FOUND");
    assert_eq!(code(ZarrStore::open(folder.path())), "GM_SCHEMA");
    fs::write(folder.path().join(".zattrs"), "{}").unwrap();
    assert_eq!(code(ZarrStore::open(folder.path())), "GM_SCHEMA");
    assert_eq!(code(ZarrStore::open(&folder.path().join(".zattrs"))), "GM_CORRUPT");
    fs::write(folder.path().join(".zgroup"), "{\"zarr_format\": 2}").unwrap();
    assert!(ZarrStore::open(folder.path()).unwrap().root_attributes().unwrap().is_empty());
}

#[test]
fn a_fingerprint_follows_content_and_not_the_place() {
    let print = |values: &[u8], seed| {
        let (_folder, root) = store();
        array(&root, "x", &Spec::new(DType::Float32, &[8, 2]).chunks(&[2, 2]), values);
        open(&root, "x").unwrap().fingerprint(seed).unwrap()
    };
    let mut values = matrix(8, 2);
    let first = print(&values, 0);
    assert_eq!(first, print(&values, 0));
    assert_ne!(first, print(&values, 1));
    values[5] ^= 1;
    assert_ne!(first, print(&values, 0));
}
