//! What rows an index or a store holds, as one number: whether a store begins with the rows of an index is asked of it.
//!
//! It is a sum of hashes of rows and their numbers, so lists and stores give the same whatever their order. Every value of every
//! row has a say, as it lies in the lists: prepared and rounded. Of rows in no list, that they are in none.

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::ivf::IvfIndex;
use super::lists::ListBuffer;
use super::nearest::is_finite;
use super::rows::PreparedRows;
use super::spec::Resolved;
use crate::budget::MemoryBudget;
use crate::error::Result;
use crate::progress::Progress;
use crate::source::RowSource;
use crate::types::{RowRange, Tile};

/// Rows that a thread hashes at a time.
const HASHED_ROWS: usize = 4096;

/// A sum over rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Content(u128);

impl Content {
    /// What an index holds. Reads every list once, and so finds all damage there is.
    pub(super) fn of_index(index: &IvfIndex, budget: &MemoryBudget, progress: &Progress) -> Result<Self> {
        let threads = rayon::current_num_threads() as u64;
        let lists = {
            let _lease = budget.take("lists while they are verified", threads.saturating_mul(index.buffer_bytes()))?;
            let listed = (0..index.nlist()).into_par_iter().map_init(ListBuffer::default, |buffer, list| {
                let view = index.list(list, buffer)?;
                let rows = view.rows.chunks_exact(index.dim()).enumerate();
                let content = rows.map(|(row, values)| Self::of_row(view.ids.get(row), values)).sum();
                progress.advance(view.len() as u64)?;
                Ok(content)
            });
            listed.try_reduce(Self::default, |left, right| Ok([left, right].into_iter().sum()))?
        };
        let _lease = budget.take("the rows in no list", index.excluded_bytes())?;
        let excluded = index.excluded()?;
        progress.advance(excluded.len() as u64)?;
        Ok(excluded.into_iter().map(|row| Self::of_row(row, &[])).chain([lists]).sum())
    }

    /// What the first `rows` rows of a store are, read in batches of `batch`.
    pub(super) fn of_rows(
        source: &dyn RowSource,
        rows: u64,
        spec: &Resolved,
        batch: u64,
        progress: &Progress,
    ) -> Result<Self> {
        let mut reader = PreparedRows::new(source, RowRange::new(0, rows), spec);
        let (mut tile, mut content) = (Tile::default(), Self::default());
        loop {
            reader.next(batch, &mut tile)?;
            if tile.rows() == 0 {
                return Ok(content);
            }
            let dim = tile.dim;
            let chunks = tile.values.par_chunks(HASHED_ROWS * dim).enumerate().map(|(chunk, values)| {
                let first = tile.first_row + (chunk * HASHED_ROWS) as u64;
                let rows = (first..).zip(values.chunks_exact(dim));
                rows.map(|(row, values)| Self::of_row(row, if is_finite(values) { values } else { &[] })).sum::<Self>()
            });
            content = [content, chunks.sum()].into_iter().sum();
            progress.advance(tile.rows() as u64)?;
        }
    }

    fn of_row(row: u64, values: &[f32]) -> Self {
        Self(xxh3_128_with_seed(bytemuck::cast_slice(values), row))
    }
}

impl std::iter::Sum for Content {
    fn sum<I: Iterator<Item = Self>>(contents: I) -> Self {
        Self(contents.fold(0, |sum, content| sum.wrapping_add(content.0)))
    }
}
