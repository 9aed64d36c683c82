//! Every suffix, order and type, and files whose sizes lie.

use std::fs;
use std::path::{Path, PathBuf};

use super::FlatFile;
use crate::error::Result;
use crate::source::container::{Container, Missing};
use crate::source::{AnnDataStore, StringBlock, numbers};
use crate::types::{RowRange, Tile};

const ROWS: u64 = 23;
const COLUMNS: u64 = 5;

fn value(row: u64, column: u64) -> f32 {
    ((7 * row + 3 * column) % 101) as f32
}

fn matrix() -> Vec<u8> {
    let places = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
    places.flat_map(|(row, column)| value(row, column).to_le_bytes()).collect()
}

fn npy(version: u8, descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    [&bytes, header.as_bytes(), data].concat()
}

fn bin(rows: u32, columns: u32, data: &[u8]) -> Vec<u8> {
    [&rows.to_le_bytes()[..], &columns.to_le_bytes(), data].concat()
}

fn fvecs() -> Vec<u8> {
    let data = matrix();
    let rows = data.chunks_exact(COLUMNS as usize * 4);
    rows.flat_map(|row| [&(COLUMNS as u32).to_le_bytes()[..], row].concat()).collect()
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Rows of a file through AnnData, and the names of its cells.
fn read(path: &Path, rows: std::ops::Range<u64>) -> Result<(Vec<f32>, Vec<String>)> {
    let store = AnnDataStore::open(path)?;
    assert!(store.obs_keys().is_empty());
    let (mut tile, mut names) = (Tile::default(), StringBlock::default());
    let rows = RowRange::new(rows.start, rows.end);
    store.representation("X_pca")?.read(rows, &mut tile)?;
    store.names()?.read(rows, &mut names)?;
    Ok((tile.values, names.iter().map(str::to_owned).collect()))
}

#[test]
fn every_suffix_reads_as_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = matrix();
    let swapped: Vec<u8> = data.as_chunks::<4>().0.iter().flat_map(|value| value.iter().rev().copied()).collect();
    let columns: Vec<u8> =
        (0..COLUMNS).flat_map(|column| (0..ROWS).flat_map(move |row| value(row, column).to_le_bytes())).collect();
    let bytes: Vec<u8> = data.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value) as u8).collect();
    for (name, content) in [
        ("a.npy", npy(1, "<f4", "False", "(23, 5)", &data)),
        ("b.npy", npy(2, ">f4", "False", "(23L, 5L)", &swapped)),
        ("c.NPY", npy(3, "<f4", "True", "(23, 5)", &columns)),
        ("d.npy", npy(1, "|u1", "False", "(23, 5)", &bytes)),
        ("a.fbin", bin(23, 5, &data)),
        ("a.u8bin", bin(23, 5, &bytes)),
        ("a.i8bin", bin(23, 5, &bytes)),
        ("a.fvecs", fvecs()),
        ("a.5.f32", data.clone()),
    ] {
        let path = written(folder.path(), name, &content);
        for rows in [0..ROWS, 3..4, 2..22, 23..23] {
            let (values, names) = read(&path, rows.clone()).unwrap();
            let wanted: Vec<f32> =
                rows.clone().flat_map(|row| (0..COLUMNS).map(move |column| value(row, column))).collect();
            assert_eq!(values, wanted, "{name} {rows:?}");
            assert_eq!(names, rows.map(|row| row.to_string()).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn a_vector_is_one_column_and_doubles_are_rounded_once() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = [0.1f64, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let path = written(folder.path(), "a.npy", &npy(1, "<f8", "True", "(2,)", &data));
    assert_eq!(read(&path, 0..2).unwrap().0, [0.1f32, -2.0]);
}

#[test]
fn bands_of_a_large_matrix_meet() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 300_000u64;
    for fortran in [false, true] {
        let data: Vec<u8> = if fortran {
            (0..2).flat_map(|column| (0..rows).flat_map(move |row| ((row * 2 + column) as f32).to_le_bytes())).collect()
        } else {
            (0..rows * 2).flat_map(|value| (value as f32).to_le_bytes()).collect()
        };
        let order = if fortran { "True" } else { "False" };
        let path = written(folder.path(), "large.npy", &npy(1, "<f4", order, "(300000, 2)", &data));
        let array = FlatFile::open(&path).unwrap().array("X", Missing::Fill).unwrap();
        assert!(array.inner_rows() < rows);
        let (mut bytes, mut next) = (Vec::new(), 5.0 * 2.0);
        array.read_rows(RowRange::new(5, rows), &mut bytes).unwrap();
        numbers::each_f64(array.dtype(), &bytes, |value| {
            assert_eq!(value, next);
            next += 1.0;
        });
        assert_eq!(next as u64, rows * 2);
    }
}

#[test]
fn labels_cannot_come_from_a_flat_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "a.5.f32", &matrix());
    let error = AnnDataStore::open(&path).unwrap().column("cell_type").unwrap_err();
    assert_eq!(error.code(), "GM_UNSUPPORTED");
    assert!(error.to_string().contains("a.5.f32") && error.to_string().contains("cell_type"), "{error}");
}

#[test]
fn sizes_and_headers_that_lie_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = matrix();
    let short = &data[1..];
    let huge = u64::MAX.to_string();
    let mut other_width = fvecs();
    other_width[(COLUMNS as usize + 1) * 4] = 6;
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("a.npy", npy(1, "<f4", "False", "(23, 5)", short), "GM_CORRUPT", "data"),
        ("a.npy", npy(1, "<f4", "False", "(22, 5)", &data), "GM_SCHEMA", "shape"),
        ("a.npy", npy(1, "<f8", "False", "(23, 5)", &data), "GM_CORRUPT", "data"),
        ("a.npy", npy(1, "<f4", "False", &format!("({huge}, {huge})"), &data), "GM_SCHEMA", "shape"),
        ("a.npy", npy(1, "<f4", "False", "(1152921504606846976, 1)", &data), "GM_SCHEMA", "shape"),
        ("a.npy", npy(1, "<f4", "False", "(23, 0)", &[]), "GM_SCHEMA", "shape"),
        ("a.npy", npy(1, "<f4", "False", "()", &data[..4]), "GM_SCHEMA", "shape"),
        ("a.npy", npy(1, "<f4", "False", "(1, 23, 5)", &data), "GM_SCHEMA", "shape"),
        ("a.npy", npy(1, "<f4", "False", "(-23, 5)", &data), "GM_SCHEMA", "shape"),
        ("a.npy", npy(1, "<f4", "Maybe", "(23, 5)", &data), "GM_SCHEMA", "fortran_order"),
        ("a.npy", npy(1, "|O", "False", "(23, 5)", &data), "GM_UNSUPPORTED", "|O"),
        ("a.npy", npy(1, "<c8", "False", "(23, 5)", &data), "GM_UNSUPPORTED", "<c8"),
        ("a.npy", npy(9, "<f4", "False", "(23, 5)", &data), "GM_UNSUPPORTED", "version 9"),
        ("a.npy", b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec(), "GM_SCHEMA", "header"),
        ("a.npy", b"\x93NUMPY\x01\0\xff\x7f{".to_vec(), "GM_CORRUPT", "header"),
        ("a.npy", b"\x93NUMPY\x01\0\x02\0{}".to_vec(), "GM_SCHEMA", "descr"),
        ("a.npy", b"\x93NUMPY\x01\0\x02\0\xff\xff".to_vec(), "GM_SCHEMA", "header"),
        ("a.npy", b"PK\x03\x04 a zip file".to_vec(), "GM_SCHEMA", "signature"),
        ("a.npy", Vec::new(), "GM_CORRUPT", "header"),
        ("a.fbin", bin(23, 5, short), "GM_CORRUPT", "data"),
        ("a.fbin", bin(u32::MAX, u32::MAX, &data), "GM_SCHEMA", "shape"),
        ("a.fbin", bin(22, 5, &data), "GM_SCHEMA", "shape"),
        ("a.u8bin", bin(1, 0, &[]), "GM_SCHEMA", "shape"),
        ("a.i8bin", vec![1, 2, 3], "GM_CORRUPT", "header"),
        ("a.fvecs", fvecs()[1..].to_vec(), "GM_CORRUPT", "data"),
        ("a.fvecs", vec![0; 8], "GM_SCHEMA", "shape"),
        ("a.fvecs", vec![0xff; 40], "GM_CORRUPT", "data"),
        ("a.fvecs", other_width, "GM_CORRUPT", "row 1"),
        ("a.5.f32", short.to_vec(), "GM_CORRUPT", "data"),
        ("a.f32", data.clone(), "GM_SCHEMA", "shape"),
        ("a.0.f32", data.clone(), "GM_SCHEMA", "shape"),
        ("a.99999999999.f32", data.clone(), "GM_SCHEMA", "shape"),
    ];
    for (name, content, code, field) in cases {
        let path = written(folder.path(), name, &content);
        let error = read(&path, 0..2).map(|_| format!("{name} {content:?} was read")).unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.to_string().contains(field) && error.to_string().contains(name), "{name}: {error}");
    }
}
