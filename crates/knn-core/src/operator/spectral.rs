//! Mᵗ by the eigenvectors of M: what diffusion is where t is large and cells are few.
//!
//! With symmetric weights W and their row sums D, M = D⁻¹W = D^−½ S D^½ where S = D^−½ W D^−½ is symmetric, so Mᵗ = D^−½ V Λᵗ Vᵀ D^½ by the
//! eigenvalues Λ and eigenvectors V of S, all of which are found.

use crate::error::{Error, Result};
use crate::representation::{Eigen, eigen_while};

/// Cells of which all eigenvectors are found at most: beyond this they take longer than steps.
pub const SPECTRAL_CELLS: u64 = 2048;
/// Where row sums differ by more than the square of this, rounding errors of large ones would show in small ones.
const MOST_UNEQUAL: f64 = 1e8;

/// The eigenvectors of a mapping matrix.
#[derive(Debug)]
pub struct Spectrum {
    n: usize,
    eigen: Eigen,
    /// Square roots of the row sums, the largest of which is 1; 0 for a cell without neighbours.
    roots: Vec<f64>,
}

impl Spectrum {
    /// Of M, n × n and row-major, given the logarithm of each row's sum before it was normalised; −∞ for a row of zeros. M is taken as scratch.
    /// `check` is asked again and again whether to go on.
    pub fn of(mut matrix: Vec<f64>, log_sums: &[f64], check: &dyn Fn() -> Result<()>) -> Result<Self> {
        let n = log_sums.len();
        let finite = || log_sums.iter().copied().filter(|sum| sum.is_finite());
        let most = finite().fold(f64::NEG_INFINITY, f64::max);
        let least = finite().fold(f64::INFINITY, f64::min);
        if (most - least) / 2.0 > libm::log(MOST_UNEQUAL) {
            let reason = "weights of the cells differ too much for eigenvectors: take iterative";
            return Err(Error::param("diffusionMethod", "spectral", reason));
        }
        let roots: Vec<f64> = log_sums.iter().map(|&sum| libm::exp((sum - most) / 2.0)).collect();
        // Both directions of a weight are one number but for rounding, so S is their geometric mean.
        for row in 0..n {
            for column in 0..row {
                let mean = (matrix[row * n + column] * matrix[column * n + row]).sqrt();
                (matrix[row * n + column], matrix[column * n + row]) = (mean, mean);
            }
        }
        Ok(Self { n, eigen: eigen_while(matrix, n, check)?, roots })
    }

    /// Mᵗ applied to `columns` columns of all cells, row-major, in place; a cell without neighbours becomes 0.
    pub fn apply(&self, t: u64, state: &mut [f64], columns: usize) {
        let n = self.n;
        let powers: Vec<f64> = self.eigen.values.iter().map(|&value| power(value, t)).collect();
        let (mut column, mut parts) = (vec![0.0; n], vec![0.0; n]);
        for number in 0..columns {
            let of_column = state.iter().skip(number).step_by(columns);
            for (value, (state, root)) in column.iter_mut().zip(of_column.zip(&self.roots)) {
                *value = state * root;
            }
            for (part, (vector, power)) in parts.iter_mut().zip(self.eigen.vectors.chunks_exact(n).zip(&powers)) {
                *part = power * vector.iter().zip(&column).map(|(a, b)| a * b).sum::<f64>();
            }
            column.fill(0.0);
            for (vector, part) in self.eigen.vectors.chunks_exact(n).zip(&parts) {
                column.iter_mut().zip(vector).for_each(|(sum, value)| *sum += part * value);
            }
            let of_column = state.iter_mut().skip(number).step_by(columns);
            for (state, (value, &root)) in of_column.zip(column.iter().zip(&self.roots)) {
                *state = if root > 0.0 { value / root } else { 0.0 };
            }
        }
    }

    /// Whether a cell has no neighbours.
    pub fn is_alone(&self, cell: usize) -> bool {
        self.roots[cell] <= 0.0
    }

    /// Bytes of finding those of so many cells, M with them.
    pub fn bytes(n: u64) -> u64 {
        2 * n * n * 8 + n * 64
    }

    /// Bytes once they are found.
    pub fn held_bytes(n: u64) -> u64 {
        n * n * 8 + n * 64
    }
}

/// `value` to the power of `t`, by squaring.
fn power(value: f64, mut t: u64) -> f64 {
    let (mut base, mut result) = (value, 1.0);
    while t > 0 {
        if t & 1 == 1 {
            result *= base;
        }
        base *= base;
        t >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symmetric weights of n cells, some of them 0, of which the one before the last has none at all.
    fn weights(n: usize) -> Vec<f64> {
        let mut weights = vec![0.0; n * n];
        for row in 0..n {
            for column in 0..=row {
                let mixed = (row * 7919 + column * 104_729) % 97;
                let weight = if mixed > 40 || row == n - 2 || column == n - 2 { 0.0 } else { 0.01 + mixed as f64 };
                (weights[row * n + column], weights[column * n + row]) = (weight, weight);
            }
            if row != n - 2 {
                weights[row * n + row] = 1.0;
            }
        }
        weights
    }

    fn normalised(mut weights: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
        let mut sums = Vec::new();
        for row in weights.chunks_exact_mut(n) {
            let sum: f64 = row.iter().sum();
            sums.push(libm::log(sum));
            row.iter_mut().filter(|_| sum > 0.0).for_each(|weight| *weight /= sum);
        }
        (weights, sums)
    }

    #[test]
    fn eigenvectors_do_what_steps_do() {
        for n in [2, 3, 5, 40] {
            let (matrix, sums) = normalised(weights(n), n);
            let spectrum = Spectrum::of(matrix.clone(), &sums, &|| Ok(())).unwrap();
            for t in [1, 2, 3, 10] {
                let mut state: Vec<f64> = (0..2 * n).map(|place| (place * place % 31) as f64 - 9.0).collect();
                let mut expected = state.clone();
                for _ in 0..t {
                    let step = |row: usize, column: usize| {
                        (0..n).map(|other| matrix[row * n + other] * expected[other * 2 + column]).sum::<f64>()
                    };
                    expected = (0..2 * n).map(|place| step(place / 2, place % 2)).collect();
                }
                spectrum.apply(t, &mut state, 2);
                for (found, expected) in state.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-9, "{n} cells, {t} steps: {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn weights_that_differ_too_much_are_refused() {
        let error = Spectrum::of(vec![1.0, 0.0, 0.0, 1.0], &[0.0, -40.0], &|| Ok(())).unwrap_err();
        assert!(error.code() == "GM_PARAM" && error.to_string().contains("iterative"), "{error}");
    }

    #[test]
    fn whoever_is_to_stop_stops() {
        let (matrix, sums) = normalised(weights(5), 5);
        let asked = std::cell::Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            if asked.get() > 3 { Err(Error::internal("stop")) } else { Ok(()) }
        };
        assert!(Spectrum::of(matrix, &sums, &stop).is_err());
        assert_eq!(asked.get(), 4);
    }
}
