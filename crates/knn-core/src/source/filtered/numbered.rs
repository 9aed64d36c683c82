//! Which row of the whole store a chosen cell is, as a column.

use std::sync::Arc;

use super::rows::fingerprint;
use super::selection::Selection;
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::StoredArray;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange};

/// Numbers that are given as one band.
const BAND: u64 = 1 << 16;

/// Numbers of the chosen rows, i64.
#[derive(Debug)]
pub(super) struct Numbered {
    name: String,
    path: String,
    selection: Arc<Selection>,
    shape: [u64; 1],
}

impl Numbered {
    /// The column at `path` of the store `name`.
    pub(super) fn new(name: &str, path: &str, selection: Arc<Selection>) -> Self {
        let shape = [selection.count()];
        Self { name: name.into(), path: path.into(), selection, shape }
    }
}

impl StoredArray for Numbered {
    fn name(&self) -> String {
        format!("{}/{}", self.name, self.path)
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        DType::Int64
    }

    fn inner_chunk(&self) -> &[u64] {
        &[BAND]
    }

    fn codec(&self) -> String {
        "raw".into()
    }

    fn reads_in_place(&self) -> bool {
        true
    }

    fn scratch_bytes(&self, _: u64) -> u64 {
        0
    }

    fn stored_bytes(&self) -> u64 {
        0
    }

    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        check_range(rows, self.shape[0])?;
        if out.len() != rows.len() * 8 {
            return Err(Error::internal(format!("a buffer of {} bytes for {} numbers", out.len(), rows.len())));
        }
        let numbers = self.selection.runs(rows).flat_map(|run| run.start..run.end);
        for (number, place) in numbers.zip(out.chunks_exact_mut(8)) {
            place.copy_from_slice(&number.cast_signed().to_ne_bytes());
        }
        Ok(())
    }

    fn read_strings(&self, _: RowRange, _: &mut StringBlock) -> Result<()> {
        Err(self.schema("data_type", "is int64 and not string".into()))
    }

    fn preflight(&self) -> Result<()> {
        Ok(())
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        Ok(fingerprint(u128::from(seed), &self.selection))
    }

    fn is_absent(&self) -> Result<bool> {
        Ok(false)
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Error::schema(self.name.as_str(), self.path.as_str(), field, reason)
    }
}
