//! Weighted mean and standard deviation of numbers.

use rayon::prelude::*;

use crate::kernel::CsrBlock;

/// Results for a block of rows; NaN where no neighbour has a value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NumberMeans {
    /// Σ w·x over the neighbours that have a value, renormalised.
    pub means: Vec<f64>,
    /// √(Σ w·(x − mean)²), of the same neighbours.
    pub deviations: Vec<f64>,
}

/// Transfers one number per reference row (NaN: missing) to every row of `block`.
pub fn transfer_numbers(numbers: &[f64], block: &CsrBlock, results: &mut NumberMeans) {
    let rows = block.rows();
    results.means.resize(rows, 0.0);
    results.deviations.resize(rows, 0.0);
    let pairs = results.means.par_iter_mut().zip(results.deviations.par_iter_mut()).with_min_len(256);
    pairs.enumerate().for_each(|(row, (mean, deviation))| {
        let (columns, weights) = block.row(row);
        let known = || {
            let values = columns.iter().map(|&column| numbers[column as usize]);
            values.zip(weights).filter(|(value, _)| !value.is_nan())
        };
        let total: f64 = known().map(|(_, weight)| weight).sum();
        if total > 0.0 {
            *mean = known().map(|(value, weight)| value * weight).sum::<f64>() / total;
            let centre = *mean;
            let squares: f64 = known().map(|(value, weight)| weight * (value - centre) * (value - centre)).sum();
            *deviation = (squares / total).sqrt();
        } else {
            (*mean, *deviation) = (f64::NAN, f64::NAN);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_leave_out_what_is_missing() {
        let block = CsrBlock {
            first_row: 0,
            starts: vec![0, 3, 4, 4],
            columns: vec![0, 1, 2, 2],
            weights: vec![0.5, 0.25, 0.25, 1.0],
        };
        let mut results = NumberMeans::default();
        transfer_numbers(&[1.0, 4.0, f64::NAN], &block, &mut results);
        assert_eq!(results.means[0], 2.0);
        assert!((results.deviations[0] - 2f64.sqrt()).abs() < 1e-15);
        assert!(results.means[1].is_nan() && results.means[2].is_nan());
    }

    #[test]
    fn integers_beyond_f32_survive() {
        let block = CsrBlock { first_row: 0, starts: vec![0, 1], columns: vec![0], weights: vec![1.0] };
        let mut results = NumberMeans::default();
        transfer_numbers(&[16_777_217.0], &block, &mut results);
        assert_eq!(results.means, [16_777_217.0]);
    }
}
