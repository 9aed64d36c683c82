//! What a pass adds up, as something that can be kept between two processes.

use super::batch::Batch;
use crate::error::Result;

/// Sums over rows that come in their order.
pub trait Sums: Send {
    /// Adds rows of a store: 0 is the first one.
    fn add(&mut self, store: usize, batch: &Batch);

    /// Shows every number, always in the same order, so that it can be kept, or set to what was kept.
    fn each(&mut self, visit: &mut dyn FnMut(&mut [f64]) -> Result<()>) -> Result<()>;

    /// How many numbers that are.
    fn count(&self) -> u64;
}

/// Splits a row of a batch where genes follow each other without a gap, which needs no places.
pub(super) fn is_dense(genes: &[u32]) -> bool {
    match (genes.first(), genes.last()) {
        (Some(&first), Some(&last)) => (last - first) as usize + 1 == genes.len(),
        _ => false,
    }
}

/// Adds `factor` times the values of a row to the sums of its genes.
pub(super) fn add_row(sums: &mut [f64], factor: f64, genes: &[u32], values: &[f32]) {
    if is_dense(genes) {
        let first = genes[0] as usize;
        for (sum, &value) in sums[first..first + values.len()].iter_mut().zip(values) {
            *sum += factor * f64::from(value);
        }
    } else {
        for (&gene, &value) in genes.iter().zip(values) {
            sums[gene as usize] += factor * f64::from(value);
        }
    }
}
