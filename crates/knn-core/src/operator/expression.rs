//! Weighted mean of expression: of a sparse matrix of reference cells × genes, a dense row for every query cell.
//!
//! With 30 neighbours of which each has one gene in twenty, four genes in five have a value, so results are dense.

use rayon::prelude::*;

use crate::kernel::CsrBlock;

/// Expression of every reference cell, by rows; what is not stored is 0.
#[derive(Debug, Clone, Default)]
pub struct Expression {
    starts: Vec<usize>,
    genes: Vec<u32>,
    values: Vec<f32>,
    width: usize,
}

impl Expression {
    /// No cell yet, and room for so many cells and values of `width` genes.
    pub fn new(width: usize, cells: usize, entries: usize) -> Self {
        let mut starts = Vec::with_capacity(cells + 1);
        starts.push(0);
        Self { starts, genes: Vec::with_capacity(entries), values: Vec::with_capacity(entries), width }
    }

    /// Adds a cell, given a value for each column of the reference; `place` says which gene of the result a column is, if any.
    pub fn push(&mut self, row: &[f32], place: impl Fn(usize) -> Option<u32>) {
        for (column, &value) in row.iter().enumerate() {
            // NaN is kept: it is no zero.
            if value != 0.0
                && let Some(gene) = place(column)
            {
                self.genes.push(gene);
                self.values.push(value);
            }
        }
        self.starts.push(self.genes.len());
    }

    /// Genes of a row.
    pub fn genes(&self) -> usize {
        self.width
    }

    /// Bytes of a matrix of `cells` cells with `entries` stored values.
    pub fn bytes(cells: u64, entries: u64) -> u64 {
        (cells + 1).saturating_mul(8).saturating_add(entries.saturating_mul(8))
    }
}

/// Fills `results` with `block.rows() × genes` weighted means, row-major. A row without neighbours is NaN.
pub fn transfer_expression(expression: &Expression, block: &CsrBlock, results: &mut Vec<f32>) {
    let width = expression.width;
    results.clear();
    results.resize(block.rows() * width, f32::NAN);
    if width == 0 {
        return;
    }
    results.par_chunks_mut(width).with_min_len(16).enumerate().for_each_init(
        || (vec![0f64; width], Vec::new()),
        |(sums, edges), (row, result)| {
            let edges = block.by_column(row, edges);
            if edges.is_empty() {
                return;
            }
            sums.fill(0.0);
            for &(cell, weight) in edges {
                let entries = expression.starts[cell as usize]..expression.starts[cell as usize + 1];
                let genes = &expression.genes[entries.clone()];
                for (&gene, &value) in genes.iter().zip(&expression.values[entries]) {
                    sums[gene as usize] += weight * f64::from(value);
                }
            }
            result.iter_mut().zip(sums.iter()).for_each(|(result, &sum)| *result = sum as f32);
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_weighted_means_of_the_genes_that_are_asked_for() {
        let mut expression = Expression::new(2, 2, 4);
        // The result has the third column first, and the first second.
        let place = |column: usize| [Some(1), None, Some(0)][column];
        expression.push(&[4.0, 9.0, 0.0], place);
        expression.push(&[0.0, 9.0, 8.0], place);
        let block = CsrBlock { first_row: 0, starts: vec![0, 2, 2], columns: vec![0, 1], weights: vec![0.25, 0.75] };
        let mut results = Vec::new();
        transfer_expression(&expression, &block, &mut results);
        assert_eq!(results[..2], [6.0, 1.0]);
        assert!(results[2..].iter().all(|value| value.is_nan()));
    }

    #[test]
    fn a_value_that_is_not_a_number_is_no_zero() {
        let mut expression = Expression::new(1, 1, 1);
        expression.push(&[f32::NAN], |_| Some(0));
        let block = CsrBlock { first_row: 0, starts: vec![0, 1], columns: vec![0], weights: vec![1.0] };
        let mut results = Vec::new();
        transfer_expression(&expression, &block, &mut results);
        assert!(results[0].is_nan());
    }
}
