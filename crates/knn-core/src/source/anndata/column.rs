//! One column of `obs`, read in ranges as codes, numbers or strings.

use serde_json::Value;

use super::categories::Categories;
use super::labelled;
use super::legacy;
use super::nullable::Nullable;
use super::store::encoding;
use crate::error::{Error, Result};
use crate::source::container::{Container, NodeKind};
use crate::source::key::join;
use crate::source::{StringBlock, numbers, times};
use crate::types::{DType, RowRange};

/// Stands for a code that no category has, until the mask is known.
const OUTSIDE: i32 = i32::MIN;

/// Bytes that a text takes where it is read, beside what its array says.
const TEXT_BYTES: u64 = 40;

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    /// Codes into categories.
    Categorical {
        /// What the codes stand for.
        categories: Categories,
        /// Whether their order means something.
        ordered: bool,
    },
    /// Integers or floats.
    Numeric(DType),
    /// True and false; read as codes 1 and 0.
    Boolean,
    /// Texts.
    String,
    /// Points in time, as integers that count their unit from 1970; missing where they are the least there is (`NaT`).
    Datetime {
        /// What is counted: `ns`, `10s`; empty where that is not told.
        unit: String,
    },
    /// Lengths of time, likewise.
    Timedelta {
        /// What is counted.
        unit: String,
    },
    /// Something that is not read; the name of its encoding or type.
    Other(String),
}

/// A column of `obs`. Values are streamed; categories are in memory.
#[derive(Debug)]
pub struct ObsColumn {
    store: String,
    key: String,
    path: String,
    kind: ColumnKind,
    categories: Option<Categories>,
    rows: u64,
    values: Option<Nullable>,
}

impl ObsColumn {
    pub(super) fn open(store: &dyn Container, frame: &str, key: &str, rows: u64) -> Result<Self> {
        let path = &*join(frame, key);
        let node = store.node(path)?.ok_or_else(|| {
            Error::schema(store.name(), frame, "column-order", format!("names {key:?}, which does not exist"))
        })?;
        let (kind, values) = match (&node.kind, encoding(&node.attributes)) {
            (NodeKind::Array(declared), "" | "array" | "string-array") => match DType::from_name(&declared.dtype) {
                Some(dtype) => {
                    let values = Nullable::open(store, path)?;
                    let coded =
                        if numbers::is_integer(dtype) { legacy::categories(store, frame, key, &node)? } else { None };
                    let kind = coded.map_or_else(
                        || plain_kind(dtype),
                        |(categories, ordered)| ColumnKind::Categorical { categories, ordered },
                    );
                    (kind, Some(values))
                }
                None => match times::kind(&declared.dtype) {
                    Some(kind) => (kind, Some(Nullable::open(store, path)?)),
                    None => (ColumnKind::Other(declared.dtype.clone()), None),
                },
            },
            (NodeKind::Group, "categorical") => {
                let codes = Nullable::pair(store, path, "codes")?;
                if !numbers::is_integer(codes.values.dtype()) {
                    return Err(codes.values.schema("data_type", "codes must be integers".into()));
                }
                let ordered = node.attributes.get("ordered").and_then(Value::as_bool).unwrap_or(false);
                (
                    ColumnKind::Categorical {
                        categories: Categories::read(store, &join(path, "categories"))?,
                        ordered,
                    },
                    Some(codes),
                )
            }
            (NodeKind::Group, "nullable-integer" | "nullable-boolean" | "nullable-string-array") => {
                let values = Nullable::pair(store, path, "values")?;
                (plain_kind(values.values.dtype()), Some(values))
            }
            (_, other) => (ColumnKind::Other(other.to_owned()), None),
        };
        let categories = match &kind {
            ColumnKind::Categorical { categories, .. } => Some(categories.clone()),
            ColumnKind::Boolean => Some(Categories::booleans()),
            _ => None,
        };
        let rows = values.as_ref().map_or(rows, Nullable::rows);
        Ok(Self { store: store.name().into(), key: key.into(), path: path.to_owned(), kind, categories, rows, values })
    }

    /// The same column of texts, which are these categories, sorted.
    pub(super) fn with_texts(self, categories: Categories) -> Self {
        let kind = ColumnKind::Categorical { categories: categories.clone(), ordered: false };
        Self { kind, categories: Some(categories), ..self }
    }

    /// The store that it is in.
    pub(super) fn store(&self) -> &str {
        &self.store
    }

    /// Its name.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it holds.
    pub fn kind(&self) -> &ColumnKind {
        &self.kind
    }

    /// What its codes stand for: the categories, or false and true for a boolean column.
    pub fn categories(&self) -> Option<&Categories> {
        self.categories.as_ref()
    }

    /// Number of cells.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Element type of the stored values or codes; `None` for a column that is not read.
    pub fn dtype(&self) -> Option<DType> {
        self.values.as_ref().map(|values| values.values.dtype())
    }

    /// Whether a mask is stored beside the values.
    pub fn is_nullable(&self) -> bool {
        self.values.as_ref().is_some_and(Nullable::has_mask)
    }

    /// Rows of one chunk: reading ranges aligned to it decodes no chunk twice.
    pub fn natural_tile_rows(&self) -> u64 {
        self.values.as_ref().map_or(1, Nullable::natural_rows)
    }

    /// One past the last row of the band of chunks that a row lies in.
    pub fn band_end(&self, row: u64) -> u64 {
        self.values.as_ref().map_or(self.rows, |values| values.band_end(row))
    }

    /// Bytes of scratch that one read of `rows` rows takes at most, beyond what it fills.
    pub fn scratch_bytes(&self, rows: u64) -> u64 {
        let is_of_texts = self.categories.is_some() && self.dtype() == Some(DType::String);
        let texts = if is_of_texts { rows.saturating_mul(TEXT_BYTES) } else { 0 };
        self.values.as_ref().map_or(0, |values| values.scratch_bytes(rows).saturating_add(texts))
    }

    /// Stored bytes of the column.
    pub fn stored_bytes(&self) -> u64 {
        self.values.as_ref().map_or(0, Nullable::stored_bytes)
    }

    /// Clears `out` and reads codes into it, −1 where a value is missing. For categorical and boolean columns.
    pub fn read_codes(&self, rows: RowRange, out: &mut Vec<i32>) -> Result<()> {
        let (Some(categories), Some(codes)) = (&self.categories, &self.values) else {
            return Err(self.wrong_kind("categorical or boolean"));
        };
        let count = categories.len() as i64;
        out.clear();
        out.reserve(rows.len());
        if let (DType::String, Categories::Strings(names)) = (codes.values.dtype(), categories) {
            let mut texts = StringBlock::default();
            codes.values.read_strings(rows, &mut texts)?;
            out.extend(labelled::codes(names, texts.iter()).map(|code| code.unwrap_or(OUTSIDE)));
        } else {
            let mut bytes = Vec::new();
            codes.values.read_rows(rows, &mut bytes)?;
            numbers::each_i64(codes.values.dtype(), &bytes, |code| {
                out.push(code.filter(|code| (-1..count).contains(code)).map_or(OUTSIDE, |code| code as i32));
            });
        }
        // What lies under a mask is nobody's code, so the mask comes first.
        codes.read_missing(rows, |row| out[row] = -1)?;
        if let Some(row) = out.iter().position(|&code| code == OUTSIDE) {
            let reason = format!("the code of row {} lies outside the {count} categories", rows.start + row as u64);
            return Err(Error::schema(&self.store, &self.path, "codes", reason));
        }
        Ok(())
    }

    /// Clears `out` and reads numbers into it, NaN where a value is missing. For numeric and boolean columns, and for points and lengths of time.
    pub fn read_numbers(&self, rows: RowRange, out: &mut Vec<f64>) -> Result<()> {
        let (true, Some(values)) = (self.kind.is_counted(), &self.values) else {
            return Err(self.wrong_kind("numeric"));
        };
        let mut bytes = Vec::new();
        values.values.read_rows(rows, &mut bytes)?;
        out.clear();
        out.reserve(rows.len());
        if self.kind.is_time() {
            let known = |time: Option<i64>| time.filter(|&time| time != times::NOT_A_TIME);
            numbers::each_i64(values.values.dtype(), &bytes, |time| {
                out.push(known(time).map_or(f64::NAN, |time| time as f64));
            });
        } else {
            numbers::each_f64(values.values.dtype(), &bytes, |value| out.push(value));
        }
        values.read_missing(rows, |row| out[row] = f64::NAN)
    }

    /// Reads values as they are stored, native-endian, into `out`, whatever lies under a mask. For numeric and boolean columns, and for points and lengths of time.
    pub fn read_values(&self, rows: RowRange, out: &mut Vec<u8>) -> Result<()> {
        let (true, Some(values)) = (self.kind.is_counted(), &self.values) else {
            return Err(self.wrong_kind("numeric or boolean"));
        };
        values.values.read_rows(rows, out)
    }

    /// Clears `out` and reads whether each value is masked: 1 or 0.
    pub fn read_mask(&self, rows: RowRange, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        out.resize(rows.len(), 0);
        self.values.as_ref().map_or(Ok(()), |values| values.read_missing(rows, |row| out[row] = 1))
    }

    /// Clears both and reads texts, and whether each is missing. For string columns.
    pub fn read_strings(&self, rows: RowRange, out: &mut StringBlock, missing: &mut Vec<bool>) -> Result<()> {
        let (ColumnKind::String, Some(values)) = (&self.kind, &self.values) else {
            return Err(self.wrong_kind("text"));
        };
        values.values.read_strings(rows, out)?;
        missing.clear();
        missing.resize(rows.len(), false);
        values.read_missing(rows, |row| missing[row] = true)
    }

    /// Checks what is stored without decoding it.
    pub fn preflight(&self) -> Result<()> {
        self.values.as_ref().map_or(Ok(()), Nullable::preflight)
    }

    /// Hash of what is stored: values, mask and categories.
    pub fn fingerprint(&self, seed: u64) -> Result<u128> {
        let values = self.values.as_ref().map_or(Ok(0), |values| values.fingerprint(seed))?;
        let categories = format!("{:?}", self.kind);
        Ok(values ^ xxhash_rust::xxh3::xxh3_128_with_seed(categories.as_bytes(), seed))
    }

    fn wrong_kind(&self, wanted: &str) -> Error {
        let reason = format!("the column is {} and not {wanted}", self.kind.name());
        Error::schema(&self.store, &self.path, "encoding-type", reason)
    }
}

impl ColumnKind {
    /// Whether it holds points or lengths of time.
    pub fn is_time(&self) -> bool {
        matches!(self, Self::Datetime { .. } | Self::Timedelta { .. })
    }

    /// Whether its values are numbers, or can be taken for some.
    fn is_counted(&self) -> bool {
        self.is_time() || matches!(self, Self::Numeric(_) | Self::Boolean)
    }

    /// The kind in one word: `categorical`, `numeric`, `boolean`, `string`, `datetime`, `timedelta` or `other`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Categorical { .. } => "categorical",
            Self::Numeric(_) => "numeric",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Datetime { .. } => "datetime",
            Self::Timedelta { .. } => "timedelta",
            Self::Other(_) => "other",
        }
    }
}

fn plain_kind(dtype: DType) -> ColumnKind {
    match dtype {
        DType::Bool => ColumnKind::Boolean,
        DType::String => ColumnKind::String,
        number => ColumnKind::Numeric(number),
    }
}
