//! One shard of a matrix, written as its rows come.
//!
//! Inner chunks are plain bytes of whole rows and stand one behind another, so rows need no buffer. The last inner chunk
//! that holds a row is filled up with the fill value; those behind it are outside the array and are left out, which the
//! index says with 2^64 − 1. The index is last, with its crc32c.

use std::path::Path;
use std::sync::Arc;

use super::layout::Layout;
use super::node::fill_bytes;
use super::spec::ArraySpec;
use crate::error::{Error, Result};
use crate::store::{AtomicFile, SealedFile, Vfs};

pub(super) struct Shard {
    file: AtomicFile,
    row_bytes: u64,
    inner_rows: u64,
    inner_chunks: u64,
    fill: Vec<u8>,
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
            row_bytes: array.row_bytes().ok_or_else(|| Error::internal("a matrix of texts"))?,
            inner_rows,
            inner_chunks: shard_rows / inner_rows,
            fill: fill_bytes(array.dtype()),
        })
    }

    /// Rows written so far, counting a broken one as none.
    pub(super) fn rows(&self) -> u64 {
        self.file.length() / self.row_bytes
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)
    }

    pub(super) fn seal(mut self) -> Result<SealedFile> {
        let rows = self.rows();
        let used = rows.div_ceil(self.inner_rows);
        let chunk_bytes = self.inner_rows * self.row_bytes;
        let mut missing = used * chunk_bytes - self.file.length();
        let pattern = self.fill.repeat(PADDING / self.fill.len());
        while missing > 0 {
            let piece = missing.min(pattern.len() as u64);
            self.file.write_all(&pattern[..piece as usize])?;
            missing -= piece;
        }
        let mut index = Vec::with_capacity(self.inner_chunks as usize * 16 + 4);
        for chunk in 0..self.inner_chunks {
            let entry = if chunk < used { [chunk * chunk_bytes, chunk_bytes] } else { [u64::MAX, u64::MAX] };
            index.extend(entry.iter().flat_map(|value| value.to_le_bytes()));
        }
        let checksum = crc32c::crc32c(&index);
        index.extend_from_slice(&checksum.to_le_bytes());
        self.file.write_all(&index)?;
        self.file.seal()
    }
}

/// Bytes of padding written at a time; a multiple of every element size.
pub(super) const PADDING: usize = 64 * 1024;
