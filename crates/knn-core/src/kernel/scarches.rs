//! The kernel that CellMapper calls scarches: w = exp(−d / s) with s = (2/σ)², where σ is the population standard deviation of all valid
//! distances of the whole query (CellMapper 0.2.6).
//!
//! `local` is the same with σ of each cell's own distances, as in scArches (`weighted_knn_transfer`).

/// The exponent d / s = d·σ²/4. At σ = 0, where all distances are the same, it is 0: the weights are equal, as there.
pub(super) fn exponent(distance: f32, sigma: f64) -> f64 {
    f64::from(distance) * (sigma * sigma / 4.0)
}

/// Population standard deviation of the distances of one cell, with a further one of 0 where it has a self edge.
pub(super) fn local_sigma(distances: &[f32], self_edge: bool) -> f64 {
    let count = distances.len() + usize::from(self_edge);
    if count == 0 {
        return 0.0;
    }
    let mean = distances.iter().map(|&d| f64::from(d)).sum::<f64>() / count as f64;
    let own = if self_edge { mean * mean } else { 0.0 };
    let squares: f64 = distances.iter().map(|&d| (f64::from(d) - mean) * (f64::from(d) - mean)).sum();
    ((squares + own) / count as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;
    use crate::kernel::tests::{near, weights};

    #[test]
    fn weights_are_the_formula_normalised() {
        let s = (2.0f64 / 0.7).powi(2);
        let expected = [1.0, 3.0].map(|d: f64| (-d / s).exp());
        near(&weights(&Kernel::Scarches { sigma: 0.7 }, false, &[1.0, 3.0]).weights, &expected);
        assert_eq!(weights(&Kernel::Scarches { sigma: 0.0 }, false, &[3.0, 3.0]).weights, [0.5, 0.5]);
    }

    #[test]
    fn a_far_row_does_not_underflow() {
        assert_eq!(weights(&Kernel::Scarches { sigma: 1e3 }, false, &[1e6, 1e6 + 1.0]).weights[0], 1.0);
    }

    #[test]
    fn the_local_form_has_the_deviation_of_each_cell() {
        // np.std([1, 2, 6]) and np.std([0, 1, 2, 6])
        assert!((local_sigma(&[1.0, 2.0, 6.0], false) - 14.0f64.sqrt() / 3f64.sqrt()).abs() < 1e-15);
        assert!((local_sigma(&[1.0, 2.0, 6.0], true) - 5.1875f64.sqrt()).abs() < 1e-15);
        assert_eq!(local_sigma(&[], false), 0.0);
        let s = (2.0 / local_sigma(&[1.0, 2.0, 6.0], false)).powi(2);
        let expected = [1.0, 2.0, 6.0].map(|d: f64| (-d / s).exp());
        near(&weights(&Kernel::ScarchesLocal, false, &[1.0, 2.0, 6.0]).weights, &expected);
        assert_eq!(weights(&Kernel::ScarchesLocal, false, &[2.0, 2.0, f32::NAN]).weights, [0.5, 0.5]);
    }
}
