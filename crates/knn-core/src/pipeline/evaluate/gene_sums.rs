//! Sums over the cells of every gene, of all cells and within each group.
//!
//! Genes are shared out among threads in fixed chunks, and each sees the cells in their order, so neither threads nor blocks change a bit.

use rayon::prelude::*;

use super::gene_cells::Cells;
use crate::operator::{Divergence, PairMoments, TotalExpression};

/// Genes of a chunk: so many values of a row lie side by side.
const CHUNK_GENES: usize = 64;

/// Sums of all genes.
pub(super) struct GeneSums {
    chunks: Vec<Chunk>,
    slots: usize,
}

/// Sums of some genes: all cells in the first slot, then each group, gene by gene in each.
struct Chunk {
    columns: Vec<[u32; 2]>,
    sums: Vec<Sums>,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    moments: PairMoments,
    totals: TotalExpression,
    divergence: Divergence,
}

impl Chunk {
    /// Shows each finite pair to the sums of all cells and of its group.
    fn each(&mut self, cells: &Cells, add: impl Fn(&mut Sums, f32, f32)) {
        let width = self.columns.len();
        for (row, &group) in cells.groups.iter().enumerate() {
            let (original, imputed) = (cells.original.row(row), cells.imputed.row(row));
            let slot = usize::try_from(group).map_or(0, |group| (group + 1) * width);
            for (gene, &[left, right]) in self.columns.iter().enumerate() {
                let (left, right) = (original[left as usize], imputed[right as usize]);
                if left.is_finite() && right.is_finite() {
                    add(&mut self.sums[gene], left, right);
                    if slot > 0 {
                        add(&mut self.sums[slot + gene], left, right);
                    }
                }
            }
        }
    }
}

impl GeneSums {
    /// Of genes in these columns, and so many slots: one more than groups.
    pub(super) fn new(columns: &[[u32; 2]], slots: usize) -> Self {
        let chunk = |columns: &[[u32; 2]]| Chunk {
            columns: columns.to_vec(),
            sums: vec![Sums::default(); columns.len() * slots],
        };
        Self { chunks: columns.chunks(CHUNK_GENES).map(chunk).collect(), slots }
    }

    /// Bytes of the sums.
    pub(super) fn bytes(genes: u64, slots: u64) -> u64 {
        genes.saturating_mul(slots).saturating_mul(size_of::<Sums>() as u64).saturating_add(genes * 16)
    }

    /// Adds cells: the first pass.
    pub(super) fn add(&mut self, cells: &Cells) {
        self.chunks.par_iter_mut().for_each(|chunk| {
            chunk.each(cells, |sums, left, right| {
                sums.moments.add(left, right);
                sums.totals.add(left, right);
            });
        });
    }

    /// Adds the same cells: the second pass.
    pub(super) fn diverge(&mut self, cells: &Cells) {
        self.chunks.par_iter_mut().for_each(|chunk| {
            chunk.each(cells, |sums, left, right| {
                if sums.totals.is_expressed() {
                    sums.divergence.add(left, right, &sums.totals);
                }
            });
        });
    }

    /// Finite pairs of all genes.
    pub(super) fn pairs(&self) -> u64 {
        let of =
            |chunk: &Chunk| -> u64 { chunk.sums[..chunk.columns.len()].iter().map(|sums| sums.moments.cells()).sum() };
        self.chunks.iter().map(of).sum()
    }

    /// Correlations, slot by slot.
    pub(super) fn pearson(&self) -> Vec<Vec<Option<f64>>> {
        self.each(|sums| sums.moments.pearson())
    }

    /// Root mean square errors of z-scores, slot by slot.
    pub(super) fn rmse(&self) -> Vec<Vec<Option<f64>>> {
        self.each(|sums| sums.moments.rmse())
    }

    /// Jensen–Shannon distances, slot by slot.
    pub(super) fn distances(&self) -> Vec<Vec<Option<f64>>> {
        self.each(|sums| sums.totals.is_expressed().then(|| sums.divergence.distance()))
    }

    fn each(&self, value: impl Fn(&Sums) -> Option<f64>) -> Vec<Vec<Option<f64>>> {
        let slot = |slot: usize| {
            let of = |chunk: &Chunk| -> Vec<Option<f64>> {
                let width = chunk.columns.len();
                chunk.sums[slot * width..(slot + 1) * width].iter().map(&value).collect()
            };
            self.chunks.iter().flat_map(of).collect()
        };
        (0..self.slots).map(slot).collect()
    }
}
