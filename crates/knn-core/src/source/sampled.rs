//! Which parts of an array a fingerprint looks into.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bands that are looked into.
const SAMPLED_BANDS: u64 = 16;

/// Numbers of the sampled bands of an array of `bands`: all of a short one, else some that depend on the seed alone.
pub(super) fn sampled(bands: u64, seed: u64) -> Vec<u64> {
    let mut sampled: Vec<u64> = if bands <= SAMPLED_BANDS {
        (0..bands).collect()
    } else {
        (0..SAMPLED_BANDS).map(|number| xxh3_64_with_seed(&number.to_le_bytes(), seed) % bands).collect()
    };
    sampled.sort_unstable();
    sampled.dedup();
    sampled
}
