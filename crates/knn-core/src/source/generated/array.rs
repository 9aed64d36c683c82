//! Generated cells as stored arrays: coordinates, codes, truths and names, computed for whatever rows are asked for.

use std::sync::Arc;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::cells::{Cells, Class, Scratch};
use super::parameters::VERSION;
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::StoredArray;
use crate::source::memory::check_range;
use crate::types::{DType, RowRange};

/// Rows that one thread computes at a time.
const PIECE: usize = 1024;
/// Rows of what is told as a chunk.
const BAND: u64 = 1 << 16;

/// What is computed of each cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Coordinates,
    Class,
    Batch,
    IsRare,
    IsOutside,
    Name,
}

/// An array of them.
#[derive(Debug)]
pub(super) struct GeneratedArray {
    store: Arc<str>,
    path: String,
    cells: Arc<Cells>,
    what: What,
    shape: Vec<u64>,
    band: Vec<u64>,
}

impl What {
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::Coordinates => DType::Float32,
            Self::Class | Self::Batch => DType::Int16,
            Self::IsRare | Self::IsOutside => DType::Bool,
            Self::Name => DType::UInt64,
        }
    }

    pub(super) fn shape(self, cells: &Cells) -> Vec<u64> {
        let mut shape = vec![cells.parameters.rows];
        shape.extend((self == Self::Coordinates).then_some(cells.parameters.columns));
        shape
    }
}

impl GeneratedArray {
    pub(super) fn new(store: &Arc<str>, path: &str, cells: &Arc<Cells>, what: What) -> Self {
        let shape = what.shape(cells);
        let mut band = shape.clone();
        band[0] = BAND.min(band[0].max(1));
        Self { store: Arc::clone(store), path: path.to_owned(), cells: Arc::clone(cells), what, shape, band }
    }

    fn row_bytes(&self) -> usize {
        self.what.dtype().size().unwrap_or(1) * self.shape.iter().skip(1).product::<u64>() as usize
    }

    /// Computes consecutive rows from `first` on.
    fn compute(&self, first: u64, out: &mut [u8]) {
        let cells = self.cells.as_ref();
        let (mut scratch, mut row) = (Scratch::default(), vec![0.0f32; cells.parameters.columns as usize]);
        for (number, bytes) in (first..).zip(out.chunks_exact_mut(self.row_bytes())) {
            let number = cells.number(number);
            if self.what == What::Name {
                bytes.copy_from_slice(&number.to_ne_bytes());
                continue;
            }
            let kind = cells.kind(number);
            match self.what {
                What::Coordinates => {
                    cells.place(kind, &mut scratch, &mut row);
                    bytes.copy_from_slice(bytemuck::cast_slice(&row));
                }
                What::Class => bytes.copy_from_slice(&cells.code(kind.class).to_ne_bytes()),
                What::Batch => bytes.copy_from_slice(&(kind.batch as i16).to_ne_bytes()),
                What::IsRare => bytes[0] = u8::from(matches!(kind.class, Class::Rare(_))),
                What::IsOutside => bytes[0] = u8::from(matches!(kind.class, Class::Outside(_))),
                What::Name => {}
            }
        }
    }
}

impl StoredArray for GeneratedArray {
    fn name(&self) -> String {
        format!("{}/{}", self.store, self.path)
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        self.what.dtype()
    }

    fn inner_chunk(&self) -> &[u64] {
        &self.band
    }

    fn codec(&self) -> String {
        "generated".into()
    }

    /// Any range costs its own rows only.
    fn reads_in_place(&self) -> bool {
        true
    }

    /// A row of numbers and one of coordinates for each thread.
    fn scratch_bytes(&self, _: u64) -> u64 {
        let row = 4 * (2 * self.cells.parameters.columns + self.cells.parameters.latent[1] + 64);
        row * rayon::current_num_threads() as u64
    }

    /// Nothing is stored; but coordinates cost about what reading them would, and whoever chooses by cost is told so.
    fn stored_bytes(&self) -> u64 {
        if self.what == What::Coordinates { self.shape[0].saturating_mul(self.row_bytes() as u64) } else { 0 }
    }

    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        check_range(rows, self.shape[0])?;
        if self.row_bytes().checked_mul(rows.len()) != Some(out.len()) {
            return Err(Error::internal(format!("a buffer of {} bytes for {} rows", out.len(), rows.len())));
        }
        let pieces = out.par_chunks_mut(PIECE * self.row_bytes());
        pieces.enumerate().for_each(|(piece, bytes)| self.compute(rows.start + (piece * PIECE) as u64, bytes));
        Ok(())
    }

    fn read_strings(&self, _: RowRange, _: &mut StringBlock) -> Result<()> {
        Err(self.schema("data_type", format!("is {} and not string", self.dtype().name())))
    }

    /// Parameters were checked when the file was opened.
    fn preflight(&self) -> Result<()> {
        Ok(())
    }

    /// Of the parameters, from which all follows.
    fn fingerprint(&self, seed: u64) -> Result<u128> {
        let parameters =
            serde_json::to_string(&self.cells.parameters).map_err(|error| Error::internal(error.to_string()))?;
        Ok(xxh3_128_with_seed(format!("generated {VERSION} {:?} {parameters}", self.what).as_bytes(), seed))
    }

    fn is_absent(&self) -> Result<bool> {
        Ok(false)
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Error::schema(&*self.store, self.path.as_str(), field, reason)
    }
}
