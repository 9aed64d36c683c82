//! Products of genes with genes, summed over cells: everything that components of not too many genes need, in one pass.

use rayon::prelude::*;

use super::batch::Batch;
use super::sums::{Sums, add_row};
use crate::error::Result;

/// Sums of products of genes, of all stores together or of each.
#[derive(Debug)]
pub struct GramSums {
    genes: usize,
    grams: Vec<Gram>,
    by_cells: bool,
    means: Vec<f64>,
}

/// The products of one set of cells.
#[derive(Debug)]
pub(super) struct Gram {
    /// Genes × genes; while it grows, only what is on the diagonal and before it.
    pub(super) products: Vec<f64>,
    /// Sum of each gene.
    sums: Vec<f64>,
    /// Sum of each gene times the mean of its cell.
    weighted: Vec<f64>,
    /// Sum of the squared means of cells.
    squared_means: f64,
}

impl GramSums {
    /// Of all stores together, for centring by genes.
    pub fn by_genes(genes: usize) -> Self {
        Self { genes, grams: vec![Gram::new(genes)], by_cells: false, means: Vec::new() }
    }

    /// Of two stores each, for centring by cells.
    pub fn by_cells(genes: usize) -> Self {
        Self { genes, grams: vec![Gram::new(genes), Gram::new(genes)], by_cells: true, means: Vec::new() }
    }

    /// Bytes of sums of so many genes.
    pub fn bytes(genes: u64, stores: u64) -> u64 {
        genes.saturating_mul(genes).saturating_add(genes * 2).saturating_mul(8).saturating_mul(stores)
    }

    /// The matrix of products of what is left of each gene without its mean, of `cells` cells.
    pub(super) fn centred_by_genes(self, cells: u64) -> Vec<f64> {
        let genes = self.genes;
        let mut grams = self.grams.into_iter();
        let Some(Gram { mut products, sums, .. }) = grams.next() else { return Vec::new() };
        let cells = cells.max(1) as f64;
        products.par_chunks_mut(genes).zip(&sums).for_each(|(products, &sum)| {
            for (product, &other) in products.iter_mut().zip(&sums) {
                *product -= sum / cells * other;
            }
        });
        mirror(&mut products, genes);
        products
    }

    /// The matrices of products of what is left of each cell without its mean, of each store.
    pub(super) fn centred_by_cells(self) -> Vec<Vec<f64>> {
        let genes = self.genes;
        let centred = |gram: Gram| {
            let Gram { mut products, weighted, squared_means, .. } = gram;
            products.par_chunks_mut(genes).zip(&weighted).for_each(|(products, &weight)| {
                for (product, &other) in products.iter_mut().zip(&weighted) {
                    *product += squared_means - (weight + other);
                }
            });
            mirror(&mut products, genes);
            products
        };
        self.grams.into_iter().map(centred).collect()
    }

    /// Sum of each gene over all cells.
    pub(super) fn sums(&self) -> Vec<f64> {
        self.grams.first().map_or_else(Vec::new, |gram| gram.sums.clone())
    }
}

impl Gram {
    fn new(genes: usize) -> Self {
        Self {
            products: vec![0.0; genes * genes],
            sums: vec![0.0; genes],
            weighted: vec![0.0; genes],
            squared_means: 0.0,
        }
    }
}

/// Adds the products of a gene with all genes before it in some cells, one cell after another. Where four of them have a value for each of these
/// genes, that is done in one go over the sums, in the same order.
fn add_rows(products: &mut [f64], batch: &Batch, cells: &[[u32; 2]]) {
    let width = products.len();
    let full = |cell: &[u32; 2]| Some(batch.up_to(*cell).1).filter(|values| values.len() == width);
    if let [a, b, c, d] = cells
        && let (Some(of_a), Some(of_b), Some(of_c), Some(of_d)) = (full(a), full(b), full(c), full(d))
    {
        let [a, b, c, d] = [a, b, c, d].map(|&[_, entry]| batch.value(entry));
        let values = of_a.iter().zip(of_b).zip(of_c.iter().zip(of_d));
        for (product, ((&of_a, &of_b), (&of_c, &of_d))) in products.iter_mut().zip(values) {
            let sum = *product + a * f64::from(of_a) + b * f64::from(of_b);
            *product = sum + c * f64::from(of_c) + d * f64::from(of_d);
        }
        return;
    }
    for &cell in cells {
        let (genes, values) = batch.up_to(cell);
        add_row(products, batch.value(cell[1]), genes, values);
    }
}

/// Fills what is behind the diagonal with what is before it, a tile at a time.
fn mirror(products: &mut [f64], genes: usize) {
    const TILE: usize = 32;
    for rows in (0..genes).step_by(TILE) {
        for columns in (0..=rows).step_by(TILE) {
            for row in rows..(rows + TILE).min(genes) {
                for column in columns..(columns + TILE).min(row) {
                    products[column * genes + row] = products[row * genes + column];
                }
            }
        }
    }
}

impl Sums for GramSums {
    fn add(&mut self, store: usize, batch: &Batch) {
        let Self { genes, grams, by_cells, means } = self;
        let at = if *by_cells { store } else { 0 };
        let Gram { products, sums, weighted, squared_means } = &mut grams[at];
        means.clear();
        if *by_cells {
            means.extend((0..batch.rows()).map(|row| mean(batch.row(row).1, *genes)));
            *squared_means = means.iter().fold(*squared_means, |sum, mean| sum + mean * mean);
        }
        let of_genes = products.par_chunks_mut(*genes).zip(sums).zip(weighted);
        of_genes.enumerate().for_each(|(gene, ((products, sum), weighted))| {
            for some in batch.of_gene(gene).chunks(4) {
                add_rows(&mut products[..=gene], batch, some);
                for &[row, entry] in some {
                    let value = batch.value(entry);
                    *sum += value;
                    if let Some(mean) = means.get(row as usize) {
                        *weighted += mean * value;
                    }
                }
            }
        });
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut [f64]) -> Result<()>) -> Result<()> {
        for gram in &mut self.grams {
            for (gene, products) in gram.products.chunks_exact_mut(self.genes).enumerate() {
                visit(&mut products[..=gene])?;
            }
            visit(&mut gram.sums)?;
            visit(&mut gram.weighted)?;
            visit(std::slice::from_mut(&mut gram.squared_means))?;
        }
        Ok(())
    }

    fn count(&self) -> u64 {
        let genes = self.genes as u64;
        self.grams.len() as u64 * (genes * (genes + 1) / 2 + 2 * genes + 1)
    }
}

/// Mean of a cell over all genes.
pub(super) fn mean(values: &[f32], genes: usize) -> f64 {
    values.iter().fold(0.0, |sum, &value| sum + f64::from(value)) / genes as f64
}
