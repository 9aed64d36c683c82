//! The header of `NumPy`'s `.npy`, versions 1 to 3 (NEP 1): a Python dictionary with `descr`, `fortran_order` and `shape`.

use super::layout::{Layout, Order};
use crate::error::{Error, Result};
use crate::store::PositionedFile;
use crate::types::DType;

/// Signature, and two bytes of version.
const PREFIX: u64 = 8;
/// Bytes of a header; `NumPy` writes 118 and refuses to read more than 10 000 by itself.
const LONGEST_HEADER: u64 = 64 << 10;

/// The layout that the header declares. Its size is not checked yet.
pub(super) fn layout(file: &PositionedFile, name: &str) -> Result<Layout> {
    let wrong = |field: &str, reason: &str| Error::schema(name, "", field, reason);
    let part = |from: u64, length: u64| -> Result<Vec<u8>> {
        if file.length() < from + length {
            return Err(Error::Corrupt { file: name.into(), block: "header".into(), reason: "is cut short".into() });
        }
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    };
    let prefix = part(0, PREFIX)?;
    let Some(&[version, _]) = prefix.strip_prefix(b"\x93NUMPY") else {
        return Err(wrong("signature", "is not a .npy file"));
    };
    let (length, start) = match version {
        1 => (part(PREFIX, 2)?.iter().rev().fold(0u64, |length, &byte| length << 8 | u64::from(byte)), PREFIX + 2),
        2 | 3 => (part(PREFIX, 4)?.iter().rev().fold(0u64, |length, &byte| length << 8 | u64::from(byte)), PREFIX + 4),
        other => {
            return Err(Error::Unsupported {
                what: format!("{name}: version {other} of .npy"),
                remedy: "save it with numpy.save".into(),
            });
        }
    };
    if length > LONGEST_HEADER {
        return Err(wrong("header", &format!("{length} bytes are more than {LONGEST_HEADER}")));
    }
    let header = part(start, length)?;
    let header = std::str::from_utf8(&header).map_err(|_| wrong("header", "is not text"))?;
    let value = |key: &str| {
        let (_, after) = header.split_once(&format!("'{key}'"))?;
        Some(after.trim_start().strip_prefix(':')?.trim_start())
    };
    let descr = value("descr").ok_or_else(|| wrong("descr", "is missing"))?;
    let descr = descr.strip_prefix('\'').and_then(|descr| Some(descr.split_once('\'')?.0));
    let (dtype, swap) = descr.and_then(parse_type).ok_or_else(|| Error::Unsupported {
        what: format!("{name}: the type {}", descr.unwrap_or("of a record")),
        remedy: "save it as float32".into(),
    })?;
    let fortran = match value("fortran_order") {
        Some(text) if text.starts_with("True") => true,
        Some(text) if text.starts_with("False") => false,
        _ => return Err(wrong("fortran_order", "is neither True nor False")),
    };
    let shape = value("shape").and_then(parse_shape).ok_or_else(|| wrong("shape", "is not a tuple of numbers"))?;
    let (rows, columns) = match shape[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => return Err(wrong("shape", &format!("{shape:?} is not rows × columns"))),
    };
    let order = if fortran && columns > 1 { Order::Columns } else { Order::Rows };
    Ok(Layout { rows, columns, dtype, swap, order, offset: start + length })
}

/// `NumPy`'s name of a type: byte order, kind, size in bytes. Whether its bytes are to be swapped.
fn parse_type(descr: &str) -> Option<(DType, bool)> {
    let mut letters = descr.chars();
    let order = letters.next()?;
    let dtype = match letters.as_str() {
        "b1" => DType::Bool,
        "i1" => DType::Int8,
        "i2" => DType::Int16,
        "i4" => DType::Int32,
        "i8" => DType::Int64,
        "u1" => DType::UInt8,
        "u2" => DType::UInt16,
        "u4" => DType::UInt32,
        "u8" => DType::UInt64,
        "f2" => DType::Float16,
        "f4" => DType::Float32,
        "f8" => DType::Float64,
        _ => return None,
    };
    let one = dtype.size() == Some(1);
    match order {
        '|' if one => Some((dtype, false)),
        '<' => Some((dtype, !one && cfg!(target_endian = "big"))),
        '>' => Some((dtype, !one && cfg!(target_endian = "little"))),
        _ => None,
    }
}

/// `(3, 4)`, `(3,)` or `()`.
fn parse_shape(text: &str) -> Option<Vec<u64>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let inside = inside.trim().trim_end_matches(',');
    if inside.is_empty() {
        return Some(Vec::new());
    }
    // Python 2 wrote long numbers with an L.
    inside.split(',').map(|extent| extent.trim().trim_end_matches('L').parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_shapes_are_those_of_numpy() {
        assert_eq!(parse_type("<f4"), Some((DType::Float32, cfg!(target_endian = "big"))));
        assert_eq!(parse_type(">i8"), Some((DType::Int64, cfg!(target_endian = "little"))));
        assert_eq!(parse_type("|u1"), Some((DType::UInt8, false)));
        assert_eq!(parse_type(">u1"), Some((DType::UInt8, false)));
        for other in ["|O", "<c8", "<U3", "", "f4", "=f4", "|f4", "é4"] {
            assert_eq!(parse_type(other), None, "{other}");
        }
        assert_eq!(parse_shape("(3, 4), }"), Some(vec![3, 4]));
        assert_eq!(parse_shape("(3L,)"), Some(vec![3]));
        assert_eq!(parse_shape("()"), Some(vec![]));
        for wrong in ["(3, x)", "(-1, 2)", "3, 4", "(99999999999999999999, 1)", "(3"] {
            assert_eq!(parse_shape(wrong), None, "{wrong}");
        }
    }
}
