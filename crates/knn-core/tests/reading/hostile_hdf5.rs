//! HDF5 files changed where it hurts: each case says what is replaced, and what the error must name.

use super::everything::{errors, fixture};

/// Replaces the first `find` in a file, plus `offset` bytes, and returns all errors as text.
fn patched(name: &str, find: &[u8], offset: usize, replace: &[u8]) -> Vec<(&'static str, String)> {
    let mut bytes = std::fs::read(fixture(name)).unwrap();
    let at = bytes.windows(find.len()).position(|window| window == find);
    let at = at.unwrap_or_else(|| panic!("{name} has no {find:?}")) + offset;
    assert_ne!(&bytes[at..at + replace.len()], replace, "nothing is changed");
    bytes[at..at + replace.len()].copy_from_slice(replace);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.h5");
    std::fs::write(&path, bytes).unwrap();
    errors(&path).into_iter().map(|error| (error.code(), error.to_string())).collect()
}

fn numbers(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Where the extents of the array x stand.
fn extents() -> Vec<u8> {
    numbers(&[53, 7])
}

/// Extents of a chunk and the size of a value, as a layout message has them.
fn chunks(rows: u32, columns: u32, size: u32) -> Vec<u8> {
    [rows, columns, size].iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A file, what is found in it, how many bytes behind that something is replaced, and by what; the code and the words of the
/// error.
type Case<'a> = (&'a str, Vec<u8>, usize, Vec<u8>, &'a str, &'a str);

fn check(cases: &[Case<'_>]) {
    for (name, find, offset, replace, code, field) in cases {
        let found = patched(name, find, *offset, replace);
        let named = found.iter().any(|(found, text)| found == code && text.contains(field));
        assert!(named, "{name} with {replace:?} for {find:?} + {offset}: {found:?} and not {code} {field}");
    }
}

#[test]
fn shapes_that_lie_are_refused() {
    let huge = |extents: [u64; 2]| numbers(&extents);
    check(&[
        ("single/contiguous.h5", extents(), 0, huge([1 << 60, 7]), "GM_SCHEMA", "x: shape"),
        ("single/contiguous.h5", extents(), 0, huge([1 << 40, 1 << 40]), "GM_SCHEMA", "x: shape"),
        ("single/contiguous.h5", extents(), 0, huge([u64::MAX, u64::MAX]), "GM_SCHEMA", "x: shape"),
        ("single/contiguous.h5", extents(), 0, huge([0, u64::MAX]), "GM_SCHEMA", "x: shape"),
        ("single/contiguous.h5", extents(), 0, huge([54, 7]), "GM_SCHEMA", "x: shape"),
        ("single/contiguous.h5", extents(), 0, huge([1 << 47, 1]), "GM_SCHEMA", "x: shape"),
        ("single/gzip.h5", extents(), 0, huge([1 << 60, 7]), "GM_SCHEMA", "x: shape"),
        ("single/gzip.h5", extents(), 0, huge([1 << 40, 7]), "GM_CORRUPT", "is missing while other chunks"),
        ("single/gzip.h5", extents(), 0, huge([53, 1 << 30]), "GM_CORRUPT", "is missing while other chunks"),
        ("single/text.h5", numbers(&[53]), 0, numbers(&[1 << 60]), "GM_SCHEMA", "x: shape"),
        ("single/text.h5", numbers(&[53]), 0, numbers(&[54]), "GM_SCHEMA", "x: shape"),
    ]);
}

#[test]
fn places_outside_of_the_file_are_refused() {
    // Version 3, contiguous; then address and size.
    let size = numbers(&[53 * 7 * 4]);
    let address = |value: u64| numbers(&[value]);
    // The first leaf of the chunk tree: a key of size, mask and three offsets, then the address of the chunk.
    let tree = || b"TREE\x01".to_vec();
    check(&[
        ("single/contiguous.h5", size.clone(), 0, address(53 * 7 * 4 - 1), "GM_SCHEMA", "x: shape"),
        ("single/gzip.h5", tree(), 24, vec![0xff; 4], "GM_CORRUPT", "bytes, but 1 to"),
        ("single/gzip.h5", tree(), 24, vec![0; 4], "GM_CORRUPT", "0 bytes, but 1 to"),
        ("single/gzip.h5", tree(), 24 + 8, numbers(&[5]), "GM_CORRUPT", "lies beside the grid"),
        ("single/gzip.h5", tree(), 24 + 8, numbers(&[8]), "GM_CORRUPT", "is stored twice"),
        ("single/gzip.h5", tree(), 24 + 8, numbers(&[1 << 60]), "GM_CORRUPT", "chunk 0: is missing"),
        ("single/gzip.h5", tree(), 24 + 32, numbers(&[1 << 62]), "GM_CORRUPT", "behind the end of the file"),
        ("single/gzip.h5", tree(), 24 + 32, numbers(&[u64::MAX - 1]), "GM_CORRUPT", "behind the end of the file"),
        ("single/raw_chunks.h5", tree(), 24, vec![1, 0, 0, 0], "GM_CORRUPT", "stored unfiltered"),
        ("single/raw_chunks.h5", tree(), 24, vec![0xff; 4], "GM_CORRUPT", "stored unfiltered"),
        ("single/raw_chunks.h5", tree(), 24 + 32, numbers(&[1 << 40]), "GM_CORRUPT", "behind the end of the file"),
        ("single/raw_chunks.h5", tree(), 6, vec![0xff, 0xff], "GM_CORRUPT", "x"),
        ("single/raw_chunks.h5", tree(), 5, vec![200], "GM_CORRUPT", "x"),
        ("single/raw_chunks.h5", tree(), 0, b"EERT".to_vec(), "GM_CORRUPT", "x"),
        ("single/raw_chunks.h5", tree(), 4, vec![9], "GM_CORRUPT", "x"),
    ]);
}

#[test]
fn a_tree_that_leads_to_itself_ends() {
    let bytes = std::fs::read(fixture("single/gzip.h5")).unwrap();
    let tree = bytes.windows(5).position(|window| window == b"TREE\x01").unwrap();
    // The first child of what is now an inner node is the node itself.
    let mut head = bytes[tree..tree + 24 + 40].to_vec();
    head[5] = 1;
    head[24 + 32..].copy_from_slice(&(tree as u64).to_le_bytes());
    check(&[("single/gzip.h5", b"TREE\x01".to_vec(), 0, head, "GM_CORRUPT", "x")]);
}

#[test]
fn chunks_of_impossible_extents_are_refused() {
    let old = || chunks(8, 3, 4);
    check(&[
        ("single/gzip.h5", old(), 0, chunks(0, 3, 4), "GM_SCHEMA", "x: chunks"),
        ("single/gzip.h5", old(), 0, chunks(u32::MAX, u32::MAX, 4), "GM_SCHEMA", "x: chunks"),
        ("single/gzip.h5", old(), 0, chunks(1 << 20, 1 << 10, 4), "GM_SCHEMA", "x: chunks"),
        ("single/gzip.h5", old(), 0, chunks(16, 3, 4), "GM_CORRUPT", "x"),
        ("single/gzip.h5", old(), 0, chunks(7, 3, 4), "GM_CORRUPT", "lies beside the grid"),
        ("single/gzip.h5", old(), 0, chunks(4, 3, 4), "GM_CORRUPT", "x"),
    ]);
}

#[test]
fn filters_that_lie_are_refused() {
    let deflate = || b"deflate\0".to_vec();
    // Number of the filter, length of its name, flags, number of its values; then the name.
    let filter = |id: u16| id.to_le_bytes().to_vec();
    let at = |find: Vec<u8>, replace: Vec<u8>, code, field| {
        // The number stands eight bytes before the name.
        let bytes = std::fs::read(fixture("single/gzip.h5")).unwrap();
        let name = bytes.windows(find.len()).position(|window| window == find).unwrap();
        ("single/gzip.h5", bytes[name - 8..name + find.len()].to_vec(), 0, replace, code, field)
    };
    check(&[
        at(deflate(), filter(4), "GM_UNSUPPORTED", "x: the filter szip"),
        at(deflate(), filter(5), "GM_UNSUPPORTED", "x: the filter nbit"),
        at(deflate(), filter(6), "GM_UNSUPPORTED", "x: the filter scaleoffset"),
        at(deflate(), filter(32_004), "GM_UNSUPPORTED", "x: the filter 32004"),
        at(deflate(), filter(32_000), "GM_CORRUPT", "lzf"),
        at(deflate(), filter(32_001), "GM_CORRUPT", "blosc"),
        at(deflate(), filter(32_015), "GM_CORRUPT", "zstd"),
        at(deflate(), filter(3), "GM_CORRUPT", "x"),
    ]);
}

#[test]
fn texts_whose_heaps_lie_are_refused() {
    let bytes = std::fs::read(fixture("single/text.h5")).unwrap();
    let heap = bytes.windows(4).position(|window| window == b"GCOL").unwrap() as u64;
    let collection = || b"GCOL\x01".to_vec();
    // The second text has five bytes: their number, the address of the heap and the number of the object.
    let reference = || [&5u32.to_le_bytes()[..], &numbers(&[heap])].concat();
    check(&[
        ("single/text.h5", collection(), 0, b"LOCG".to_vec(), "GM_CORRUPT", "there is no heap"),
        ("single/text.h5", collection(), 4, vec![2], "GM_CORRUPT", "there is no heap"),
        ("single/text.h5", collection(), 8, numbers(&[1 << 40]), "GM_CORRUPT", "bytes, more than"),
        ("single/text.h5", collection(), 8, numbers(&[3]), "GM_CORRUPT", "or too few"),
        ("single/text.h5", collection(), 8, numbers(&[1 << 20]), "GM_CORRUPT", "behind the end of the file"),
        ("single/text.h5", collection(), 16 + 8, numbers(&[u64::MAX]), "GM_CORRUPT", "ends outside of it"),
        ("single/text.h5", collection(), 16, vec![0, 0], "GM_CORRUPT", "has no object"),
        ("single/text.h5", reference(), 4, numbers(&[1 << 62]), "GM_CORRUPT", "behind the end of the file"),
        ("single/text.h5", reference(), 12, vec![0xff; 4], "GM_CORRUPT", "has no object"),
        ("single/text.h5", collection(), 32, vec![0xff, 0xfe], "GM_CORRUPT", "is not UTF-8"),
    ]);
}

#[test]
fn chunks_that_decode_to_anything_else_are_refused() {
    let found: Vec<String> = errors(&fixture("single/bombs.h5")).iter().map(ToString::to_string).collect();
    for (path, reason) in [
        ("gzip", "decodes to 97 bytes and not 96"),
        ("gzip_short", "decodes to 95 bytes and not 96"),
        ("gzip_cut", "gzip"),
        ("gzip_junk", "gzip"),
        ("gzip_left_out", "decodes to 40 bytes and not 96"),
        ("lzf", "lzf: decodes to more than 96 bytes"),
        ("lzf_before", "lzf: refers to before its beginning"),
        ("shuffle", "decodes to 97 bytes and not 96"),
        ("fletcher", "its fletcher32 does not match"),
        ("fletcher_short", "x"),
    ] {
        let at = format!("bombs.h5/{path}: chunk");
        let named = found.iter().any(|error| error.contains(&at) && (error.contains(reason) || reason == "x"));
        assert!(named, "{path}: {reason} is not in {found:#?}");
    }
    assert_eq!(found.len(), 10);
}

#[test]
fn signatures_and_roots_that_lie_are_refused() {
    let magic = || b"\x89HDF\r\n\x1a\n".to_vec();
    check(&[
        ("single/contiguous.h5", magic(), 0, vec![0], "GM_UNSUPPORTED", "neither"),
        ("single/contiguous.h5", magic(), 8, vec![99], "GM_UNSUPPORTED", "superblock version 99"),
        ("single/contiguous.h5", magic(), 13, vec![3], "GM_CORRUPT", "size of offsets"),
        ("single/contiguous.h5", magic(), 14, vec![0], "GM_CORRUPT", "size of lengths"),
        ("single/contiguous.h5", b"HEAP".to_vec(), 0, b"PAEH".to_vec(), "GM_CORRUPT", "local heap"),
        ("single/contiguous.h5", b"SNOD".to_vec(), 0, b"DONS".to_vec(), "GM_CORRUPT", "SNOD"),
        ("single/contiguous.h5", b"SNOD".to_vec(), 6, vec![0xff, 0xff], "GM_CORRUPT", "hostile.h5"),
        ("single/contiguous.h5", b"TREE\0".to_vec(), 24 + 8, numbers(&[1 << 62]), "GM_CORRUPT", "hostile.h5"),
    ]);
}
