//! Values that are known when stores are opened: categories that were united, names of the stores, colours.

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::error::{Error, Result};
use crate::source::container::StoredArray;
use crate::source::memory::check_range;
use crate::source::{Categories, StringBlock};
use crate::types::{DType, RowRange};

/// A list in memory, as an array.
#[derive(Debug)]
pub(super) struct Listed {
    store: String,
    path: String,
    shape: [u64; 1],
    band: [u64; 1],
    values: Categories,
}

impl Listed {
    pub(super) fn new(store: &str, path: &str, values: Categories) -> Self {
        let count = values.len() as u64;
        Self { store: store.into(), path: path.into(), shape: [count], band: [count.max(1)], values }
    }
}

impl StoredArray for Listed {
    fn name(&self) -> String {
        format!("{}/{}", self.store, self.path)
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        match &self.values {
            Categories::Strings(_) => DType::String,
            Categories::Values { dtype, .. } => *dtype,
        }
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
        let Categories::Values { dtype, bytes } = &self.values else {
            return Err(self.schema("data_type", "is string and no number".into()));
        };
        let size = dtype.size().unwrap_or(1);
        let wanted = &bytes[rows.start as usize * size..rows.end as usize * size];
        if wanted.len() != out.len() {
            return Err(Error::internal(format!("a buffer of {} bytes for {} rows", out.len(), rows.len())));
        }
        out.copy_from_slice(wanted);
        Ok(())
    }

    fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        check_range(rows, self.shape[0])?;
        let Categories::Strings(texts) = &self.values else {
            return Err(self.schema("data_type", "is not string".into()));
        };
        out.clear();
        texts[rows.start as usize..rows.end as usize].iter().for_each(|text| out.push(text));
        Ok(())
    }

    fn preflight(&self) -> Result<()> {
        Ok(())
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        Ok(xxh3_128_with_seed(format!("{:?}", self.values).as_bytes(), seed))
    }

    fn is_absent(&self) -> Result<bool> {
        Ok(false)
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Error::schema(self.store.as_str(), self.path.as_str(), field, reason)
    }
}
