//! M on disk: the normalised weights of every row, made once and read once for every step.
//!
//! A file holds the rows of one unit, in pieces of some rows: their number and that of their weights; the logarithm of each row's sum before it
//! was normalised; how many weights each row has; their columns, ascending within a row; and the weights, in f64 as they were made. Only the
//! machine that wrote it reads it, so numbers are in its own order of bytes.

use crate::error::Result;
use crate::graph::{StoredNeighbors, holder};
use crate::kernel::{CsrBlock, Weights};
use crate::pipeline::memory::diffusion::PIECE_WEIGHTS;
use crate::pipeline::prepared::Prepared;
use crate::pipeline::transfer_pass::weigher::Weigher;
use crate::progress::Progress;
use crate::sink::{MappingStore, Stage};
use crate::store::{AtomicFile, PositionedFile, RunLedger};
use crate::types::{NeighborBlock, RowRange};

/// Makes and writes the rows that no file holds yet.
pub(super) fn write(
    prepared: &Prepared,
    store: &MappingStore,
    weigher: &mut Weigher,
    ledger: &mut RunLedger,
    progress: &Progress,
) -> Result<()> {
    let layout = prepared.spec.layout;
    let covered = ledger.covered(Stage::Weighed);
    progress.begin("weigh", layout.n_obs(), covered);
    let source = holder(store.path())?;
    let (mut neighbors, mut weights) = (NeighborBlock::default(), Weights::default());
    for unit in (0..layout.units()).map(|unit| layout.unit(unit)).filter(|unit| unit.rows.end > covered) {
        let mut stored = StoredNeighbors::open(&source, &layout.prefix(unit.part))?;
        let mut writer = PieceWriter::new(prepared.spec.n_ref);
        let range = [unit.rows.start, unit.rows.end];
        ledger.write(Stage::Weighed, range, serde_json::Value::Null, |file| {
            let mut next = unit.rows.start;
            while next < unit.rows.end {
                let rows = weigher.rows(next, unit.rows.end, prepared.spec.k)?;
                let first = unit.first_in_part + (rows.start - unit.rows.start);
                stored.read(RowRange::new(first, first + rows.len() as u64), rows.start, &mut neighbors)?;
                weigher.weigh(&mut neighbors, &mut weights, progress)?;
                next = rows.start + neighbors.rows() as u64;
                writer.push(&mut weights, file)?;
                progress.advance(neighbors.rows() as u64)?;
            }
            Ok(())
        })?;
    }
    progress.end();
    Ok(())
}

/// Whether columns fit 32 bits.
fn is_narrow(n: u64) -> bool {
    n <= 1 << 32
}

struct PieceWriter {
    narrow: bool,
    log_sums: Vec<f64>,
    row: Vec<(u64, f64)>,
    bytes: Vec<u8>,
}

impl PieceWriter {
    fn new(n: u64) -> Self {
        Self { narrow: is_narrow(n), log_sums: Vec::new(), row: Vec::new(), bytes: Vec::new() }
    }

    /// Normalises and writes these rows.
    fn push(&mut self, weights: &mut Weights, file: &mut AtomicFile) -> Result<()> {
        let log_sum = |row: usize| libm::log(weights.block.row(row).1.iter().sum()) - weights.shifts[row];
        self.log_sums.clear();
        self.log_sums.extend((0..weights.block.rows()).map(log_sum));
        weights.normalize();
        let CsrBlock { starts, columns, weights, .. } = &mut weights.block;
        for ends in starts.windows(2) {
            let range = ends[0]..ends[1];
            if !columns[range.clone()].is_sorted() {
                self.row.clear();
                self.row.extend(columns[range.clone()].iter().copied().zip(weights[range.clone()].iter().copied()));
                self.row.sort_unstable_by_key(|(column, _)| *column);
                for (place, &(column, weight)) in range.zip(&self.row) {
                    (columns[place], weights[place]) = (column, weight);
                }
            }
        }
        let mut first = 0;
        while first + 1 < starts.len() {
            let most = starts[first] + PIECE_WEIGHTS;
            let last = (starts.partition_point(|&end| end <= most) - 1).max(first + 1);
            let edges = starts[first]..starts[last];
            self.bytes.clear();
            for number in [last - first, edges.len()] {
                self.bytes.extend_from_slice(&(number as u64).to_ne_bytes());
            }
            self.bytes.extend_from_slice(bytemuck::cast_slice(&self.log_sums[first..last]));
            let counts = starts[first..=last].windows(2).map(|ends| ((ends[1] - ends[0]) as u64).to_ne_bytes());
            self.bytes.extend(counts.flatten());
            if self.narrow {
                self.bytes.extend(columns[edges.clone()].iter().flat_map(|&column| (column as u32).to_ne_bytes()));
            } else {
                self.bytes.extend_from_slice(bytemuck::cast_slice(&columns[edges.clone()]));
            }
            self.bytes.extend_from_slice(bytemuck::cast_slice(&weights[edges]));
            file.write_all(&self.bytes)?;
            first = last;
        }
        Ok(())
    }
}

/// Reads M from its first row to its last.
pub(super) struct MatrixReader {
    files: Vec<PositionedFile>,
    narrow: bool,
    /// The file at hand, and where its next piece begins.
    at: (usize, u64),
    next_row: u64,
    bytes: Vec<u8>,
    pub(super) block: CsrBlock,
    /// The logarithm of the sum of each row.
    pub(super) log_sums: Vec<f64>,
}

impl MatrixReader {
    /// Opens the files of a ledger; `GM_CORRUPT` if one is not what was written.
    pub(super) fn open(ledger: &RunLedger, n: u64) -> Result<Self> {
        let ranges = ledger.ranges(Stage::Weighed);
        let files = ranges.into_iter().map(|range| ledger.read(Stage::Weighed, range)).collect::<Result<_>>()?;
        Ok(Self {
            files,
            narrow: is_narrow(n),
            at: (0, 0),
            next_row: 0,
            bytes: Vec::new(),
            block: CsrBlock::default(),
            log_sums: Vec::new(),
        })
    }

    /// Goes back to the first row.
    pub(super) fn rewind(&mut self) {
        (self.at, self.next_row) = ((0, 0), 0);
    }

    /// Reads the next rows into `block`; `false` behind the last.
    pub(super) fn read(&mut self) -> Result<bool> {
        let (mut number, mut offset) = self.at;
        while self.files.get(number).is_some_and(|file| offset >= file.length()) {
            (number, offset) = (number + 1, 0);
        }
        let Some(file) = self.files.get(number) else { return Ok(false) };
        let mut head = [0u64; 2];
        file.read_exact_at(bytemuck::cast_slice_mut(&mut head), offset)?;
        let [rows, edges] = head.map(|number| number as usize);
        let column_bytes = if self.narrow { 4 } else { 8 };
        let length = rows.saturating_mul(16).saturating_add(edges.saturating_mul(column_bytes + 8));
        if rows == 0 || length as u64 > file.length() - offset {
            return Err(file.corrupt(format!("piece at byte {offset}"), "it is longer than the file"));
        }
        self.bytes.resize(length, 0);
        file.read_exact_at(&mut self.bytes, offset + 16)?;
        let (sums, rest) = self.bytes.split_at(rows * 8);
        let (counts, rest) = rest.split_at(rows * 8);
        let (columns, weights) = rest.split_at(edges * column_bytes);
        self.log_sums.clear();
        self.log_sums.extend(sums.as_chunks().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)));
        let CsrBlock { first_row, starts, columns: held, weights: of_edges } = &mut self.block;
        *first_row = self.next_row;
        starts.clear();
        starts.push(0);
        let mut end = 0;
        for count in counts.as_chunks().0 {
            end += u64::from_ne_bytes(*count) as usize;
            starts.push(end.min(edges));
        }
        held.clear();
        if self.narrow {
            held.extend(columns.as_chunks().0.iter().map(|bytes| u64::from(u32::from_ne_bytes(*bytes))));
        } else {
            held.extend(columns.as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes)));
        }
        of_edges.clear();
        of_edges.extend(weights.as_chunks().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)));
        self.next_row += rows as u64;
        self.at = (number, offset + 16 + length as u64);
        Ok(true)
    }
}
