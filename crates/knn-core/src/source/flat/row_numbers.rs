//! Names of cells where a file has none: their numbers, from 0, which take no space anywhere.

use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::StoredArray;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange};

/// Numbers that are read as one band.
const BAND: u64 = 1 << 16;

/// The numbers 0 to n − 1.
#[derive(Debug)]
pub(in crate::source) struct RowNumbers {
    name: String,
    shape: [u64; 1],
    band: [u64; 1],
}

impl RowNumbers {
    /// Numbers of `rows` cells of the store `name`.
    pub(in crate::source) fn new(name: String, rows: u64) -> Self {
        Self { name, shape: [rows], band: [BAND.min(rows.max(1))] }
    }
}

impl StoredArray for RowNumbers {
    fn name(&self) -> String {
        format!("{}/obs/_index", self.name)
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        DType::UInt64
    }

    fn inner_chunk(&self) -> &[u64] {
        &self.band
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
        for (number, value) in (rows.start..rows.end).zip(out.chunks_exact_mut(8)) {
            value.copy_from_slice(&number.to_ne_bytes());
        }
        Ok(())
    }

    fn read_strings(&self, _: RowRange, _: &mut StringBlock) -> Result<()> {
        Err(self.schema("data_type", "is uint64 and not string".into()))
    }

    fn preflight(&self) -> Result<()> {
        Ok(())
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        Ok(xxhash_rust::xxh3::xxh3_128_with_seed(&self.shape[0].to_le_bytes(), seed))
    }

    fn is_absent(&self) -> Result<bool> {
        Ok(false)
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Error::schema(self.name.as_str(), "obs/_index", field, reason)
    }
}
