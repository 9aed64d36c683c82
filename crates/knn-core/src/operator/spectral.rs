//! Mᵗ by the eigenvectors of M: what diffusion is where t is large and cells are few.
//!
//! With symmetric weights W and their row sums D, M = D⁻¹W = D^−½ S D^½ where S = D^−½ W D^−½ is symmetric, so Mᵗ = D^−½ V Λᵗ Vᵀ D^½ by the
//! eigenvalues Λ and eigenvectors V of S. All of them are found: by Householder's reduction to three diagonals and the QL algorithm with
//! implicit shifts (Bowdler, Martin, Reinsch, Wilkinson 1968, the procedures tred2 and tql2 of EISPACK), in plain f64, the same on every machine.

use crate::error::{Error, Result};

/// Cells of which all eigenvectors are found at most: beyond this they take longer than steps.
pub const SPECTRAL_CELLS: u64 = 2048;
/// Where row sums differ by more than the square of this, rounding errors of large ones would show in small ones.
const MOST_UNEQUAL: f64 = 1e8;
/// Turns of the QL algorithm for one eigenvalue; two or three are usual.
const MOST_TURNS: usize = 60;

/// The eigenvectors of a mapping matrix.
#[derive(Debug)]
pub struct Spectrum {
    n: usize,
    /// Eigenvalues.
    values: Vec<f64>,
    /// Eigenvector after eigenvector.
    vectors: Vec<f64>,
    /// Square roots of the row sums, the largest of which is 1; 0 for a cell without neighbours.
    roots: Vec<f64>,
}

impl Spectrum {
    /// Of M, n × n and row-major, given the logarithm of each row's sum before it was normalised; −∞ for a row of zeros. M is taken as scratch.
    pub fn of(mut matrix: Vec<f64>, log_sums: &[f64]) -> Result<Self> {
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
        let (values, vectors) = eigenvectors(matrix, n)?;
        Ok(Self { n, values, vectors, roots })
    }

    /// Mᵗ applied to `columns` columns of all cells, row-major, in place; a cell without neighbours becomes 0.
    pub fn apply(&self, t: u64, state: &mut [f64], columns: usize) {
        let n = self.n;
        let powers: Vec<f64> = self.values.iter().map(|&value| power(value, t)).collect();
        let (mut column, mut parts) = (vec![0.0; n], vec![0.0; n]);
        for number in 0..columns {
            let of_column = state.iter().skip(number).step_by(columns);
            for (value, (state, root)) in column.iter_mut().zip(of_column.zip(&self.roots)) {
                *value = state * root;
            }
            for (part, (vector, power)) in parts.iter_mut().zip(self.vectors.chunks_exact(n).zip(&powers)) {
                *part = power * vector.iter().zip(&column).map(|(a, b)| a * b).sum::<f64>();
            }
            column.fill(0.0);
            for (vector, part) in self.vectors.chunks_exact(n).zip(&parts) {
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

    /// Bytes for so many cells, with those of M.
    pub fn bytes(n: u64) -> u64 {
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

/// Eigenvalues and eigenvectors of a symmetric matrix, in no order. `v[i * n + k]` is entry k of column i throughout.
fn eigenvectors(mut v: Vec<f64>, n: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut d, mut e) = (vec![0.0; n], vec![0.0; n]);
    if n > 0 {
        reduce(&mut v, &mut d, &mut e, n);
        turn(&mut v, &mut d, &mut e, n)?;
    }
    Ok((d, v))
}

/// Householder's reduction: diagonal `d`, the one beside it `e`, and the transformations in `v`.
#[expect(clippy::many_single_char_names, reason = "names are those of tred2")]
fn reduce(v: &mut [f64], d: &mut [f64], e: &mut [f64], n: usize) {
    for j in 0..n {
        d[j] = v[j * n + n - 1];
    }
    for i in (1..n).rev() {
        let scale: f64 = d[..i].iter().map(|value| value.abs()).sum();
        let mut h = 0.0;
        if scale == 0.0 {
            e[i] = d[i - 1];
            for j in 0..i {
                d[j] = v[j * n + i - 1];
                v[j * n + i] = 0.0;
                v[i * n + j] = 0.0;
            }
        } else {
            for value in &mut d[..i] {
                *value /= scale;
                h += *value * *value;
            }
            let f = d[i - 1];
            let g = if f > 0.0 { -h.sqrt() } else { h.sqrt() };
            e[i] = scale * g;
            h -= f * g;
            d[i - 1] = f - g;
            e[..i].fill(0.0);
            for j in 0..i {
                let f = d[j];
                v[i * n + j] = f;
                let column = &v[j * n..(j + 1) * n];
                let mut g = e[j] + column[j] * f;
                for k in j + 1..i {
                    g += column[k] * d[k];
                    e[k] += column[k] * f;
                }
                e[j] = g;
            }
            let mut f = 0.0;
            for j in 0..i {
                e[j] /= h;
                f += e[j] * d[j];
            }
            let hh = f / (h + h);
            for j in 0..i {
                e[j] -= hh * d[j];
            }
            for j in 0..i {
                let (f, g) = (d[j], e[j]);
                let column = &mut v[j * n..(j + 1) * n];
                for k in j..i {
                    column[k] -= f * e[k] + g * d[k];
                }
                d[j] = column[i - 1];
                column[i] = 0.0;
            }
        }
        d[i] = h;
    }
    for i in 0..n - 1 {
        v[i * n + n - 1] = v[i * n + i];
        v[i * n + i] = 1.0;
        let h = d[i + 1];
        let (before, next) = v.split_at_mut((i + 1) * n);
        if h != 0.0 {
            for k in 0..=i {
                d[k] = next[k] / h;
            }
            for column in before.chunks_exact_mut(n) {
                let g: f64 = next[..=i].iter().zip(column.iter()).map(|(a, b)| a * b).sum();
                column[..=i].iter_mut().zip(d.iter()).for_each(|(value, d)| *value -= g * d);
            }
        }
        next[..=i].fill(0.0);
    }
    for j in 0..n {
        d[j] = v[j * n + n - 1];
        v[j * n + n - 1] = 0.0;
    }
    v[n * n - 1] = 1.0;
    e[0] = 0.0;
}

/// The QL algorithm: `d` become the eigenvalues and the columns of `v` the eigenvectors.
#[expect(clippy::many_single_char_names, reason = "names are those of tql2")]
fn turn(v: &mut [f64], d: &mut [f64], e: &mut [f64], n: usize) -> Result<()> {
    e.rotate_left(1);
    e[n - 1] = 0.0;
    let (mut shift, mut largest) = (0.0, 0f64);
    for l in 0..n {
        largest = largest.max(d[l].abs() + e[l].abs());
        let small = f64::EPSILON * largest;
        let m = (l..n).find(|&m| e[m].abs() <= small).unwrap_or(n - 1);
        let mut turns = 0;
        loop {
            if m == l {
                break;
            }
            turns += 1;
            if turns > MOST_TURNS {
                return Err(Error::internal("eigenvalues that are not found"));
            }
            let g = d[l];
            let p = (d[l + 1] - g) / (2.0 * e[l]);
            let r = if p < 0.0 { -libm::hypot(p, 1.0) } else { libm::hypot(p, 1.0) };
            d[l] = e[l] / (p + r);
            d[l + 1] = e[l] * (p + r);
            let next = d[l + 1];
            let h = g - d[l];
            d[l + 2..].iter_mut().for_each(|value| *value -= h);
            shift += h;
            let (mut p, mut c, mut s) = (d[m], 1.0, 0.0);
            let (mut c2, mut c3, mut s2) = (c, c, 0.0);
            let beside = e[l + 1];
            for i in (l..m).rev() {
                (c3, c2, s2) = (c2, c, s);
                let (g, h) = (c * e[i], c * p);
                let r = libm::hypot(p, e[i]);
                e[i + 1] = s * r;
                s = e[i] / r;
                c = p / r;
                p = c * d[i] - s * g;
                d[i + 1] = h + s * (c * g + s * d[i]);
                let (left, right) = v[i * n..(i + 2) * n].split_at_mut(n);
                for (left, right) in left.iter_mut().zip(right) {
                    (*left, *right) = (c * *left - s * *right, s * *left + c * *right);
                }
            }
            p = -s * s2 * c3 * beside * e[l] / next;
            e[l] = s * p;
            d[l] = c * p;
            if e[l].abs() <= small {
                break;
            }
        }
        d[l] += shift;
        e[l] = 0.0;
    }
    Ok(())
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
            let spectrum = Spectrum::of(matrix.clone(), &sums).unwrap();
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
    fn eigenvectors_are_orthonormal_and_make_up_the_matrix() {
        let n = 30;
        let matrix = weights(n);
        let (values, vectors) = eigenvectors(matrix.clone(), n).unwrap();
        for i in 0..n {
            for j in 0..n {
                let dot: f64 = (0..n).map(|k| vectors[i * n + k] * vectors[j * n + k]).sum();
                assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12, "{i} {j}: {dot}");
                let entry: f64 = (0..n).map(|k| values[k] * vectors[k * n + i] * vectors[k * n + j]).sum();
                assert!((entry - matrix[i * n + j]).abs() < 1e-10, "{i} {j}");
            }
        }
        assert!(eigenvectors(Vec::new(), 0).unwrap().0.is_empty());
    }

    #[test]
    fn weights_that_differ_too_much_are_refused() {
        let error = Spectrum::of(vec![1.0, 0.0, 0.0, 1.0], &[0.0, -40.0]).unwrap_err();
        assert!(error.code() == "GM_PARAM" && error.to_string().contains("iterative"), "{error}");
    }
}
