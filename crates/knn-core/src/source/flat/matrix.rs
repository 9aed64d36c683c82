//! The matrix of a flat file as a stored array: rows by pread straight into the caller's buffer where they lie as they are
//! wanted, otherwise in bands of about a mebibyte.

use std::sync::Arc;

use rayon::prelude::*;
use xxhash_rust::xxh3::Xxh3;

use super::layout::{Layout, Order};
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::{StoredArray, bands};
use crate::source::memory::check_range;
use crate::source::sampled::sampled;
use crate::store::PositionedFile;
use crate::types::{DType, RowRange};

/// Bytes of a band.
const WINDOW: u64 = 1 << 20;
/// Columns that lie apart are read at least so many rows at a time, because each is a request of its own.
const LEAST_ROWS: u64 = 4096;

/// A matrix in a file.
#[derive(Debug)]
pub(super) struct FlatMatrix {
    file: Arc<PositionedFile>,
    name: String,
    layout: Layout,
    shape: [u64; 2],
    window: [u64; 2],
}

impl FlatMatrix {
    pub(super) fn new(file: Arc<PositionedFile>, name: String, layout: Layout) -> Self {
        let rows = match layout.order {
            Order::Columns => (WINDOW / layout.stride()).max(LEAST_ROWS),
            Order::Rows | Order::Prefixed => WINDOW / layout.stride(),
        };
        let shape = [layout.rows, layout.columns];
        let window = [rows.clamp(1, layout.rows.max(1)), layout.columns];
        Self { file, name, layout, shape, window }
    }

    fn row_bytes(&self) -> usize {
        (self.layout.columns * self.layout.size()) as usize
    }

    /// Reads the rows of one band.
    fn read_band(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        let Layout { order, offset, .. } = self.layout;
        let size = self.layout.size() as usize;
        match order {
            Order::Rows => self.file.read_exact_at(out, offset + rows.start * self.layout.stride())?,
            Order::Columns => {
                let mut column = vec![0; rows.len() * size];
                let row_bytes = self.row_bytes();
                for number in 0..self.layout.columns {
                    let first = (number * self.layout.rows + rows.start) * size as u64;
                    self.file.read_exact_at(&mut column, offset + first)?;
                    let at = number as usize * size;
                    for (row, value) in out.chunks_exact_mut(row_bytes).zip(column.chunks_exact(size)) {
                        row[at..at + size].copy_from_slice(value);
                    }
                }
            }
            Order::Prefixed => {
                let stride = self.layout.stride();
                let mut lines = vec![0; rows.len() * stride as usize];
                self.file.read_exact_at(&mut lines, offset + rows.start * stride)?;
                let wanted = (self.layout.columns as u32).to_le_bytes();
                let places = lines.chunks_exact(stride as usize).zip(out.chunks_exact_mut(self.row_bytes()));
                for (number, (line, row)) in places.enumerate() {
                    if line[..4] != wanted {
                        let block = format!("row {}", rows.start + number as u64);
                        let reason = format!("has not the {} values of the first", self.layout.columns);
                        return Err(Error::Corrupt { file: self.name.clone(), block, reason });
                    }
                    row.copy_from_slice(&line[4..]);
                }
            }
        }
        if self.layout.swap {
            out.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        Ok(())
    }
}

impl StoredArray for FlatMatrix {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        self.layout.dtype
    }

    fn inner_chunk(&self) -> &[u64] {
        &self.window
    }

    fn codec(&self) -> String {
        "raw".into()
    }

    fn reads_in_place(&self) -> bool {
        self.layout.order == Order::Rows && !self.layout.swap
    }

    fn scratch_bytes(&self, rows: u64) -> u64 {
        let band = rows.min(self.window[0]);
        let one = match self.layout.order {
            Order::Rows => return 0,
            Order::Columns => band * self.layout.size(),
            Order::Prefixed => band * self.layout.stride(),
        };
        let jobs = (rows.div_ceil(self.window[0]) + 1).min(rayon::current_num_threads() as u64);
        one.saturating_mul(jobs)
    }

    fn stored_bytes(&self) -> u64 {
        self.file.length()
    }

    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        check_range(rows, self.layout.rows)?;
        if self.row_bytes().checked_mul(rows.len()) != Some(out.len()) {
            return Err(Error::internal(format!("a buffer of {} bytes for {} rows", out.len(), rows.len())));
        }
        let mut pieces = Vec::new();
        let mut rest = out;
        for piece in bands(rows, self.window[0]) {
            let (window, after) = rest.split_at_mut(piece.len() * self.row_bytes());
            pieces.push((piece, window));
            rest = after;
        }
        pieces.into_par_iter().try_for_each(|(piece, window)| self.read_band(piece, window))
    }

    fn read_strings(&self, _: RowRange, _: &mut StringBlock) -> Result<()> {
        Err(self.schema("data_type", "is not a list of strings".into()))
    }

    /// Sizes were checked when the file was opened.
    fn preflight(&self) -> Result<()> {
        Ok(())
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        let mut hash = Xxh3::with_seed(seed);
        hash.update(format!("{} {:?} {:?}", self.layout.dtype.name(), self.shape, self.layout.order).as_bytes());
        let mut bytes = Vec::new();
        for band in sampled(self.layout.rows.div_ceil(self.window[0]), seed) {
            let first = band * self.window[0];
            hash.update(&first.to_le_bytes());
            self.read_rows(RowRange::new(first, (first + self.window[0]).min(self.layout.rows)), &mut bytes)?;
            hash.update(&bytes);
        }
        Ok(hash.digest128())
    }

    fn is_absent(&self) -> Result<bool> {
        Ok(false)
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Error::schema(self.name.as_str(), "", field, reason)
    }
}
