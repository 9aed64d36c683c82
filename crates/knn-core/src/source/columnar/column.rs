//! A part of a table as a stored array: values, which of them are missing, codes, categories, or vectors.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, ArrayRef};
use xxhash_rust::xxh3::Xxh3;

use super::categories::Categories;
use super::table::Table;
use super::values::{text, write_numbers, write_times, write_vectors};
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::StoredArray;
use crate::source::memory::check_range;
use crate::source::sampled::sampled;
use crate::types::{DType, RowRange};

/// Rows of a sampled group that are hashed.
const SAMPLED_ROWS: u64 = 4096;

/// What of the columns is read.
#[derive(Debug, Clone)]
pub(super) enum Role {
    /// Numbers, flags or texts of one column.
    Values(DType),
    /// Points or lengths of time of one column.
    Times,
    /// Where a column has no value.
    Mask,
    /// Codes of a dictionary column.
    Codes(Arc<Categories>),
    /// What they stand for.
    Categories(Arc<Categories>),
    /// Lists of floats of one column.
    Vectors(DType),
    /// Columns of floats, side by side.
    Columns(DType),
}

/// One array of a table.
#[derive(Debug)]
pub(super) struct ColumnArray {
    table: Arc<Table>,
    columns: Vec<usize>,
    role: Role,
    path: String,
    shape: Vec<u64>,
    band: Vec<u64>,
    /// The column of a group that was decoded last: callers with small blocks ask for parts of it one after the other.
    last: Mutex<Option<(usize, usize, ArrayRef)>>,
}

impl ColumnArray {
    pub(super) fn new(table: Arc<Table>, path: &str, columns: Vec<usize>, role: Role, width: Option<usize>) -> Self {
        let rows = match &role {
            Role::Categories(categories) => categories.names.len() as u64,
            _ => table.rows(),
        };
        let first = table.groups.rows().first().copied().unwrap_or(1);
        let mut shape = vec![rows];
        let mut band = vec![first.clamp(1, rows.max(1))];
        shape.extend(width.map(|width| width as u64));
        band.extend(width.map(|width| width as u64));
        Self { table, columns, role, path: path.into(), shape, band, last: Mutex::default() }
    }

    fn width(&self) -> usize {
        self.shape.get(1).map_or(1, |&width| width as usize)
    }

    fn group(&self, group: usize, column: usize) -> Result<ArrayRef> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, of, array)) = last.as_ref()
            && (*known, *of) == (group, column)
        {
            return Ok(array.clone());
        }
        // What is not needed any more makes room first.
        *last = None;
        let array = self.table.groups.read(group, column)?;
        *last = Some((group, column, array.clone()));
        Ok(array)
    }

    /// Groups that hold `rows`, each with its rows of them.
    fn pieces(&self, rows: RowRange) -> Vec<(usize, RowRange)> {
        let mut start = 0;
        let mut pieces = Vec::new();
        for (group, &length) in self.table.groups.rows().iter().enumerate() {
            let (first, last) = (rows.start.max(start), rows.end.min(start + length));
            if first < last {
                pieces.push((group, RowRange::new(first - start, last - start)));
            }
            start += length;
        }
        pieces
    }

    fn write(&self, group: usize, rows: RowRange, out: &mut [u8]) -> Result<()> {
        let part = |column: usize| Ok::<_, Error>(self.group(group, column)?.slice(rows.start as usize, rows.len()));
        let first = self.columns.first().copied().unwrap_or_default();
        match &self.role {
            Role::Values(dtype) => write_numbers(&part(first)?, *dtype, out),
            Role::Times => write_times(&part(first)?, out),
            Role::Vectors(dtype) => write_vectors(&part(first)?, *dtype, self.width(), out),
            Role::Mask => {
                let array = part(first)?;
                out.iter_mut().enumerate().for_each(|(row, missing)| *missing = u8::from(array.is_null(row)));
            }
            Role::Codes(categories) => {
                let codes = categories.codes(&part(first)?);
                out.copy_from_slice(bytemuck::cast_slice(&codes));
            }
            Role::Columns(dtype) => {
                let size = dtype.size().unwrap_or(1);
                let mut values = vec![0; rows.len() * size];
                for (number, &column) in self.columns.iter().enumerate() {
                    write_numbers(&part(column)?, *dtype, &mut values);
                    let at = number * size;
                    let places = out.chunks_exact_mut(self.columns.len() * size).zip(values.chunks_exact(size));
                    places.for_each(|(row, value)| row[at..at + size].copy_from_slice(value));
                }
            }
            Role::Categories(_) => return Err(self.schema("data_type", "is string, not a number".into())),
        }
        Ok(())
    }
}

impl StoredArray for ColumnArray {
    fn name(&self) -> String {
        format!("{}/{}", self.table.name, self.path)
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        match self.role {
            Role::Values(dtype) | Role::Vectors(dtype) | Role::Columns(dtype) => dtype,
            Role::Times => DType::Int64,
            Role::Mask => DType::Bool,
            Role::Codes(_) => DType::Int32,
            Role::Categories(_) => DType::String,
        }
    }

    fn inner_chunk(&self) -> &[u64] {
        &self.band
    }

    fn codec(&self) -> String {
        self.table.format.into()
    }

    fn reads_in_place(&self) -> bool {
        false
    }

    fn scratch_bytes(&self, _: u64) -> u64 {
        let largest = self.table.groups.rows().iter().copied().max().unwrap_or(0);
        self.table.groups.largest_bytes().saturating_add(largest.saturating_mul(8))
    }

    /// What a table takes is not told by column.
    fn stored_bytes(&self) -> u64 {
        self.table.bytes / self.table.groups.schema().fields().len().max(1) as u64
    }

    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        check_range(rows, self.shape[0])?;
        let size = self.dtype().size().ok_or_else(|| self.schema("data_type", "is string, not a number".into()))?;
        let row = self.width() * size;
        if out.len() != rows.len() * row {
            return Err(Error::internal(format!("a buffer of {} bytes for {} rows", out.len(), rows.len())));
        }
        let mut rest = out;
        for (group, rows) in self.pieces(rows) {
            let (window, after) = rest.split_at_mut(rows.len() * row);
            self.write(group, rows, window)?;
            rest = after;
        }
        Ok(())
    }

    fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        check_range(rows, self.shape[0])?;
        out.clear();
        match &self.role {
            Role::Categories(categories) => {
                (rows.start..rows.end).for_each(|code| out.push(categories.names.get(code as usize)));
            }
            Role::Values(DType::String) => {
                for (group, rows) in self.pieces(rows) {
                    let array = self.group(group, self.columns[0])?;
                    (rows.start..rows.end).for_each(|row| out.push(text(array.as_ref(), row as usize)));
                }
            }
            _ => return Err(self.schema("data_type", "is not a list of strings".into())),
        }
        Ok(())
    }

    /// Metadata were checked when the table was opened.
    fn preflight(&self) -> Result<()> {
        Ok(())
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        let mut hash = Xxh3::with_seed(seed);
        hash.update(format!("{} {:?} {:?}", self.dtype().name(), self.shape, self.table.groups.rows()).as_bytes());
        let bands = self.shape[0].div_ceil(self.band[0]);
        let (mut bytes, mut texts) = (Vec::new(), StringBlock::default());
        for band in sampled(bands, seed) {
            let first = band * self.band[0];
            let rows = RowRange::new(first, (first + self.band[0].min(SAMPLED_ROWS)).min(self.shape[0]));
            if self.dtype() == DType::String {
                self.read_strings(rows, &mut texts)?;
                hash.update(&texts.bytes);
            } else {
                self.read_rows(rows, &mut bytes)?;
                hash.update(&bytes);
            }
        }
        Ok(hash.digest128())
    }

    fn is_absent(&self) -> Result<bool> {
        Ok(false)
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Error::schema(self.table.name.as_str(), self.path.as_str(), field, reason)
    }
}
