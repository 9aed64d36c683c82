//! What the last step gave, read back beside the rows that are transferred.

use std::ops::Range;
use std::path::PathBuf;

use super::blocks::Blocks;
use crate::error::Result;
use crate::kernel::CsrBlock;
use crate::operator::{NumberMeans, StateNumber};
use crate::pipeline::memory::diffusion::HELD_BYTES;
use crate::store::{PositionedFile, RunLedger, Stage};
use crate::types::RowRange;

/// What some lanes are of: one for every key that is transferred, in the order in which they are.
#[derive(Debug, Clone)]
pub(in crate::pipeline) enum Key {
    /// Shares of these categories.
    Labels { codes: Vec<i32>, lanes: Range<usize> },
    /// Numbers around their middle.
    Numbers { middle: f64, lanes: Range<usize> },
    /// Coordinates or genes.
    Rows { lanes: Range<usize> },
}

impl Key {
    /// The same in other lanes.
    pub(super) fn at(mut self, place: Range<usize>) -> Self {
        match &mut self {
            Self::Labels { lanes, .. } | Self::Numbers { lanes, .. } | Self::Rows { lanes } => *lanes = place,
        }
        self
    }
}

/// Files that stay open: there may be more blocks than a process may have files.
const MOST_OPEN: usize = 256;

/// The file of a block.
struct Final {
    path: PathBuf,
    file: Option<PositionedFile>,
    width: usize,
}

/// Blocks of lanes of one width.
struct Finals<T> {
    files: Vec<Final>,
    /// Lanes of every block but the last.
    width: usize,
    /// The rows at hand, block by block.
    held: Vec<Vec<T>>,
}

impl<T: StateNumber> Finals<T> {
    /// The blocks of a ledger; `GM_CORRUPT` if one is not what was written.
    fn open(ledger: &RunLedger, blocks: impl Iterator<Item = ([u64; 2], Range<u64>)>, width: u64) -> Result<Self> {
        let mut files = Vec::new();
        for (range, lanes) in blocks {
            let file = ledger.read(Stage::Diffused, range)?;
            let (path, width) = (file.path().to_path_buf(), (lanes.end - lanes.start) as usize);
            files.push(Final { path, file: Some(file).filter(|_| files.len() < MOST_OPEN), width });
        }
        let held = files.iter().map(|_| Vec::new()).collect();
        Ok(Self { files, width: width as usize, held })
    }

    fn read(&mut self, rows: RowRange) -> Result<()> {
        for (Final { path, file, width }, held) in self.files.iter().zip(&mut self.held) {
            held.resize(rows.len() * width, T::NOTHING);
            let (bytes, offset) = (bytemuck::cast_slice_mut(held), rows.start * (width * size_of::<T>()) as u64);
            match file {
                Some(file) => file.read_exact_at(bytes, offset)?,
                None => PositionedFile::open(path)?.read_exact_at(bytes, offset)?,
            }
        }
        Ok(())
    }

    /// The value of one lane of a row, counted within those at hand.
    fn value(&self, row: usize, lane: usize) -> T {
        let block = lane / self.width;
        self.held[block][row * self.files[block].width + lane % self.width]
    }
}

/// The finals of a run, and what must go when it ends.
pub(in crate::pipeline) struct Diffused {
    ledger: RunLedger,
    keys: Vec<Key>,
    wide: Finals<f64>,
    narrow: Finals<f32>,
    rows: RowRange,
    /// Bytes of a row.
    row_bytes: u64,
}

impl Diffused {
    pub(super) fn open(ledger: RunLedger, keys: Vec<Key>, blocks: &Blocks) -> Result<Self> {
        let [wide, narrow] = blocks.widths();
        let ranged = |(number, lanes)| (blocks.finished(number), lanes);
        let wide = Finals::open(&ledger, blocks.wide().map(ranged), wide)?;
        let narrow = Finals::open(&ledger, blocks.narrow().map(ranged), narrow)?;
        let row_bytes = blocks.row_bytes();
        Ok(Self { ledger, keys, wide, narrow, rows: RowRange::new(0, 0), row_bytes })
    }

    /// What the lanes are of.
    pub(in crate::pipeline) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Rows that are read together at most.
    pub(in crate::pipeline) fn most_rows(&self) -> u64 {
        (HELD_BYTES / self.row_bytes.max(1)).max(1)
    }

    /// Reads some rows.
    pub(in crate::pipeline) fn read(&mut self, rows: RowRange) -> Result<()> {
        self.rows = rows;
        self.wide.read(rows)?;
        self.narrow.read(rows)
    }

    /// What the rows at hand vote by: lane after lane, with its share.
    pub(in crate::pipeline) fn votes(&self, lanes: &Range<usize>) -> CsrBlock {
        let mut block = CsrBlock { first_row: self.rows.start, starts: vec![0], ..CsrBlock::default() };
        for row in 0..self.rows.len() {
            for (column, lane) in (0..).zip(lanes.clone()) {
                let share = self.wide.value(row, lane);
                if share > 0.0 {
                    block.columns.push(column);
                    block.weights.push(share);
                }
            }
            block.starts.push(block.columns.len());
        }
        block
    }

    /// Means and standard deviations of the rows at hand; NaN where no value arrived.
    pub(in crate::pipeline) fn numbers(&self, middle: f64, lanes: &Range<usize>, results: &mut NumberMeans) {
        results.means.clear();
        results.deviations.clear();
        for row in 0..self.rows.len() {
            let [known, away, square] = [0, 1, 2].map(|lane| self.wide.value(row, lanes.start + lane));
            let (mean, deviation) = if known > 0.0 {
                let mean = away / known;
                // A rounding error must not make it the root of something negative; a NaN stays one.
                let variance = square / known - mean * mean;
                (middle + mean, if variance < 0.0 { 0.0 } else { variance.sqrt() })
            } else {
                (f64::NAN, f64::NAN)
            };
            results.means.push(mean);
            results.deviations.push(deviation);
        }
    }

    /// The rows at hand, row-major.
    pub(in crate::pipeline) fn values(&self, lanes: &Range<usize>, results: &mut Vec<f32>) {
        results.clear();
        for row in 0..self.rows.len() {
            let mut lane = lanes.start;
            while lane < lanes.end {
                let (block, within) = (lane / self.narrow.width, lane % self.narrow.width);
                let width = self.narrow.files[block].width;
                let some = (width - within).min(lanes.end - lane);
                results.extend_from_slice(&self.narrow.held[block][row * width + within..][..some]);
                lane += some;
            }
        }
    }

    /// Removes states and weights: the last unit is transferred.
    pub(in crate::pipeline) fn end(self) -> Result<()> {
        self.ledger.end()
    }
}
