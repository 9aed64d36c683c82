//! Standard normal numbers from 32 random bits each, by a table of the inverse of their distribution.
//!
//! The table has 1 024 pieces of equal probability, between which the inverse is linear; the outermost end where their mean is that of the
//! normal distribution's tail, at ±3.66. The whole is scaled to variance 1. A tail that is cut matters to nobody here, and a number costs two
//! loads and a product, where one by logarithms and cosines costs twenty times as much.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

const BITS: u32 = 10;
const PIECES: usize = 1 << BITS;
/// Steps of a bisection to the last bit of an f64 between 0 and 8.
const BISECTIONS: u32 = 60;

/// The table.
#[derive(Debug)]
pub(super) struct Normal {
    /// Begin of each piece, and its slope for each of the 2²² steps within.
    pieces: Box<[[f32; 2]; PIECES]>,
}

impl Normal {
    pub(super) fn new() -> Self {
        let mut knots = [0.0f64; PIECES + 1];
        for (number, knot) in knots.iter_mut().enumerate().take(PIECES / 2).skip(1) {
            *knot = quantile(number as f64 / PIECES as f64);
        }
        // The mean of the tail below q is −φ(q) / P(q), and that of a piece is the middle of its ends.
        let density = libm::exp(-knots[1] * knots[1] / 2.0) / libm::sqrt(2.0 * PI);
        knots[0] = -2.0 * density * PIECES as f64 - knots[1];
        for number in 0..PIECES / 2 {
            knots[PIECES - number] = -knots[number];
        }
        let squares = knots.windows(2).map(|ends| (ends[0] * ends[0] + ends[0] * ends[1] + ends[1] * ends[1]) / 3.0);
        let scale = 1.0 / libm::sqrt(squares.sum::<f64>() / PIECES as f64);
        let steps = f64::from(1u32 << (32 - BITS));
        let mut pieces = Box::new([[0.0; 2]; PIECES]);
        for (piece, ends) in pieces.iter_mut().zip(knots.windows(2)) {
            *piece = [(ends[0] * scale) as f32, ((ends[1] - ends[0]) * scale / steps) as f32];
        }
        Self { pieces }
    }

    /// The number that belongs to 32 bits, which grows with them.
    pub(super) fn of(&self, bits: u32) -> f32 {
        let [begin, slope] = self.pieces[(bits >> (32 - BITS)) as usize];
        // 22 bits are an f32, exactly.
        begin + slope * (bits & ((1 << (32 - BITS)) - 1)) as f32
    }
}

/// Where the distribution function of the normal distribution has the value `p`, which is below a half.
fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 0.0);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if libm::erfc(-middle * FRAC_1_SQRT_2) / 2.0 < p { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_quantiles_are_those_of_the_normal_distribution() {
        let normal = Normal::new();
        let (mut sums, count) = ([0.0f64; 4], 1u32 << 20);
        for number in 0..count {
            let value = f64::from(normal.of((number << 12) + (1 << 11)));
            for (power, sum) in sums.iter_mut().enumerate() {
                *sum += value.powi(power as i32 + 1);
            }
        }
        let [mean, variance, skewness, kurtosis] = sums.map(|sum| sum / f64::from(count));
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        assert!(skewness.abs() < 1e-5 && (kurtosis - 3.0).abs() < 0.02, "{skewness} {kurtosis}");
        for (bits, wanted) in [(1u32 << 31, 0.0), (0x289d_a177, -1.0), (0xd762_5e89, 1.0), (0xfa2d_0c1f, 2.0)] {
            assert!((normal.of(bits) - wanted).abs() < 2e-3, "{bits:x}: {} {wanted}", normal.of(bits));
        }
        assert!(normal.of(0) < -3.6 && normal.of(u32::MAX) > 3.6);
    }
}
