//! Components from sums, and the scores of cells.
//!
//! Principal components are the eigenvectors of the covariance of genes over the cells of all stores together, as scikit-learn's `PCA` has
//! them: centred, not scaled, with variances of n − 1 cells, and the sign that makes the loading positive which is largest in size, the first
//! where there are several.
//!
//! Canonical correlations are CellMapper's `compute_fast_cca`: of the centred cells A and B of two stores (each without the mean of its own
//! genes) the singular vectors of A Bᵀ. A vector of cells A a is one of them where Gb Ga a = σ² a, with G the products of genes; its partner
//! is B Ga a / σ. So all that is decomposed has the size of the genes, and Gb Ga is symmetric in the inner product of Ga.

use rayon::prelude::*;

use super::batch::Batch;
use super::block::square_product;
use super::gram::{GramSums, mean};
use super::leading::{Leading, Operator, Wanted, block_columns, bytes, leading};
use super::products::ProductSums;
use crate::error::{Error, Result};

/// Residual of an eigenvector whose matrix is in memory.
const IN_MEMORY: f64 = 1e-10;
/// Residual where each application is a pass over all cells.
const STREAMED: f64 = 1e-6;
/// The share by which an application must let some eigenvalue grow, in memory and by a pass.
const GROWTH: [f64; 2] = [1e-10, 1e-6];
/// Applications in memory at most.
const MOST_APPLICATIONS: usize = 400;
/// Blocks of a basis in memory.
const BLOCKS: usize = 8;
/// Passes over all cells at most, and blocks of a basis: nothing that a pass has found is given up.
const MOST_PASSES: usize = 12;

/// What turns the genes of a cell into its scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// How many there are.
    pub count: usize,
    /// Genes × components, for the cells of each store; one of all where they are the same.
    pub loadings: Vec<Vec<f64>>,
    /// Of principal components the variance of each, of canonical ones the singular value.
    pub values: Vec<f64>,
    /// Variance of all genes together; 0 of canonical ones.
    pub total: f64,
    /// The largest residual of an eigenvector, as a share of its eigenvalue.
    pub residual: f64,
    /// Whether more applications would hardly have changed them.
    pub converged: bool,
    /// Applications of the operator: passes, where it was streamed.
    pub applied: usize,
    scores: Scoring,
}

/// How scores are centred.
#[derive(Debug, Clone, PartialEq)]
enum Scoring {
    /// The scores of the mean of all cells are taken from those of each.
    ByGenes { mean: Vec<f64> },
    /// The mean of a cell is taken from its genes, and its scores are scaled to length 1.
    ByCells { sums: Vec<Vec<f64>> },
}

/// Principal components of sums over `cells` cells.
///
/// `check` is asked again and again whether to go on.
pub fn principal(
    sums: GramSums,
    cells: u64,
    (count, seed): (usize, u64),
    check: &dyn Fn() -> Result<()>,
) -> Result<Components> {
    let of_genes = sums.sums();
    let size = of_genes.len();
    let values = sums.centred_by_genes(cells);
    let total = (0..size).fold(0.0, |sum, gene| sum + values[gene * size + gene]);
    let mut operator = Covariance { size, values, check };
    let found = leading(&mut operator, in_memory(count, seed))?;
    Ok(principal_of(found, &of_genes, total, cells))
}

/// The same where every application is a pass: `pass` adds the rows of all cells to the sums, and is told the number of the pass.
pub fn principal_streamed(
    (genes, cells): (usize, u64),
    count: usize,
    seed: u64,
    pass: &mut dyn FnMut(usize, &mut ProductSums) -> Result<()>,
) -> Result<Components> {
    let mut operator = Streamed { size: genes, cells, pass, passes: 0, sums: Vec::new(), total: 0.0 };
    let wanted = Wanted { count, seed, tolerance: STREAMED, growth: GROWTH[1], most: MOST_PASSES, blocks: MOST_PASSES };
    let found = leading(&mut operator, wanted)?;
    let Streamed { sums, total, .. } = operator;
    Ok(principal_of(found, &sums, total, cells))
}

fn in_memory(count: usize, seed: u64) -> Wanted {
    Wanted { count, seed, tolerance: IN_MEMORY, growth: GROWTH[0], most: MOST_APPLICATIONS, blocks: BLOCKS }
}

fn principal_of(found: Leading, sums: &[f64], total: f64, cells: u64) -> Components {
    let Leading { values, mut vectors, residual, converged, applied, .. } = found;
    let count = values.len();
    flip(&mut [&mut vectors], count);
    let freedom = cells.saturating_sub(1).max(1) as f64;
    let mut mean = vec![0.0; count];
    for (&sum, loadings) in sums.iter().zip(vectors.chunks_exact(count.max(1))) {
        mean.iter_mut().zip(loadings).for_each(|(mean, &loading)| *mean += sum / cells.max(1) as f64 * loading);
    }
    Components {
        count,
        loadings: vec![vectors],
        values: values.into_iter().map(|value| value / freedom).collect(),
        total: total.max(0.0) / freedom,
        residual,
        converged,
        applied,
        scores: Scoring::ByGenes { mean },
    }
}

/// Canonical correlations between the first store and the second. `GM_PARAM` where the data have fewer.
pub fn canonical(sums: GramSums, (count, seed): (usize, u64), check: &dyn Fn() -> Result<()>) -> Result<Components> {
    let size = sums.sums().len();
    let grams: [Vec<f64>; 2] =
        sums.centred_by_cells().try_into().map_err(|_| Error::internal("correlations of other than two stores"))?;
    let mut operator = Correlation { size, grams, check };
    let found = leading(&mut operator, in_memory(count, seed))?;
    let largest = found.values.first().copied().unwrap_or(0.0);
    let rank = found.values.iter().take_while(|&&value| value > 1e-12 * largest && value > 0.0).count();
    if rank < count {
        let reason = format!("the cells of both stores have {rank} directions in common, so at most that");
        return Err(Error::param("nComps", count, reason));
    }
    let mut second = found.vectors;
    let mut first = found.inner.unwrap_or_default();
    for row in first.chunks_exact_mut(count) {
        row.iter_mut().zip(&found.values).for_each(|(loading, value)| *loading /= value.sqrt());
    }
    flip(&mut [&mut second, &mut first], count);
    let sums = [&first, &second].map(|loadings| {
        let mut sums = vec![0.0; count];
        for row in loadings.chunks_exact(count) {
            sums.iter_mut().zip(row).for_each(|(sum, &loading)| *sum += loading);
        }
        sums
    });
    Ok(Components {
        count,
        loadings: vec![first, second],
        values: found.values.iter().map(|value| value.sqrt() / size.saturating_sub(1).max(1) as f64).collect(),
        total: 0.0,
        residual: found.residual,
        converged: found.converged,
        applied: found.applied,
        scores: Scoring::ByCells { sums: sums.into() },
    })
}

/// Bytes of finding components, besides the sums of a Gram matrix.
pub fn solving_bytes(count: u64, genes: u64, is_streamed: bool, has_inner: bool) -> u64 {
    let columns = block_columns(count as usize, genes as usize) as u64;
    let applying = if is_streamed { ProductSums::bytes(genes, columns) } else { 0 };
    let blocks = if is_streamed { MOST_PASSES } else { BLOCKS };
    bytes(count, genes, blocks, has_inner).saturating_add(applying).saturating_add(genes * count * 16)
}

/// Additions of finding components, for an estimate, where cells have so many entries in all.
pub fn additions(count: u64, genes: u64, (cells, entries): (u64, u64), is_streamed: bool) -> f64 {
    let columns = block_columns(count as usize, genes as usize) as f64;
    if is_streamed {
        return entries as f64 * 2.0 * columns * MOST_PASSES as f64;
    }
    let of_cell = entries as f64 / cells.max(1) as f64;
    // Where noise is among the components, as many applications in memory as a block has columns are usual.
    entries as f64 * of_cell / 2.0 + (genes * genes) as f64 * columns * columns
}

/// Gives each column the sign that makes its largest element in size positive, and the same sign in the matrices beside it.
fn flip(matrices: &mut [&mut Vec<f64>], count: usize) {
    let mut best = vec![0.0_f64; count];
    for row in matrices[0].chunks_exact(count.max(1)) {
        for (best, &value) in best.iter_mut().zip(row) {
            if value.abs() > best.abs() {
                *best = value;
            }
        }
    }
    for matrix in matrices {
        for row in matrix.chunks_exact_mut(count.max(1)) {
            row.iter_mut().zip(&best).filter(|(_, best)| **best < 0.0).for_each(|(value, _)| *value = -*value);
        }
    }
}

impl Components {
    /// Share of the variance of all genes that each explains.
    pub fn ratios(&self) -> Vec<f64> {
        self.values.iter().map(|value| if self.total > 0.0 { value / self.total } else { 0.0 }).collect()
    }

    /// Loadings of the cells of a store: genes × components.
    pub fn loadings_of(&self, store: usize) -> &[f64] {
        self.loadings.get(store).or(self.loadings.first()).map_or(&[], Vec::as_slice)
    }
}

/// The scores of cells of one store.
pub struct Scores<'a> {
    components: &'a Components,
    store: usize,
    genes: usize,
}

impl<'a> Scores<'a> {
    /// Of the cells of a store.
    pub fn new(components: &'a Components, store: usize, genes: usize) -> Self {
        Self { components, store, genes }
    }

    /// Fills `out` with the scores of a batch, row by row. Of a cell without any direction canonical ones are NaN.
    pub fn fill(&self, batch: &Batch, out: &mut Vec<f32>) {
        let count = self.components.count;
        let loadings = self.components.loadings_of(self.store);
        out.clear();
        out.resize(batch.rows() * count, 0.0);
        out.par_chunks_mut(count.max(1)).with_min_len(16).enumerate().for_each_init(
            || vec![0.0; count],
            |sums, (row, out)| {
                let (genes, values) = batch.row(row);
                sums.fill(0.0);
                for (&gene, &value) in genes.iter().zip(values) {
                    let (first, value) = (gene as usize * count, f64::from(value));
                    sums.iter_mut().zip(&loadings[first..first + count]).for_each(|(sum, &l)| *sum += value * l);
                }
                let mut scale = 1.0;
                match &self.components.scores {
                    Scoring::ByGenes { mean } => {
                        sums.iter_mut().zip(mean).for_each(|(sum, mean)| *sum -= mean);
                    }
                    Scoring::ByCells { sums: of_loadings } => {
                        let mean = mean(values, self.genes);
                        let of_loadings = &of_loadings[self.store];
                        sums.iter_mut().zip(of_loadings).for_each(|(sum, &of_loading)| *sum -= mean * of_loading);
                        scale = sums.iter().fold(0.0, |all, sum| all + sum * sum).sqrt();
                    }
                }
                out.iter_mut().zip(&*sums).for_each(|(out, &sum)| *out = (sum / scale) as f32);
            },
        );
    }
}

/// The covariance of genes, times the number of cells less one.
struct Covariance<'a> {
    size: usize,
    values: Vec<f64>,
    check: &'a dyn Fn() -> Result<()>,
}

impl Operator for Covariance<'_> {
    fn size(&self) -> usize {
        self.size
    }

    fn apply(&mut self, tall: &[f64], _: &[f64], columns: usize) -> Result<Vec<f64>> {
        (self.check)()?;
        Ok(square_product(&self.values, self.size, tall, columns))
    }
}

/// The same, by passes over the cells.
struct Streamed<'a> {
    size: usize,
    cells: u64,
    pass: &'a mut dyn FnMut(usize, &mut ProductSums) -> Result<()>,
    passes: usize,
    sums: Vec<f64>,
    total: f64,
}

impl Operator for Streamed<'_> {
    fn size(&self) -> usize {
        self.size
    }

    fn apply(&mut self, tall: &[f64], _: &[f64], columns: usize) -> Result<Vec<f64>> {
        let mut sums = ProductSums::new(tall, columns);
        (self.pass)(self.passes, &mut sums)?;
        self.passes += 1;
        let applied = sums.centred(self.cells);
        (self.sums, self.total) = (applied.sums, applied.total);
        Ok(applied.products)
    }
}

/// The products of both stores one after the other, symmetric in those of the second.
struct Correlation<'a> {
    size: usize,
    /// Of the first store and of the second.
    grams: [Vec<f64>; 2],
    check: &'a dyn Fn() -> Result<()>,
}

impl Operator for Correlation<'_> {
    fn size(&self) -> usize {
        self.size
    }

    fn apply(&mut self, _: &[f64], inner: &[f64], columns: usize) -> Result<Vec<f64>> {
        (self.check)()?;
        Ok(square_product(&self.grams[0], self.size, inner, columns))
    }

    fn inner(&self, tall: &[f64], columns: usize) -> Option<Vec<f64>> {
        Some(square_product(&self.grams[1], self.size, tall, columns))
    }
}
