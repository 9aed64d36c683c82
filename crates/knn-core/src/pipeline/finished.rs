//! A block whose neighbours are found: its rows of the store, written while the next block is joined.

use super::outputs::{DISTANCES, INDICES, STATUS, ids_dtype};
use crate::distance::Metric;
use crate::error::Result;
use crate::sink::UnitWriter;
use crate::types::{DType, MappingStatus, NeighborBlock, Tile};

/// Rows that are written at a time.
const WRITTEN_ROWS: usize = 8192;

/// Neighbours and statuses of a block, or nothing.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) nearest: NeighborBlock,
    pub(super) statuses: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

impl Finished {
    /// Bytes of a row that waits.
    pub(super) fn row_bytes(k: u64) -> u64 {
        k * (8 + 4) + 1
    }

    /// Bytes of the rows that are being written.
    pub(super) fn scratch_bytes(k: u64) -> u64 {
        WRITTEN_ROWS as u64 * k * 8
    }

    /// Takes over the neighbours of these queries, prepared for the metric; what was in it is lent back to be overwritten.
    pub(super) fn take(&mut self, nearest: &mut NeighborBlock, queries: &Tile, metric: Metric) {
        std::mem::swap(&mut self.nearest, nearest);
        let Self { nearest, statuses, .. } = self;
        statuses.clear();
        statuses.extend((0..queries.rows()).map(|row| {
            let otherwise =
                if nearest.ids[row * nearest.k] < 0 { MappingStatus::NoNeighbors } else { MappingStatus::Ok };
            metric.flaw(queries.row(row)).unwrap_or(otherwise) as u8
        }));
    }

    /// Appends what became of the rows to their unit.
    pub(super) fn store_statuses(&mut self, writer: &mut UnitWriter) -> Result<()> {
        writer.append(STATUS, &self.statuses)?;
        self.statuses.clear();
        Ok(())
    }

    /// Appends the rows to their unit, and holds none any more.
    pub(super) fn store(&mut self, writer: &mut UnitWriter, n_ref: u64) -> Result<()> {
        self.store_statuses(writer)?;
        let Self { nearest, bytes, .. } = self;
        let piece = WRITTEN_ROWS * nearest.k;
        let narrow = ids_dtype(n_ref) == DType::Int32;
        for ids in nearest.ids.chunks(piece) {
            bytes.clear();
            if narrow {
                bytes.extend(ids.iter().flat_map(|&id| (id as i32).to_le_bytes()));
            } else {
                bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
            }
            writer.append(INDICES, bytes)?;
        }
        for distances in nearest.distances.chunks(piece) {
            bytes.clear();
            bytes.extend(distances.iter().flat_map(|distance| distance.to_le_bytes()));
            writer.append(DISTANCES, bytes)?;
        }
        nearest.ids.clear();
        nearest.distances.clear();
        Ok(())
    }
}
