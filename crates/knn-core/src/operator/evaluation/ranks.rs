//! Spearman's correlation: Pearson's of ranks, of which equal values share the mean (`scipy.stats.spearmanr`).

/// Buffers that serve one gene after the other.
#[derive(Debug, Default)]
pub struct RankScratch {
    /// The order of a value's bits above its place, which sorts as one number.
    keys: Vec<u64>,
    ranks: [Vec<f64>; 2],
}

impl RankScratch {
    /// Bytes for so many cells.
    pub fn bytes(cells: u64) -> u64 {
        cells.saturating_mul(8 * 3)
    }
}

/// The correlation of the finite pairs among `pairs`, of which there are fewer than 2^32; none for fewer than two or where a side does not vary.
pub fn spearman(pairs: impl Iterator<Item = (f32, f32)> + Clone, scratch: &mut RankScratch) -> Option<f64> {
    let finite = pairs.filter(|(left, right)| left.is_finite() && right.is_finite());
    let RankScratch { keys, ranks } = scratch;
    fill(finite.clone().map(|(left, _)| left), keys, &mut ranks[0]);
    fill(finite.map(|(_, right)| right), keys, &mut ranks[1]);
    let [left, right] = ranks;
    if left.len() < 2 {
        return None;
    }
    // The mean of ranks is known whatever is equal.
    let mean = f64::midpoint(left.len() as f64, 1.0);
    let (mut squares, mut product) = ([0f64; 2], 0f64);
    for (&left, &right) in left.iter().zip(right.iter()) {
        let (left, right) = (left - mean, right - mean);
        squares[0] += left * left;
        squares[1] += right * right;
        product += left * right;
    }
    (squares[0] > 0.0 && squares[1] > 0.0).then(|| (product / (squares[0] * squares[1]).sqrt()).clamp(-1.0, 1.0))
}

/// The ranks of finite values, counted from 1.
fn fill(values: impl Iterator<Item = f32>, keys: &mut Vec<u64>, ranks: &mut Vec<f64>) {
    keys.clear();
    keys.extend(values.zip(0u64..).map(|(value, place)| (u64::from(ordered(value)) << 32) | place));
    keys.sort_unstable();
    ranks.clear();
    ranks.resize(keys.len(), 0.0);
    let mut first = 0;
    for equal in keys.chunk_by(|left, right| left >> 32 == right >> 32) {
        let rank = first as f64 + f64::midpoint(equal.len() as f64, 1.0);
        for key in equal {
            ranks[(key & u64::from(u32::MAX)) as usize] = rank;
        }
        first += equal.len();
    }
}

/// Bits that stand in the order of the values; −0 is 0.
fn ordered(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        let (mut keys, mut ranks) = (Vec::new(), Vec::new());
        fill([3.0, -1.0, 0.0, -0.0, 3.0, 3.0].into_iter(), &mut keys, &mut ranks);
        assert_eq!(ranks, [5.0, 1.0, 2.5, 2.5, 5.0, 5.0]);
    }

    #[test]
    fn correlations_are_those_of_ranks() {
        let mut scratch = RankScratch::default();
        let mut of = |pairs: &[(f32, f32)]| spearman(pairs.iter().copied(), &mut scratch);
        assert_eq!(of(&[(1.0, 10.0), (2.0, 100.0), (3.0, 1e6)]), Some(1.0));
        assert_eq!(of(&[(1.0, 3.0), (2.0, 2.0), (f32::NAN, 9.0), (3.0, 1.0)]), Some(-1.0));
        // scipy.stats.spearmanr([1, 2, 2, 4], [3, 1, 4, 4]): ranks 1, 2.5, 2.5, 4 and 2, 1, 3.5, 3.5.
        let found = of(&[(1.0, 3.0), (2.0, 1.0), (2.0, 4.0), (4.0, 4.0)]).unwrap();
        assert!((found - 0.5).abs() < 1e-12, "{found}");
        assert_eq!((of(&[(1.0, 1.0)]), of(&[(1.0, 1.0), (1.0, 2.0)])), (None, None));
    }
}
