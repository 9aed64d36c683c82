//! An array of one dimension, read forwards in pieces that do not follow its chunks: the entries of a sparse matrix.
//!
//! The band that was read last is kept, so that a pass decodes each chunk once. Where stored bytes are read in place
//! nothing is kept, because nothing is decoded.

use std::sync::{Arc, Mutex, PoisonError};

use super::container::{StoredArray, bands};
use crate::error::{Error, Result};
use crate::types::{DType, RowRange};

/// An array and its last band.
#[derive(Debug)]
pub(super) struct Window {
    array: Arc<dyn StoredArray>,
    size: usize,
    kept: Mutex<Option<(RowRange, Vec<u8>)>>,
}

impl Window {
    /// Takes an array of one dimension and of elements of a fixed size.
    pub(super) fn new(array: Arc<dyn StoredArray>) -> Result<Self> {
        if array.shape().len() != 1 {
            return Err(array.schema("shape", format!("{:?} has not one dimension", array.shape())));
        }
        let size = array.dtype().size();
        let size = size.ok_or_else(|| array.schema("data_type", "is string, not a number".into()))?;
        Ok(Self { array, size, kept: Mutex::new(None) })
    }

    pub(super) fn len(&self) -> u64 {
        self.array.rows()
    }

    pub(super) fn dtype(&self) -> DType {
        self.array.dtype()
    }

    pub(super) fn schema(&self, field: &str, reason: String) -> Error {
        self.array.schema(field, reason)
    }

    /// Clears `out` and reads these elements into it, native-endian.
    pub(super) fn read(&self, elements: RowRange, out: &mut Vec<u8>) -> Result<()> {
        if self.array.reads_in_place() {
            return self.array.read_rows(elements, out);
        }
        out.clear();
        out.reserve(elements.len() * self.size);
        for piece in bands(elements, self.array.inner_rows()) {
            // Taken out and not held locked: whoever decodes may be given another read to do meanwhile.
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
            let (band, bytes) = match kept {
                Some((band, bytes)) if band.start <= piece.start && piece.end <= band.end => (band, bytes),
                other => {
                    let mut bytes = other.map_or_else(Vec::new, |(_, bytes)| bytes);
                    let band = self.band(piece.start);
                    self.array.read_rows(band, &mut bytes)?;
                    (band, bytes)
                }
            };
            let first = (piece.start - band.start) as usize * self.size;
            out.extend_from_slice(&bytes[first..first + piece.len() * self.size]);
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((band, bytes));
        }
        Ok(())
    }

    fn band(&self, element: u64) -> RowRange {
        let rows = self.array.inner_rows();
        let start = element - element % rows;
        RowRange { start, end: start.saturating_add(rows).min(self.len()) }
    }

    /// Bytes of the band that is kept, and of reading one.
    pub(super) fn bytes(&self) -> u64 {
        if self.array.reads_in_place() {
            return self.array.scratch_bytes(1);
        }
        let band = self.array.inner_rows().min(self.len());
        self.array.scratch_bytes(band).saturating_add(band.saturating_mul(self.size as u64))
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.array.stored_bytes()
    }

    pub(super) fn preflight(&self) -> Result<()> {
        self.array.preflight()
    }

    pub(super) fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.array.fingerprint(seed)
    }

    pub(super) fn is_absent(&self) -> Result<bool> {
        self.array.is_absent()
    }
}
