//! One step of diffusion: rows of the mapping matrix M applied to a state of some columns, which is the result of the step before.
//!
//! Diffusion is Mᵗ x, as t applications of M to the data (van Dijk et al. 2018, MAGIC); M is never squared, because its powers fill up. A row's
//! sum runs over its neighbours by ascending number, in f64, so that a state may be shown in bands of rows: whatever the bands, the same terms are added
//! in the same order.

use rayon::prelude::*;

use crate::kernel::CsrBlock;
use crate::types::RowRange;

/// A number of a state.
pub trait StateNumber: bytemuck::Pod + Send + Sync {
    /// What a row without neighbours has: it adds nothing to sums that are divided by their weight, and is missing in others.
    const NOTHING: Self;
    /// The nearest there is.
    fn of(value: f64) -> Self;
    /// The same number.
    fn wide(self) -> f64;
}

/// Sums that labels and numbers are made of: integers beyond 2^24 survive.
impl StateNumber for f64 {
    const NOTHING: Self = 0.0;

    fn of(value: f64) -> Self {
        value
    }

    fn wide(self) -> f64 {
        self
    }
}

/// Coordinates and expression, which are f32 before and after: a step rounds them by 6e-8.
impl StateNumber for f32 {
    const NOTHING: Self = f32::NAN;

    fn of(value: f64) -> Self {
        value as f32
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }
}

/// Some rows of a state.
#[derive(Debug)]
pub struct Band<'a, T> {
    /// The rows.
    pub rows: RowRange,
    /// Columns.
    pub width: usize,
    /// `rows × width` values, row-major.
    pub values: &'a [T],
}

/// Adds to each row of `sums`, `block.rows() × width` of them, the terms that lie in a band. Columns of the block ascend within a row.
pub fn diffuse<T: StateNumber>(block: &CsrBlock, band: &Band<'_, T>, sums: &mut [f64]) {
    let Band { rows, width, values } = *band;
    if width == 0 {
        return;
    }
    sums.par_chunks_mut(width).with_min_len(64).enumerate().for_each(|(row, sums)| {
        let (columns, weights) = block.row(row);
        let first = columns.partition_point(|&column| column < rows.start);
        let last = columns.partition_point(|&column| column < rows.end);
        for (&column, &weight) in columns[first..last].iter().zip(&weights[first..last]) {
            let place = (column - rows.start) as usize * width;
            let terms = sums.iter_mut().zip(&values[place..place + width]);
            terms.for_each(|(sum, value)| *sum += weight * value.wide());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> CsrBlock {
        let (starts, columns) = (vec![0, 3, 5, 5], vec![0, 1, 3, 1, 2]);
        CsrBlock { first_row: 0, starts, columns, weights: vec![0.5, 0.3, 0.2, 0.25, 0.75] }
    }

    #[test]
    fn bands_of_rows_change_no_bit() {
        let values: Vec<f64> = (0..8).map(|place| f64::from(place) / 3.0).collect();
        let mut whole = vec![0.0; 6];
        diffuse(&block(), &Band { rows: RowRange::new(0, 4), width: 2, values: &values }, &mut whole);
        assert!((whole[1] - (0.5 / 3.0 + 0.3 + 0.2 * 7.0 / 3.0)).abs() < 1e-15);
        assert_eq!(whole[4..], [0.0, 0.0]);
        for cut in 1..4 {
            let mut sums = vec![0.0; 6];
            for rows in [RowRange::new(0, cut), RowRange::new(cut, 4)] {
                let values = &values[rows.start as usize * 2..rows.end as usize * 2];
                diffuse(&block(), &Band { rows, width: 2, values }, &mut sums);
            }
            assert_eq!(sums, whole, "{cut}");
        }
    }

    #[test]
    fn numbers_of_both_widths_are_told_apart_by_what_a_row_without_neighbours_has() {
        assert!(<f32 as StateNumber>::NOTHING.is_nan());
        assert_eq!((<f64 as StateNumber>::NOTHING, f32::of(0.1).wide()), (0.0, f64::from(0.1f32)));
    }
}
