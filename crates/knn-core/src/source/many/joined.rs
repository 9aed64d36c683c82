//! One array that is made of a share of every store, one behind the other.
//!
//! Its bands end where those of a store end, and where a store ends, so that no chunk is decoded twice.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use super::part::Part;
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::StoredArray;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange};

/// The shares, with the first row of each.
pub(super) struct Joined {
    store: String,
    path: String,
    shape: Vec<u64>,
    band: Vec<u64>,
    dtype: DType,
    parts: Vec<(u64, Part)>,
}

impl Joined {
    /// The array at `path` of the stores called `store`, of `width` columns if it is a matrix. There is at least one share, and all are of
    /// one type.
    pub(super) fn new(store: &str, path: &str, width: Option<u64>, shares: Vec<Part>) -> Result<Self> {
        let dtype = shares.first().map_or(DType::Float64, Part::dtype);
        if shares.iter().any(|part| part.dtype() != dtype) {
            return Err(Error::internal(format!("{path}: shares of other types")));
        }
        let band = shares.iter().map(Part::natural_rows).max().unwrap_or(1).max(1);
        let (mut parts, mut rows) = (Vec::with_capacity(shares.len()), 0_u64);
        for part in shares {
            let next = rows.checked_add(part.rows());
            parts.push((rows, part));
            rows = next.ok_or_else(|| Error::schema(store, path, "shape", "more rows than can be counted"))?;
        }
        let with = |rows| std::iter::once(rows).chain(width).collect();
        Ok(Self { store: store.into(), path: path.into(), shape: with(rows), band: with(band), dtype, parts })
    }

    /// The shares in which rows lie: each with its rows, counted within its store.
    fn shares(&self, rows: RowRange) -> impl Iterator<Item = (&Part, RowRange)> {
        self.parts.iter().filter_map(move |(first, part)| {
            let start = rows.start.max(*first);
            let end = rows.end.min(first + part.rows());
            (start < end).then(|| (part, RowRange::new(start - first, end - first)))
        })
    }

    fn row_bytes(&self) -> u64 {
        self.dtype.size().unwrap_or(0) as u64 * self.shape.get(1).copied().unwrap_or(1)
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("path", &self.path).field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl StoredArray for Joined {
    fn name(&self) -> String {
        format!("{}/{}", self.store, self.path)
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn inner_chunk(&self) -> &[u64] {
        &self.band
    }

    fn band_end(&self, row: u64) -> u64 {
        let share = self.parts.iter().rev().find(|(first, part)| *first <= row && part.rows() > 0);
        share.map_or(self.rows(), |(first, part)| first + part.band_end(row - first).min(part.rows()))
    }

    fn codec(&self) -> String {
        "as each store has it".into()
    }

    fn reads_in_place(&self) -> bool {
        false
    }

    fn scratch_bytes(&self, rows: u64) -> u64 {
        self.parts.iter().map(|(_, part)| part.scratch_bytes(rows.min(part.rows()))).max().unwrap_or(0)
    }

    fn stored_bytes(&self) -> u64 {
        self.parts.iter().fold(0, |sum: u64, (_, part)| sum.saturating_add(part.stored_bytes()))
    }

    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        check_range(rows, self.rows())?;
        let row = self.row_bytes() as usize;
        if self.dtype == DType::String || row.checked_mul(rows.len()) != Some(out.len()) {
            return Err(Error::internal(format!("a buffer of {} bytes for {} rows", out.len(), rows.len())));
        }
        let mut rest = out;
        for (part, rows) in self.shares(rows) {
            let (piece, after) = rest.split_at_mut(rows.len() * row);
            part.read_into(rows, piece)?;
            rest = after;
        }
        Ok(())
    }

    fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        check_range(rows, self.rows())?;
        if self.dtype != DType::String {
            return Err(self.schema("data_type", format!("is {} and not string", self.dtype.name())));
        }
        out.clear();
        let mut block = StringBlock::default();
        for (part, rows) in self.shares(rows) {
            part.read_strings(rows, &mut block)?;
            out.append(&block);
        }
        Ok(())
    }

    fn preflight(&self) -> Result<()> {
        self.parts.iter().try_for_each(|(_, part)| part.preflight())
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        let mut hash = Xxh3::with_seed(seed);
        for (first, part) in &self.parts {
            hash.update(&first.to_le_bytes());
            hash.update(&part.fingerprint(seed)?.to_le_bytes());
        }
        Ok(hash.digest128())
    }

    fn is_absent(&self) -> Result<bool> {
        Ok(false)
    }

    fn warnings(&self) -> Result<Vec<String>> {
        let warnings = self.parts.iter().map(|(_, part)| part.warnings()).collect::<Result<Vec<_>>>()?;
        Ok(warnings.into_iter().flatten().collect())
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Error::schema(self.store.as_str(), self.path.as_str(), field, reason)
    }
}
