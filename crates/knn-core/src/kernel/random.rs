//! Random weights, to see what a mapping owes to its distances: uniform between 0 and 1.
//!
//! A counter-based generator keyed by seed, row and slot, so that the same edge has the same weight in any order of work.

/// The slot of a self edge, which no neighbour has.
pub(super) const OWN: u64 = u64::MAX;

/// The weight of a slot of a row: one of 2^23 numbers, exact as f32, neither 0 nor 1.
pub(super) fn weight(seed: u64, row: u64, slot: u64) -> f32 {
    let bits = mixed(mixed(mixed(seed) ^ row) ^ slot);
    ((bits >> 41) as f32 + 0.5) / (1u32 << 23) as f32
}

/// The step of splitmix64 (Steele, Lea and Flood 2014).
fn mixed(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;
    use crate::kernel::tests::weights;

    #[test]
    fn weights_are_uniform_and_follow_from_seed_row_and_slot() {
        let all: Vec<f64> = (0..10_000).map(|i| f64::from(weight(7, i / 100, i % 100))).collect();
        assert!(all.iter().all(|&w| w > 0.0 && w < 1.0));
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let square = all.iter().map(|w| w * w).sum::<f64>() / all.len() as f64;
        assert!((mean - 0.5).abs() < 0.01 && (square - 1.0 / 3.0).abs() < 0.01, "{mean} {square}");
        assert_ne!(weight(7, 1, 2), weight(7, 2, 1));
        assert_ne!(weight(7, 1, 2), weight(8, 1, 2));
        let row = weights(&Kernel::Random { seed: 7 }, true, &[3.0, 4.0]);
        let raw = [weight(7, 5, OWN), weight(7, 5, 0), weight(7, 5, 1)].map(f64::from);
        crate::kernel::tests::near(&row.weights, &raw);
    }
}
