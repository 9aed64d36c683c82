//! Eigenvalues and eigenvectors of a small symmetric matrix: Householder's tridiagonal form, then QL with implicit shifts (Bowdler, Martin,
//! Reinsch and Wilkinson 1968; `tred2` and `tql2` of EISPACK).
//!
//! It is here, and no library is, because those choose their instructions by the machine, and then so do the last bits. Matrices are of some
//! hundred rows, so it is never what takes the time.

/// Values in descending order, and the vector of each.
#[derive(Debug)]
pub struct Eigen {
    /// The values.
    pub values: Vec<f64>,
    /// One vector behind another.
    pub vectors: Vec<f64>,
}

impl Eigen {
    /// The vector of a value.
    pub fn vector(&self, number: usize) -> &[f64] {
        let n = self.values.len();
        &self.vectors[number * n..(number + 1) * n]
    }
}

/// Decomposes a symmetric matrix of `n` rows, which is taken as scratch; either triangle may be used. It needs twice its bytes.
pub fn eigen(matrix: Vec<f64>, n: usize) -> Eigen {
    let Ok(found) = eigen_while(matrix, n, &|| Ok::<_, std::convert::Infallible>(()));
    found
}

/// The same for a caller who may have to stop: `check` is asked for each row whether to go on.
pub fn eigen_while<E>(matrix: Vec<f64>, n: usize, check: &dyn Fn() -> Result<(), E>) -> Result<Eigen, E> {
    debug_assert_eq!(matrix.len(), n * n);
    if n == 0 {
        return Ok(Eigen { values: Vec::new(), vectors: Vec::new() });
    }
    let mut work = Work { n, v: matrix, d: vec![0.0; n], e: vec![0.0; n] };
    work.reduce(check)?;
    work.accumulate(check)?;
    work.iterate(check)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| work.d[b].total_cmp(&work.d[a]).then(a.cmp(&b)));
    let vectors = order.iter().flat_map(|&at| work.v[at * n..(at + 1) * n].iter().copied()).collect();
    Ok(Eigen { values: order.iter().map(|&at| work.d[at]).collect(), vectors })
}

/// The matrix on its way, column by column; its diagonal and the one beside that.
struct Work {
    n: usize,
    v: Vec<f64>,
    d: Vec<f64>,
    e: Vec<f64>,
}

impl Work {
    /// Place of an element.
    fn at(&self, row: usize, column: usize) -> usize {
        column * self.n + row
    }

    /// To tridiagonal form, a row at a time from the last.
    fn reduce<E>(&mut self, check: &dyn Fn() -> Result<(), E>) -> Result<(), E> {
        let n = self.n;
        for j in 0..n {
            self.d[j] = self.v[self.at(n - 1, j)];
        }
        for i in (1..n).rev() {
            check()?;
            let scale: f64 = self.d[..i].iter().map(|value| value.abs()).sum();
            let mut h = 0.0;
            if scale == 0.0 {
                self.e[i] = self.d[i - 1];
                for j in 0..i {
                    self.d[j] = self.v[self.at(i - 1, j)];
                    let (row, column) = (self.at(i, j), self.at(j, i));
                    self.v[row] = 0.0;
                    self.v[column] = 0.0;
                }
            } else {
                h = self.reflect(i, scale);
            }
            self.d[i] = h;
        }
        Ok(())
    }

    /// One reflection, which makes row `i` tridiagonal.
    fn reflect(&mut self, i: usize, scale: f64) -> f64 {
        let n = self.n;
        let mut h = 0.0;
        for value in &mut self.d[..i] {
            *value /= scale;
            h += *value * *value;
        }
        let f = self.d[i - 1];
        let g = if f > 0.0 { -h.sqrt() } else { h.sqrt() };
        self.e[i] = scale * g;
        h -= f * g;
        self.d[i - 1] = f - g;
        self.e[..i].fill(0.0);
        for j in 0..i {
            let f = self.d[j];
            let place = self.at(j, i);
            self.v[place] = f;
            let mut g = self.e[j] + self.v[self.at(j, j)] * f;
            let column = &self.v[j * n..j * n + i];
            for ((&value, &d), e) in column[j + 1..].iter().zip(&self.d[j + 1..i]).zip(&mut self.e[j + 1..i]) {
                g += value * d;
                *e += value * f;
            }
            self.e[j] = g;
        }
        let mut f = 0.0;
        for (e, &d) in self.e[..i].iter_mut().zip(&self.d[..i]) {
            *e /= h;
            f += *e * d;
        }
        let share = f / (h + h);
        for (e, &d) in self.e[..i].iter_mut().zip(&self.d[..i]) {
            *e -= share * d;
        }
        for j in 0..i {
            let (f, g) = (self.d[j], self.e[j]);
            let column = &mut self.v[j * n..j * n + i];
            for ((value, &e), &d) in column[j..].iter_mut().zip(&self.e[j..i]).zip(&self.d[j..i]) {
                *value -= f * e + g * d;
            }
            self.d[j] = self.v[self.at(i - 1, j)];
            let place = self.at(i, j);
            self.v[place] = 0.0;
        }
        h
    }

    /// The product of all reflections.
    fn accumulate<E>(&mut self, check: &dyn Fn() -> Result<(), E>) -> Result<(), E> {
        let n = self.n;
        for i in 0..n - 1 {
            check()?;
            let (last, diagonal) = (self.at(n - 1, i), self.at(i, i));
            self.v[last] = self.v[diagonal];
            self.v[diagonal] = 1.0;
            let h = self.d[i + 1];
            let (before, behind) = self.v.split_at_mut((i + 1) * n);
            let reflection = &mut behind[..=i];
            if h != 0.0 {
                for (d, &value) in self.d[..=i].iter_mut().zip(&*reflection) {
                    *d = value / h;
                }
                for column in before.chunks_exact_mut(n) {
                    let column = &mut column[..=i];
                    let g: f64 = reflection.iter().zip(&*column).map(|(a, b)| a * b).sum();
                    column.iter_mut().zip(&self.d[..=i]).for_each(|(value, &d)| *value -= g * d);
                }
            }
            reflection.fill(0.0);
        }
        for j in 0..n {
            let place = self.at(n - 1, j);
            self.d[j] = self.v[place];
            self.v[place] = 0.0;
        }
        let corner = self.at(n - 1, n - 1);
        self.v[corner] = 1.0;
        self.e[0] = 0.0;
        Ok(())
    }

    /// To diagonal form.
    fn iterate<E>(&mut self, check: &dyn Fn() -> Result<(), E>) -> Result<(), E> {
        let n = self.n;
        self.e.rotate_left(1);
        self.e[n - 1] = 0.0;
        let (mut shift, mut largest) = (0.0, 0.0_f64);
        for l in 0..n {
            check()?;
            largest = largest.max(self.d[l].abs() + self.e[l].abs());
            let small = f64::EPSILON * largest;
            let m = (l..n - 1).find(|&m| self.e[m].abs() <= small).unwrap_or(n - 1);
            if m > l {
                // It takes two or three steps; the bound is for numbers that are none.
                for _ in 0..64 {
                    shift += self.step(l, m);
                    if self.e[l].abs() <= small {
                        break;
                    }
                }
            }
            self.d[l] += shift;
            self.e[l] = 0.0;
        }
        Ok(())
    }

    /// One implicit QL step on the rows from `l` to `m`; returns its shift.
    fn step(&mut self, l: usize, m: usize) -> f64 {
        let Self { n, v, d, e } = self;
        let first = d[l];
        let mut p = (d[l + 1] - first) / (2.0 * e[l]);
        let r = if p < 0.0 { -(p * p + 1.0).sqrt() } else { (p * p + 1.0).sqrt() };
        d[l] = e[l] / (p + r);
        d[l + 1] = e[l] * (p + r);
        let (next, h) = (d[l + 1], first - d[l]);
        d[l + 2..].iter_mut().for_each(|value| *value -= h);
        p = d[m];
        let (mut c, mut c2, mut c3, mut s, mut s2) = (1.0, 1.0, 1.0, 0.0, 0.0);
        let beside = e[l + 1];
        for i in (l..m).rev() {
            (c3, c2, s2) = (c2, c, s);
            let (g, along) = (c * e[i], c * p);
            let r = (p * p + e[i] * e[i]).sqrt();
            e[i + 1] = s * r;
            s = e[i] / r;
            c = p / r;
            p = c * d[i] - s * g;
            d[i + 1] = along + s * (c * g + s * d[i]);
            let (left, right) = v[i * *n..(i + 2) * *n].split_at_mut(*n);
            for (a, b) in left.iter_mut().zip(right) {
                let old = *b;
                *b = s * *a + c * old;
                *a = c * *a - s * old;
            }
        }
        p = -s * s2 * c3 * beside * e[l] / next;
        e[l] = s * p;
        d[l] = c * p;
        h
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(matrix: &[f64], n: usize) {
        let found = eigen(matrix.to_vec(), n);
        let largest = found.values.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        for j in 0..n {
            let vector = found.vector(j);
            for i in 0..n {
                let product: f64 = (0..n).map(|k| matrix[i * n + k] * vector[k]).sum();
                assert!((product - found.values[j] * vector[i]).abs() < 1e-12 * largest * n as f64, "{n}: {j}");
            }
            for k in 0..n {
                let product: f64 = vector.iter().zip(found.vector(k)).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(j == k))).abs() < 1e-12 * n as f64, "{n}: {j}, {k}");
            }
        }
        assert!(found.values.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn vectors_are_orthonormal_and_solve_the_matrix() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        for n in [1, 2, 3, 5, 17, 60] {
            let mut matrix = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..=i {
                    matrix[i * n + j] = next();
                    matrix[j * n + i] = matrix[i * n + j];
                }
            }
            check(&matrix, n);
        }
    }

    #[test]
    fn equal_and_missing_values_are_fine() {
        check(&[0.0; 9], 3);
        check(&[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0], 3);
        check(&[1.0; 16], 4);
        assert!(eigen(Vec::new(), 0).values.is_empty());
    }
}
