//! The leading eigenvectors of a large symmetric operator that can only be applied: block Lanczos from a random block, with full
//! reorthogonalisation (Golub and Underwood 1977; as a randomised method: Musco and Musco 2015).
//!
//! From the same applications of the operator it gets more than subspace iteration (Halko, Martinsson and Tropp 2011) does, because it keeps
//! the blocks before. The operator may be symmetric in another inner product than the plain one, aᵀ B b, as that of canonical correlations is.

use super::super::symmetric::{Eigen, eigen};
use super::block::{add_product, inner, product, random, squared_lengths};
use crate::error::Result;

/// Columns of a block beyond those that are wanted.
const OVERSAMPLING: usize = 10;
/// Columns of a basis, about: with so many it begins anew from the best.
const BASIS_COLUMNS: usize = 720;
/// What lies below that share of the largest eigenvalue is rounding.
const ROUNDING: f64 = 1e-13;
/// Directions of a block whose squared length is a smaller share of the largest are not told apart from rounding.
const DEPENDENT: f64 = 1e-13;

/// Something that is symmetric and positive in its inner product.
pub(super) trait Operator {
    /// Rows and columns.
    fn size(&self) -> usize;

    /// The operator times a tall matrix of `columns` columns, given also B times it.
    fn apply(&mut self, tall: &[f64], inner: &[f64], columns: usize) -> Result<Vec<f64>>;

    /// B times a tall matrix; none where B is the identity.
    fn inner(&self, _tall: &[f64], _columns: usize) -> Option<Vec<f64>> {
        None
    }
}

/// How many, and how closely.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) count: usize,
    pub(super) seed: u64,
    /// Largest residual, as a share of the eigenvalue.
    pub(super) tolerance: f64,
    /// It also ends when no eigenvalue grows by more than this share of it any more: what is then not told apart lies so close together that one
    /// direction is as good as another. Asked at every application to a first basis, and where a later one ends.
    pub(super) growth: f64,
    /// No more applications than these.
    pub(super) most: usize,
    /// Blocks of a basis, if they are not too wide.
    pub(super) blocks: usize,
}

/// What was found.
pub(super) struct Leading {
    /// In descending order.
    pub(super) values: Vec<f64>,
    /// A tall matrix with a column for each, orthonormal in the inner product.
    pub(super) vectors: Vec<f64>,
    /// B times that; none where B is the identity.
    pub(super) inner: Option<Vec<f64>>,
    /// The largest residual, as a share of its eigenvalue.
    pub(super) residual: f64,
    /// Whether it ended before it might apply no more.
    pub(super) converged: bool,
    /// Applications of the operator.
    pub(super) applied: usize,
}

/// Columns of a block.
pub(super) fn block_columns(count: usize, size: usize) -> usize {
    (count + OVERSAMPLING).min(size)
}

/// Blocks of a basis, where so many are asked for.
fn most_blocks(columns: usize, blocks: usize) -> usize {
    (BASIS_COLUMNS / columns.max(1)).clamp(3, blocks)
}

/// Bytes that finding takes, besides what applying does.
pub(super) fn bytes(count: u64, size: u64, blocks: usize, has_inner: bool) -> u64 {
    let columns = block_columns(count as usize, size as usize) as u64;
    let blocks = most_blocks(columns as usize, blocks) as u64;
    let block = size.saturating_mul(columns).saturating_mul(8);
    let basis = blocks * columns;
    let kept = if has_inner { 2 } else { 1 };
    block.saturating_mul((blocks + 6) * kept).saturating_add(basis * basis * 8 * 4)
}

/// Orthonormal columns.
struct Block {
    columns: usize,
    tall: Vec<f64>,
    inner: Option<Vec<f64>>,
}

impl Block {
    fn inner(&self) -> &[f64] {
        self.inner.as_deref().unwrap_or(&self.tall)
    }
}

/// The operator as the basis sees it: symmetric, and growing by a block at a time.
#[derive(Default)]
struct Projected {
    size: usize,
    values: Vec<f64>,
}

impl Projected {
    /// Adds a block of columns, given by what they are to each block of the basis.
    fn grow(&mut self, parts: &[Vec<f64>], columns: usize) {
        let (old, size) = (self.size, self.size + columns);
        let mut values = vec![0.0; size * size];
        for (row, of_row) in self.values.chunks_exact(old.max(1)).enumerate() {
            values[row * size..row * size + old].copy_from_slice(of_row);
        }
        let new: Vec<f64> = parts.concat();
        for (row, of_row) in new.chunks_exact(columns).enumerate() {
            for (column, &value) in of_row.iter().enumerate() {
                let (row, column) = (row, old + column);
                if row < old {
                    values[row * size + column] = value;
                    values[column * size + row] = value;
                } else {
                    // Both halves of what is symmetric but for rounding.
                    values[row * size + column] += value / 2.0;
                    values[column * size + row] += value / 2.0;
                }
            }
        }
        (self.size, self.values) = (size, values);
    }
}

/// Finds them. There are fewer where the operator is zero on all that is left.
pub(super) fn leading(operator: &mut dyn Operator, wanted: Wanted) -> Result<Leading> {
    let size = operator.size();
    let columns = block_columns(wanted.count, size);
    let mut start = random(size * columns, wanted.seed);
    let mut width = columns;
    let (mut applied, mut before) = (0, Vec::new());
    let mut is_first_basis = true;
    loop {
        let mut basis: Vec<Block> = Vec::new();
        let mut projected = Projected::default();
        let mut block = orthonormal(operator, &basis, start, width, 0.0);
        loop {
            let mut rest = operator.apply(&block.tall, block.inner(), block.columns)?;
            applied += 1;
            width = block.columns;
            basis.push(block);
            let parts: Vec<_> = basis.iter().map(|one| inner(one.inner(), one.columns, &rest, width)).collect();
            projected.grow(&parts, width);
            (0..2).for_each(|_| project_out(&basis, &mut rest, width));
            let ritz = eigen(projected.values.clone(), projected.size);
            let largest = ritz.values.first().copied().unwrap_or(0.0).max(0.0);
            let count = wanted.count.min(ritz.values.len());
            let residuals = residuals(operator, &rest, width, &ritz, count);
            let next = orthonormal(operator, &basis, rest, width, ROUNDING * largest);
            let share = |(residual, value): (&f64, &f64)| residual / value.max(ROUNDING / wanted.tolerance * largest);
            let residual = residuals.iter().zip(&ritz.values).map(share).fold(0.0, f64::max);
            let residual = if largest > 0.0 { residual } else { 0.0 };
            let is_full = basis.len() >= most_blocks(columns, wanted.blocks);
            let mut is_still = false;
            if is_first_basis || is_full {
                let grown = ritz.values[..count]
                    .iter()
                    .zip(&before)
                    .map(|(now, before): (&f64, &f64)| (now - before) / now.max(ROUNDING / wanted.tolerance * largest));
                is_still = before.len() == count && grown.fold(0.0, f64::max) <= wanted.growth;
                before = ritz.values[..count].to_vec();
            }
            let converged = residual <= wanted.tolerance || next.columns == 0 || is_still;
            if converged || applied >= wanted.most {
                let (vectors, inner) = combine(&basis, &ritz, count, size);
                let values = ritz.values[..count].iter().map(|value| value.max(0.0)).collect();
                return Ok(Leading { values, vectors, inner, residual, converged, applied });
            }
            if is_full {
                is_first_basis = false;
                width = columns.min(ritz.values.len());
                start = combine(&basis, &ritz, width, size).0;
                break;
            }
            block = next;
        }
    }
}

/// Length of what an application leaves of each vector outside the basis.
fn residuals(operator: &dyn Operator, rest: &[f64], width: usize, ritz: &Eigen, count: usize) -> Vec<f64> {
    let first = ritz.values.len() - width;
    let mut last = vec![0.0; width * count];
    for number in 0..count {
        for (row, &value) in ritz.vector(number)[first..].iter().enumerate() {
            last[row * count + number] = value;
        }
    }
    let left = product(rest, width, &last, count);
    let with_inner = operator.inner(&left, count);
    let squares = squared_lengths(&left, with_inner.as_deref().unwrap_or(&left), count);
    squares.into_iter().map(|square| square.max(0.0).sqrt()).collect()
}

/// The first vectors of the projected operator as vectors of the operator, and B times them.
fn combine(basis: &[Block], ritz: &Eigen, count: usize, size: usize) -> (Vec<f64>, Option<Vec<f64>>) {
    let mut vectors = vec![0.0; size * count];
    let mut with_inner = basis.iter().any(|block| block.inner.is_some()).then(|| vec![0.0; size * count]);
    let mut first = 0;
    for block in basis {
        let mut share = vec![0.0; block.columns * count];
        for number in 0..count {
            for (row, &value) in ritz.vector(number)[first..first + block.columns].iter().enumerate() {
                share[row * count + number] = value;
            }
        }
        add_product(&mut vectors, count, &block.tall, block.columns, &share, 1.0);
        if let (Some(all), Some(inner)) = (&mut with_inner, &block.inner) {
            add_product(all, count, inner, block.columns, &share, 1.0);
        }
        first += block.columns;
    }
    (vectors, with_inner)
}

/// Takes from a tall matrix what the basis has of it.
fn project_out(basis: &[Block], tall: &mut [f64], columns: usize) {
    for block in basis {
        let share = inner(block.inner(), block.columns, tall, columns);
        add_product(tall, columns, &block.tall, block.columns, &share, -1.0);
    }
}

/// An orthonormal block of the same span outside of the basis, without directions that are shorter than `negligible` or depend on others.
fn orthonormal(operator: &dyn Operator, basis: &[Block], tall: Vec<f64>, columns: usize, negligible: f64) -> Block {
    let (mut tall, mut columns) = (tall, columns);
    // What is short grows, and with it what rounding left of the basis: so twice.
    for round in 0..2 {
        if round > 0 {
            project_out(basis, &mut tall, columns);
        }
        let with_inner = operator.inner(&tall, columns);
        let lengths = eigen(inner(with_inner.as_deref().unwrap_or(&tall), columns, &tall, columns), columns);
        let longest = lengths.values.first().copied().unwrap_or(0.0);
        let least = if round == 0 { (DEPENDENT * longest).max(negligible * negligible) } else { 0.0 };
        let kept = lengths.values.iter().take_while(|&&square| square > least && square.is_finite()).count();
        let mut turn = vec![0.0; columns * kept];
        for number in 0..kept {
            let scale = lengths.values[number].sqrt();
            for (row, &value) in lengths.vector(number).iter().enumerate() {
                turn[row * kept + number] = value / scale;
            }
        }
        tall = product(&tall, columns, &turn, kept);
        columns = kept;
    }
    let inner = operator.inner(&tall, columns);
    Block { columns, tall, inner }
}

#[cfg(test)]
mod tests {
    use super::super::block::square_product;
    use super::*;

    /// A symmetric matrix.
    struct Matrix {
        size: usize,
        values: Vec<f64>,
    }

    impl Operator for Matrix {
        fn size(&self) -> usize {
            self.size
        }

        fn apply(&mut self, tall: &[f64], _: &[f64], columns: usize) -> Result<Vec<f64>> {
            Ok(square_product(&self.values, self.size, tall, columns))
        }
    }

    /// A matrix with these eigenvalues.
    fn with_values(values: &[f64]) -> Matrix {
        let size = values.len();
        let noise = random(size * size, 5);
        let symmetric: Vec<f64> = (0..size * size).map(|at| noise[at] + noise[at % size * size + at / size]).collect();
        let basis = eigen(symmetric.clone(), size);
        let mut all = vec![0.0; size * size];
        for (number, value) in values.iter().enumerate() {
            let vector = basis.vector(number);
            for i in 0..size {
                for j in 0..size {
                    all[i * size + j] += value * vector[i] * vector[j];
                }
            }
        }
        Matrix { size, values: all }
    }

    fn wanted(count: usize) -> Wanted {
        Wanted { count, seed: 3, tolerance: 1e-10, growth: 0.0, most: 200, blocks: 8 }
    }

    #[test]
    fn the_largest_are_found_with_their_vectors() {
        let slow: Vec<f64> = (0..150).map(|i| 1.0 / f64::from(1 + i)).collect();
        let fast: Vec<f64> = (0..120).map(|i| 0.5_f64.powi(i)).collect();
        let few: Vec<f64> = (0..90).map(|i| if i < 4 { 4.0 - f64::from(i) } else { 0.0 }).collect();
        for values in [slow, fast, few, vec![3.0, 2.0], vec![7.0]] {
            let count = 12.min(values.len());
            let mut matrix = with_values(&values);
            let found = leading(&mut matrix, wanted(count)).unwrap();
            assert_eq!(found.values.len(), count);
            for (found, &expected) in found.values.iter().zip(&values) {
                assert!((found - expected).abs() < 1e-11 * values[0], "{found} for {expected}");
            }
            let again = square_product(&matrix.values, matrix.size, &found.vectors, count);
            for (at, (product, vector)) in again.iter().zip(&found.vectors).enumerate() {
                assert!((product - found.values[at % count] * vector).abs() < 1e-9 * values[0]);
            }
            let unit = inner(&found.vectors, count, &found.vectors, count);
            for (at, value) in unit.iter().enumerate() {
                let expected = f64::from(u8::from(at / count == at % count));
                assert!((value - expected).abs() < 1e-12, "{value}");
            }
        }
    }

    #[test]
    fn nothing_has_no_direction_and_stops() {
        let mut matrix = Matrix { size: 30, values: vec![0.0; 900] };
        let found = leading(&mut matrix, wanted(5)).unwrap();
        assert_eq!((found.values, found.applied, found.residual), (vec![0.0; 5], 1, 0.0));
    }

    #[test]
    fn it_ends_when_it_may_apply_no_more() {
        let flat: Vec<f64> = (0..200).map(|i| 1.0 - 1e-4 * f64::from(i)).collect();
        let found = leading(&mut with_values(&flat), Wanted { most: 2, ..wanted(5) }).unwrap();
        assert_eq!((found.applied, found.converged), (2, false));
        assert!(found.residual > 1e-10);
        let found = leading(&mut with_values(&flat), Wanted { growth: 1e-4, most: 30, ..wanted(5) }).unwrap();
        assert!(found.converged && found.residual > 1e-10, "{} {}", found.applied, found.residual);
        assert!(found.values.iter().zip(&flat).all(|(found, value)| (found - value).abs() < 1e-3));
    }
}
