//! Which rows train the index: chosen by their number alone, so that neither chunks nor threads have a say.
//!
//! A row is in the sample if a hash of (seed, row) is small enough. Samples of one seed are nested: a smaller one is part of
//! every larger one.

/// Chooses rows.
#[derive(Debug, Clone, Copy)]
pub struct Sampler {
    seed: u64,
    /// Rows with a hash below this are taken; `None` takes all.
    below: Option<u64>,
}

impl Sampler {
    /// Chooses about `wanted` of `rows` rows, all if there are no more.
    pub fn new(seed: u64, wanted: u64, rows: u64) -> Self {
        let share = (u128::from(wanted) << 64).checked_div(u128::from(rows));
        Self { seed, below: share.and_then(|share| u64::try_from(share).ok()) }
    }

    /// Whether a row is taken.
    pub fn takes(self, row: u64) -> bool {
        self.below.is_none_or(|below| mix(self.seed, row) < below)
    }
}

/// A hash of two numbers (the finaliser of splitmix64), for choices that must look random and be the same everywhere.
pub(super) fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_as_wanted_and_nested() {
        let (few, many) = (Sampler::new(7, 1000, 100_000), Sampler::new(7, 5000, 100_000));
        let taken = |sampler: Sampler| (0..100_000).filter(|&row| sampler.takes(row)).count();
        assert!((850..1150).contains(&taken(few)), "{}", taken(few));
        assert!((4700..5300).contains(&taken(many)), "{}", taken(many));
        assert!((0..100_000).all(|row| many.takes(row) || !few.takes(row)));
        assert!((0..100).all(|row| Sampler::new(7, 100, 100).takes(row) && Sampler::new(7, 9, 0).takes(row)));
    }
}
