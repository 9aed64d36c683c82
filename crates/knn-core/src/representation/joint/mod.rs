//! Representations that are computed of the genes which stores share: the joint principal components of their cells, and the canonical
//! correlations between two stores.
//!
//! Everything is streamed: rows are read in batches of entries, in their order, and what is summed over them is of the size of the genes. Each
//! sum belongs to one gene and takes the rows in their order, so neither batches nor threads change a bit. The mean of a gene is never taken
//! from its values: what centring changes is taken from the sums.
//!
//! It does not know where sums are kept between two processes, nor what is stored of the result.

mod batch;
mod block;
mod components;
mod genes;
mod gram;
mod leading;
mod products;
mod sums;
mod symmetric;
#[cfg(test)]
mod tests;

pub use batch::{Batch, BatchReader, MOST_ENTRIES, MOST_ROWS};
pub use components::{Components, Scores, additions, canonical, principal, principal_streamed, solving_bytes};
pub use genes::{GeneNames, SharedGenes};
pub use gram::GramSums;
pub use products::ProductSums;
pub use sums::Sums;
