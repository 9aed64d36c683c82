//! The value that decides: a squared distance or a product, in f64 and in one fixed order.

use super::metric::Metric;

/// Lanes of the accumulation; fixed, because the order of additions is part of the result.
const LANES: usize = 8;

/// Squared euclidean distance by direct subtraction, accumulated in f64: element `i` goes to partial sum `i mod 8`, and the
/// partial sums are added as `((0+4)+(2+6)) + ((1+5)+(3+7))`. Products are never fused, so that every machine agrees.
#[inline(always)]
pub fn exact_squared(query: &[f32], reference: &[f32]) -> f64 {
    debug_assert_eq!(query.len(), reference.len());
    let mut sums = [0f64; LANES];
    let (q_chunks, q_rest) = query.as_chunks::<LANES>();
    let (x_chunks, x_rest) = reference.as_chunks::<LANES>();
    for (q, x) in q_chunks.iter().zip(x_chunks) {
        for lane in 0..LANES {
            let difference = f64::from(q[lane]) - f64::from(x[lane]);
            sums[lane] += difference * difference;
        }
    }
    for (lane, (q, x)) in q_rest.iter().zip(x_rest).enumerate() {
        let difference = f64::from(*q) - f64::from(*x);
        sums[lane] += difference * difference;
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
}

/// Inner product, accumulated in f64 as [`exact_squared`] is. Every product is exact.
#[inline(always)]
pub fn exact_product(query: &[f32], reference: &[f32]) -> f64 {
    debug_assert_eq!(query.len(), reference.len());
    let mut sums = [0f64; LANES];
    let (q_chunks, q_rest) = query.as_chunks::<LANES>();
    let (x_chunks, x_rest) = reference.as_chunks::<LANES>();
    for (q, x) in q_chunks.iter().zip(x_chunks) {
        for lane in 0..LANES {
            sums[lane] += f64::from(q[lane]) * f64::from(x[lane]);
        }
    }
    for (lane, (q, x)) in q_rest.iter().zip(x_rest).enumerate() {
        sums[lane] += f64::from(*q) * f64::from(*x);
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
}

/// Length of a row, of finite coordinates of any size.
#[inline(always)]
pub(super) fn exact_norm(row: &[f32]) -> f64 {
    exact_product(row, row).sqrt()
}

/// Euclidean distance as it is stored: the square root of [`exact_squared`], rounded once to f32, and finite for finite rows.
#[inline(always)]
pub fn exact_distance(query: &[f32], reference: &[f32]) -> f32 {
    Metric::Euclidean.reported(exact_squared(query, reference))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_row_is_at_distance_zero_from_itself_and_huge_rows_stay_finite() {
        let row: Vec<f32> = (0..53).map(|i| 1e6 + i as f32 * 0.37).collect();
        assert_eq!(exact_distance(&row, &row).to_bits(), 0f32.to_bits());
        assert_eq!(exact_distance(&[f32::MAX; 3], &[f32::MIN; 3]), f32::MAX);
    }

    proptest! {
        #[test]
        fn it_is_the_plain_sum_up_to_f64_rounding(pairs in prop::collection::vec((-1e3f32..1e3, -1e3f32..1e3), 1..70)) {
            let (q, x): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let plain: f64 = q.iter().zip(&x).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            prop_assert!((exact_squared(&q, &x) - plain).abs() <= 1e-13 * plain);
            let plain: f64 = q.iter().zip(&x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let size: f64 = q.iter().zip(&x).map(|(a, b)| (f64::from(*a) * f64::from(*b)).abs()).sum();
            prop_assert!((exact_product(&q, &x) - plain).abs() <= 1e-13 * size);
        }
    }
}
