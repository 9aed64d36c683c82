//! Presence: how much of the query lies at each reference cell, as sums of unnormalised weights over the query cells.
//!
//! The score of HNOCA-tools (He et al. 2024) as CellMapper computes it: column sums of the weights of all stored edges, gaussian unless another
//! kernel is asked for, over the whole query or over a group of it, then scaled column by column. A reference cell's sum runs over the query in
//! the order of its rows, in f64, so that no block size or thread changes a bit of it.

use rayon::prelude::*;

use crate::kernel::Kernel;
use crate::types::NeighborBlock;

/// Rows that one thread weighs at a time.
const TASK_ROWS: usize = 512;

/// Sums of some columns, each over all reference cells. A column is the whole query, or one group of it.
#[derive(Debug)]
pub struct PresenceSums {
    /// Sums over the whole query; empty where another pass has them.
    overall: Vec<f64>,
    /// One after another, those of the groups from `first_group` on.
    groups: Vec<f64>,
    first_group: usize,
    n_ref: usize,
    weights: Vec<f64>,
}

/// What is done with a column of sums, in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// ln(1 + x).
    pub log: bool,
    /// Clipping to these percentiles of the column, 0 to 100, with linear interpolation as numpy's; none where they are 0 and 100.
    pub percentile: (f64, f64),
    /// To 0 … 1 by the least and largest value; a column of one value is 0.
    pub minmax: bool,
}

impl PresenceSums {
    /// Zeros for `n_ref` reference cells: the whole query's if `overall`, and those of `groups` groups from `first_group` on.
    pub fn new(n_ref: usize, overall: bool, first_group: usize, groups: usize) -> Self {
        Self {
            overall: vec![0.0; if overall { n_ref } else { 0 }],
            groups: vec![0.0; n_ref * groups],
            first_group,
            n_ref,
            weights: Vec::new(),
        }
    }

    /// Adds the edges of a block. `codes` has the group of each of its rows, negative for none; it is empty where there are no groups.
    /// At a σ of 0 every edge weighs 1.
    pub fn add(&mut self, block: &NeighborBlock, codes: &[i32], kernel: &Kernel) {
        let Self { overall, groups, first_group, n_ref, weights } = self;
        weights.clear();
        weights.resize(block.distances.len(), 0.0);
        let rows = weights.par_chunks_mut(block.k.max(1)).enumerate().with_min_len(TASK_ROWS);
        rows.for_each_init(Vec::new, |values, (row, weights)| {
            kernel.raw(block.first_row + row as u64, block.row(row), values, weights);
        });
        let weights = &*weights;
        let edges = |row: usize| {
            let (ids, _) = block.row(row);
            ids.iter().zip(&weights[row * block.k..])
        };
        let whole = || {
            if !overall.is_empty() {
                (0..block.rows()).flat_map(edges).for_each(|(&id, weight)| overall[id as usize] += weight);
            }
        };
        let grouped = || {
            let columns = groups.len() / (*n_ref).max(1);
            for (row, &code) in codes.iter().enumerate() {
                let column = usize::try_from(code).ok().and_then(|code| code.checked_sub(*first_group));
                if let Some(column) = column.filter(|&column| column < columns) {
                    let sums = &mut groups[column * *n_ref..(column + 1) * *n_ref];
                    edges(row).for_each(|(&id, weight)| sums[id as usize] += weight);
                }
            }
        };
        rayon::join(whole, grouped);
    }

    /// The whole query's sums; empty where another pass has them.
    pub fn overall(&mut self) -> &mut [f64] {
        &mut self.overall
    }

    /// The sums of each group of this pass.
    pub fn groups(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.groups.chunks_mut(self.n_ref.max(1))
    }

    /// Bytes of `columns` columns, and of the weights of a block of `rows` rows of `k` neighbours.
    pub fn bytes(n_ref: u64, columns: u64, rows: u64, k: u64) -> u64 {
        n_ref.saturating_mul(columns).saturating_mul(8).saturating_add(rows * k * 8)
    }
}

impl Scaling {
    /// Scales one column. `scratch` takes a copy of it.
    pub fn apply(&self, values: &mut [f64], scratch: &mut Vec<f64>) {
        if values.is_empty() {
            return;
        }
        if self.log {
            for value in values.iter_mut() {
                *value = libm::log1p(*value);
            }
        }
        let (low, high) = self.percentile;
        if (low, high) != (0.0, 100.0) {
            scratch.clear();
            scratch.extend_from_slice(values);
            let (low, high) = (percentile(scratch, low), percentile(scratch, high));
            for value in values.iter_mut() {
                *value = value.clamp(low, high);
            }
        }
        if self.minmax {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let span = most - least;
            for value in values.iter_mut() {
                *value = if span > 0.0 { (*value - least) / span } else { 0.0 };
            }
        }
    }
}

/// The percentile of values, none of them NaN, with numpy's linear interpolation. Changes their order.
fn percentile(values: &mut [f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (values.len() - 1) as f64;
    let below = (place.floor() as usize).min(values.len() - 1);
    let share = place - below as f64;
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    if share >= 0.5 { high - (high - low) * (1.0 - share) } else { low + (high - low) * share }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(ids: &[i64], distances: &[f32], k: usize) -> NeighborBlock {
        NeighborBlock { first_row: 0, k, ids: ids.to_vec(), distances: distances.to_vec() }
    }

    #[test]
    fn sums_are_those_of_the_formula_whole_and_by_group() {
        let edges = block(&[0, 2, 2, 1, 2, -1], &[1.0, 2.0, 0.5, 1.0, 3.0, f32::NAN], 2);
        let weight = |d: f64| (-d * d / 4.5).exp();
        let mut sums = PresenceSums::new(3, true, 0, 2);
        let kernel = Kernel::Gauss { sigma: 1.5 };
        sums.add(&edges, &[1, 0, -1], &kernel);
        let near = |ours: &[f64], theirs: [f64; 3]| ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-14);
        assert!(near(sums.overall(), [weight(1.0), weight(1.0), weight(2.0) + weight(0.5) + weight(3.0)]));
        let groups: Vec<Vec<f64>> = sums.groups().map(|group| group.to_vec()).collect();
        assert!(near(&groups[0], [0.0, weight(1.0), weight(0.5)]));
        assert!(near(&groups[1], [weight(1.0), 0.0, weight(2.0)]));
        let mut later = PresenceSums::new(3, false, 1, 1);
        later.add(&edges, &[1, 0, -1], &kernel);
        assert!(later.overall().is_empty());
        assert_eq!(later.groups().next().unwrap(), groups[1]);
    }

    #[test]
    fn a_bandwidth_of_zero_counts_edges() {
        let mut sums = PresenceSums::new(2, true, 0, 0);
        sums.add(&block(&[1, 0], &[0.0, 0.0], 2), &[], &Kernel::Gauss { sigma: 0.0 });
        assert_eq!(sums.overall(), [1.0, 1.0]);
    }

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], q)
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        for (q, expected) in
            [(0.0, 1.0), (1.0, 1.0), (25.0, 1.75), (50.0, 3.5), (90.0, 6.9), (99.0, 8.79), (100.0, 9.0)]
        {
            assert!((percentile(&mut values.clone(), q) - expected).abs() < 1e-12, "{q}");
        }
        assert_eq!(percentile(&mut [7.0], 40.0), 7.0);
    }

    #[test]
    fn a_column_of_one_value_is_zero_and_nothing_is_done_unasked() {
        let (mut values, mut scratch) = (vec![2.0; 4], Vec::new());
        Scaling { log: false, percentile: (1.0, 99.0), minmax: true }.apply(&mut values, &mut scratch);
        assert_eq!(values, [0.0; 4]);
        let mut values = vec![0.5, 3.0];
        Scaling { log: false, percentile: (0.0, 100.0), minmax: false }.apply(&mut values, &mut scratch);
        assert_eq!(values, [0.5, 3.0]);
        Scaling { log: true, percentile: (0.0, 100.0), minmax: true }.apply(&mut [], &mut scratch);
    }
}
