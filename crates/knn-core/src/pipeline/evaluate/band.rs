//! Values of a column, read forwards in pieces that do not follow its chunks: what was decoded with a piece is kept for the next.

use crate::error::Result;
use crate::types::RowRange;

/// The values of the band that was read last.
#[derive(Debug)]
pub(super) struct Band<T> {
    rows: RowRange,
    values: Vec<T>,
}

impl<T> Default for Band<T> {
    fn default() -> Self {
        Self { rows: RowRange::new(0, 0), values: Vec::new() }
    }
}

impl<T: Copy> Band<T> {
    /// Clears `out` and fills it with the values of these rows; `end` says where the band of a row ends, and `read` reads one.
    pub(super) fn fill(
        &mut self,
        rows: RowRange,
        out: &mut Vec<T>,
        end: impl Fn(u64) -> u64,
        mut read: impl FnMut(RowRange, &mut Vec<T>) -> Result<()>,
    ) -> Result<()> {
        out.clear();
        let mut next = rows.start;
        while next < rows.end {
            if !(self.rows.start..self.rows.end).contains(&next) {
                self.rows = RowRange::new(next, next);
                let band = RowRange::new(next, end(next).max(next + 1));
                read(band, &mut self.values)?;
                self.rows = band;
            }
            let last = self.rows.end.min(rows.end);
            let within = (next - self.rows.start) as usize..(last - self.rows.start) as usize;
            out.extend_from_slice(&self.values[within]);
            next = last;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_band_is_read_once() {
        let mut band = Band::default();
        let (mut read, mut out, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for rows in RowRange::new(0, 23).pieces(5) {
            let end = |row: u64| ((row / 7 + 1) * 7).min(23);
            band.fill(rows, &mut out, end, |rows, values| {
                read.push((rows.start, rows.end));
                *values = (rows.start..rows.end).collect();
                Ok(())
            })
            .unwrap();
            all.extend_from_slice(&out);
        }
        assert_eq!(all, (0..23).collect::<Vec<_>>());
        assert_eq!(read, [(0, 7), (7, 14), (14, 21), (21, 23)]);
    }
}
