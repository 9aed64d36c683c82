//! One shard of a matrix, written as its rows come.
//!
//! Inner chunks of plain bytes stand one behind another, so rows need no buffer; those that are compressed are gathered one at a time. The last
//! inner chunk that holds a row is filled up with the fill value; those behind it are outside the array and are left out, which the
//! index says with 2^64 − 1. The index is last, with its crc32c.

use std::path::Path;
use std::sync::Arc;

use zarrs::array::codec::{BloscCompressor, BloscShuffleMode, blosc_compress_bytes};

use super::layout::Layout;
use super::node::{BLOSC_LEVEL, fill_bytes};
use super::spec::ArraySpec;
use crate::error::{Error, Result};
use crate::store::{AtomicFile, SealedFile, Vfs};

pub(super) struct Shard {
    file: AtomicFile,
    /// Bytes appended so far.
    length: u64,
    row_bytes: u64,
    inner_rows: u64,
    inner_chunks: u64,
    fill: Vec<u8>,
    /// Where chunks are compressed, the one that is not full yet, and the place of each before it.
    packed: Option<Packed>,
}

#[derive(Default)]
struct Packed {
    chunk: Vec<u8>,
    places: Vec<[u64; 2]>,
}

impl Shard {
    pub(super) fn create(
        vfs: &Arc<dyn Vfs>,
        path: &Path,
        worker: &str,
        array: &ArraySpec,
        layout: &Layout,
    ) -> Result<Self> {
        let (inner_rows, shard_rows) = array.grid(layout);
        Ok(Self {
            file: AtomicFile::create(vfs, path, worker)?,
            length: 0,
            row_bytes: array.row_bytes().ok_or_else(|| Error::internal("a matrix of texts"))?,
            inner_rows,
            inner_chunks: shard_rows / inner_rows,
            fill: fill_bytes(array.dtype()),
            packed: layout.is_compact().then(Packed::default),
        })
    }

    /// Bytes in memory of one that compresses: a chunk, and what it becomes.
    pub(super) fn packed_bytes(array: &ArraySpec, layout: &Layout) -> u64 {
        3 * array.grid(layout).0 * array.row_bytes().unwrap_or(0)
    }

    /// Rows written so far, counting a broken one as none.
    pub(super) fn rows(&self) -> u64 {
        self.length / self.row_bytes
    }

    pub(super) fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.length += bytes.len() as u64;
        let chunk_bytes = self.chunk_bytes();
        let Some(packed) = &mut self.packed else { return self.file.write_all(bytes) };
        while !bytes.is_empty() {
            let room = chunk_bytes as usize - packed.chunk.len();
            let (first, rest) = bytes.split_at(room.min(bytes.len()));
            packed.chunk.extend_from_slice(first);
            bytes = rest;
            if packed.chunk.len() as u64 == chunk_bytes {
                packed.write(&mut self.file, self.fill.len())?;
            }
        }
        Ok(())
    }

    pub(super) fn seal(mut self) -> Result<SealedFile> {
        let used = self.rows().div_ceil(self.inner_rows);
        let chunk_bytes = self.chunk_bytes();
        let mut missing = used * chunk_bytes - self.length;
        let pattern = self.fill.repeat(PADDING / self.fill.len());
        while missing > 0 {
            let piece = missing.min(pattern.len() as u64);
            self.append(&pattern[..piece as usize])?;
            missing -= piece;
        }
        let place = |chunk: u64| match &self.packed {
            None => [chunk * chunk_bytes, chunk_bytes],
            Some(packed) => packed.places[chunk as usize],
        };
        let mut index = Vec::with_capacity(self.inner_chunks as usize * 16 + 4);
        for chunk in 0..self.inner_chunks {
            let entry = if chunk < used { place(chunk) } else { [u64::MAX, u64::MAX] };
            index.extend(entry.iter().flat_map(|value| value.to_le_bytes()));
        }
        let checksum = crc32c::crc32c(&index);
        index.extend_from_slice(&checksum.to_le_bytes());
        self.file.write_all(&index)?;
        self.file.seal()
    }

    fn chunk_bytes(&self) -> u64 {
        self.inner_rows * self.row_bytes
    }
}

impl Packed {
    /// Compresses a full chunk of values of so many bytes each.
    fn write(&mut self, file: &mut AtomicFile, typesize: usize) -> Result<()> {
        let failed = |reason: String| Error::internal(format!("blosc: {reason}"));
        let level = BLOSC_LEVEL.try_into().map_err(|level| failed(format!("level {level}")))?;
        let (shuffle, compressor) = (BloscShuffleMode::Shuffle, BloscCompressor::Zstd);
        // One thread and its own choice of blocks: the same bytes everywhere.
        let packed = blosc_compress_bytes(&self.chunk, level, shuffle, typesize, compressor, 0, 1)
            .map_err(|error| failed(error.to_string()))?;
        self.places.push([file.length(), packed.len() as u64]);
        self.chunk.clear();
        file.write_all(&packed)
    }
}

/// Bytes of padding written at a time; a multiple of every element size.
pub(super) const PADDING: usize = 64 * 1024;
