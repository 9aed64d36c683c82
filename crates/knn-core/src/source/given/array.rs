//! An array in memory as a stored array: rows are copied out, nothing is decoded.

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::StoredArray;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange};

/// Rows that are read as one band.
const BAND: u64 = 1 << 16;

/// What an array holds.
#[derive(Debug)]
pub(in crate::source) enum Values {
    /// Numbers, native-endian.
    Numbers(DType, Vec<u8>),
    /// Texts.
    Texts(StringBlock),
}

/// An array in memory.
#[derive(Debug)]
pub(in crate::source) struct GivenArray {
    store: Arc<str>,
    path: String,
    values: Values,
    shape: Vec<u64>,
    band: Vec<u64>,
}

impl GivenArray {
    /// Values whose number was compared with the shape, the first extent of which are rows.
    pub(in crate::source) fn new(store: &Arc<str>, path: String, values: Values, shape: Vec<u64>) -> Self {
        let mut band = shape.clone();
        for extent in &mut band {
            *extent = (*extent).max(1);
        }
        if let Some(rows) = band.first_mut() {
            *rows = BAND.min(*rows);
        }
        Self { store: Arc::clone(store), path, values, shape, band }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        match &self.values {
            Values::Numbers(_, bytes) => bytes.capacity() as u64,
            Values::Texts(texts) => (texts.bytes.capacity() + size_of::<usize>() * texts.ends.capacity()) as u64,
        }
    }

    fn wrong(&self) -> Error {
        self.schema("data_type", format!("is {}", self.dtype().name()))
    }
}

impl StoredArray for GivenArray {
    fn name(&self) -> String {
        format!("{}/{}", self.store, self.path)
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        match self.values {
            Values::Numbers(dtype, _) => dtype,
            Values::Texts(_) => DType::String,
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
        self.bytes()
    }

    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        check_range(rows, self.shape[0])?;
        let Values::Numbers(dtype, bytes) = &self.values else { return Err(self.wrong()) };
        let row = self.shape.iter().skip(1).product::<u64>() as usize * dtype.size().unwrap_or(1);
        let part = bytes.get(rows.start as usize * row..rows.end as usize * row);
        match part {
            Some(part) if part.len() == out.len() => out.copy_from_slice(part),
            _ => return Err(Error::internal(format!("a buffer of {} bytes for {} rows", out.len(), rows.len()))),
        }
        Ok(())
    }

    fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        check_range(rows, self.shape[0])?;
        let Values::Texts(texts) = &self.values else { return Err(self.wrong()) };
        out.clear();
        (rows.start..rows.end).for_each(|row| out.push(texts.get(row as usize)));
        Ok(())
    }

    /// Everything was checked when it was given.
    fn preflight(&self) -> Result<()> {
        Ok(())
    }

    /// Of all values: reading them takes no longer than one block of a join.
    fn fingerprint(&self, seed: u64) -> Result<u128> {
        let mut hash = Xxh3::with_seed(seed);
        hash.update(format!("{} {:?}", self.dtype().name(), self.shape).as_bytes());
        match &self.values {
            Values::Numbers(_, bytes) => hash.update(bytes),
            Values::Texts(texts) => {
                hash.update(&texts.bytes);
                texts.ends.iter().for_each(|&end| hash.update(&(end as u64).to_le_bytes()));
            }
        }
        Ok(hash.digest128())
    }

    fn is_absent(&self) -> Result<bool> {
        Ok(false)
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Error::schema(&*self.store, self.path.as_str(), field, reason)
    }
}
