//! The names of the cells, streamed: a billion of them are 20 GB.

use super::nullable::Nullable;
use crate::error::Result;
use crate::source::container::Container;
use crate::source::{StringBlock, numbers};
use crate::types::{DType, RowRange};

/// What pandas calls a name that is missing.
const MISSING_NAME: &str = "nan";

/// The index of `obs`.
#[derive(Debug)]
pub struct ObsNames {
    index: Nullable,
}

impl ObsNames {
    pub(super) fn open(store: &dyn Container, path: &str) -> Result<Self> {
        Ok(Self { index: Nullable::open(store, path)? })
    }

    /// Number of names.
    pub fn rows(&self) -> u64 {
        self.index.rows()
    }

    /// Rows of one chunk: reading ranges aligned to it decodes no chunk twice.
    pub fn natural_tile_rows(&self) -> u64 {
        self.index.natural_rows()
    }

    /// One past the last name of the band of chunks that a row lies in.
    pub fn band_end(&self, row: u64) -> u64 {
        self.index.band_end(row)
    }

    /// Bytes of scratch that one read of `rows` names takes at most, beyond the block itself.
    pub fn scratch_bytes(&self, rows: u64) -> u64 {
        self.index.scratch_bytes(rows)
    }

    /// Stored bytes of all names.
    pub fn stored_bytes(&self) -> u64 {
        self.index.stored_bytes()
    }

    /// Clears the block and reads these names into it. Numeric indexes are read as their digits.
    pub fn read(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        let values = &self.index.values;
        let Some(size) = values.dtype().size() else {
            return self.index.read_strings(rows, MISSING_NAME, out);
        };
        let mut bytes = Vec::new();
        values.read_rows(rows, &mut bytes)?;
        out.clear();
        bytes.chunks_exact(size).for_each(|element| out.push(&numbers::label(values.dtype(), element)));
        Ok(())
    }

    /// Checks what is stored without decoding it.
    pub fn preflight(&self) -> Result<()> {
        self.index.preflight()
    }

    /// Hash of what is stored.
    pub fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.index.fingerprint(seed)
    }

    /// Element type of the index: strings, except where a writer kept numbers.
    pub fn dtype(&self) -> DType {
        self.index.values.dtype()
    }
}
