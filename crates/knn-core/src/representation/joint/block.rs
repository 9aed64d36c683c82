//! Tall matrices of f64, row by row: one row for each gene, and some dozens of columns.
//!
//! Sums over rows are partial sums of fixed granules, combined in order, so that the number of threads changes no bit.

use rayon::prelude::*;

/// Rows of one partial sum.
const GRANULE: usize = 512;

/// `aᵀ b`, row by row: `a` has `wide` columns and `b` `columns`.
pub(super) fn inner(a: &[f64], wide: usize, b: &[f64], columns: usize) -> Vec<f64> {
    let mut product = vec![0.0; wide * columns];
    if wide == 0 || columns == 0 {
        return product;
    }
    let granules = a.par_chunks(GRANULE * wide).zip(b.par_chunks(GRANULE * columns));
    let partial: Vec<Vec<f64>> = granules
        .map(|(a, b)| {
            let mut sums = vec![0.0; wide * columns];
            for (a, b) in a.chunks_exact(wide).zip(b.chunks_exact(columns)) {
                for (&a, sums) in a.iter().zip(sums.chunks_exact_mut(columns)) {
                    sums.iter_mut().zip(b).for_each(|(sum, &b)| *sum += a * b);
                }
            }
            sums
        })
        .collect();
    for sums in partial {
        product.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
    }
    product
}

/// Adds `sign · a h` to `to`: `a` has `wide` columns, `to` and `h` have `columns`.
pub(super) fn add_product(to: &mut [f64], columns: usize, a: &[f64], wide: usize, h: &[f64], sign: f64) {
    if wide == 0 || columns == 0 {
        return;
    }
    to.par_chunks_mut(columns).zip(a.par_chunks(wide)).with_min_len(64).for_each(|(to, a)| {
        for (&a, h) in a.iter().zip(h.chunks_exact(columns)) {
            let a = sign * a;
            to.iter_mut().zip(h).for_each(|(to, &h)| *to += a * h);
        }
    });
}

/// `a h`.
pub(super) fn product(a: &[f64], wide: usize, h: &[f64], columns: usize) -> Vec<f64> {
    let mut result = vec![0.0; a.len() / wide.max(1) * columns];
    add_product(&mut result, columns, a, wide, h, 1.0);
    result
}

/// A square matrix of `size` rows times a tall one of `columns`.
pub(super) fn square_product(matrix: &[f64], size: usize, tall: &[f64], columns: usize) -> Vec<f64> {
    let mut result = vec![0.0; size * columns];
    if columns > 0 {
        matrix.par_chunks(size).zip(result.par_chunks_mut(columns)).for_each(|(row, result)| {
            for (&value, tall) in row.iter().zip(tall.chunks_exact(columns)) {
                result.iter_mut().zip(tall).for_each(|(result, &tall)| *result += value * tall);
            }
        });
    }
    result
}

/// Euclidean length of each column.
pub(super) fn squared_lengths(a: &[f64], b: &[f64], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for (a, b) in a.chunks_exact(columns.max(1)).zip(b.chunks_exact(columns.max(1))) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums
}

/// Numbers from −1 to 1 that look random and depend on `seed` alone (splitmix64: Steele, Lea and Flood 2014).
pub(super) fn random(values: usize, seed: u64) -> Vec<f64> {
    let mut state = seed ^ 0x6a09_e667_f3bc_c908;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..values).map(|_| next()).collect()
}
