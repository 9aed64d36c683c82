//! How the budget is shared out in the order of lists: queries in flight, runs, and what stays as it is in the order of rows.

use crate::pipeline::found::FoundRows;
use crate::store::{FAN_IN, Run, RunBuffer, RunShape};

/// Records that a run must have room for.
const LEAST_RUN_ROWS: u64 = 4096;

/// Bytes of records that are read at a time.
pub(in crate::pipeline) const ROUTED_PIECE: u64 = 1 << 18;
/// Bytes of the number of a query's row before its values.
pub(in crate::pipeline) const ROUTED_LABEL: usize = 8;

/// What the shares follow from.
#[derive(Debug, Clone, Copy)]
pub(in crate::pipeline) struct Needs {
    pub(in crate::pipeline) n_query: u64,
    pub(in crate::pipeline) found: FoundRows,
    /// The shape of the runs that queries are sorted in; none where the lists hold them.
    pub(in crate::pipeline) routed: Option<RunShape>,
    /// Bytes of a query in flight.
    pub(in crate::pipeline) row: u64,
    /// Queries in flight at least and at most.
    pub(in crate::pipeline) block_rows: [u64; 2],
}

/// The shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) struct Shares {
    pub(in crate::pipeline) block_rows: u64,
    /// Bytes for runs: one that is filled beside the tables of those that are read, or all that are gathered.
    pub(in crate::pipeline) run_bytes: u64,
}

impl Needs {
    /// Bytes for the tables of the runs that queries are read from, while others are filled.
    fn tables(&self) -> u64 {
        self.routed.map_or(0, |shape| FAN_IN as u64 * Run::bytes(shape) + ROUTED_PIECE)
    }

    fn least_runs(&self) -> u64 {
        let rows = LEAST_RUN_ROWS.min(self.n_query.max(1));
        let filled = RunBuffer::bytes(self.found.shape(), rows) + self.tables();
        let sorted = self.routed.map_or(0, |shape| RunBuffer::bytes(shape, rows));
        filled.max(sorted).max(self.found.gather_bytes())
    }

    /// Bytes below which nothing can be done.
    pub(in crate::pipeline) fn least(&self) -> u64 {
        self.block_rows[0] * self.row + self.least_runs()
    }

    /// Shares out `free` bytes, at least [`Self::least`]: a third for queries in flight, a third for runs, and the rest for lists.
    pub(in crate::pipeline) fn share(&self, free: u64) -> Shares {
        let [least, most] = self.block_rows;
        let least_runs = self.least_runs();
        let block_rows = (free / 3).min(free - least_runs) / self.row;
        let block_rows = block_rows.clamp(least, most);
        let all = RunBuffer::bytes(self.found.shape(), self.n_query) + self.tables();
        let all = all.max(self.routed.map_or(0, |shape| RunBuffer::bytes(shape, self.n_query)));
        let run_bytes = (free / 3).min(all).max(least_runs).min(free - block_rows * self.row);
        Shares { block_rows, run_bytes }
    }

    /// Bytes of those that are left for the records of what was found.
    pub(in crate::pipeline) fn of_found(&self, run_bytes: u64) -> u64 {
        run_bytes - self.tables()
    }
}

/// The shape of the runs that queries of another store are sorted in; one key more stands for no super-cell.
pub(in crate::pipeline) fn routed_shape(super_cells: u32, dim: u64) -> RunShape {
    RunShape { keys: super_cells + 1, width: (ROUTED_LABEL as u64 + dim * 4) as u32 }
}

/// Records of a run that takes so many bytes while it is filled.
pub(in crate::pipeline) fn run_rows(shape: RunShape, bytes: u64) -> u64 {
    let fixed = RunBuffer::bytes(shape, 0);
    (bytes.saturating_sub(fixed) / (RunBuffer::bytes(shape, 1) - fixed)).clamp(1, u64::from(u32::MAX))
}
