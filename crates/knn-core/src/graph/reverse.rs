//! Reverse edges: the graph of one store by the cells that its edges end in, which is its transpose.
//!
//! It is made through runs. Every edge becomes a record, and the key of a record is a bucket: some consecutive rows of one unit of the
//! output, fixed by its grid and never by memory. Records are pushed in the order of the rows that edges leave, and runs keep it, so the
//! sources of a row come out ascending, wherever the runs were cut. A row may be the neighbour of any number of others, so a bucket is not
//! taken as a whole: a reader shows as many rows as have no more edges than there is room for.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::store::{FAN_IN, Run, RunBuffer, RunShape};
use crate::types::RowRange;

/// Rows of a bucket at least, and buckets at most where units are as large as that.
const BUCKET_ROWS: u64 = 4096;
const MOST_BUCKETS: u64 = 1 << 14;
/// Bytes that are read at a time.
const PIECE: u64 = 1 << 18;
/// Bytes of an edge in memory, and of its record beside it while they are read.
const EDGE_BYTES: u64 = 12;

/// Edges that end in consecutive rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReverseBlock {
    /// Number of the first row.
    pub first_row: u64,
    /// Start of each row in `sources`, and the end of the last.
    pub starts: Vec<usize>,
    /// Rows that the edges leave, ascending within a row.
    pub sources: Vec<u64>,
    /// What each edge carries.
    pub values: Vec<f32>,
}

impl ReverseBlock {
    /// The rows it holds.
    pub fn rows(&self) -> RowRange {
        RowRange::new(self.first_row, self.first_row + self.starts.len().saturating_sub(1) as u64)
    }

    /// Sources and values of the edges that end in a row, counted over the whole graph; it must be one of [`Self::rows`].
    pub fn row(&self, row: u64) -> (&[u64], &[f32]) {
        let row = (row - self.first_row) as usize;
        let range = self.starts[row]..self.starts[row + 1];
        (&self.sources[range.clone()], &self.values[range])
    }

    /// Number of edges that end in these rows.
    pub fn edges(&self, rows: RowRange) -> usize {
        let place = |row: u64| self.starts[(row - self.first_row) as usize];
        place(rows.end) - place(rows.start)
    }
}

/// The form of the records of one graph.
#[derive(Debug, Clone, Copy)]
pub struct ReverseForm {
    rows: u64,
    unit_rows: u64,
    bucket_rows: u64,
    narrow: bool,
    shape: RunShape,
}

impl ReverseForm {
    /// For a graph of so many rows within itself, stored in units of so many.
    pub fn new(rows: u64, unit_rows: u64) -> Result<Self> {
        let bucket_rows = (BUCKET_ROWS * rows.div_ceil(BUCKET_ROWS * MOST_BUCKETS).max(1)).min(unit_rows);
        let keys = rows.div_ceil(unit_rows) * unit_rows.div_ceil(bucket_rows);
        let narrow = rows <= 1 << 32;
        let width = 4 + if narrow { 4 } else { 8 } + 4;
        let too_many = |_| Error::param("layout", unit_rows, "more units than can be sorted into: larger ones do");
        Ok(Self {
            rows,
            unit_rows,
            bucket_rows,
            narrow,
            shape: RunShape { keys: u32::try_from(keys).map_err(too_many)?, width },
        })
    }

    /// The shape of the runs.
    pub fn shape(&self) -> RunShape {
        self.shape
    }

    /// Bytes of a reader whose windows have so many edges.
    pub fn reader_bytes(&self, edges: u64) -> u64 {
        FAN_IN as u64 * Run::bytes(self.shape) + edges * EDGE_BYTES + self.bucket_rows * 24 + PIECE
    }

    /// The bucket of a row, and its rows.
    fn bucket(&self, row: u64) -> (u32, RowRange) {
        let (unit, within) = (row / self.unit_rows, row % self.unit_rows / self.bucket_rows);
        let start = unit * self.unit_rows + within * self.bucket_rows;
        let end = (start + self.bucket_rows).min((unit + 1) * self.unit_rows).min(self.rows);
        ((unit * self.unit_rows.div_ceil(self.bucket_rows) + within) as u32, RowRange::new(start, end))
    }

    /// Adds the edge from `source` to `target`.
    pub fn push(&self, source: u64, target: u64, value: f32, buffer: &mut RunBuffer) -> Result<()> {
        if target >= self.rows {
            return Err(Error::internal(format!("an edge to row {target} of {}", self.rows)));
        }
        let (key, rows) = self.bucket(target);
        let mut record = [0; 16];
        record[..4].copy_from_slice(&((target - rows.start) as u32).to_le_bytes());
        let end = 4 + if self.narrow { 4 } else { 8 };
        record[4..end].copy_from_slice(&source.to_le_bytes()[..end - 4]);
        record[end..end + 4].copy_from_slice(&value.to_le_bytes());
        buffer.push(key, &record[..end + 4])
    }

    /// Place within the bucket, source and value of a record.
    fn decode(&self, record: &[u8]) -> (usize, u64, f32) {
        let four = |at: usize| [record[at], record[at + 1], record[at + 2], record[at + 3]];
        let low = u64::from(u32::from_le_bytes(four(4)));
        let (source, value) =
            if self.narrow { (low, four(8)) } else { (low | u64::from(u32::from_le_bytes(four(8))) << 32, four(12)) };
        (u32::from_le_bytes(four(0)) as usize, source, f32::from_le_bytes(value))
    }
}

/// Reads reverse edges, window after window.
#[derive(Debug)]
pub struct ReverseReader {
    form: ReverseForm,
    runs: Vec<Run>,
    most_edges: u64,
    block: ReverseBlock,
    counts: Vec<u32>,
    bytes: Vec<u8>,
}

impl ReverseReader {
    /// Reads runs of this form, of which a window may have so many edges.
    pub fn new(form: ReverseForm, runs: Vec<Run>, most_edges: u64) -> Self {
        let (counts, bytes) = (Vec::new(), Vec::new());
        Self { form, runs, most_edges, block: ReverseBlock::default(), counts, bytes }
    }

    /// The edges that end in rows from `row` on: in as many of one bucket as there is room for, at least one. `GM_BUDGET` where a single row has
    /// more edges than that.
    pub fn window(&mut self, row: u64) -> Result<&ReverseBlock> {
        let held = self.block.rows();
        if !(held.start..held.end).contains(&row) {
            self.load(row)?;
        }
        Ok(&self.block)
    }

    /// The window that was shown last.
    pub fn held(&self) -> &ReverseBlock {
        &self.block
    }

    fn load(&mut self, row: u64) -> Result<()> {
        let (key, bucket) = self.form.bucket(row);
        let first = (row - bucket.start) as usize;
        let mut counts = std::mem::take(&mut self.counts);
        counts.clear();
        counts.resize(bucket.len(), 0);
        self.each(key, bucket.len(), |place, _, _| counts[place] += 1)?;
        let mut edges = 0;
        let fits = counts[first..].iter().take_while(|&&count| {
            edges += u64::from(count);
            edges <= self.most_edges
        });
        let last = first + fits.count();
        if last == first {
            return Err(Error::Budget {
                what: format!("the edges that end in cell {row}"),
                needed: u64::from(counts[first]) * EDGE_BYTES,
                available: self.most_edges * EDGE_BYTES,
                remedy: "more memory, symmetrize \"none\" or fewer neighbors would do".into(),
            });
        }
        let mut block = std::mem::take(&mut self.block);
        block.first_row = row;
        block.starts.clear();
        block.starts.push(0);
        let mut end = 0;
        for &count in &counts[first..last] {
            end += count as usize;
            block.starts.push(end);
        }
        block.sources.clear();
        block.sources.resize(end, 0);
        block.values.clear();
        block.values.resize(end, 0.0);
        // What was counted becomes where the next edge of a row goes.
        let mut next: Vec<usize> = block.starts.clone();
        let window: Range<usize> = first..last;
        self.each(key, bucket.len(), |place, source, value| {
            if window.contains(&place) {
                let at = &mut next[place - first];
                (block.sources[*at], block.values[*at]) = (source, value);
                *at += 1;
            }
        })?;
        (self.block, self.counts) = (block, counts);
        Ok(())
    }

    /// Shows every record of a bucket of so many rows, in order.
    fn each(&mut self, key: u32, rows: usize, mut see: impl FnMut(usize, u64, f32)) -> Result<()> {
        let width = self.form.shape.width as usize;
        for run in &self.runs {
            let mut reader = run.key(key);
            while reader.left() > 0 {
                self.bytes.clear();
                reader.read(PIECE / width as u64, &mut self.bytes)?;
                for record in self.bytes.chunks_exact(width) {
                    let (place, source, value) = self.form.decode(record);
                    if place >= rows {
                        return Err(Error::internal(format!("an edge to place {place} of a bucket of {rows} rows")));
                    }
                    see(place, source, value);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::{OsVfs, Vfs};

    /// Edges of a graph with a hub: everybody's neighbour is row 3.
    fn edges(rows: u64) -> Vec<(u64, u64, f32)> {
        let of = |row: u64| {
            [3, (row * 7 + 1) % rows, (row + 1) % rows].map(|target| (row, target, (row * 100 + target) as f32))
        };
        let mut all: Vec<_> = (0..rows).flat_map(of).filter(|(source, target, _)| source != target).collect();
        all.dedup();
        all
    }

    fn reader(form: ReverseForm, rows: u64, cut: usize, most: u64, folder: &std::path::Path) -> ReverseReader {
        let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
        let mut buffer = RunBuffer::new(form.shape());
        let mut runs = Vec::new();
        for (number, some) in edges(rows).chunks(cut).enumerate() {
            for &(source, target, value) in some {
                form.push(source, target, value, &mut buffer).unwrap();
            }
            let path = folder.join(format!("{cut}-{most}-{number}"));
            buffer.commit(&vfs, &path, "w").unwrap();
            runs.push(Run::open(&path, form.shape()).unwrap());
        }
        ReverseReader::new(form, runs, most)
    }

    #[test]
    fn wherever_runs_and_windows_are_cut_the_edges_of_a_row_are_the_same() {
        let rows = 40;
        let folder = tempfile::tempdir().unwrap();
        for (form, cut, most) in [
            (ReverseForm::new(rows, 1000).unwrap(), 1000, 1000),
            (ReverseForm::new(rows, 16).unwrap(), 7, 45),
            (ReverseForm::new(rows, 3).unwrap(), 50, 60),
            (
                ReverseForm {
                    narrow: false,
                    shape: RunShape { width: 16, ..ReverseForm::new(rows, 16).unwrap().shape },
                    ..ReverseForm::new(rows, 16).unwrap()
                },
                50,
                45,
            ),
        ] {
            let mut reader = reader(form, rows, cut, most, folder.path());
            for row in 0..rows {
                let block = reader.window(row).unwrap();
                assert!(block.rows().start <= row && block.sources.len() as u64 <= most);
                let expected: Vec<_> = edges(rows).into_iter().filter(|edge| edge.1 == row).collect();
                let (sources, values) = block.row(row);
                assert_eq!(sources, expected.iter().map(|edge| edge.0).collect::<Vec<_>>(), "{row}");
                assert_eq!(values, expected.iter().map(|edge| edge.2).collect::<Vec<_>>(), "{row}");
            }
        }
    }

    #[test]
    fn a_row_with_more_edges_than_there_is_room_for_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = reader(ReverseForm::new(40, 16).unwrap(), 40, 1000, 20, folder.path());
        reader.window(0).unwrap();
        let error = reader.window(3).unwrap_err();
        assert!(error.code() == "GM_BUDGET" && error.to_string().contains("cell 3"), "{error}");
    }

    #[test]
    fn buckets_lie_within_units_and_are_few() {
        for (rows, unit_rows) in [(1, 1), (100, 16), (5_000_000, 1 << 20), (3_000_000_000, 1 << 20)] {
            let form = ReverseForm::new(rows, unit_rows).unwrap();
            assert!(u64::from(form.shape().keys) <= MOST_BUCKETS + 2 * rows.div_ceil(unit_rows), "{rows}");
            for row in [0, rows / 3, rows - 1] {
                let (key, bucket) = form.bucket(row);
                assert!(key < form.shape().keys && (bucket.start..bucket.end).contains(&row));
                assert_eq!(bucket.start / unit_rows, (bucket.end - 1) / unit_rows);
            }
        }
        assert_eq!(ReverseForm::new(3, 1).unwrap().bucket(2), (2, RowRange::new(2, 3)));
    }
}
