//! Rows of an array, read in ranges.
//!
//! A range is read band by band. A band is one row of inner chunks; each is decoded once, several in parallel on the
//! caller's rayon pool, and scattered into the rows. Where stored bytes are already the rows, they are read in place.

use std::ops::Range;

use rayon::prelude::*;

use super::array::ZarrArray;
use super::grid::Grid;
use super::object::Object;
use super::scatter::scatter;
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange};

/// Most inner chunks decoded at a time by one read.
const MOST_IN_FLIGHT: u64 = 32;
/// Most decoded bytes of them, unless every thread's two are more.
const BYTES_IN_FLIGHT: u64 = 8 << 20;

/// The part of a band group that is decoded at a time.
pub(in crate::source) struct Group {
    /// Rows of the array, within the range asked for.
    pub(in crate::source) rows: RowRange,
    /// Bands of inner chunks that hold them.
    pub(super) bands: Range<u64>,
    /// Inner chunks of each band.
    pub(super) columns: Range<u64>,
}

impl ZarrArray {
    /// Reads rows as row-major native-endian bytes into `out`, which is cleared first.
    pub fn read_rows(&self, rows: RowRange, out: &mut Vec<u8>) -> Result<()> {
        check_range(rows, self.rows())?;
        let bytes = self.row_bytes()?.checked_mul(rows.len()).ok_or_else(|| Error::internal("rows beyond memory"))?;
        out.resize(bytes, 0);
        self.read_into(rows, out)
    }

    /// Reads rows as row-major native-endian bytes into a buffer of exactly their size.
    pub fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
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
        let decoded = self.metadata().codecs.largest_decoded(self.metadata().grid.inner_elements());
        for group in groups(&self.metadata().grid, decoded, rows) {
            let chunks = jobs(&group)
                .into_par_iter()
                .map(|(band, column)| {
                    let Some((object, encoded)) = self.encoded(band, column, self.spare().take())? else {
                        return Ok(None);
                    };
                    let mut spare = self.spare().take();
                    let elements = self.metadata().grid.inner_elements();
                    let decoded = self.metadata().codecs.decode_fixed(encoded, elements, &mut spare);
                    self.spare().give(spare);
                    decoded.map(Some).map_err(|reason| object.corrupt(chunk_name(band, column), reason))
                })
                .collect::<Result<Vec<Option<Vec<u8>>>>>()?;
            let first = (group.rows.start - rows.start) as usize * row_bytes;
            let window = &mut out[first..first + group.rows.len() * row_bytes];
            scatter(&self.metadata().grid, &group, &self.metadata().fill, &chunks, window);
            chunks.into_iter().flatten().for_each(|chunk| self.spare().give(chunk));
        }
        Ok(())
    }

    /// Reads the strings of a one-dimensional array into `out`, which is cleared first.
    pub fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        check_range(rows, self.rows())?;
        out.clear();
        if self.dtype() != DType::String || self.shape().len() != 1 {
            return Err(self.schema("data_type", "is not a list of strings"));
        }
        self.strings(rows, out)
    }

    /// Reads the one text of a scalar.
    pub fn read_text(&self) -> Result<String> {
        if self.dtype() != DType::String || !self.shape().is_empty() {
            return Err(self.schema("data_type", "is not one string"));
        }
        let mut text = StringBlock::default();
        self.strings(RowRange::new(0, 1), &mut text)?;
        Ok(text.iter().next().unwrap_or_default().to_owned())
    }

    fn strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        let grid = &self.metadata().grid;
        let bands: Vec<RowRange> = grid.bands(rows).collect();
        for bands in bands.chunks(in_flight(self.largest_strings()) as usize) {
            let blocks = bands
                .par_iter()
                .map(|piece| {
                    let band = piece.start / grid.band_rows();
                    let mut block = StringBlock::default();
                    let Some((object, encoded)) = self.encoded(band, 0, Vec::new())? else {
                        let fill = std::str::from_utf8(&self.metadata().fill).unwrap_or_default();
                        (0..piece.len()).for_each(|_| block.push(fill));
                        return Ok(block);
                    };
                    let first = (piece.start % grid.band_rows()) as usize;
                    let decoded = self.metadata().codecs.decode_strings(
                        encoded,
                        grid.inner_elements(),
                        first..first + piece.len(),
                        &mut block,
                    );
                    decoded.map_err(|reason| object.corrupt(chunk_name(band, 0), reason))?;
                    Ok(block)
                })
                .collect::<Result<Vec<_>>>()?;
            for block in &blocks {
                out.append(block);
            }
        }
        Ok(())
    }

    fn row_bytes(&self) -> Result<usize> {
        let Some(size) = self.dtype().size() else { return Err(self.schema("data_type", "is string, not a number")) };
        if !(1..=2).contains(&self.shape().len()) {
            return Err(self.schema("shape", format!("{:?} has not one or two dimensions", self.shape())));
        }
        usize::try_from(self.metadata().grid.columns())
            .ok()
            .and_then(|columns| columns.checked_mul(size))
            .ok_or_else(|| self.schema("shape", "a row is larger than memory"))
    }

    /// Whether stored bytes are whole rows as they are wanted.
    pub(super) fn reads_in_place(&self) -> bool {
        let Grid { shape, inner, .. } = &self.metadata().grid;
        self.metadata().codecs.is_raw() && (shape.len() == 1 || (shape.len() == 2 && shape[1] == inner[1]))
    }

    fn read_in_place(&self, rows: RowRange, row_bytes: usize, out: &mut [u8]) -> Result<()> {
        let band_rows = self.inner_rows();
        let mut pieces = Vec::new();
        let mut rest = out;
        for piece in self.bands(rows) {
            let (window, after) = rest.split_at_mut(piece.len() * row_bytes);
            pieces.push((piece, window));
            rest = after;
        }
        pieces.into_par_iter().try_for_each(|(piece, window)| {
            let Some((object, offset, _)) = self.stored(piece.start / band_rows, 0)? else {
                window
                    .chunks_exact_mut(self.metadata().fill.len())
                    .for_each(|out| out.copy_from_slice(&self.metadata().fill));
                return Ok(());
            };
            object.read_into(offset + (piece.start % band_rows) * row_bytes as u64, window)
        })
    }

    fn encoded(&self, band: u64, column: u64, spare: Vec<u8>) -> Result<Option<(Object, Vec<u8>)>> {
        let Some((object, offset, length)) = self.stored(band, column)? else { return Ok(None) };
        let bytes = object.read_spare(offset, length, spare)?;
        Ok(Some((object, bytes)))
    }
}

/// Cuts a range into what is decoded at a time: several bands, or some columns of one. An inner chunk decodes to `decoded` bytes.
pub(in crate::source) fn groups(grid: &Grid, decoded: u64, rows: RowRange) -> Vec<Group> {
    let jobs = in_flight(decoded);
    let (width, band_rows) = (grid.band_width(), grid.band_rows());
    let bands: Vec<RowRange> = grid.bands(rows).collect();
    let mut groups = Vec::new();
    for bands in bands.chunks((jobs / width).max(1) as usize) {
        let (Some(first), Some(last)) = (bands.first(), bands.last()) else { continue };
        for column in (0..width).step_by(jobs as usize) {
            groups.push(Group {
                rows: RowRange { start: first.start, end: last.end },
                bands: first.start / band_rows..last.start / band_rows + 1,
                columns: column..(column + jobs).min(width),
            });
        }
    }
    groups
}

/// Inner chunks of `decoded` bytes that are decoded at a time: enough for every thread of the pool to have a next one.
pub(in crate::source) fn in_flight(decoded: u64) -> u64 {
    let busy = (2 * rayon::current_num_threads() as u64).min(MOST_IN_FLIGHT);
    (BYTES_IN_FLIGHT / decoded.max(1)).clamp(busy, MOST_IN_FLIGHT)
}

pub(in crate::source) fn jobs(group: &Group) -> Vec<(u64, u64)> {
    group.bands.clone().flat_map(|band| group.columns.clone().map(move |column| (band, column))).collect()
}

/// How errors name an inner chunk.
pub(super) fn chunk_name(band: u64, column: u64) -> String {
    format!("inner chunk ({band}, {column})")
}
