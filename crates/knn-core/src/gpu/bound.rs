//! How far what a device computes in f32 may lie from the exact value.
//!
//! A device has rows q′ = fl(q − c) and x′ = fl(x − c) for a centre c (none for products), and computes ‖q′‖² + ‖x′‖² − 2⟨q′, x′⟩, or
//! −⟨q, x⟩. Let a = ‖q′‖, b = ‖x′‖ and d the columns of a row.
//!
//! * A product of two rows is off by at most (2d + 16)·2⁻²²·a·b. In f32 with sums in any order it is d·2⁻²⁴·a·b, and d·2⁻²³ where sums are
//!   cut off and not rounded (Higham, *Accuracy and Stability of Numerical Algorithms*, 3.1). Where a device makes one product of f32 from
//!   three of TF32, it leaves out 3·2⁻²² of each, and adds three times as many, cut off: less than (2d + 16)·2⁻²² altogether. So are the
//!   squared norms, with a² and b².
//! * The two additions that are left are off by no more than 2⁻²¹·(a + b)².
//! * Centring moves each row by at most 2⁻²⁴ of its length, and squared distances by less than 2⁻²²·(a + b)².
//!
//! All in all (2d + 24)·2⁻²²·(a + b)² for squared distances, and (2d + 24)·2⁻²²·a·b for products, besides what is too small for f32 and
//! becomes zero, which is less than (d + 4)·2⁻¹²⁴. cuVS makes small distances zero, which only lowers them; so what is proven is one-sided:
//!
//! > the exact value of a row is at least the device's value less the excess.
//!
//! A row that lies no farther than r from a query has b ≤ a + r, so that a few rows far out do not loosen the bound of all others.

use crate::distance::Metric;

/// Longer rows are not given to a device: the square of a sum of two must be an f32.
pub(super) const LONGEST: f64 = (1u64 << 60) as f64;
/// What norms are off by when they are summed up in f64, and more.
const A_LITTLE: f64 = 1.0 + 1e-6;

/// The bound of the values of a block of rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bound {
    pub(super) metric: Metric,
    pub(super) dim: usize,
    /// The longest row, as the device has it.
    pub(super) longest: f64,
}

impl Bound {
    /// By how much a value of the device may exceed the exact one: for a query of this length, as the device has it, and rows that lie no farther
    /// from it than `reach` (euclidean; of no meaning for products).
    pub fn excess(&self, norm: f64, reach: f64) -> f64 {
        let (d, norm, longest) = (self.dim as f64, norm * A_LITTLE, self.longest * A_LITTLE);
        let relative = (2.0 * d + 24.0) / f64::from(1 << 22);
        let size = if self.metric.is_product() {
            norm * longest
        } else {
            let both = norm + longest.min((norm + reach) * A_LITTLE);
            both * both
        };
        relative * size + (d + 4.0) * 2f64.powi(-124)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{exact_product, exact_squared};
    use proptest::prelude::*;

    /// The value as a device computes it, one number after the other.
    fn value(metric: Metric, q: &[f32], x: &[f32]) -> f32 {
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0f32, |sum, (a, b)| sum + a * b);
        if metric.is_product() { -product(q, x) } else { product(q, q) + product(x, x) - 2.0 * product(q, x) }
    }

    fn norm(row: &[f32]) -> f64 {
        exact_product(row, row).sqrt()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn no_value_exceeds_the_exact_one_by_more(
            pairs in prop::collection::vec((-1f32..1.0, -1f32..1.0, -1f32..1.0), 1..200),
            (far, scale, same) in (-10f32..10.0, prop::sample::select(vec![1e-25f32, 1e-10, 1.0, 1e6, 1e15]), any::<bool>()),
        ) {
            let dim = pairs.len();
            for metric in Metric::ALL {
                let centre: Vec<f32> = pairs.iter().map(|pair| if metric.is_product() { 0.0 } else { (pair.2 + far) * scale }).collect();
                let row = |part: fn(&(f32, f32, f32)) -> f32| pairs.iter().map(|pair| (part(pair) + far) * scale).collect::<Vec<f32>>();
                let (q, x) = (row(|pair| pair.0), row(if same { |pair| pair.0 * 1.0001 } else { |pair| pair.1 }));
                let centred = |row: &[f32]| row.iter().zip(&centre).map(|(value, mean)| value - mean).collect::<Vec<f32>>();
                let (on_device, other) = (centred(&q), centred(&x));
                let exact = if metric.is_product() { -exact_product(&q, &x) } else { exact_squared(&q, &x) };
                let bound = Bound { metric, dim, longest: norm(&other) };
                let told = f64::from(value(metric, &on_device, &other));
                for reach in [f64::INFINITY, exact.abs().sqrt()] {
                    let excess = bound.excess(norm(&on_device), reach);
                    prop_assert!(told - exact <= excess, "{metric:?}: {told} for {exact}, {excess}");
                    // What is proven is not as loose as to be of no use.
                    let size = if metric.is_product() { norm(&q) * norm(&x) } else { (norm(&on_device) + norm(&other)).powi(2) };
                    prop_assert!(excess <= 2e-6 * (dim as f64 + 12.0) * size + 1e-30);
                }
            }
        }
    }
}
