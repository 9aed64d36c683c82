//! The cells times a block, and times their own transpose: one application of the covariance of genes without ever having it, for genes of
//! which the products would not fit.

use rayon::prelude::*;

use super::batch::Batch;
use super::sums::Sums;
use crate::error::Result;

/// Sums of one application.
#[derive(Debug)]
pub struct ProductSums {
    columns: usize,
    /// What is applied to: genes × columns.
    block: Vec<f64>,
    /// Sum over cells of the cell times its product with the block.
    products: Vec<f64>,
    /// Sum, and sum of squares, of each gene.
    sums: Vec<f64>,
    squares: Vec<f64>,
    of_cells: Vec<f64>,
}

impl ProductSums {
    pub(super) fn new(block: &[f64], columns: usize) -> Self {
        let genes = block.len() / columns.max(1);
        Self {
            columns,
            block: block.to_vec(),
            products: vec![0.0; block.len()],
            sums: vec![0.0; genes],
            squares: vec![0.0; genes],
            of_cells: Vec::new(),
        }
    }

    /// Bytes of an application to a block of so many columns.
    pub(super) fn bytes(genes: u64, columns: u64) -> u64 {
        genes.saturating_mul(columns).saturating_mul(16) + genes * 16 + super::MOST_ROWS * columns * 8
    }

    /// The covariance times the block, and `cells` times it.
    pub(super) fn centred(mut self, cells: u64) -> Applied {
        let columns = self.columns;
        let of_sums = super::block::inner(&self.sums, 1, &self.block, columns);
        let cells = cells.max(1) as f64;
        for (products, &sum) in self.products.chunks_exact_mut(columns.max(1)).zip(&self.sums) {
            products.iter_mut().zip(&of_sums).for_each(|(product, &of_sum)| *product -= sum / cells * of_sum);
        }
        let variance = self.sums.iter().zip(&self.squares).map(|(&sum, &square)| square - sum / cells * sum);
        Applied { total: variance.fold(0.0, |all, one| all + one), products: self.products, sums: self.sums }
    }
}

/// One application.
pub(super) struct Applied {
    pub(super) products: Vec<f64>,
    /// Sum of each gene.
    pub(super) sums: Vec<f64>,
    /// Sum of squared deviations of all genes from their means.
    pub(super) total: f64,
}

impl Sums for ProductSums {
    fn add(&mut self, _: usize, batch: &Batch) {
        let Self { columns, block, products, sums, squares, of_cells } = self;
        let columns = *columns;
        of_cells.clear();
        of_cells.resize(batch.rows() * columns, 0.0);
        of_cells.par_chunks_mut(columns).with_min_len(16).enumerate().for_each(|(row, of_cell)| {
            let (genes, values) = batch.row(row);
            for (&gene, &value) in genes.iter().zip(values) {
                let (first, value) = (gene as usize * columns, f64::from(value));
                of_cell.iter_mut().zip(&block[first..first + columns]).for_each(|(sum, &b)| *sum += value * b);
            }
        });
        let of_genes = products.par_chunks_mut(columns).zip(sums).zip(squares);
        of_genes.enumerate().for_each(|(gene, ((products, sum), square))| {
            for &[row, entry] in batch.of_gene(gene) {
                let (first, value) = (row as usize * columns, batch.value(entry));
                let of_cell = &of_cells[first..first + columns];
                products.iter_mut().zip(of_cell).for_each(|(product, &of_cell)| *product += value * of_cell);
                *sum += value;
                *square += value * value;
            }
        });
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut [f64]) -> Result<()>) -> Result<()> {
        visit(&mut self.products)?;
        visit(&mut self.sums)?;
        visit(&mut self.squares)
    }

    fn count(&self) -> u64 {
        (self.products.len() + 2 * self.sums.len()) as u64
    }
}
