//! Little-endian `.npy` files in C order, as the golden cases have them.

use std::path::Path;

/// Numbers of a file, whatever their type, and the length of a row.
pub(crate) struct Npy {
    pub(crate) values: Vec<f64>,
    pub(crate) width: usize,
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Npy {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{}", path.display());
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..end]).unwrap();
    assert!(header.contains("'fortran_order': False"), "{header}");
    let field = |name: &str| header.split_once(name).unwrap().1;
    let shape = field("'shape': (").split_once(')').unwrap().0;
    let shape: Vec<usize> = shape.split(',').filter_map(|extent| extent.trim().parse().ok()).collect();
    let dtype = field("'descr': '").split_once('\'').unwrap().0;
    let data = &bytes[end..];
    let values: Vec<f64> = match dtype {
        "<f4" => data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        "<f8" => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        "<i4" => data.as_chunks().0.iter().map(|b| f64::from(i32::from_le_bytes(*b))).collect(),
        "<i8" => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        other => panic!("{}: {other}", path.display()),
    };
    assert_eq!(values.len(), shape.iter().product::<usize>(), "{}", path.display());
    Npy { values, width: shape.get(1).copied().unwrap_or(1) }
}
