//! One pass over a range of rows, in batches, prepared for the metric that will compare them.

use rayon::prelude::*;

use crate::distance::Metric;
use crate::error::Result;
use crate::source::RowSource;
use crate::types::{RowRange, Tile};

/// Rows that a thread prepares at a time.
const PREPARED_ROWS: usize = 4096;

/// Reads a range of a source in order. Bands of the source's chunks are decoded whole, once; what a batch does not take is carried
/// to the next.
pub struct TileReader<'a> {
    source: &'a dyn RowSource,
    next: u64,
    end: u64,
    carried: Tile,
    prepare: Option<fn(&mut [f32])>,
}

impl<'a> TileReader<'a> {
    /// A pass over `rows` of `source`.
    pub fn new(source: &'a dyn RowSource, rows: RowRange, metric: Metric) -> Self {
        let carried = Tile { first_row: rows.start, dim: source.dim(), values: Vec::new() };
        Self { source, next: rows.start, end: rows.end, carried, prepare: metric.prepare() }
    }

    /// Bytes that a pass takes besides the tiles it fills: the carried band and the source's own scratch.
    pub fn bytes(source: &dyn RowSource) -> u64 {
        let band = source.natural_tile_rows().min(source.rows());
        band * source.dim() as u64 * 4 + source.scratch_bytes(band)
    }

    /// The row that comes next.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Fills `tile` with the next `rows` rows, fewer at the end of the range, none after it.
    pub fn next(&mut self, rows: u64, tile: &mut Tile) -> Result<()> {
        let dim = self.source.dim();
        let last = (self.next + rows).min(self.end);
        tile.first_row = self.next;
        tile.dim = dim;
        // What the tile had is overwritten where it can be, because clearing it costs as much as reading it.
        if self.is_carried() || !self.read_whole_bands(last, tile)? {
            tile.values.clear();
        }
        tile.values.reserve_exact((last - tile.first_row) as usize * dim - tile.values.len());
        while self.next < last {
            if !self.is_carried() {
                self.read_band()?;
            }
            let first = (self.next - self.carried.first_row) as usize;
            let available = self.carried.rows() - first;
            let taken = available.min((last - self.next) as usize);
            tile.values.extend_from_slice(&self.carried.values[first * dim..(first + taken) * dim]);
            self.next += taken as u64;
        }
        if let Some(prepare) = self.prepare {
            let some = tile.values.par_chunks_mut(PREPARED_ROWS * dim.max(1));
            some.for_each(|rows| rows.chunks_exact_mut(dim).for_each(prepare));
        }
        Ok(())
    }

    /// Whether the next row was read with a band before.
    fn is_carried(&self) -> bool {
        self.next < self.carried.first_row + self.carried.rows() as u64
    }

    /// Reads the bands that lie wholly before `last` straight into the tile, because they need not be carried. False if there is none.
    fn read_whole_bands(&mut self, last: u64, tile: &mut Tile) -> Result<bool> {
        let mut whole = self.next;
        // Nothing is cut in two where the range ends or a band does, nor anywhere in a source that decodes nothing.
        let anywhere = self.source.natural_tile_rows() == 1;
        if anywhere || last == self.end || (last > self.next && self.source.band_end(last - 1) == last) {
            whole = last;
        } else {
            while let Some(end) = Some(self.source.band_end(whole)).filter(|end| *end <= last && *end > whole) {
                whole = end;
            }
        }
        if whole <= self.next {
            return Ok(false);
        }
        self.source.read(RowRange::new(self.next, whole), tile)?;
        self.next = whole;
        Ok(true)
    }

    /// The band of whole inner chunks in which the next row lies, cut to the range.
    fn read_band(&mut self) -> Result<()> {
        let last = self.source.band_end(self.next).min(self.end);
        self.source.read(RowRange::new(self.next, last), &mut self.carried)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryRows;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_batch_size_gives_the_rows_in_order(
            rows in 0u64..200, dim in 1usize..5, band in 1u64..70, batch in 1u64..90, start in 0u64..50,
        ) {
            let values: Vec<f32> = (0..rows * dim as u64).map(|i| i as f32).collect();
            let source = MemoryRows::new(values.clone(), dim).unwrap().with_natural_tile_rows(band);
            let start = start.min(rows);
            let mut reader = TileReader::new(&source, RowRange::new(start, rows), Metric::Euclidean);
            let (mut seen, mut tile) = (Vec::new(), Tile::default());
            loop {
                reader.next(batch, &mut tile).unwrap();
                if tile.rows() == 0 {
                    break;
                }
                prop_assert_eq!(tile.first_row, start + (seen.len() / dim) as u64);
                prop_assert!(tile.rows() as u64 <= batch);
                seen.extend_from_slice(&tile.values);
            }
            prop_assert_eq!(&seen[..], &values[start as usize * dim..]);
        }
    }

    #[test]
    fn every_row_is_prepared_once() {
        let source =
            MemoryRows::new([3.0, 4.0, 0.0, 0.0, 1e-3, 0.0].repeat(5000), 2).unwrap().with_natural_tile_rows(7);
        let mut reader = TileReader::new(&source, RowRange::new(0, 15_000), Metric::Cosine);
        let mut tile = Tile::default();
        for batch in [1, 10_000, 4999] {
            reader.next(batch, &mut tile).unwrap();
            for row in 0..tile.rows() {
                let expected = [[0.6, 0.8], [f32::NAN; 2], [1.0, 0.0]][(tile.first_row as usize + row) % 3];
                let bits = |row: &[f32]| row.iter().map(|value| value.to_bits() & !(1 << 31)).collect::<Vec<_>>();
                assert_eq!(bits(tile.row(row)), bits(&expected));
            }
        }
        assert_eq!(reader.position(), 15_000);
    }
}
