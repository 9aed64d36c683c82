//! Weighted means of reference rows that are not in memory: query rows wait with their weights while the reference passes by, band
//! after band, and each takes from a band what its neighbours there hold.
//!
//! A row's sum runs over its neighbours in the order of reference rows, in f64, as where the reference is in memory: the same bits.

use rayon::prelude::*;

use crate::kernel::CsrBlock;
use crate::types::Tile;

/// Rows that one thread works on at a time.
const TASK_ROWS: usize = 64;

/// Query rows that wait, and what each has of the reference so far.
#[derive(Debug, Default)]
pub struct WaitingRows {
    pieces: Vec<Piece>,
    width: usize,
    bytes: u64,
}

/// Rows that came together.
#[derive(Debug)]
struct Piece {
    /// Number of the first row.
    first_row: u64,
    /// Start of each row in `edges`, and the end of the last.
    starts: Vec<u32>,
    /// Reference row and weight, by reference rows within each row.
    edges: Vec<(u64, f64)>,
    /// The first edge of each row that the reference has not come to.
    next: Vec<u32>,
    /// `rows × width` sums.
    sums: Vec<f64>,
}

impl WaitingRows {
    /// No row yet, and room in each for sums of so many columns at most.
    pub fn new(most_columns: usize) -> Self {
        Self { pieces: Vec::new(), width: most_columns, bytes: 0 }
    }

    /// Bytes of so many rows with so many edges in all, for sums of so many columns.
    pub fn bytes(rows: u64, edges: u64, columns: u64) -> u64 {
        rows.saturating_mul(columns.saturating_mul(8).saturating_add(8)).saturating_add(edges.saturating_mul(16))
    }

    /// Whether no row waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many rows of `block` from `first` on there is room for, if all may take `capacity` bytes.
    pub fn fitting(&self, block: &CsrBlock, first: usize, capacity: u64) -> usize {
        let room = capacity.saturating_sub(self.bytes);
        let fits = |rows: &usize| {
            let edges = block.starts[first + rows] - block.starts[first];
            Self::bytes(*rows as u64, edges as u64, self.width as u64) <= room
        };
        (1..=block.rows() - first).take_while(fits).last().unwrap_or(0)
    }

    /// Adds rows of a block, counted within it.
    pub fn push(&mut self, block: &CsrBlock, rows: std::ops::Range<usize>) {
        let first = block.starts[rows.start];
        let starts: Vec<_> = block.starts[rows.start..=rows.end].iter().map(|&start| (start - first) as u32).collect();
        let mut edges = Vec::with_capacity(block.starts[rows.end] - first);
        let mut row_edges = Vec::new();
        for row in rows.clone() {
            edges.extend_from_slice(block.by_column(row, &mut row_edges));
        }
        self.bytes += Self::bytes(rows.len() as u64, edges.len() as u64, self.width as u64);
        let sums = Vec::with_capacity(rows.len() * self.width);
        self.pieces.push(Piece {
            first_row: block.first_row + rows.start as u64,
            next: starts[..rows.len()].to_vec(),
            starts,
            edges,
            sums,
        });
    }

    /// Lets the reference begin: all sums are 0, of so many columns.
    pub fn begin(&mut self, columns: usize) {
        self.pieces.par_iter_mut().for_each(|piece| {
            let rows = piece.rows();
            piece.next.copy_from_slice(&piece.starts[..rows]);
            piece.sums.clear();
            piece.sums.resize(rows * columns, 0.0);
        });
    }

    /// Whether any row waits for one of each so many consecutive reference rows, of which there are `bands` times as many.
    pub fn touched(&self, band_rows: u64, bands: usize) -> Vec<bool> {
        let none = || vec![false; bands];
        let of_piece = |mut touched: Vec<bool>, piece: &Piece| {
            piece.edges.iter().for_each(|(column, _)| touched[(column / band_rows) as usize] = true);
            touched
        };
        let both = |mut one: Vec<bool>, other: Vec<bool>| {
            one.iter_mut().zip(other).for_each(|(one, other)| *one |= other);
            one
        };
        self.pieces.par_iter().fold(none, of_piece).reduce(none, both)
    }

    /// Adds what rows wait for and the band holds; `places` says which columns of it are summed, all where there are none.
    pub fn add(&mut self, band: &Tile, places: Option<&[usize]>) {
        let columns = places.map_or(band.dim, <[usize]>::len);
        if columns == 0 {
            return;
        }
        let end = band.first_row + band.rows() as u64;
        self.pieces.par_iter_mut().for_each(|Piece { starts, edges, next, sums, .. }| {
            let rows = sums.par_chunks_mut(columns).zip(next.par_iter_mut()).zip(starts[1..].par_iter());
            rows.with_min_len(TASK_ROWS).for_each(|((sums, next), &last)| {
                while let Some(&(column, weight)) = edges[..last as usize].get(*next as usize)
                    && column < end
                {
                    let values = band.row((column - band.first_row) as usize);
                    if let Some(places) = places {
                        let picked = sums.iter_mut().zip(places);
                        picked.for_each(|(sum, &place)| *sum += weight * f64::from(values[place]));
                    } else {
                        sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += weight * f64::from(value));
                    }
                    *next += 1;
                }
            });
        });
    }

    /// Hands out the means with the number of their first row, row-major and so many rows at a time; a row without neighbours is NaN.
    pub fn means<E>(
        &self,
        columns: usize,
        rows: usize,
        mut take: impl FnMut(u64, &mut [f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut means = Vec::new();
        for piece in &self.pieces {
            for first in (0..piece.rows()).step_by(rows.max(1)) {
                means.clear();
                for row in first..piece.rows().min(first + rows.max(1)) {
                    let sums = piece.sums[row * columns..(row + 1) * columns].iter();
                    let is_empty = piece.starts[row] == piece.starts[row + 1];
                    means.extend(sums.map(|&sum| if is_empty { f32::NAN } else { sum as f32 }));
                }
                take(piece.first_row + first as u64, &mut means)?;
            }
        }
        Ok(())
    }

    /// Lets all rows go.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
    }
}

impl Piece {
    fn rows(&self) -> usize {
        self.starts.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Embedding, transfer_embedding};

    /// 5 rows, of which the third has no neighbour, with columns in no order.
    fn block() -> CsrBlock {
        CsrBlock {
            first_row: 7,
            starts: vec![0, 3, 4, 4, 6, 9],
            columns: vec![9, 0, 4, 2, 8, 3, 1, 7, 0],
            weights: vec![0.3, 0.1, 0.6, 1.0, 0.7, 0.3, 0.2, 0.5, 0.3],
        }
    }

    fn waited(capacity: u64, band_rows: usize) -> Vec<u32> {
        let values: Vec<f32> = (0..20u8).map(|value| 1.0 / (f32::from(value) + 0.7)).collect();
        let (block, mut waiting, mut found) = (block(), WaitingRows::new(2), Vec::new());
        let mut flush = |waiting: &mut WaitingRows| {
            waiting.begin(2);
            let touched = waiting.touched(band_rows as u64, 10usize.div_ceil(band_rows));
            for (band, _) in touched.into_iter().enumerate().filter(|(_, touched)| *touched) {
                let first = band * band_rows;
                let last = (first + band_rows).min(10);
                let band = Tile { first_row: first as u64, dim: 2, values: values[first * 2..last * 2].to_vec() };
                waiting.add(&band, None);
            }
            waiting
                .means(2, 1, |_, means| -> Result<(), ()> {
                    found.extend(means.iter().map(|mean| mean.to_bits()));
                    Ok(())
                })
                .unwrap();
            waiting.clear();
        };
        let mut first = 0;
        while first < block.rows() {
            let rows = waiting.fitting(&block, first, capacity).max(usize::from(waiting.is_empty()));
            if rows == 0 {
                flush(&mut waiting);
            } else {
                waiting.push(&block, first..first + rows);
                first += rows;
            }
        }
        flush(&mut waiting);
        found
    }

    #[test]
    fn sums_have_the_same_bits_wherever_rows_and_bands_are_cut() {
        let values: Vec<f32> = (0..20u8).map(|value| 1.0 / (f32::from(value) + 0.7)).collect();
        let mut resident = Vec::new();
        transfer_embedding(&Embedding { values, dim: 2 }, &block(), &mut resident);
        let resident: Vec<_> = resident.into_iter().map(f32::to_bits).collect();
        for capacity in [1, 100, 150, 1 << 20] {
            for band_rows in [1, 3, 10] {
                assert_eq!(waited(capacity, band_rows), resident, "{capacity} {band_rows}");
            }
        }
    }

    #[test]
    fn columns_are_picked_in_the_order_that_was_asked_for() {
        let mut waiting = WaitingRows::new(2);
        let block = CsrBlock { first_row: 0, starts: vec![0, 2], columns: vec![1, 0], weights: vec![0.5, 0.5] };
        waiting.push(&block, 0..1);
        waiting.begin(2);
        let band = Tile { first_row: 0, dim: 3, values: vec![2.0, 9.0, 4.0, 6.0, 9.0, 8.0] };
        waiting.add(&band, Some(&[2, 0]));
        let mut means = Vec::new();
        waiting
            .means(2, 10, |_, row| -> Result<(), ()> {
                means.extend_from_slice(row);
                Ok(())
            })
            .unwrap();
        assert_eq!(means, [6.0, 4.0]);
    }
}
