//! The gaussian kernel, CellMapper's default for cross-mapping: w = exp(−d² / 2σ²).
//!
//! σ is the mean of all valid distances of the whole query (CellMapper 0.2.6), so it is known only once the graph is complete.

/// The exponent d² / 2σ². At σ = 0, where all distances are 0, it is 0: the weights are equal.
pub(super) fn exponent(distance: f32, sigma: f64) -> f64 {
    let scale = if sigma > 0.0 { 0.5 / (sigma * sigma) } else { 0.0 };
    f64::from(distance) * f64::from(distance) * scale
}

#[cfg(test)]
mod tests {
    use crate::kernel::tests::weights;
    use crate::kernel::{Kernel, Weights};
    use crate::types::NeighborBlock;

    #[test]
    fn weights_are_the_formula_normalised() {
        let block = weights(&Kernel::Gauss { sigma: 1.5 }, false, &[1.0, 2.0]);
        let (near, far) = ((-1.0f64 / 4.5).exp(), (-4.0f64 / 4.5).exp());
        assert!((block.weights[0] - near / (near + far)).abs() < 1e-15);
        assert!((block.weights.iter().sum::<f64>() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_far_row_does_not_underflow() {
        let block = weights(&Kernel::Gauss { sigma: 1e-3 }, false, &[1e6, 1e6 + 1.0]);
        assert_eq!(block.weights[0], 1.0);
    }

    #[test]
    fn zero_bandwidth_gives_equal_weights() {
        assert_eq!(weights(&Kernel::Gauss { sigma: 0.0 }, false, &[0.0, 0.0]).weights, [0.5, 0.5]);
    }

    #[test]
    fn a_self_edge_comes_first_and_padding_is_left_out() {
        let block = weights(&Kernel::Gauss { sigma: 1.0 }, true, &[0.5, f32::NAN]);
        assert_eq!(block.columns, [5, 100]);
        assert!(block.weights[0] > block.weights[1]);
        let empty = weights(&Kernel::Gauss { sigma: 1.0 }, false, &[f32::NAN, f32::NAN]);
        assert_eq!(empty.row(0), (&[][..], &[][..]));
    }

    #[test]
    fn only_mapped_rows_have_a_self_edge() {
        let neighbors = NeighborBlock::empty(2, 1);
        let mut weights = Weights::default();
        Kernel::Gauss { sigma: 1.0 }.weigh(&neighbors, None, true, |row| row == 1, &mut weights);
        weights.normalize();
        assert_eq!(
            (weights.block.starts, weights.block.columns, weights.block.weights),
            (vec![0, 0, 1], vec![1], vec![1.0])
        );
    }
}
