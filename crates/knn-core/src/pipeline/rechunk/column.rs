//! Names and columns on their way: which can be copied, in which form, and each with the band of chunks that it has at hand.

use crate::error::{Error, Result};
use crate::pipeline::little_endian::little_endian_codes;
use crate::pipeline::outputs::{NAMES, stored};
use crate::sink::{ArraySpec, Field, Kind, Stage, UnitWriter, check_name, codes_dtype};
use crate::source::{AnnDataStore, ColumnKind, ObsColumn, ObsNames, StringBlock};
use crate::types::{DType, RowRange};

/// Fewest rows that are read at a time, where chunks are small.
const LEAST_ROWS: u64 = 1 << 16;
/// Bytes that a text takes in an estimate, its end included.
const TEXT_BYTES: u64 = 40;

/// Where the values come from.
enum Origin {
    Names(ObsNames),
    Column(ObsColumn),
}

/// How they are stored.
#[derive(Clone, Copy)]
enum Form {
    /// Codes of this type.
    Codes(DType),
    /// Numbers and booleans as they are.
    Values(DType),
    /// Numbers as f64, NaN where one is missing: floats with a mask, for which anndata has no form.
    Numbers,
    /// Texts.
    Texts,
}

/// One column, and the rows of it that were read and not all written.
pub(in crate::pipeline) struct ColumnCopy {
    origin: Origin,
    form: Form,
    masked: bool,
    /// Rows at hand.
    band: RowRange,
    bytes: Vec<u8>,
    texts: StringBlock,
    mask: Vec<u8>,
}

/// The names, and the columns that were asked for, or all that can be copied: the others are named in `warnings`.
pub(in crate::pipeline) fn columns(
    store: &AnnDataStore,
    asked: Option<&[String]>,
    warnings: &mut Vec<String>,
) -> Result<Vec<ColumnCopy>> {
    let mut columns = vec![ColumnCopy::names(store)?];
    if let Some(asked) = asked {
        for key in asked {
            columns.push(ColumnCopy::open(store, key)?);
        }
        return Ok(columns);
    }
    let mut folded = vec!["_index".to_owned()];
    for key in store.obs_keys() {
        let case = key.to_lowercase();
        let opened = if folded.contains(&case) {
            Err(Error::param("key", format!("{key:?}"), "differs from another column only in case"))
        } else {
            ColumnCopy::open(store, &key)
        };
        match opened {
            Ok(column) => {
                folded.push(case);
                columns.push(column);
            }
            Err(
                error @ (Error::Unsupported { .. } | Error::Schema { .. } | Error::Shape { .. } | Error::Param { .. }),
            ) => warnings.push(format!("obs column {key:?} is left out: {error}")),
            Err(error) => return Err(error),
        }
    }
    Ok(columns)
}

impl ColumnCopy {
    pub(in crate::pipeline) fn names(store: &AnnDataStore) -> Result<Self> {
        Ok(Self::new(Origin::Names(store.names()?), Form::Texts, false))
    }

    fn open(store: &AnnDataStore, key: &str) -> Result<Self> {
        check_name(key)?;
        let column = store.column(key)?;
        let masked = column.is_nullable();
        let (form, masked) = match column.kind() {
            ColumnKind::Categorical { categories, .. } => (Form::Codes(codes_dtype(categories.len())), false),
            ColumnKind::Boolean => (Form::Values(DType::Bool), masked),
            ColumnKind::Numeric(DType::Float16 | DType::Float32 | DType::Float64) if masked => (Form::Numbers, false),
            ColumnKind::Numeric(dtype) => (Form::Values(*dtype), masked),
            ColumnKind::String => (Form::Texts, masked),
            ColumnKind::Datetime { .. } | ColumnKind::Timedelta { .. } => {
                let remedy = "store it as integers, or leave it out of obsKeys".into();
                let what = format!("copying obs column {:?} of points or lengths of time", column.key());
                return Err(Error::Unsupported { what, remedy });
            }
            ColumnKind::Other(encoding) => {
                return Err(Error::Unsupported {
                    what: format!("copying obs column {key:?} of {} ({encoding})", store.name()),
                    remedy: "leave it out, or store it as categories, numbers, booleans or texts".into(),
                });
            }
        };
        Ok(Self::new(Origin::Column(column), form, masked))
    }

    fn new(origin: Origin, form: Form, masked: bool) -> Self {
        let band = RowRange::new(0, 0);
        Self { origin, form, masked, band, bytes: Vec::new(), texts: StringBlock::default(), mask: Vec::new() }
    }

    /// Its key, if it holds labels.
    pub(super) fn label_key(&self) -> Option<&str> {
        match (&self.origin, self.form) {
            (Origin::Column(column), Form::Codes(_)) => Some(column.key()),
            _ => None,
        }
    }

    fn path(&self) -> String {
        match &self.origin {
            Origin::Names(_) => NAMES.into(),
            Origin::Column(column) => format!("obs/{}", column.key()),
        }
    }

    /// What is written of it.
    pub(in crate::pipeline) fn arrays(&self) -> Vec<ArraySpec> {
        let array = |path, field| ArraySpec { path, stage: Stage::Copied, kind: Kind::Column(field) };
        let field = match (self.form, &self.origin) {
            (Form::Codes(_), Origin::Column(column)) => {
                let ordered = matches!(column.kind(), ColumnKind::Categorical { ordered: true, .. });
                let categories = column.categories().map(stored);
                Field::Categorical {
                    categories: categories.unwrap_or(crate::sink::Categories::Strings(Vec::new())),
                    ordered,
                }
            }
            (Form::Values(dtype), _) if self.masked => Field::Nullable(dtype),
            (Form::Values(dtype), _) => Field::Values(dtype),
            (Form::Numbers, _) => Field::F64,
            (Form::Texts, _) if self.masked => Field::Nullable(DType::String),
            (Form::Texts | Form::Codes(_), _) => Field::Strings,
        };
        let mut arrays = vec![array(self.path(), field)];
        if self.masked {
            arrays.push(array(format!("{}/mask", self.path()), Field::Mask));
        }
        arrays
    }

    pub(in crate::pipeline) fn preflight(&self) -> Result<()> {
        match &self.origin {
            Origin::Names(names) => names.preflight(),
            Origin::Column(column) => column.preflight(),
        }
    }

    pub(in crate::pipeline) fn fingerprint(&self, seed: u64) -> Result<u128> {
        match &self.origin {
            Origin::Names(names) => names.fingerprint(seed),
            Origin::Column(column) => column.fingerprint(seed),
        }
    }

    /// Bytes of the bands that all columns have at hand, and of reading one.
    pub(in crate::pipeline) fn bytes(columns: &[Self]) -> u64 {
        let mut reading = 0;
        let mut bands = 0_u64;
        for column in columns {
            let rows = column.most_rows();
            let row = match column.form {
                Form::Codes(dtype) | Form::Values(dtype) => dtype.size().unwrap_or(8) as u64,
                Form::Numbers => 8,
                Form::Texts => TEXT_BYTES,
            };
            bands = bands.saturating_add(rows.saturating_mul(row + u64::from(column.masked)));
            // While a band is read there are codes or numbers beside its bytes, or its texts beside those that are written.
            let beside = if matches!(column.form, Form::Texts) { TEXT_BYTES } else { 8 };
            let scratch = match &column.origin {
                Origin::Names(names) => names.scratch_bytes(rows),
                Origin::Column(column) => column.scratch_bytes(rows),
            };
            reading = reading.max(scratch.saturating_add(rows.saturating_mul(beside)));
        }
        bands.saturating_add(reading)
    }

    /// Rows of a band at most.
    fn most_rows(&self) -> u64 {
        let (band, rows) = match &self.origin {
            Origin::Names(names) => (names.natural_tile_rows(), names.rows()),
            Origin::Column(column) => (column.natural_tile_rows(), column.rows()),
        };
        LEAST_ROWS.saturating_add(band).min(rows)
    }

    /// The band that begins with a row: whole bands of chunks, until there are enough rows.
    fn band(&self, first: u64) -> RowRange {
        let end = |row| match &self.origin {
            Origin::Names(names) => names.band_end(row),
            Origin::Column(column) => column.band_end(row),
        };
        let rows = match &self.origin {
            Origin::Names(names) => names.rows(),
            Origin::Column(column) => column.rows(),
        };
        let mut last = end(first);
        while last < rows && last - first < LEAST_ROWS {
            last = end(last);
        }
        RowRange::new(first, last.min(rows))
    }

    /// Copies the rows of one unit.
    pub(in crate::pipeline) fn copy(&mut self, rows: RowRange, writer: &mut UnitWriter) -> Result<()> {
        let path = self.path();
        let mask_path = format!("{path}/mask");
        let mut next = rows.start;
        while next < rows.end {
            if !(self.band.start..self.band.end).contains(&next) {
                self.read(self.band(next))?;
            }
            let last = self.band.end.min(rows.end);
            let (first, end) = ((next - self.band.start) as usize, (last - self.band.start) as usize);
            match self.form {
                Form::Texts => {
                    let from = first.checked_sub(1).map_or(0, |before| self.texts.ends[before]);
                    let ends: Vec<_> = self.texts.ends[first..end].iter().map(|end| end - from).collect();
                    writer.append_strings(&path, &self.texts.bytes[from..], &ends)?;
                }
                Form::Codes(dtype) | Form::Values(dtype) => {
                    let size = dtype.size().unwrap_or(1);
                    writer.append(&path, &self.bytes[first * size..end * size])?;
                }
                Form::Numbers => writer.append(&path, &self.bytes[first * 8..end * 8])?,
            }
            if self.masked {
                writer.append(&mask_path, &self.mask[first..end])?;
            }
            next = last;
        }
        Ok(())
    }

    fn read(&mut self, band: RowRange) -> Result<()> {
        let Self { origin, form, masked, bytes, texts, mask, .. } = self;
        match (&*origin, *form) {
            (Origin::Names(names), _) => names.read(band, texts)?,
            (Origin::Column(column), Form::Texts) => {
                let mut missing = Vec::new();
                column.read_strings(band, texts, &mut missing)?;
                mask.clear();
                mask.extend(missing.into_iter().map(u8::from));
            }
            (Origin::Column(column), Form::Codes(dtype)) => {
                let mut codes = Vec::new();
                column.read_codes(band, &mut codes)?;
                little_endian_codes(&codes, dtype, bytes);
            }
            (Origin::Column(column), Form::Values(dtype)) => {
                column.read_values(band, bytes)?;
                if dtype == DType::Bool {
                    for byte in bytes.iter_mut() {
                        *byte = u8::from(*byte != 0);
                    }
                } else if cfg!(target_endian = "big") {
                    bytes.chunks_exact_mut(dtype.size().unwrap_or(1)).for_each(<[u8]>::reverse);
                }
                if *masked {
                    column.read_mask(band, mask)?;
                }
            }
            (Origin::Column(column), Form::Numbers) => {
                let mut numbers = Vec::new();
                column.read_numbers(band, &mut numbers)?;
                bytes.clear();
                bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            }
        }
        self.band = band;
        Ok(())
    }
}
