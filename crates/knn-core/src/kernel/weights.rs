//! Stored neighbours to weights, whatever the kernel.
//!
//! Every directed edge first becomes one f32, which says all that its row knows of it: the distance, or where a kernel looks at the whole
//! row, what that made of it. From this follows the weight, as a factor times e to a negative exponent; a row's least exponent is
//! subtracted from all before `exp`, softmax style, so that no row underflows to zero. `exp` is libm's, the same on every machine.
//!
//! Where weights are symmetrised, the edges that enter a row are there as well, with the f32 that their own row made of them, so both ends of an
//! edge compute one weight from the same two numbers.

use std::sync::Arc;

use rayon::prelude::*;

use super::csr::CsrBlock;
use super::method::Symmetrize;
use super::{adaptive_gauss, gauss, inverse_distance, random, scarches, umap};
use crate::graph::ReverseBlock;
use crate::types::NeighborBlock;

/// Rows that one thread weighs at a time.
const TASK_ROWS: usize = 128;

/// A kernel, and what it weighs by.
#[derive(Debug, Clone, PartialEq)]
pub enum Kernel {
    /// exp(−d² / 2σ²).
    Gauss {
        /// Bandwidth σ, in units of distance.
        sigma: f64,
    },
    /// exp(−d·σ²/4).
    Scarches {
        /// Bandwidth σ, in units of distance.
        sigma: f64,
    },
    /// The same with the σ of each cell.
    ScarchesLocal,
    /// 1 / (d + 1e-8).
    InverseDistance,
    /// 1.
    Equal,
    /// Uniform between 0 and 1.
    Random {
        /// What the numbers follow from, with row and slot.
        seed: u64,
    },
    /// UMAP's fuzzy simplicial set.
    Umap,
    /// √(2σᵢσⱼ/(σᵢ²+σⱼ²)) · exp(−d²/(σᵢ²+σⱼ²)).
    AdaptiveGauss {
        /// Bandwidth of every cell.
        sigmas: Arc<Vec<f32>>,
    },
}

/// The edges that enter rows, and how they are joined with those that leave.
#[derive(Debug, Clone, Copy)]
pub struct Entering<'a> {
    /// The edges; at least those of the rows that are weighed.
    pub edges: &'a ReverseBlock,
    /// How two directions become one.
    pub symmetrize: Symmetrize,
}

/// The factor and the exponent of a weight: factor · exp(−exponent).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Weight {
    factor: f64,
    exponent: f64,
}

/// Weights of a block of rows before they are normalised, and buffers.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    /// Weights times e to the exponent in `shifts`; row-normalised after [`Weights::normalize`].
    pub block: CsrBlock,
    /// What was subtracted from the exponents of each row.
    pub shifts: Vec<f64>,
    values: Vec<f32>,
    exponents: Vec<f64>,
    leaving: Vec<(u64, f32)>,
    pairs: Vec<[Option<Weight>; 2]>,
}

impl Kernel {
    /// What each edge of a row becomes, one f32 each: with `own`, that of the self edge at distance 0 comes first.
    pub fn directed(&self, row: u64, distances: &[f32], own: bool, values: &mut Vec<f32>) {
        values.clear();
        match self {
            Self::Random { seed } => {
                values.extend(own.then(|| random::weight(*seed, row, random::OWN)));
                values.extend((0..distances.len() as u64).map(|slot| random::weight(*seed, row, slot)));
            }
            Self::ScarchesLocal => {
                let sigma = scarches::local_sigma(distances, own);
                values.extend(own.then_some(0.0));
                values.extend(distances.iter().map(|&distance| scarches::exponent(distance, sigma) as f32));
            }
            Self::Umap => umap::strengths(distances, own, values),
            _ => {
                values.extend(own.then_some(0.0));
                values.extend_from_slice(distances);
            }
        }
    }

    /// The weight of an edge between two rows, from what [`Self::directed`] made of it.
    fn weight(&self, value: f32, own: u64, other: u64) -> Weight {
        let of_exponent = |exponent| Weight { factor: 1.0, exponent };
        let of_factor = |factor| Weight { factor, exponent: 0.0 };
        match self {
            Self::Gauss { sigma } => of_exponent(gauss::exponent(value, *sigma)),
            Self::Scarches { sigma } => of_exponent(scarches::exponent(value, *sigma)),
            Self::ScarchesLocal => of_exponent(f64::from(value)),
            Self::InverseDistance => of_factor(inverse_distance::weight(value)),
            Self::Equal => of_factor(1.0),
            Self::Random { .. } | Self::Umap => of_factor(f64::from(value)),
            Self::AdaptiveGauss { sigmas } => {
                let (factor, exponent) = adaptive_gauss::weight(value, sigmas[own as usize], sigmas[other as usize]);
                Weight { factor, exponent }
            }
        }
    }

    /// Fills `weights` with those of the edges that leave a row, neither shifted nor normalised and without a self edge, one for each of its
    /// neighbours. `values` is scratch.
    pub fn raw(&self, row: u64, (ids, distances): (&[i64], &[f32]), values: &mut Vec<f32>, weights: &mut [f64]) {
        self.directed(row, distances, false, values);
        for ((weight, &id), &value) in weights.iter_mut().zip(ids).zip(values.iter()) {
            let Weight { factor, exponent } = self.weight(value, row, id as u64);
            *weight = factor * libm::exp(-exponent);
        }
    }

    /// What the edges of a block become, in rows of `k + 1`: that of a self edge, which rows with neighbours have where there are
    /// `self_edges`, and then those of the neighbours. Places without an edge are 0.
    pub fn carry(&self, neighbors: &NeighborBlock, self_edges: bool, values: &mut Vec<f32>) {
        let width = neighbors.k + 1;
        values.clear();
        values.resize(neighbors.rows() * width, 0.0);
        let rows = values.par_chunks_mut(width).enumerate().with_min_len(TASK_ROWS);
        rows.for_each_init(Vec::new, |of_row, (row, places)| {
            let (ids, distances) = neighbors.row(row);
            let own = self_edges && !ids.is_empty();
            self.directed(neighbors.first_row + row as u64, distances, own, of_row);
            places[usize::from(!own)..][..of_row.len()].copy_from_slice(of_row);
        });
    }

    /// Fills `weights`: of the edges that leave each row, in the order of its neighbours, or with those `entering`, in the order of columns.
    /// Where there are `self_edges` and the row `is_mapped`, it is a neighbour of itself at distance 0, in the first order the first.
    pub fn weigh(
        &self,
        neighbors: &NeighborBlock,
        entering: Option<Entering>,
        self_edges: bool,
        is_mapped: impl Fn(usize) -> bool + Sync,
        weights: &mut Weights,
    ) {
        let tasks: Vec<_> = (0..neighbors.rows()).step_by(TASK_ROWS).collect();
        let of_task = |first: usize| {
            let mut part = Weights::default();
            part.clear(neighbors.first_row + first as u64);
            for row in first..neighbors.rows().min(first + TASK_ROWS) {
                self.weigh_row(neighbors, row, entering, self_edges && is_mapped(row), &mut part);
            }
            part
        };
        let parts: Vec<_> = tasks.into_par_iter().map(of_task).collect();
        weights.clear(neighbors.first_row);
        for part in &parts {
            weights.append(part);
        }
    }

    fn weigh_row(
        &self,
        neighbors: &NeighborBlock,
        row: usize,
        entering: Option<Entering>,
        own: bool,
        weights: &mut Weights,
    ) {
        let (ids, distances) = neighbors.row(row);
        let number = neighbors.first_row + row as u64;
        self.directed(number, distances, own, &mut weights.values);
        let columns = own.then_some(number).into_iter().chain(ids.iter().map(|&id| id as u64));
        let Weights { block, values, exponents, leaving, .. } = &mut *weights;
        if let Some(Entering { edges, symmetrize }) = entering {
            leaving.clear();
            leaving.extend(columns.zip(values.iter().copied()));
            leaving.sort_unstable_by_key(|(column, _)| *column);
            self.pair(number, edges.row(number), weights);
            weights.end_pairs(symmetrize);
            return;
        }
        exponents.clear();
        for (column, &value) in columns.zip(values.iter()) {
            let Weight { factor, exponent } = self.weight(value, number, column);
            block.columns.push(column);
            block.weights.push(factor);
            exponents.push(exponent);
        }
        weights.end_row();
    }

    /// Merges the edges that leave a row with those that enter it; a self edge does both.
    fn pair(&self, row: u64, (sources, values): (&[u64], &[f32]), weights: &mut Weights) {
        let Weights { block, leaving, pairs, .. } = weights;
        pairs.clear();
        let mut entering = sources.iter().copied().zip(values.iter().copied()).peekable();
        let mut push = |column, leaving: Option<f32>, entering: Option<f32>| {
            block.columns.push(column);
            let entering = if column == row { leaving } else { entering };
            // A direction is weighed from the row that it leaves.
            pairs.push([
                leaving.map(|value| self.weight(value, row, column)),
                entering.map(|value| self.weight(value, column, row)),
            ]);
        };
        for &(column, value) in leaving.iter() {
            while let Some((source, entered)) = entering.next_if(|(source, _)| *source < column) {
                push(source, None, Some(entered));
            }
            let both = entering.next_if(|(source, _)| *source == column);
            push(column, Some(value), both.map(|(_, entered)| entered));
        }
        for (source, entered) in entering {
            push(source, None, Some(entered));
        }
    }
}

impl Weights {
    /// Empties the buffers for rows from `first_row` on.
    pub(super) fn clear(&mut self, first_row: u64) {
        self.block.clear(first_row);
        self.shifts.clear();
    }

    /// Appends the rows of another block, which follow.
    fn append(&mut self, part: &Self) {
        let before = self.block.columns.len();
        self.block.columns.extend_from_slice(&part.block.columns);
        self.block.weights.extend_from_slice(&part.block.weights);
        self.block.starts.extend(part.block.starts[1..].iter().map(|end| before + end));
        self.shifts.extend_from_slice(&part.shifts);
    }

    /// Ends a row whose factors were pushed: multiplies them by e to the negative `exponents`, less the least of them.
    fn end_row(&mut self) {
        let Self { block, shifts, exponents, .. } = self;
        let least = exponents.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let start = block.starts.last().copied().unwrap_or(0);
        for (weight, exponent) in block.weights[start..].iter_mut().zip(exponents) {
            *weight *= libm::exp(least - *exponent);
        }
        block.starts.push(block.weights.len());
        shifts.push(least);
    }

    /// Ends a row whose weights were pushed as they are.
    pub(super) fn end_unshifted(&mut self) {
        self.block.starts.push(self.block.weights.len());
        self.shifts.push(0.0);
    }

    /// Ends a row whose columns were pushed, with the weights of both directions in `pairs`.
    fn end_pairs(&mut self, symmetrize: Symmetrize) {
        let Self { block, shifts, pairs, .. } = self;
        let exponents = pairs.iter().flatten().flatten().map(|weight| weight.exponent);
        let least = exponents.reduce(f64::min).unwrap_or(0.0);
        let of = |weight: Option<Weight>| weight.map_or(0.0, |w| w.factor * libm::exp(least - w.exponent));
        // A common factor of both directions is one of their maximum and of their mean; strengths that are united have none.
        let weights = pairs.iter().map(|&[leaving, entering]| symmetrize.combine(of(leaving), of(entering)));
        block.weights.extend(weights);
        block.starts.push(block.weights.len());
        shifts.push(least);
    }

    /// Divides each row by its sum. A row whose weights are all 0 has no neighbours any more.
    pub fn normalize(&mut self) {
        let CsrBlock { starts, columns, weights, .. } = &mut self.block;
        let mut removed = 0;
        for row in 1..starts.len() {
            let (start, end) = (starts[row - 1], starts[row] - removed);
            let of_row = &mut weights[start..end];
            let total: f64 = of_row.iter().sum();
            if total > 0.0 {
                for weight in of_row {
                    *weight /= total;
                }
            } else {
                columns.drain(start..end);
                weights.drain(start..end);
                removed += end - start;
            }
            starts[row] -= removed;
        }
    }

    /// Columns and weights of a row of the block as they are before [`Self::normalize`], not shifted.
    pub fn raw(&self, row: usize) -> impl Iterator<Item = (u64, f64)> {
        let (columns, weights) = self.block.row(row);
        let scale = libm::exp(-self.shifts[row]);
        columns.iter().copied().zip(weights.iter().map(move |weight| weight * scale))
    }

    /// Bytes of a block of `rows` rows with `edges` edges in all, of which a row has `row_edges` at most.
    pub fn bytes(rows: u64, edges: u64, row_edges: u64) -> u64 {
        // Twice, once by the threads that make them.
        edges * 32 + rows * 32 + row_edges * 96
    }
}
