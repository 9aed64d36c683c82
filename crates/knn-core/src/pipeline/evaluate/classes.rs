//! Columns of labels under one numbering: categories of several columns are united by their names.

use std::collections::{BTreeSet, HashMap};

use super::band::Band;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::source::{AnnDataStore, ColumnKind, ObsColumn, StringBlock};
use crate::types::{DType, RowRange};

/// Classes that are evaluated at most, of all columns together.
const MOST_CLASSES: usize = 1 << 17;
/// Bytes of a class: its name, twice, and its number.
const CLASS_BYTES: u64 = 160;
/// Bytes of a text while it is read.
const TEXT_BYTES: u64 = 48;

/// Names and their numbers.
#[derive(Debug, Default)]
pub(super) struct Classes {
    names: Vec<String>,
    numbers: HashMap<String, i32>,
}

impl Classes {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    /// Bytes of all names.
    pub(super) fn bytes(&self) -> u64 {
        self.len() as u64 * CLASS_BYTES
    }

    /// The number of a name, a new one if it is new.
    fn number(&mut self, name: &str) -> Result<i32> {
        if let Some(&known) = self.numbers.get(name) {
            return Ok(known);
        }
        if self.len() == MOST_CLASSES {
            return Err(Error::Unsupported {
                what: format!("evaluating more than {MOST_CLASSES} classes"),
                remedy: "name a coarser column of labels".into(),
            });
        }
        let number = self.len() as i32;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }
}

/// A column of labels.
#[derive(Debug)]
pub(super) struct LabelColumn {
    column: ObsColumn,
    /// The class of each code; none of texts.
    classes: Vec<i32>,
    band: Band<i32>,
    texts: StringBlock,
    missing: Vec<bool>,
}

impl LabelColumn {
    /// Opens a column, which must be one of labels.
    pub(super) fn open(store: &AnnDataStore, key: &str) -> Result<Self> {
        let column = store.column(key)?;
        if column.categories().is_none() && *column.kind() != ColumnKind::String {
            return Err(Error::Unsupported {
                what: format!("obs column {key:?} of {} as labels, which is {},", store.name(), column.kind().name()),
                remedy: "labels are categorical, boolean or texts: store it as a categorical, or name another".into(),
            });
        }
        column.preflight()?;
        let (band, texts) = (Band::default(), StringBlock::default());
        Ok(Self { column, classes: Vec::new(), band, texts, missing: Vec::new() })
    }

    /// Numbers its categories. Those of texts are what occurs, sorted, and found in a pass of their own.
    pub(super) fn enter(&mut self, classes: &mut Classes, progress: &Progress) -> Result<()> {
        if let Some(categories) = self.column.categories() {
            let numbers = (0..categories.len()).map(|code| classes.number(&categories.label(code)));
            self.classes = numbers.collect::<Result<_>>()?;
            return Ok(());
        }
        let mut found = BTreeSet::new();
        let mut next = 0;
        while next < self.column.rows() {
            let end = self.column.band_end(next).max(next + 1);
            self.column.read_strings(RowRange::new(next, end), &mut self.texts, &mut self.missing)?;
            for (text, _) in self.texts.iter().zip(&self.missing).filter(|(_, missing)| !**missing) {
                if !found.contains(text) {
                    found.insert(text.to_owned());
                }
            }
            if found.len() > MOST_CLASSES {
                break;
            }
            progress.check()?;
            next = end;
        }
        found.iter().try_for_each(|name| classes.number(name).map(drop))
    }

    /// The class of each of its categories; none of texts.
    pub(super) fn category_classes(&self) -> &[i32] {
        &self.classes
    }

    /// Bytes of reading it.
    pub(super) fn bytes(&self) -> u64 {
        let band = self.column.natural_tile_rows().min(self.column.rows());
        let value = if self.column.categories().is_some() { 4 } else { 4 + TEXT_BYTES };
        self.column.scratch_bytes(band).saturating_add(band.saturating_mul(value)) + self.classes.len() as u64 * 4
    }

    /// Clears `out` and fills it with the classes of these rows, −1 where there is none.
    pub(super) fn read(&mut self, rows: RowRange, classes: &Classes, out: &mut Vec<i32>) -> Result<()> {
        let Self { column, classes: numbers, band, texts, missing } = self;
        let number = |name: &str| classes.numbers.get(name).copied();
        band.fill(
            rows,
            out,
            |row| column.band_end(row),
            |rows, values| {
                if column.categories().is_some() {
                    column.read_codes(rows, values)?;
                    for code in values.iter_mut() {
                        *code = usize::try_from(*code).map_or(-1, |code| numbers[code]);
                    }
                    return Ok(());
                }
                column.read_strings(rows, texts, missing)?;
                values.clear();
                let labels = texts.iter().zip(missing.iter());
                values.extend(labels.map(|(text, &missing)| if missing { -1 } else { number(text).unwrap_or(-1) }));
                Ok(())
            },
        )
    }
}

/// A column of numbers.
#[derive(Debug)]
pub(super) struct NumberColumn {
    column: ObsColumn,
    band: Band<f64>,
}

impl NumberColumn {
    /// Opens a column, which must be numeric.
    pub(super) fn open(store: &AnnDataStore, key: &str) -> Result<Self> {
        let column = store.column(key)?;
        if !matches!(column.kind(), ColumnKind::Numeric(_)) {
            let reason = format!("the column is {} and not numeric", column.kind().name());
            return Err(Error::schema(store.name(), format!("obs/{key}"), "encoding-type", reason));
        }
        column.preflight()?;
        Ok(Self { column, band: Band::default() })
    }

    /// The number as the column's own type would hold it, so that one that it holds is not below itself.
    pub(super) fn rounded(&self, number: f64) -> f64 {
        match self.column.dtype() {
            Some(DType::Float32) => f64::from(number as f32),
            _ => number,
        }
    }

    /// Bytes of reading it.
    pub(super) fn bytes(&self) -> u64 {
        let band = self.column.natural_tile_rows().min(self.column.rows());
        self.column.scratch_bytes(band).saturating_add(band.saturating_mul(8))
    }

    /// Clears `out` and fills it with the numbers of these rows, NaN where there is none.
    pub(super) fn read(&mut self, rows: RowRange, out: &mut Vec<f64>) -> Result<()> {
        let Self { column, band } = self;
        band.fill(rows, out, |row| column.band_end(row), |rows, values| column.read_numbers(rows, values))
    }
}
