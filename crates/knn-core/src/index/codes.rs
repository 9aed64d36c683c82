//! The codes of rows, list by list: `codes.bin`.
//!
//! They lie as the fast scan reads them, two to a byte, and a list ends with the checksum of its codes. Where a list begins follows from
//! the rows of the lists before it, so nothing else says it.

use super::format::SHORT_ALIGNMENT;
use super::lists::{Blocks, Io};
use super::offsets::Offsets;
use crate::distance::{CODE_BLOCK_ROWS, Codebooks, DistanceTile};
use crate::error::{Error, Result};
use crate::store::PositionedFile;

/// Bytes of a list's checksum, which stands behind its codes.
const CHECKSUM: u64 = 8;
/// Bytes of 32 codes of a sub-space.
const HALVES: usize = CODE_BLOCK_ROWS / 2;

/// How the codes of a list are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodeLayout {
    pub(super) spaces: usize,
}

impl CodeLayout {
    /// Bytes of the codes of so many rows, without their checksum.
    fn code_bytes(self, rows: u64) -> Option<u64> {
        rows.div_ceil(CODE_BLOCK_ROWS as u64).checked_mul((self.spaces * HALVES) as u64)
    }

    /// Bytes of a list: none of one without rows.
    pub(super) fn list_bytes(self, rows: u64) -> Option<u64> {
        if rows == 0 { Some(0) } else { self.code_bytes(rows)?.checked_add(CHECKSUM) }
    }

    /// Appends the codes of a list of these rows around `centroid`, and their checksum.
    pub(super) fn encode(
        self,
        books: &Codebooks,
        tile: &dyn DistanceTile,
        values: &[f32],
        centroid: &[f32],
        out: &mut Vec<u8>,
    ) {
        let (first, dim) = (out.len(), centroid.len());
        let (mut residual, mut codes) = (vec![0.0; dim], vec![0; self.spaces]);
        for (row, values) in values.chunks_exact(dim).enumerate() {
            let (block, place) = (row / CODE_BLOCK_ROWS, row % CODE_BLOCK_ROWS);
            if place == 0 {
                out.resize(out.len() + self.spaces * HALVES, 0);
            }
            subtract(values, centroid, &mut residual);
            tile.encode(books, &residual, &mut codes);
            let block = &mut out[first + block * self.spaces * HALVES..];
            for (space, code) in codes.iter().enumerate() {
                block[space * HALVES + place % HALVES] |= code << (place / HALVES * 4);
            }
        }
        if out.len() > first {
            let xxh3 = xxhash_rust::xxh3::xxh3_64(&out[first..]);
            out.extend_from_slice(&xxh3.to_le_bytes());
        }
    }

    /// A code of a row among those of its list.
    pub(super) fn code(self, codes: &[u8], row: usize, space: usize) -> u8 {
        let (block, place) = (row / CODE_BLOCK_ROWS, row % CODE_BLOCK_ROWS);
        codes[(block * self.spaces + space) * HALVES + place % HALVES] >> (place / HALVES * 4) & 15
    }
}

/// A row less a centroid, in f32.
pub(super) fn subtract(row: &[f32], centroid: &[f32], residual: &mut [f32]) {
    for ((residual, value), middle) in residual.iter_mut().zip(row).zip(centroid) {
        *residual = value - middle;
    }
}

/// The file of codes, open in one of the ways.
pub(super) struct Codes {
    blocks: Blocks,
    layout: CodeLayout,
    starts: Vec<u64>,
}

impl Codes {
    /// Where each list begins, and the length of the file; none if it overflows.
    pub(super) fn places(offsets: &Offsets, layout: CodeLayout) -> Option<(Vec<u64>, u64)> {
        let (mut starts, mut end) = (Vec::with_capacity(offsets.places.len()), 0u64);
        for place in &offsets.places {
            let start = end.checked_next_multiple_of(SHORT_ALIGNMENT)?;
            starts.push(start);
            if place.rows > 0 {
                end = start.checked_add(layout.list_bytes(place.rows)?)?;
            }
        }
        Some((starts, end))
    }

    /// Opens a file whose length is right.
    pub(super) fn open(file: PositionedFile, layout: CodeLayout, starts: Vec<u64>, io: Io) -> Result<Self> {
        Ok(Self { blocks: Blocks::open(file, starts.len(), io)?, layout, starts })
    }

    /// As [`Blocks::give`].
    pub(super) fn give(&mut self, part: Option<(u64, Vec<u8>)>) {
        self.blocks.give(part);
    }

    /// Where the codes of a list of `rows` rows lie in the file, with their checksum.
    pub(super) fn place(&self, list: u32, rows: u64) -> std::ops::Range<u64> {
        let start = self.starts[list as usize];
        start..start.saturating_add(self.layout.list_bytes(rows).unwrap_or(0))
    }

    /// How codes are laid out.
    pub(super) fn layout(&self) -> CodeLayout {
        self.layout
    }

    /// The codes of lists from `first` to `last`, which has `rows` rows, are read soon.
    pub(super) fn will_read(&self, first: u32, last: u32, rows: u64) {
        let start = self.starts[first as usize];
        let end = self.starts[last as usize].saturating_add(self.layout.list_bytes(rows).unwrap_or(0));
        self.blocks.will_read(start..end.max(start));
    }

    /// The codes of a list of `rows` rows, checked; they lie in `words` unless they are in memory already.
    pub(super) fn list<'a>(&'a self, list: u32, rows: u64, words: &'a mut Vec<u64>) -> Result<&'a [u8]> {
        let Some(length) = self.layout.code_bytes(rows).filter(|length| *length > 0) else { return Ok(&[]) };
        let start = self.starts[list as usize];
        let bytes = self.blocks.read(start, length + CHECKSUM, words)?;
        let (codes, xxh3) = bytes.split_last_chunk().ok_or_else(|| Error::internal("a list without a checksum"))?;
        self.blocks.verify(list, codes, u64::from_le_bytes(*xxh3))?;
        Ok(codes)
    }
}
