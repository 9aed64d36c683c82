//! A hash of content that is cheap at any size, so that a resumed run knows whether its inputs are still the same.
//!
//! It covers what the metadata mean and a seeded sample of stored objects; not the path, nor any time, so that a copied
//! store is the same store. An edit that keeps all sampled bytes goes unseen: it is a guard, not a checksum.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::array::ZarrArray;
use crate::error::Result;

/// Objects that are looked into.
const SAMPLED_OBJECTS: usize = 16;
/// Bytes hashed at each end of a sampled object.
const SAMPLED_BYTES: u64 = 1 << 20;

impl ZarrArray {
    /// Hash of metadata and sampled content.
    pub fn fingerprint(&self, seed: u64) -> Result<u128> {
        let metadata = self.metadata();
        let mut hash = Xxh3::with_seed(seed);
        let description = format!(
            "{} {:?} {:?} {:?} {:?} {:?}",
            self.dtype().name(),
            metadata.grid,
            metadata.codecs,
            metadata.sharding,
            metadata.fill,
            self.codec(),
        );
        hash.update(description.as_bytes());
        let mut objects = self.objects()?;
        hash.update(&(objects.len() as u64).to_le_bytes());
        // The order by hash is a random one that depends only on seed and coordinates.
        let rank = |object: &Vec<u64>| {
            let bytes: Vec<u8> = object.iter().flat_map(|number| number.to_le_bytes()).collect();
            (xxh3_64_with_seed(&bytes, seed), object.clone())
        };
        objects.sort_by_cached_key(rank);
        for coordinates in objects.iter().take(SAMPLED_OBJECTS) {
            let Some(object) = self.store().object(&self.key(coordinates))? else { continue };
            for number in coordinates.iter().chain([&object.len]) {
                hash.update(&number.to_le_bytes());
            }
            let head = object.len.min(SAMPLED_BYTES);
            hash.update(&object.read(0, head)?);
            let tail = (object.len - head).min(SAMPLED_BYTES);
            hash.update(&object.read(object.len - tail, tail)?);
        }
        Ok(hash.digest128())
    }
}
