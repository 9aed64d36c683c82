//! Weighted mean of embeddings.

use rayon::prelude::*;

use crate::kernel::CsrBlock;

/// A row-major f32 embedding of every reference row.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// `rows × dim` values.
    pub values: Vec<f32>,
    /// Columns.
    pub dim: usize,
}

/// Fills `results` with `block.rows() × dim` weighted means. A row without neighbours is NaN, and so is a coordinate that is NaN in
/// a neighbour: coordinates of an embedding belong together and are not dropped one by one.
pub fn transfer_embedding(embedding: &Embedding, block: &CsrBlock, results: &mut Vec<f32>) {
    let dim = embedding.dim;
    results.resize(block.rows() * dim, 0.0);
    if dim == 0 {
        return;
    }
    results.par_chunks_mut(dim).with_min_len(64).enumerate().for_each_init(
        || (vec![0f64; dim], Vec::new()),
        |(sums, edges), (row, result)| {
            let edges = block.by_column(row, edges);
            sums.fill(if edges.is_empty() { f64::NAN } else { 0.0 });
            for &(column, weight) in edges {
                let values = &embedding.values[column as usize * dim..(column as usize + 1) * dim];
                sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += weight * f64::from(value));
            }
            result.iter_mut().zip(sums.iter()).for_each(|(result, &sum)| *result = sum as f32);
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_weighted_means() {
        let block = CsrBlock { first_row: 0, starts: vec![0, 2, 2], columns: vec![0, 1], weights: vec![0.25, 0.75] };
        let embedding = Embedding { values: vec![0.0, 4.0, 8.0, f32::NAN], dim: 2 };
        let mut results = Vec::new();
        transfer_embedding(&embedding, &block, &mut results);
        assert_eq!(results[0], 6.0);
        assert!(results[1..].iter().all(|value| value.is_nan()));
    }
}
