//! Decoded inner chunks into rows.
//!
//! Column-split embeddings arrive as one buffer per column or few; written row by row, every element would miss the
//! cache. So the rows are cut into blocks that stay in it, and each block takes the chunks one after the other.

use rayon::prelude::*;

use super::grid::Grid;
use super::read::Group;

/// Bytes of rows that are filled at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// Writes the group's columns into `out`, the group's rows. `chunks` are in the order band, column; `None` is fill.
pub(in crate::source) fn scatter(grid: &Grid, group: &Group, fill: &[u8], chunks: &[Option<Vec<u8>>], out: &mut [u8]) {
    let size = fill.len();
    let row_bytes = grid.columns() as usize * size;
    let block_rows = (BLOCK_BYTES / row_bytes).max(1);
    out.par_chunks_mut(block_rows * row_bytes).enumerate().for_each(|(block, out)| {
        let first = group.rows.start + (block * block_rows) as u64;
        let mut done = 0;
        // A block may span bands; each of its pieces lies in one.
        let rows = crate::types::RowRange { start: first, end: first + (out.len() / row_bytes) as u64 };
        for piece in grid.bands(rows) {
            let band = piece.start / grid.band_rows();
            let local = (piece.start % grid.band_rows()) as usize;
            let window = &mut out[done..done + piece.len() * row_bytes];
            done += window.len();
            for column in group.columns.clone() {
                let number = (band - group.bands.start) * (group.columns.end - group.columns.start) + column
                    - group.columns.start;
                let start = (column * grid.inner_columns()) as usize * size;
                let stride = grid.inner_columns() as usize * size;
                let width = stride.min(row_bytes - start);
                match &chunks[number as usize] {
                    None => fill_columns(window, row_bytes, start, width, fill),
                    Some(chunk) => {
                        let chunk = &chunk[local * stride..(local + piece.len()) * stride];
                        copy_columns(window, row_bytes, start, width, chunk, stride);
                    }
                }
            }
        }
    });
}

fn fill_columns(window: &mut [u8], row_bytes: usize, start: usize, width: usize, fill: &[u8]) {
    for row in window.chunks_exact_mut(row_bytes) {
        for element in row[start..start + width].chunks_exact_mut(fill.len()) {
            element.copy_from_slice(fill);
        }
    }
}

fn copy_columns(window: &mut [u8], row_bytes: usize, start: usize, width: usize, chunk: &[u8], stride: usize) {
    // A copy of known width is one instruction, one of unknown width a call: single columns are the common case.
    match width {
        4 => copy_fixed::<4>(window, row_bytes, start, chunk, stride),
        8 => copy_fixed::<8>(window, row_bytes, start, chunk, stride),
        _ => {
            for (row, from) in window.chunks_exact_mut(row_bytes).zip(chunk.chunks_exact(stride)) {
                row[start..start + width].copy_from_slice(&from[..width]);
            }
        }
    }
}

fn copy_fixed<const N: usize>(window: &mut [u8], row_bytes: usize, start: usize, chunk: &[u8], stride: usize) {
    for (row, from) in window.chunks_exact_mut(row_bytes).zip(chunk.chunks_exact(stride)) {
        if let (Some(to), Some(from)) = (row[start..].first_chunk_mut::<N>(), from.first_chunk::<N>()) {
            *to = *from;
        }
    }
}
