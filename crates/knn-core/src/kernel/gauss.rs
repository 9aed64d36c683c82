//! The gaussian kernel, CellMapper's default for cross-mapping: w = exp(−d² / 2σ²).
//!
//! σ is the mean of all valid distances of the whole query (CellMapper 0.2.6), so it is known only once the graph is complete.

use super::csr::CsrBlock;
use crate::types::NeighborBlock;

/// Parameters of [`gauss`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauss {
    /// Bandwidth σ, in units of distance. At 0 (all distances are 0) the weights are equal.
    pub sigma: f64,
    /// Whether each mapped row also votes for itself, at distance 0 (self-mapping).
    pub self_edges: bool,
}

/// Fills `block` with the weights of `neighbors`. `is_mapped` tells which rows are valid cells: only those get a self edge.
///
/// The row's smallest exponent is subtracted before `exp`, so that no row underflows to zero; `exp` is libm's, the same on every
/// machine.
pub fn gauss(neighbors: &NeighborBlock, parameters: Gauss, is_mapped: impl Fn(usize) -> bool, block: &mut CsrBlock) {
    block.clear(neighbors.first_row);
    let scale = if parameters.sigma > 0.0 { 0.5 / (parameters.sigma * parameters.sigma) } else { 0.0 };
    let exponent = |distance: f32| f64::from(distance) * f64::from(distance) * scale;
    for row in 0..neighbors.rows() {
        let (ids, distances) = neighbors.row(row);
        let own = parameters.self_edges && is_mapped(row);
        // Distances ascend, so the first is the smallest exponent; a self edge is at 0.
        let least = if own { 0.0 } else { distances.first().map_or(0.0, |&d| exponent(d)) };
        let start = block.weights.len();
        if own {
            block.columns.push(neighbors.first_row + row as u64);
            block.weights.push(1.0);
        }
        block.columns.extend(ids.iter().map(|&id| id as u64));
        block.weights.extend(distances.iter().map(|&d| libm::exp(least - exponent(d))));
        let total: f64 = block.weights[start..].iter().sum();
        block.weights[start..].iter_mut().for_each(|weight| *weight /= total);
        block.starts.push(block.weights.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbors(distances: &[f32], k: usize) -> NeighborBlock {
        let ids = distances.iter().enumerate().map(|(i, d)| if d.is_nan() { -1 } else { 100 + i as i64 }).collect();
        NeighborBlock { first_row: 5, k, ids, distances: distances.to_vec() }
    }

    fn weights(distances: &[f32], sigma: f64, self_edges: bool) -> CsrBlock {
        let mut block = CsrBlock::default();
        gauss(&neighbors(distances, distances.len()), Gauss { sigma, self_edges }, |_| true, &mut block);
        block
    }

    #[test]
    fn weights_are_the_formula_normalised() {
        let block = weights(&[1.0, 2.0], 1.5, false);
        let (near, far) = ((-1.0f64 / 4.5).exp(), (-4.0f64 / 4.5).exp());
        assert!((block.weights[0] - near / (near + far)).abs() < 1e-15);
        assert!((block.weights.iter().sum::<f64>() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_far_row_does_not_underflow() {
        let block = weights(&[1e6, 1e6 + 1.0], 1e-3, false);
        assert_eq!(block.weights[0], 1.0);
    }

    #[test]
    fn zero_bandwidth_gives_equal_weights() {
        assert_eq!(weights(&[0.0, 0.0], 0.0, false).weights, [0.5, 0.5]);
    }

    #[test]
    fn a_self_edge_comes_first_and_padding_is_left_out() {
        let block = weights(&[0.5, f32::NAN], 1.0, true);
        assert_eq!(block.columns, [5, 100]);
        assert!(block.weights[0] > block.weights[1]);
        let empty = weights(&[f32::NAN, f32::NAN], 1.0, false);
        assert_eq!(empty.row(0), (&[][..], &[][..]));
    }
}
