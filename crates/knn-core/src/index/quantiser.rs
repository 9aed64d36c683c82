//! The product quantiser of an index: how many sub-spaces there are, the training of their codewords, and the file `pq.bin`.
//!
//! What is coded are residuals, rows less the centroids of their lists: at a LID of 20 that leaves 0.4 of the error of plain rows, and as
//! many true neighbours are kept by a third of the candidates. Sub-spaces are of two columns, and of more where a row would take more than
//! 22 bytes, so that with its number and all that fills up it stays below 40.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::format::{Bytes, corrupt};
use super::kmeans::KMeans;
use super::nearest::{Frame, is_finite, norm};
use super::sample::mix;
use crate::distance::{CODEWORDS, Codebooks, DistanceTile, Grid};
use crate::error::Result;
use crate::progress::Progress;
use crate::store::{Vfs, Written, write_atomic};

const MAGIC: [u8; 8] = *b"GMPQCODE";
/// Bytes before the codewords.
const HEADER: u64 = 24;
/// Columns of a sub-space, where there are not too many of them.
const LEAST_WIDTH: usize = 2;
/// Most sub-spaces of a row: 22 bytes of codes.
const MOST_SPACES: usize = 44;
/// Rows that train the codewords, at most.
pub(super) const TRAINING_ROWS: usize = 4096;
/// Bytes that each of their values takes: in the row, and beside others of its sub-space.
pub(super) const TRAINING_BYTES: u64 = 8;
/// Set apart from the seeds of the levels.
const CODING: u64 = 0x9216_d5d9_8979_fb1b;

/// Codebooks, and how far a row lies from what its codes stand for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quantiser {
    pub(super) books: Codebooks,
    /// Mean squared distance of a row that trained it from what its codes stand for.
    pub(super) error: f64,
}

/// Columns of a sub-space of rows of `dim` columns.
pub(super) fn width(dim: usize) -> usize {
    dim.div_ceil(MOST_SPACES).max(LEAST_WIDTH).min(dim)
}

impl Quantiser {
    /// Trains on residuals (row-major); those that are not finite do not count. The same for any threads and lane.
    pub(super) fn train(
        residuals: &[f32],
        dim: usize,
        seed: u64,
        tile: &dyn DistanceTile,
        progress: &Progress,
    ) -> Result<Self> {
        let residuals: Vec<&[f32]> = residuals.chunks_exact(dim).filter(|row| is_finite(row)).collect();
        let width = width(dim);
        let firsts: Vec<usize> = (0..dim).step_by(width).collect();
        let columns: Vec<Vec<[f32; CODEWORDS]>> = firsts
            .into_par_iter()
            .map(|first| {
                let own = first..(first + width).min(dim);
                let parts: Vec<f32> = residuals.iter().flat_map(|row| row[own.clone()].iter().copied()).collect();
                let origin = vec![0.0; own.len()];
                let mut norms: Vec<f64> = parts.chunks_exact(own.len()).map(|part| norm(part, &origin)).collect();
                let frame = Frame::new(&origin, Grid::reach(&mut norms));
                let kmeans = KMeans { frame: &frame, tile, progress };
                let words = kmeans.train(&parts, CODEWORDS, mix(seed ^ CODING, first as u64), &origin)?;
                let column = |column| std::array::from_fn(|word| words[word * own.len() + column]);
                Ok((0..own.len()).map(column).collect())
            })
            .collect::<Result<_>>()?;
        let books = Codebooks::new(width, columns.concat());
        let squared: Vec<f64> = residuals.par_iter().map(|row| squared_error(&books, row, tile)).collect();
        let error = squared.iter().sum::<f64>() / squared.len().max(1) as f64;
        Ok(Self { books, error })
    }

    /// Bytes of the file, and about as many in memory.
    pub(super) fn file_length(dim: u64) -> Option<u64> {
        dim.checked_mul(CODEWORDS as u64 * 4)?.checked_add(HEADER)
    }

    /// Writes `pq.bin`, which appears whole.
    pub(super) fn write(&self, vfs: &Arc<dyn Vfs>, path: &Path, worker: &str) -> Result<Written> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        for number in [self.books.dim() as u32, self.books.width() as u32] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.error.to_le_bytes());
        self.books.columns().as_flattened().iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        write_atomic(vfs, path, worker, &bytes)
    }

    /// Reads it from the bytes of `file`, which must be all of them and no more.
    pub(super) fn parse(bytes: &[u8], file: &str, dim: usize) -> Result<Self> {
        let mut rest = Bytes::new(bytes, file, "codebooks");
        let wrong = |reason: String| corrupt(file, "header", reason);
        if rest.take(8)? != MAGIC {
            return Err(wrong("it holds no codebooks".into()));
        }
        let (stored, columns) = (rest.u32()? as usize, rest.u32()? as usize);
        if stored != dim || dim == 0 || columns != width(dim) {
            return Err(wrong(format!("sub-spaces of {columns} of {stored} columns, where rows have {dim}")));
        }
        let error = f64::from_bits(rest.u64()?);
        if !(error.is_finite() && error >= 0.0) {
            return Err(wrong(format!("error {error}")));
        }
        let values = rest.f32s(dim.checked_mul(CODEWORDS).ok_or_else(|| wrong("too many columns".into()))?)?;
        rest.end()?;
        if !is_finite(&values) {
            return Err(corrupt(file, "codebooks", "not finite"));
        }
        Ok(Self { books: Codebooks::new(columns, values.as_chunks().0.to_vec()), error })
    }
}

/// Squared distance of a residual from what its codes stand for.
fn squared_error(books: &Codebooks, residual: &[f32], tile: &dyn DistanceTile) -> f64 {
    let mut codes = vec![0; books.spaces()];
    tile.encode(books, residual, &mut codes);
    let columns = residual.iter().zip(books.columns()).enumerate();
    let difference = |(column, (value, words)): (usize, (&f32, &[f32; CODEWORDS]))| {
        f64::from(*value) - f64::from(words[usize::from(codes[column / books.width()])])
    };
    columns.map(|column| difference(column).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Lane;
    use crate::store::OsVfs;

    #[test]
    fn a_row_never_takes_more_than_22_bytes_of_codes() {
        for (dim, columns, spaces) in
            [(1, 1, 1), (2, 2, 1), (5, 2, 3), (50, 2, 25), (88, 2, 44), (89, 3, 30), (2000, 46, 44)]
        {
            let books = Codebooks::new(width(dim), vec![[0.0; CODEWORDS]; dim]);
            assert_eq!((books.width(), books.spaces()), (columns, spaces), "{dim}");
        }
        assert!((1..5000).all(|dim: usize| dim.div_ceil(width(dim)) <= MOST_SPACES));
    }

    #[test]
    fn codebooks_are_read_as_written_and_nothing_shorter_or_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pq.bin");
        let residuals: Vec<f32> = (0..900u16).map(|i| f32::from(i * 7 % 64) / 8.0).chain([f32::INFINITY; 3]).collect();
        let trained = Quantiser::train(&residuals, 3, 5, &Lane::best(), &Progress::silent()).unwrap();
        assert!(trained.error > 0.0 && trained.error < 2.0, "{}", trained.error);
        trained.write(&(Arc::new(OsVfs) as Arc<dyn Vfs>), &path, "w").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(Some(bytes.len() as u64), Quantiser::file_length(3));
        assert_eq!(Quantiser::parse(&bytes, "f", 3).unwrap(), trained);
        for length in 0..bytes.len() {
            assert_eq!(Quantiser::parse(&bytes[..length], "f", 3).unwrap_err().code(), "GM_CORRUPT");
        }
        assert!(Quantiser::parse(&[&bytes[..], &[0]].concat(), "f", 3).is_err());
        assert!(Quantiser::parse(&bytes, "f", 4).is_err());
    }

    #[test]
    fn fewer_rows_than_codewords_and_equal_rows_are_coded_without_error() {
        let train = |rows: &[f32], dim| Quantiser::train(rows, dim, 1, &Lane::best(), &Progress::silent()).unwrap();
        assert_eq!(train(&[], 3), Quantiser { books: Codebooks::new(2, vec![[0.0; 16]; 3]), error: 0.0 });
        assert_eq!(train(&[1.0, -2.0, 3.0, 0.5, 0.25, 9.0], 3).error, 0.0);
        assert_eq!(train(&[2.5; 400], 4).error, 0.0);
    }
}
