//! The distance tile on its own, to be run as WebAssembly and on processors other than the one it is compiled on: the core has
//! dependencies in C, this has none. Its sources are the core's, compiled a second time.
//!
//! [`sample::digest`] passes random rows through everything a lane does. [`DIGEST`] is what it must come to, on every lane of every
//! machine.

#[path = "../../knn-core/src/distance/mod.rs"]
pub mod distance;
#[path = "../../knn-core/src/types.rs"]
pub mod types;
pub mod sample;
#[cfg(target_arch = "wasm32")]
pub mod exports;

use distance::Lane;

/// Samples that [`DIGEST`] is of.
pub const SAMPLES: u32 = 300;
/// The digests of so many samples, one after the other.
pub const DIGEST: u64 = 5_566_776_817_450_901_757;

/// The digests of the samples from 0 on, put together.
pub fn all(lane: Lane, samples: u32) -> u64 {
    (0..samples).fold(0, |all: u64, seed| all.rotate_left(5) ^ sample::digest(lane, seed.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use distance::DistanceTile as _;

    #[test]
    fn every_lane_has_the_digest_that_is_written_down() {
        for lane in Lane::available() {
            assert_eq!(all(lane, SAMPLES), DIGEST, "{}", lane.name());
        }
    }

    #[test]
    fn a_digest_sees_every_sample() {
        let digests: Vec<u64> = (0..SAMPLES).map(|seed| sample::digest(Lane::SCALAR, seed.into())).collect();
        assert!((1..digests.len()).all(|at| digests[at] != digests[at - 1]));
    }

    #[test]
    fn the_neighbors_of_a_sample_are_those_of_a_plain_search() {
        for seed in 0..40 {
            let sample = sample::Sample::new(seed);
            assert_eq!(sample.nearest(Lane::best()), sample.plainly(), "{seed}");
        }
    }
}
