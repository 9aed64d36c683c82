//! Rows of an array, read in ranges: bands of chunks are decoded once each, several in parallel on the caller's rayon pool,
//! and scattered into the rows. Contiguous values are read straight into them.

use rayon::prelude::*;

use super::array::H5Array;
use super::place::Place;
use crate::error::{Error, Result};
use crate::source::container::{StoredArray, bands};
use crate::source::memory::check_range;
use crate::source::zarr::{groups, jobs, scatter};
use crate::types::RowRange;

impl H5Array {
    /// Reads rows as row-major native-endian bytes into a buffer of exactly their size.
    pub(super) fn read_values(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        check_range(rows, self.rows())?;
        let row_bytes = self.row_bytes()?;
        if row_bytes.checked_mul(rows.len()) != Some(out.len()) {
            return Err(Error::internal(format!("a buffer of {} bytes for {} rows", out.len(), rows.len())));
        }
        if out.is_empty() {
            return Ok(());
        }
        if self.reads_in_place() {
            return self.read_in_place(rows, row_bytes, out);
        }
        let grid = &self.layout().grid;
        for group in groups(grid, self.decoded_bytes(), rows) {
            let chunks = jobs(&group)
                .into_par_iter()
                .map(|(band, column)| {
                    let records = self.stored(band * grid.band_width() + column)?;
                    Ok(records.map(|records| self.element().convert(records)))
                })
                .collect::<Result<Vec<Option<Vec<u8>>>>>()?;
            let first = (group.rows.start - rows.start) as usize * row_bytes;
            let window = &mut out[first..first + group.rows.len() * row_bytes];
            scatter(grid, &group, &self.layout().fill, &chunks, window);
            chunks.into_iter().flatten().for_each(|chunk| self.spare().give(chunk));
        }
        Ok(())
    }

    fn read_in_place(&self, rows: RowRange, row_bytes: usize, out: &mut [u8]) -> Result<()> {
        let Place::Contiguous(offset) = self.layout().place else {
            return Err(Error::internal("data are not in place"));
        };
        let mut pieces = Vec::new();
        let mut rest = out;
        for piece in bands(rows, self.inner_rows()) {
            let (window, after) = rest.split_at_mut(piece.len() * row_bytes);
            pieces.push((piece.start * row_bytes as u64, window));
            rest = after;
        }
        let file = &self.file().shared().file.file;
        pieces.into_par_iter().try_for_each(|(first, window)| file.read_exact_at(window, offset + first))
    }

    /// The records of a chunk as they were before its filters; `None` is fill. The last window of what is not chunked is
    /// as short as its rows.
    pub(super) fn stored(&self, number: u64) -> Result<Option<Vec<u8>>> {
        let file = &self.file().shared().file.file;
        let mut bytes = self.spare().take();
        let window = || {
            let band = self.layout().grid.band_rows();
            let first = number * band;
            let rows = band.min(self.rows() - first);
            let record = self.element().record as u64;
            (self.records(first) * record, (self.records(rows) * record) as usize)
        };
        match &self.layout().place {
            Place::Absent => Ok(None),
            Place::Inline(data) => {
                let (first, length) = window();
                bytes.clear();
                bytes.extend_from_slice(&data[first as usize..first as usize + length]);
                Ok(Some(bytes))
            }
            Place::Contiguous(offset) => {
                let (first, length) = window();
                bytes.resize(length, 0);
                file.read_exact_at(&mut bytes, offset + first)?;
                Ok(Some(bytes))
            }
            Place::Chunks(spans) => {
                let Ok(found) = spans.binary_search_by_key(&number, |(number, _)| *number) else {
                    return if self.is_lost(number) { Err(self.lost(number)) } else { Ok(None) };
                };
                let span = spans[found].1;
                bytes.resize(span.length as usize, 0);
                file.read_exact_at(&mut bytes, span.offset)?;
                let mut spare = self.spare().take();
                let decoded = self.layout().filters.decode(bytes, span.mask, self.decoded_bytes(), &mut spare);
                self.spare().give(spare);
                decoded.map(Some).map_err(|reason| self.corrupt(format!("chunk {number}"), reason))
            }
        }
    }

    fn row_bytes(&self) -> Result<usize> {
        let Some(size) = self.dtype().size() else {
            return Err(self.schema("data_type", "is string, not a number".into()));
        };
        if !(1..=2).contains(&self.shape().len()) {
            return Err(self.schema("shape", format!("{:?} has not one or two dimensions", self.shape())));
        }
        usize::try_from(self.layout().grid.columns())
            .ok()
            .and_then(|columns| columns.checked_mul(size))
            .ok_or_else(|| self.schema("shape", "a row is larger than memory".into()))
    }
}
