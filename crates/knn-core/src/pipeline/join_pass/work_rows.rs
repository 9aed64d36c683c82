//! Queries in an order of work whose results go through runs: the rows of an index as they lie in its file, where it is joined with itself, or
//! those of the store as they are.
//!
//! The store is not read again, but for the rows that are in no list, which come last: what is wrong with them becomes their status. Places in
//! the order count rows, so they are the same whatever the memory.

use super::rounding::round;
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::index::{IvfIndex, ListBuffer};
use crate::pipeline::prepared::Prepared;
use crate::pipeline::request::Resolved;
use crate::representation::TileReader;
use crate::source::RowSource;
use crate::types::{RowRange, Tile};

/// Rows in no list that are looked at together.
const EXCLUDED_ROWS: u64 = 1024;

/// Queries in an order of work.
pub(in crate::pipeline) trait WorkRows: Send {
    /// Takes the next `most` queries, fewer at the end, none after it: their values, prepared for the metric, and their rows in the output.
    fn next(&mut self, most: u64, queries: &mut Tile, rows: &mut Vec<i64>) -> Result<()>;
}

/// The rows of the store in their order.
pub(in crate::pipeline) struct StoreRows<'a> {
    reader: TileReader<'a>,
    resolved: &'a Resolved,
}

impl<'a> StoreRows<'a> {
    /// From a row on.
    pub(in crate::pipeline) fn from(prepared: &'a Prepared, row: u64) -> Self {
        let source = &prepared.inputs.query_rows;
        let metric = prepared.resolved.parameters.metric;
        Self {
            reader: TileReader::new(source, RowRange::new(row, source.rows()), metric),
            resolved: &prepared.resolved,
        }
    }
}

impl WorkRows for StoreRows<'_> {
    fn next(&mut self, most: u64, queries: &mut Tile, rows: &mut Vec<i64>) -> Result<()> {
        self.reader.next(most, queries)?;
        round(self.resolved, queries);
        rows.clear();
        let first = queries.first_row as i64;
        rows.extend(first..first + queries.rows() as i64);
        Ok(())
    }
}

/// The rows of an index, list by list.
pub(in crate::pipeline) struct OwnRows<'a> {
    index: &'a IvfIndex,
    source: &'a dyn RowSource,
    metric: Metric,
    /// The list at hand, and how many of its rows were taken.
    list: u32,
    taken: u64,
    /// Rows in no list that were taken.
    excluded: u64,
    buffer: ListBuffer,
    tile: Tile,
}

impl<'a> OwnRows<'a> {
    /// From a place on: so many rows come before. `source` has the rows that the index was built of.
    pub(in crate::pipeline) fn from(
        index: &'a IvfIndex,
        source: &'a dyn RowSource,
        metric: Metric,
        place: u64,
    ) -> Self {
        let (mut list, mut taken) = (0, place.min(index.listed_rows()));
        while list < index.nlist() && taken >= index.list_rows(list) {
            taken -= index.list_rows(list);
            list += 1;
        }
        let excluded = place - place.min(index.listed_rows());
        Self { index, source, metric, list, taken, excluded, buffer: ListBuffer::default(), tile: Tile::default() }
    }

    /// Takes rows of the list at hand.
    fn listed(&mut self, most: usize, queries: &mut Tile, rows: &mut Vec<i64>) -> Result<()> {
        let Self { index, list, taken, buffer, .. } = self;
        let view = index.list(*list, buffer)?;
        let first = *taken as usize;
        let last = view.len().min(first + most);
        queries.values.extend_from_slice(&view.rows[first * queries.dim..last * queries.dim]);
        for row in first..last {
            let id = view.ids.get(row);
            if id >= index.rows() {
                return Err(Error::Corrupt {
                    file: index.path().display().to_string(),
                    block: format!("list {list}"),
                    reason: format!("row {id} of {}", index.rows()),
                });
            }
            rows.push(id as i64);
        }
        *taken = last as u64;
        if last == view.len() {
            (*list, *taken) = (*list + 1, 0);
        }
        Ok(())
    }

    /// Takes rows in no list, and reads the bands of the store that they are in.
    fn others(&mut self, most: u64, queries: &mut Tile, rows: &mut Vec<i64>) -> Result<()> {
        let Self { index, source, metric, excluded, tile, .. } = self;
        let end = (*excluded + most.min(EXCLUDED_ROWS)).min(index.manifest().excluded);
        let numbers = index.excluded_rows(*excluded..end)?;
        let band = source.natural_tile_rows().max(1);
        for of_band in numbers.chunk_by(|a, b| a / band == b / band) {
            let (first, last) = (of_band[0], of_band[of_band.len() - 1]);
            let mut reader = TileReader::new(*source, RowRange::new(first, last + 1), *metric);
            let mut some = of_band.iter().peekable();
            while some.peek().is_some() {
                reader.next(EXCLUDED_ROWS, tile)?;
                let end = tile.first_row + tile.rows() as u64;
                while let Some(&row) = some.next_if(|row| **row < end) {
                    queries.values.extend_from_slice(tile.row((row - tile.first_row) as usize));
                    rows.push(row as i64);
                }
            }
        }
        *excluded = end;
        Ok(())
    }
}

impl WorkRows for OwnRows<'_> {
    fn next(&mut self, most: u64, queries: &mut Tile, rows: &mut Vec<i64>) -> Result<()> {
        (queries.first_row, queries.dim) = (0, self.index.dim());
        queries.values.clear();
        rows.clear();
        while (rows.len() as u64) < most {
            let left = most - rows.len() as u64;
            if self.list < self.index.nlist() {
                self.listed(left as usize, queries, rows)?;
            } else if self.excluded < self.index.manifest().excluded {
                self.others(left, queries, rows)?;
            } else {
                break;
            }
        }
        Ok(())
    }
}
