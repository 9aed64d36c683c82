//! A hash of content that is cheap at any size; see `zarr/fingerprint.rs`. It covers what the metadata mean and a seeded
//! sample of chunks, decoded, so that neither path nor place in the file count.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::array::H5Array;
use crate::error::Result;
use crate::source::StringBlock;
use crate::source::container::StoredArray;
use crate::types::RowRange;

/// Bands that are looked into.
const SAMPLED_BANDS: usize = 16;
/// Bytes hashed of a sampled chunk.
const SAMPLED_BYTES: usize = 1 << 20;
/// Texts hashed of a sampled band.
const SAMPLED_TEXTS: u64 = 4096;

impl H5Array {
    /// Hash of metadata and sampled content.
    pub(super) fn content_hash(&self, seed: u64) -> Result<u128> {
        let mut hash = Xxh3::with_seed(seed);
        let layout = self.layout();
        let description = format!("{} {:?} {} {:?}", self.dtype().name(), layout.grid, self.codec(), layout.fill);
        hash.update(description.as_bytes());
        hash.update(&self.stored_bytes().to_le_bytes());
        if self.is_absent()? || self.rows() == 0 || self.shape().len() > 2 {
            return Ok(hash.digest128());
        }
        let bands = self.rows().div_ceil(self.inner_rows());
        for band in sample(bands, seed) {
            let first = band * self.inner_rows();
            hash.update(&first.to_le_bytes());
            if self.element().text.is_some() {
                let last = (first + self.inner_rows().min(SAMPLED_TEXTS)).min(self.rows());
                let mut texts = StringBlock::default();
                self.read_strings(RowRange::new(first, last), &mut texts)?;
                hash.update(&texts.bytes);
                continue;
            }
            for column in 0..layout.grid.band_width() {
                let Some(records) = self.stored(band * layout.grid.band_width() + column)? else { continue };
                hash.update(&records[..records.len().min(SAMPLED_BYTES)]);
                if column > SAMPLED_BANDS as u64 {
                    break;
                }
            }
        }
        Ok(hash.digest128())
    }
}

/// Bands in a random order that depends on the seed alone; the first of a long array stand for the rest of it.
fn sample(bands: u64, seed: u64) -> Vec<u64> {
    let mut sampled: Vec<u64> = if bands <= SAMPLED_BANDS as u64 {
        (0..bands).collect()
    } else {
        (0..SAMPLED_BANDS as u64).map(|number| xxh3_64_with_seed(&number.to_le_bytes(), seed) % bands).collect()
    };
    sampled.sort_unstable();
    sampled.dedup();
    sampled
}
