//! The bytes of an index: names, alignments, how a list is laid out, and reading numbers that may not be what they should.
//!
//! `docs/formats/gmx.md` says the same to other readers, and a test reads an index by that alone.
//!
//! A list is its rows, row-major, as f32 or f16; zeros up to a multiple of eight; its row ids, ascending, as u32 or u64. Lists
//! begin at multiples of 4 KiB, with zeros between them. Everything is little-endian.

use half::f16;
use half::slice::HalfFloatSliceExt as _;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const _: () = assert!(cfg!(target_endian = "little"), "lists are read as they lie in the file");

/// Name and version of the format in the manifest.
pub(super) const FORMAT: &str = "gigamapper-index";
pub(super) const VERSION: u32 = 1;
/// That of an index with codes, which version 1 does not know.
pub(super) const CODED_VERSION: u32 = 2;
/// That of an index with three levels of centroids, with codes or without.
pub(super) const THREE_LEVEL_VERSION: u32 = 3;
/// That of an index with the graph of its rows, whatever its levels and codes.
pub(super) const GRAPH_VERSION: u32 = 4;
/// The files of an index, as they are called in its first generation.
pub(super) const MANIFEST: &str = "manifest.json";
/// The AnnData within the folder that makes an index a reference by itself.
pub const CELLS: &str = "cells.zarr";
pub(super) const COARSE: &str = "coarse.bin";
pub(super) const LISTS: &str = "lists.bin";
pub(super) const OFFSETS: &str = "offsets.bin";
pub(super) const EXCLUDED: &str = "excluded.bin";
/// The two more of an index with codes.
pub(super) const PQ: &str = "pq.bin";
pub(super) const CODES: &str = "codes.bin";
/// The one more of an index with the graph of its rows.
pub(super) const GRAPH: &str = "graph.bin";
/// Lists begin at multiples of this.
pub(super) const ALIGNMENT: u64 = 4096;
/// Where they hold no rows, and as codes do.
pub(super) const SHORT_ALIGNMENT: u64 = 64;

/// The name of a file in a generation: after the first, its number stands before the ending.
pub(super) fn file_name(name: &str, generation: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) if generation > 1 => format!("{stem}.{generation}.{ending}"),
        _ => name.to_owned(),
    }
}

/// Whether a file of some generation has that name.
pub(super) fn is_file_name(name: &str) -> bool {
    let generation = name.split('.').nth(1).and_then(|number| number.parse().ok()).unwrap_or(1);
    [COARSE, LISTS, OFFSETS, EXCLUDED, PQ, CODES, GRAPH].iter().any(|file| file_name(file, generation) == name)
}

/// How rows are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListType {
    /// As they come.
    F32,
    /// Rounded to half precision, when they are read: everything that is computed is computed with the rounded rows.
    F16,
    /// Not at all: their codes are all there is.
    None,
}

impl ListType {
    /// Whether lists of it can be appended to: their rows must be comparable with those of a store.
    pub fn is_growable(self) -> bool {
        self != Self::None
    }

    /// Bytes of a value.
    pub fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::None => 0,
        }
    }
}

/// How a list is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListLayout {
    pub(super) dim: usize,
    pub(super) dtype: ListType,
    /// Bytes of a row id: 4 or 8.
    pub(super) id_width: u64,
}

impl ListLayout {
    /// Lists begin at multiples of this: of row numbers alone they are short, and pages would be mostly empty.
    pub(super) fn alignment(self) -> u64 {
        if self.dtype == ListType::None { SHORT_ALIGNMENT } else { ALIGNMENT }
    }

    /// Bytes of an id among so many rows.
    pub(super) fn id_width(rows: u64) -> u64 {
        if rows <= 1 << 32 { 4 } else { 8 }
    }

    /// Bytes of the values of so many rows, without what fills up.
    pub(super) fn value_bytes(self, rows: u64) -> Option<u64> {
        rows.checked_mul(self.dim as u64)?.checked_mul(self.dtype.size())
    }

    /// Where the ids begin.
    pub(super) fn ids_at(self, rows: u64) -> Option<u64> {
        self.value_bytes(rows)?.checked_next_multiple_of(8)
    }

    /// Bytes of a list.
    pub(super) fn list_bytes(self, rows: u64) -> Option<u64> {
        self.ids_at(rows)?.checked_add(rows.checked_mul(self.id_width)?)
    }

    /// Appends a list of these rows.
    pub(super) fn encode(self, values: &[f32], ids: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
        let first = out.len();
        match self.dtype {
            ListType::F32 => out.extend_from_slice(bytemuck::cast_slice(values)),
            ListType::None => {}
            ListType::F16 => {
                let mut narrow = vec![f16::ZERO; values.len()];
                narrow.convert_from_f32_slice(values);
                out.extend_from_slice(bytemuck::cast_slice(narrow.reinterpret_cast()));
            }
        }
        out.resize(first + (out.len() - first).next_multiple_of(8), 0);
        for id in ids {
            out.extend_from_slice(&id.to_le_bytes()[..self.id_width as usize]);
        }
    }
}

/// Rounds values to what half precision holds. The first that it does not hold, though it is finite, is returned.
pub(super) fn round_to_half(values: &mut [f32], scratch: &mut Vec<f16>) -> Option<f32> {
    scratch.resize(values.len(), f16::ZERO);
    scratch.convert_from_f32_slice(values);
    let lost = values.iter().zip(&*scratch).find(|(value, half)| value.is_finite() && !half.is_finite());
    if let Some((&value, _)) = lost {
        return Some(value);
    }
    scratch.convert_to_f32_slice(values);
    None
}

/// `GM_CORRUPT` of a block of a file.
pub(super) fn corrupt(file: &str, block: impl Into<String>, reason: impl Into<String>) -> Error {
    Error::Corrupt { file: file.to_owned(), block: block.into(), reason: reason.into() }
}

/// Bytes of a file, read from their beginning; what is not there is `GM_CORRUPT`.
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    file: &'a str,
    block: &'a str,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8], file: &'a str, block: &'a str) -> Self {
        Self { rest: bytes, file, block }
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or_else(|| corrupt(self.file, self.block, "it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(self.u32s(1)?[0])
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        Ok(self.u64s(1)?[0])
    }

    pub(super) fn u32s(&mut self, count: usize) -> Result<Vec<u32>> {
        Ok(self.elements::<4>(count)?.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }

    pub(super) fn u64s(&mut self, count: usize) -> Result<Vec<u64>> {
        Ok(self.elements::<8>(count)?.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    }

    pub(super) fn f32s(&mut self, count: usize) -> Result<Vec<f32>> {
        Ok(self.elements::<4>(count)?.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// Checks that nothing is left.
    pub(super) fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(corrupt(self.file, self.block, "there is more than it says")) }
    }

    fn elements<const SIZE: usize>(&mut self, count: usize) -> Result<&'a [[u8; SIZE]]> {
        let bytes = count.checked_mul(SIZE).ok_or_else(|| corrupt(self.file, self.block, "its length overflows"))?;
        Ok(self.take(bytes)?.as_chunks().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_has_names_of_its_own() {
        assert_eq!((file_name(LISTS, 1), file_name(LISTS, 2)), ("lists.bin".into(), "lists.2.bin".into()));
        for name in ["lists.bin", "coarse.bin", "offsets.17.bin", "excluded.2.bin", "pq.3.bin", "codes.bin"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["lists.1.bin", "lists.02.bin", "lists.2", "lists", "lists.2.2.bin", "notes.bin", MANIFEST, ""] {
            assert!(!is_file_name(name), "{name}");
        }
    }

    #[test]
    fn ids_grow_wider_where_rows_outgrow_them() {
        assert_eq!((ListLayout::id_width(1 << 32), ListLayout::id_width((1 << 32) + 1)), (4, 8));
    }
}
