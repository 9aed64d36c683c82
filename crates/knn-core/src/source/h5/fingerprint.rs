//! A hash of content that is cheap at any size; see `zarr/fingerprint.rs`. It covers what the metadata mean and a seeded
//! sample of chunks, decoded, so that neither path nor place in the file count.

use xxhash_rust::xxh3::Xxh3;

use super::array::H5Array;
use crate::error::Result;
use crate::source::StringBlock;
use crate::source::container::StoredArray;
use crate::source::sampled::sampled;
use crate::types::RowRange;

/// Chunks hashed of a sampled band.
const SAMPLED_CHUNKS: u64 = 16;
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
        let band_rows = layout.grid.band_rows();
        let bands = self.rows().div_ceil(band_rows);
        for band in sampled(bands, seed) {
            let first = band * band_rows;
            hash.update(&first.to_le_bytes());
            if self.element().text.is_some() {
                let last = (first + band_rows.min(SAMPLED_TEXTS)).min(self.rows());
                let mut texts = StringBlock::default();
                self.read_strings(RowRange::new(first, last), &mut texts)?;
                hash.update(&texts.bytes);
                continue;
            }
            for column in 0..layout.grid.band_width().min(SAMPLED_CHUNKS) {
                let Some(records) = self.stored(band * layout.grid.band_width() + column)? else { continue };
                hash.update(&records[..records.len().min(SAMPLED_BYTES)]);
            }
        }
        Ok(hash.digest128())
    }
}
