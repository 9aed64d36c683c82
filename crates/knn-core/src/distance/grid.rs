//! Integer coordinates: rows as the tile computes with them, and how far they may lie from the rows themselves.
//!
//! A row x becomes x̂ = round((x − centre) · scale), i16, with ‖x̂‖² < 2³⁰. Products of such rows and their sums are exact in
//! i32, so the tile has no rounding of its own and every lane computes the same integers. What remains is the grid's step:
//! rounding moves a coordinate by half a step, and the f32 subtraction and product before it by less than a hundredth of one, so
//! ‖(x − centre) − x̂ / scale‖ ≤ 0.51 · √d / scale. By the triangle inequality a distance between two rows on grids is off by
//! at most the sum of their two bounds.
//!
//! References share one scale. A query that lies too far out has an exponent t: it is put on the grid of scale · 2⁻ᵗ.
//!
//! For inner products the centre is the origin, because a product is of rows as they are, and half norms count for nothing. A query has
//! a scale of its own there: any would do, since only values of one query are compared, and the finest that fits is the best.

use super::exact::exact_norm;
use super::metric::Metric;

/// Norm, in steps, of a row as far out as the grid was made for: what is a little farther still fits.
const REACH_STEPS: f64 = 32_000.0;
/// No row of a larger norm is put on a grid: rounding cannot make its integer norm reach 2¹⁵.
const MOST_STEPS: f64 = 32_700.0;
/// No row on a grid is this long, in steps.
pub(super) const LONGEST: f64 = 32_768.0;
/// A scale beyond this would overflow f32 in products of ordinary numbers.
const LARGEST_SCALE: f64 = 1e30;
/// Coordinates that are rounded at once.
const AT_ONCE: usize = 16;
/// Added to and subtracted from a small f32, it rounds to an integer, ties to even; the integer is in its low bits meanwhile.
const ROUNDER: f32 = 12_582_912.0;

/// Where integer coordinates are centred and how fine they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    centre: Vec<f32>,
    scale: f32,
    metric: Metric,
}

impl Grid {
    /// A grid around `centre` on which rows of a norm (after centring) up to `reach` fit. Any centre and reach give the same
    /// neighbours; what does not fit is decided exactly, which is slow.
    pub fn new(centre: Vec<f32>, reach: f64) -> Self {
        let scale = (REACH_STEPS / reach).clamp(f64::from(f32::MIN_POSITIVE), LARGEST_SCALE);
        Self { centre, scale: if scale.is_nan() { 1.0 } else { scale as f32 }, metric: Metric::Euclidean }
    }

    /// The same for a metric. For inner products the centre becomes the origin, and the reach grows by what it was away from there.
    pub fn by(metric: Metric, mut centre: Vec<f32>, mut reach: f64) -> Self {
        if metric.is_product() {
            reach += exact_norm(&centre);
            centre.fill(0.0);
        }
        Self { metric, ..Self::new(centre, reach) }
    }

    /// The reach that suits these norms: the largest, but no more than twice that of all but one in a hundred, so that a few rows far
    /// out do not make the grid coarse for all. They are left in another order.
    pub fn reach(norms: &mut [f64]) -> f64 {
        norms.sort_unstable_by(f64::total_cmp);
        let most = norms.last().copied().unwrap_or(0.0);
        let usual = norms.get(norms.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0.0);
        if usual > 0.0 { most.min(2.0 * usual) } else { most }
    }

    /// What is compared on it.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// What is subtracted from every row.
    pub fn centre(&self) -> &[f32] {
        &self.centre
    }

    /// Columns of a row.
    pub fn dim(&self) -> usize {
        self.centre.len()
    }

    /// Pairs of coordinates of a row; an odd last coordinate has a zero beside it.
    pub fn pairs(&self) -> usize {
        self.centre.len().div_ceil(2)
    }

    /// What of a reference's squared norm counts: half of it, rounded down, or nothing.
    #[inline(always)]
    pub(super) fn half(&self, norm: i32) -> i32 {
        if self.metric.is_product() { 0 } else { norm >> 1 }
    }

    /// Bound of what grids do to a product of a query and a reference, in steps of both: 0.51 · √d · (‖x‖ + ‖q̂‖), where neither norm
    /// reaches 2¹⁵, and far more than f64 does to it.
    pub(super) fn product_error(&self) -> f64 {
        0.51 * (self.dim() as f64).sqrt() * 2.0 * LONGEST * (1.0 + 1e-6)
    }

    /// How far a row may lie from where the grid has it, in the units of the rows, at this exponent.
    pub fn error(&self, exponent: u32) -> f64 {
        0.51 * (self.dim() as f64).sqrt() * power(exponent) / f64::from(self.scale)
    }

    /// Steps per unit.
    pub fn scale(&self) -> f64 {
        f64::from(self.scale)
    }

    /// The norm that a row may have to be put on the grid, in steps.
    #[inline(always)]
    fn most_steps(&self) -> f64 {
        MOST_STEPS - 0.51 * (self.dim() as f64).sqrt()
    }

    /// The square of the row's distance from the centre, in steps of exponent 0; NaN or infinite if a coordinate is.
    #[inline(always)]
    fn squared_steps(&self, row: &[f32]) -> f64 {
        let mut sums = [0f32; 8];
        let (rows, rest) = row.as_chunks::<8>();
        let (centres, centre_rest) = self.centre.as_chunks::<8>();
        for (row, centre) in rows.iter().zip(centres) {
            for lane in 0..8 {
                let steps = (row[lane] - centre[lane]) * self.scale;
                sums[lane] += steps * steps;
            }
        }
        for (value, mean) in rest.iter().zip(centre_rest) {
            let steps = (value - mean) * self.scale;
            sums[0] += steps * steps;
        }
        f64::from(sums.iter().sum::<f32>())
    }

    /// The row in pairs of integers, into `pairs`, and its squared norm. It must fit.
    #[inline(always)]
    fn round(&self, row: &[f32], scale: f32, pairs: &mut [i32]) -> i32 {
        let mut norms = [0; AT_ONCE];
        let (rows, rest) = row.as_chunks::<AT_ONCE>();
        let (centres, centre_rest) = self.centre.as_chunks::<AT_ONCE>();
        let (whole, _) = pairs.as_chunks_mut();
        for ((row, centre), pairs) in rows.iter().zip(centres).zip(whole) {
            round_some(row, centre, scale, &mut norms, pairs);
        }
        // What is left, pair by pair: copied to where sixteen could be read at once, they would wait for the copy.
        let pairs = &mut pairs[rows.len() * AT_ONCE / 2..];
        for ((both, row), centre) in pairs.iter_mut().zip(rest.chunks(2)).zip(centre_rest.chunks(2)) {
            let first = rounded(row[0], centre[0], scale);
            // Beside an odd last coordinate is a zero.
            let second = row.get(1).zip(centre.get(1)).map_or(0, |(&value, &mean)| rounded(value, mean, scale));
            norms[0] += first * first + second * second;
            *both = (first & 0xffff) | (second << 16);
        }
        norms.iter().sum()
    }

    /// Puts a reference on the grid, as pairs of integers. Its squared norm, or why it has none.
    #[inline(always)]
    pub(super) fn reference(&self, row: &[f32], pairs: &mut [i32]) -> Result<i32, Misfit> {
        let most = self.most_steps();
        if self.squared_steps(row) <= most * most {
            return Ok(self.round(row, self.scale, pairs));
        }
        // Finite rows may overflow on the way.
        Err(if row.iter().all(|value| value.is_finite()) { Misfit::Loose } else { Misfit::Invalid })
    }

    /// Puts a query on the finest grid around the origin that holds it: steps per unit, or none if a coordinate is not finite.
    #[inline(always)]
    pub(super) fn product_query(&self, row: &[f32], pairs: &mut [i32]) -> Option<f64> {
        let norm = exact_norm(row);
        if !norm.is_finite() {
            return None;
        }
        let most = REACH_STEPS.min(self.most_steps() - 0.51 * (self.dim() as f64).sqrt());
        // A zero vector is at the origin of any grid.
        let scale = (most / norm).min(LARGEST_SCALE) as f32;
        self.round(row, scale, pairs);
        Some(f64::from(scale))
    }

    /// Puts a query on the grid of the least exponent on which it fits: that exponent and its squared norm.
    #[inline(always)]
    pub(super) fn query(&self, row: &[f32], pairs: &mut [i32]) -> Result<(u32, i32), Misfit> {
        let (squared, most) = (self.squared_steps(row), self.most_steps());
        if squared <= most * most {
            return Ok((0, self.round(row, self.scale, pairs)));
        }
        if squared.is_finite() {
            let steps = squared.sqrt();
            let exponent = (steps / most).log2().ceil().max(0.0) as u32;
            // One more where rounding of the logarithm deceived.
            let exponent = exponent + u32::from(steps > most * power(exponent));
            return Ok((exponent, self.round(row, self.scale / power(exponent) as f32, pairs)));
        }
        Err(if row.iter().all(|value| value.is_finite()) { Misfit::Loose } else { Misfit::Invalid })
    }
}

/// A coordinate on the grid.
#[inline(always)]
fn rounded(value: f32, mean: f32, scale: f32) -> i32 {
    (((value - mean) * scale + ROUNDER).to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32)
}

/// Some coordinates in pairs of integers; their squares are added to `norms`. A function and no closure, which would be compiled without the
/// lane's instructions.
#[inline(always)]
fn round_some(
    row: &[f32; AT_ONCE],
    centre: &[f32; AT_ONCE],
    scale: f32,
    norms: &mut [i32; AT_ONCE],
    pairs: &mut [i32; AT_ONCE / 2],
) {
    let mut whole = [0i32; AT_ONCE];
    for lane in 0..AT_ONCE {
        whole[lane] = rounded(row[lane], centre[lane], scale);
        norms[lane] += whole[lane] * whole[lane];
    }
    for (pair, both) in pairs.iter_mut().enumerate() {
        *both = (whole[2 * pair] & 0xffff) | (whole[2 * pair + 1] << 16);
    }
}

/// Why a row is not on a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A coordinate is NaN or infinite.
    Invalid,
    /// Too far out: it is decided exactly.
    Loose,
}

/// 2^exponent, which is below 1024.
#[inline(always)]
pub(super) fn power(exponent: u32) -> f64 {
    f64::from_bits(u64::from(1023 + exponent) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Distance between a row and where the grid has it.
    fn moved(grid: &Grid, row: &[f32], pairs: &[i32], exponent: u32) -> f64 {
        let whole = |i: usize| if i.is_multiple_of(2) { pairs[i / 2] as i16 } else { (pairs[i / 2] >> 16) as i16 };
        let step = power(exponent) / grid.scale();
        let off = |i: usize| f64::from(row[i]) - f64::from(grid.centre[i]) - f64::from(whole(i)) * step;
        (0..row.len()).map(|i| off(i).powi(2)).sum::<f64>().sqrt()
    }

    proptest! {
        #[test]
        fn no_row_lies_farther_from_the_grid_than_the_bound(
            row in prop::collection::vec(-1e3f32..1e3, 1..80), shift in -1e6f32..1e6, reach in 1e-3f64..1e5, factor in 1e-3f32..1e3,
        ) {
            let row: Vec<f32> = row.iter().map(|value| value * factor + shift).collect();
            let grid = Grid::new(vec![shift; row.len()], reach);
            let mut pairs = vec![0; grid.pairs()];
            if let Ok(norm) = grid.reference(&row, &mut pairs) {
                prop_assert!(norm < 1 << 30);
                prop_assert!(moved(&grid, &row, &pairs, 0) <= grid.error(0));
            }
            let (exponent, norm) = grid.query(&row, &mut pairs).unwrap();
            prop_assert!(norm < 1 << 30);
            prop_assert!(moved(&grid, &row, &pairs, exponent) <= grid.error(exponent));
        }
    }

    #[test]
    fn rows_that_do_not_fit_say_why() {
        let grid = Grid::new(vec![0.0; 2], 1.0);
        assert_eq!(grid.reference(&[0.0, f32::NAN], &mut [0]), Err(Misfit::Invalid));
        assert_eq!(grid.reference(&[0.0, f32::INFINITY], &mut [0]), Err(Misfit::Invalid));
        assert_eq!(grid.reference(&[0.0, 2.0], &mut [0]), Err(Misfit::Loose));
        assert_eq!(grid.query(&[0.0, f32::MAX], &mut [0]), Err(Misfit::Loose));
        assert_eq!(grid.query(&[0.0, 2.0], &mut [0]).unwrap().0, 1);
    }

    #[test]
    fn a_few_rows_far_out_do_not_make_the_grid_coarse() {
        let mut norms: Vec<f64> = (0..1000).map(|i| if i == 7 { 1e6 } else { 1.0 }).collect();
        assert_eq!(Grid::reach(&mut norms), 2.0);
        assert_eq!(Grid::reach(&mut [1.0, 1.5]), 1.5);
        assert_eq!(Grid::reach(&mut []), 0.0);
        assert!(Grid::new(vec![1.0], 0.0).scale().is_finite());
    }
}
