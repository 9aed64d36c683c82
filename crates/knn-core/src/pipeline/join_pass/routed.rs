//! Queries of another store in the order of lists: each goes to the super-cell of its nearest list, through runs.
//!
//! Within a super-cell they keep the order of rows, wherever runs were cut, so a place in that order means the same query in every process. Those
//! that are not finite have no list and come last.

use super::work_rows::WorkRows;
use crate::error::Result;
use crate::join::ListJoin;
use crate::pipeline::memory::runs::{ROUTED_LABEL, ROUTED_PIECE, routed_shape, run_rows};
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::RowSource;
use crate::store::{KeyReader, Run, RunBuffer, RunLedger, RunShape, Stage};
use crate::types::{RowRange, Tile};

/// The same for an index that is searched.
pub(in crate::pipeline) fn shape_of(search: &ListJoin) -> RunShape {
    routed_shape(search.index().coarse().super_cells(), search.index().dim() as u64)
}

/// Sorts all queries that are left into runs.
pub(in crate::pipeline) fn route(
    prepared: &Prepared,
    ledger: &mut RunLedger,
    search: &ListJoin,
    progress: &Progress,
) -> Result<()> {
    let (sizes, source) = (&prepared.sizes, &prepared.inputs.query_rows);
    let (shape, coarse) = (shape_of(search), search.index().coarse());
    let run_rows = sizes.run_rows.unwrap_or_else(|| run_rows(shape, sizes.run_bytes));
    let begun = ledger.covered(Stage::Routed);
    let mut buffer = RunBuffer::new(shape);
    buffer.reserve(run_rows.min(source.rows() - begun) as usize);
    let rows = RowRange::new(begun, source.rows());
    let mut reader = TileReader::new(source, rows, prepared.resolved.parameters.metric);
    let (mut tile, mut record) = (Tile::default(), Vec::with_capacity(shape.width as usize));
    loop {
        reader.next(sizes.block_rows.min(run_rows - buffer.len() as u64), &mut tile)?;
        if tile.rows() == 0 {
            break;
        }
        for (row, list) in search.nearest_lists(&tile.values).into_iter().enumerate() {
            let cell = if list == u32::MAX { coarse.super_cells() } else { coarse.super_cell_of(list) };
            record.clear();
            record.extend_from_slice(&(tile.first_row + row as u64).to_le_bytes());
            tile.row(row).iter().for_each(|value| record.extend_from_slice(&value.to_le_bytes()));
            buffer.push(cell, &record)?;
        }
        if buffer.len() as u64 == run_rows || reader.position() == source.rows() {
            ledger.commit(Stage::Routed, reader.position(), &mut buffer, serde_json::Value::Null)?;
        }
        progress.advance(tile.rows() as u64)?;
    }
    Ok(())
}

/// The queries of all runs, super-cell by super-cell.
pub(in crate::pipeline) struct RoutedRows<'a> {
    runs: &'a [Run],
    shape: RunShape,
    /// The super-cell at hand, and the next run to read of it.
    key: u32,
    run: usize,
    reader: Option<KeyReader<'a>>,
    records: Vec<u8>,
}

impl<'a> RoutedRows<'a> {
    /// From a place on: so many queries come before.
    pub(in crate::pipeline) fn from(runs: &'a [Run], shape: RunShape, place: u64) -> Result<Self> {
        let mut routed = Self { runs, shape, key: 0, run: 0, reader: None, records: Vec::new() };
        let mut before = place;
        while let Some(mut reader) = routed.turn() {
            if before >= reader.left() {
                before -= reader.left();
                continue;
            }
            // What comes before in the same super-cell is read as well, because one checksum covers all.
            while before > 0 {
                routed.records.clear();
                let some = before.min(routed.piece());
                reader.read(some, &mut routed.records)?;
                before -= some;
            }
            routed.reader = Some(reader);
            break;
        }
        Ok(routed)
    }

    fn piece(&self) -> u64 {
        (ROUTED_PIECE / u64::from(self.shape.width)).max(1)
    }

    /// What the next run has of the super-cell at hand, or the first run of the next super-cell.
    fn turn(&mut self) -> Option<KeyReader<'a>> {
        if self.run == self.runs.len() {
            (self.key, self.run) = (self.key + 1, 0);
        }
        let run = self.runs.get(self.run).filter(|_| self.key < self.shape.keys)?;
        self.run += 1;
        Some(run.key(self.key))
    }
}

impl WorkRows for RoutedRows<'_> {
    fn next(&mut self, most: u64, queries: &mut Tile, rows: &mut Vec<i64>) -> Result<()> {
        let width = self.shape.width as usize;
        (queries.first_row, queries.dim) = (0, (width - ROUTED_LABEL) / 4);
        queries.values.clear();
        rows.clear();
        while (rows.len() as u64) < most {
            let piece = self.piece();
            let Some(reader) = self.reader.as_mut().filter(|reader| reader.left() > 0) else {
                self.reader = self.turn();
                if self.reader.is_none() {
                    break;
                }
                continue;
            };
            self.records.clear();
            reader.read(piece.min(most - rows.len() as u64), &mut self.records)?;
            for record in self.records.chunks_exact(width) {
                let (row, values) = record.split_at(ROUTED_LABEL);
                rows.extend(row.as_chunks().0.iter().map(|row| u64::from_le_bytes(*row) as i64));
                queries.values.extend(values.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)));
            }
        }
        Ok(())
    }
}
