//! Batches of cells: a column of labels, by which a cell's neighbours are sought among the cells of other batches.
//!
//! Of the reference every cell's batch is in memory, as a number, because any of them may be met at any time; of the query those of the
//! block at hand. Batches of two stores are the same where their labels are.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::join::{Barred, Batches, NO_QUERY_BATCH, NO_REFERENCE_BATCH};
use crate::pipeline::request::Resolved;
use crate::progress::Progress;
use crate::source::{AnnDataStore, ObsColumn};
use crate::types::RowRange;

/// Cells whose batches are read at a time, where chunks are smaller.
const ROWS: u64 = 1 << 16;

/// The columns that batches stand in.
pub(in crate::pipeline) struct BatchInput {
    reference: ObsColumn,
    /// None in self-mapping.
    query: Option<ObsColumn>,
    /// Which batch of the reference each category of the query is.
    same: Vec<u32>,
}

impl BatchInput {
    /// Opens what a request names, if it does. Batches are categories, texts or booleans.
    pub(in crate::pipeline) fn open(
        resolved: &Resolved,
        [query, reference]: [&AnnDataStore; 2],
        warnings: &mut Vec<String>,
        progress: &Progress,
    ) -> Result<Option<Self>> {
        let Some(key) = &resolved.parameters.exclude_batch else { return Ok(None) };
        let labels = |store: &AnnDataStore| -> Result<(ObsColumn, Vec<String>)> {
            let column = store.column(key)?.labelled(progress)?;
            let Some(categories) = column.categories() else {
                return Err(Error::Unsupported {
                    what: format!("obs/{key} of {} as batches, which is {},", store.name(), column.kind().name()),
                    remedy: "batches are categories, texts or booleans: store it as one of those, or name another"
                        .into(),
                });
            };
            let labels = (0..categories.len()).map(|index| categories.label(index)).collect();
            Ok((column, labels))
        };
        let (reference, theirs) = labels(reference)?;
        if resolved.self_mapping {
            return Ok(Some(Self { reference, query: None, same: Vec::new() }));
        }
        let (query, ours) = labels(query)?;
        let numbers: HashMap<&str, u32> = theirs.iter().map(String::as_str).zip(0..).collect();
        let same: Vec<u32> =
            ours.iter().map(|label| numbers.get(label.as_str()).copied().unwrap_or(NO_QUERY_BATCH)).collect();
        if same.iter().all(|batch| *batch == NO_QUERY_BATCH) {
            warnings
                .push(format!("excludeBatch {key}: query and reference have no batch in common, so none is excluded"));
        }
        Ok(Some(Self { reference, query: Some(query), same }))
    }

    pub(in crate::pipeline) fn preflight(&self) -> Result<()> {
        [Some(&self.reference), self.query.as_ref()].into_iter().flatten().try_for_each(ObsColumn::preflight)
    }

    /// Hashes of both columns.
    pub(in crate::pipeline) fn fingerprints(&self, seed: u64) -> Result<Vec<u128>> {
        [Some(&self.reference), self.query.as_ref()]
            .into_iter()
            .flatten()
            .map(|column| column.fingerprint(seed))
            .collect()
    }

    /// Bytes of the batches of all reference cells, of a block of queries, and of reading both.
    pub(in crate::pipeline) fn bytes(&self) -> u64 {
        let reading = |column: &ObsColumn| {
            let rows = step(column).min(column.rows());
            column.scratch_bytes(rows) + rows * 8
        };
        let columns = [Some(&self.reference), self.query.as_ref()].into_iter().flatten();
        let categories = self.reference.categories().map_or(0, crate::source::Categories::len) as u64;
        self.reference.rows() * 4 + categories * 8 + columns.map(reading).max().unwrap_or(0) + (1 << 20) * 8
    }
}

/// Rows that are read at a time, so that no chunk is decoded twice.
fn step(column: &ObsColumn) -> u64 {
    let band = column.natural_tile_rows().max(1);
    ROWS.div_ceil(band).saturating_mul(band)
}

/// The batches of a run.
pub(in crate::pipeline) struct BatchCodes<'a> {
    input: &'a BatchInput,
    references: Vec<u32>,
    counts: Vec<u64>,
}

impl<'a> BatchCodes<'a> {
    /// Reads those of the reference; none where none are excluded.
    pub(in crate::pipeline) fn read(input: Option<&'a BatchInput>, progress: &Progress) -> Result<Option<Self>> {
        let Some(input) = input else { return Ok(None) };
        let column = &input.reference;
        let mut counts = vec![0; column.categories().map_or(0, crate::source::Categories::len)];
        let (mut references, mut codes) = (Vec::with_capacity(column.rows() as usize), Vec::new());
        progress.begin("batches", column.rows(), 0);
        for rows in RowRange::new(0, column.rows()).pieces(step(column)) {
            column.read_codes(rows, &mut codes)?;
            references.extend(codes.iter().map(|code| u32::try_from(*code).unwrap_or(NO_REFERENCE_BATCH)));
            for code in codes.iter().filter_map(|code| usize::try_from(*code).ok()) {
                counts[code] += 1;
            }
            progress.advance(rows.len() as u64)?;
        }
        progress.end();
        Ok(Some(Self { input, references, counts }))
    }

    /// Those of the reference.
    pub(in crate::pipeline) fn references(&self) -> Batches<'_> {
        Batches { of: &self.references, counts: &self.counts }
    }

    /// Clears `out` and reads those of some query cells into it.
    pub(in crate::pipeline) fn of_queries(&self, rows: RowRange, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        let Some(column) = &self.input.query else {
            let own = &self.references[rows.start as usize..rows.end as usize];
            out.extend(own.iter().map(|batch| if *batch == NO_REFERENCE_BATCH { NO_QUERY_BATCH } else { *batch }));
            return Ok(());
        };
        let mut codes = Vec::new();
        column.read_codes(rows, &mut codes)?;
        let same = |code: &i32| usize::try_from(*code).ok().and_then(|code| self.input.same.get(code)).copied();
        out.extend(codes.iter().map(|code| same(code).unwrap_or(NO_QUERY_BATCH)));
        Ok(())
    }
}

/// What is barred for queries: themselves, and what is of their batch.
pub(in crate::pipeline) fn barred<'b>(
    own: Option<&'b [i64]>,
    codes: Option<&'b BatchCodes>,
    queries: &'b [u32],
) -> Barred<'b> {
    Barred { own, batches: codes.map(|codes| (queries, codes.references())) }
}
