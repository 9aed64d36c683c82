//! What one store gives to an array that is made of many: rows of the type that all of them have.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::{ObsColumn, ObsNames, RowSource, StringBlock};
use crate::types::{DType, RowRange, Tile};

/// One store's share.
pub(super) enum Part {
    /// Rows of a matrix, as f32.
    Rows(Arc<dyn RowSource>),
    /// Names of cells.
    Names(ObsNames),
    /// Codes as i32, and what each is among the categories of all.
    Codes(ObsColumn, Vec<i32>),
    /// Numbers or booleans as they are stored.
    Values(ObsColumn),
    /// Numbers as f64, NaN where one is missing.
    Numbers(ObsColumn),
    /// Texts.
    Texts(ObsColumn),
    /// Whether values are missing, one byte each.
    Mask(ObsColumn),
    /// The same i32 for every row.
    Constant(i32, u64),
}

impl Part {
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.rows(),
            Self::Names(names) => names.rows(),
            Self::Constant(_, rows) => *rows,
            Self::Codes(column, _)
            | Self::Values(column)
            | Self::Numbers(column)
            | Self::Texts(column)
            | Self::Mask(column) => column.rows(),
        }
    }

    pub(super) fn natural_rows(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.natural_tile_rows(),
            Self::Names(names) => names.natural_tile_rows(),
            Self::Constant(..) => 1 << 16,
            Self::Codes(column, _)
            | Self::Values(column)
            | Self::Numbers(column)
            | Self::Texts(column)
            | Self::Mask(column) => column.natural_tile_rows(),
        }
    }

    pub(super) fn band_end(&self, row: u64) -> u64 {
        match self {
            Self::Rows(rows) => rows.band_end(row),
            Self::Names(names) => names.band_end(row),
            Self::Constant(_, rows) => *rows,
            Self::Codes(column, _)
            | Self::Values(column)
            | Self::Numbers(column)
            | Self::Texts(column)
            | Self::Mask(column) => column.band_end(row),
        }
    }

    /// Bytes that reading takes besides what it fills: those of the store, and a copy of what was read.
    pub(super) fn scratch_bytes(&self, rows: u64) -> u64 {
        let (own, row) = match self {
            Self::Rows(source) => (source.scratch_bytes(rows), source.dim() as u64 * 4),
            Self::Names(names) => (names.scratch_bytes(rows), 40),
            Self::Constant(..) => (0, 0),
            Self::Texts(column) => (column.scratch_bytes(rows), 40),
            Self::Codes(column, _) | Self::Values(column) | Self::Numbers(column) | Self::Mask(column) => {
                (column.scratch_bytes(rows), 8)
            }
        };
        own.saturating_add(rows.saturating_mul(row))
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.stored_bytes(),
            Self::Names(names) => names.stored_bytes(),
            // The mask lies beside the values, which count both.
            Self::Constant(..) | Self::Mask(_) => 0,
            Self::Codes(column, _) | Self::Values(column) | Self::Numbers(column) | Self::Texts(column) => {
                column.stored_bytes()
            }
        }
    }

    pub(super) fn preflight(&self) -> Result<()> {
        match self {
            Self::Rows(rows) => rows.preflight(),
            Self::Names(names) => names.preflight(),
            Self::Constant(..) => Ok(()),
            Self::Codes(column, _)
            | Self::Values(column)
            | Self::Numbers(column)
            | Self::Texts(column)
            | Self::Mask(column) => column.preflight(),
        }
    }

    pub(super) fn fingerprint(&self, seed: u64) -> Result<u128> {
        match self {
            Self::Rows(rows) => rows.fingerprint(seed),
            Self::Names(names) => names.fingerprint(seed),
            Self::Constant(value, rows) => Ok(u128::from(*rows) << 32 | u128::from(value.unsigned_abs())),
            Self::Codes(column, _)
            | Self::Values(column)
            | Self::Numbers(column)
            | Self::Texts(column)
            | Self::Mask(column) => column.fingerprint(seed),
        }
    }

    pub(super) fn warnings(&self) -> Result<Vec<String>> {
        if let Self::Rows(rows) = self { rows.warnings() } else { Ok(Vec::new()) }
    }

    /// Reads rows of this store, native-endian, into a buffer of exactly their size.
    pub(super) fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        match self {
            Self::Rows(source) => {
                let mut tile = Tile::default();
                source.read(rows, &mut tile)?;
                copy(bytemuck::cast_slice(&tile.values), out)
            }
            Self::Codes(column, places) => {
                let mut codes = Vec::new();
                column.read_codes(rows, &mut codes)?;
                let place = |code: &mut i32| {
                    *code = usize::try_from(*code).ok().and_then(|code| places.get(code)).copied().unwrap_or(-1);
                };
                codes.iter_mut().for_each(place);
                copy(bytemuck::cast_slice(&codes), out)
            }
            Self::Values(column) => {
                let mut bytes = Vec::new();
                column.read_values(rows, &mut bytes)?;
                copy(&bytes, out)
            }
            Self::Numbers(column) => {
                let mut numbers = Vec::new();
                column.read_numbers(rows, &mut numbers)?;
                copy(bytemuck::cast_slice(&numbers), out)
            }
            Self::Mask(column) => {
                let mut mask = Vec::new();
                column.read_mask(rows, &mut mask)?;
                copy(&mask, out)
            }
            Self::Constant(value, _) => {
                out.chunks_exact_mut(4).for_each(|place| place.copy_from_slice(&value.to_ne_bytes()));
                Ok(())
            }
            Self::Names(_) | Self::Texts(_) => Err(Error::internal("texts are no bytes of one size")),
        }
    }

    /// Reads texts of this store; a missing one is empty.
    pub(super) fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        match self {
            Self::Names(names) => names.read(rows, out),
            Self::Texts(column) => column.read_strings(rows, out, &mut Vec::new()),
            _ => Err(Error::internal("numbers are no texts")),
        }
    }

    /// Type of what it gives.
    pub(super) fn dtype(&self) -> DType {
        match self {
            Self::Rows(_) => DType::Float32,
            Self::Names(_) | Self::Texts(_) => DType::String,
            Self::Codes(..) | Self::Constant(..) => DType::Int32,
            Self::Values(column) => column.dtype().unwrap_or(DType::Float64),
            Self::Numbers(_) => DType::Float64,
            Self::Mask(_) => DType::Bool,
        }
    }
}

fn copy(bytes: &[u8], out: &mut [u8]) -> Result<()> {
    if bytes.len() != out.len() {
        return Err(Error::internal(format!("{} bytes were read where {} were wanted", bytes.len(), out.len())));
    }
    out.copy_from_slice(bytes);
    Ok(())
}
