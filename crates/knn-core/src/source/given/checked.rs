//! The arrays of a description, taken and checked: numbers of values against shapes, codes against categories. Errors name
//! the field as the caller wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::array::{GivenArray, Values};
use super::description::{CellsDescription, GivenColumn, GivenMatrix, GivenNumbers};
use super::store::{Column, GivenStore};
use crate::error::{Error, Result};
use crate::source::key::{is_valid_path, join};
use crate::source::{StringBlock, numbers};
use crate::types::DType;

/// Wider rows than any representation has, and more cells than memory.
const MOST_COLUMNS: f64 = 16_777_216.0;
const MOST_ROWS: f64 = 1.1e12;

/// What was given, of which each array is taken once.
struct Given {
    store: Arc<str>,
    arrays: Vec<Option<Vec<u8>>>,
}

/// The store of a description that has a matrix.
pub(super) fn checked(description: CellsDescription, arrays: Vec<Vec<u8>>) -> Result<GivenStore> {
    let CellsDescription { name, matrix, names, obs, obsm, .. } = description;
    let mut given = Given { store: name.into(), arrays: arrays.into_iter().map(Some).collect() };
    let matrix = matrix.ok_or_else(|| Error::param("x", "", "give a matrix, or the bytes of a table"))?;
    let x = given.matrix("", "X", &matrix)?;
    let rows = matrix.shape[0] as u64;
    let names = match names {
        Some(names) => {
            given.same("names", names.len() as u64, "shape", rows)?;
            Some(given.texts("obs/_index", names.iter().map(String::as_str)))
        }
        None => None,
    };
    let mut columns = BTreeMap::new();
    for (key, column) in obs {
        check_key("obs", &key)?;
        let column = given.column(&key, column, rows)?;
        columns.insert(key, column);
    }
    let mut embeddings = BTreeMap::new();
    for (key, matrix) in obsm {
        check_key("obsm", &key)?;
        let field = format!("obsm.{key}");
        let path = join("obsm", &key);
        let embedding = given.matrix(&format!("{field}."), &path, &matrix)?;
        given.same(&format!("{field}.shape"), matrix.shape[0] as u64, "shape", rows)?;
        embeddings.insert(key, embedding);
    }
    Ok(GivenStore { name: given.store, rows, x, names, columns, obsm: embeddings })
}

fn check_key(field: &str, key: &str) -> Result<()> {
    if is_valid_path(key) && !key.contains('/') && key != "_index" {
        return Ok(());
    }
    Err(Error::param(field, key, "a name without slashes and control characters, and not _index"))
}

impl Given {
    fn same(&self, left: &str, found: u64, right: &str, wanted: u64) -> Result<()> {
        if found == wanted {
            return Ok(());
        }
        Err(Error::Shape {
            left: format!("{}: {left}", self.store),
            left_shape: vec![found],
            right: format!("{}: {right}", self.store),
            right_shape: vec![wanted],
            reason: "one for every cell".into(),
        })
    }

    fn take(&mut self, field: &str, numbers: GivenNumbers) -> Result<Vec<u8>> {
        let taken = self.arrays.get_mut(numbers.array).and_then(Option::take);
        taken.ok_or_else(|| Error::param(field, numbers.array, "there is no such array, or it was taken already"))
    }

    fn matrix(&mut self, before: &str, path: &str, matrix: &GivenMatrix) -> Result<Arc<GivenArray>> {
        let (field, of_shape) = (format!("{before}x"), format!("{before}shape"));
        let told = || format!("{:?}", matrix.shape);
        let whole = |extent: f64, least: f64, most: f64| extent.fract() == 0.0 && (least..=most).contains(&extent);
        let (rows, columns) = match matrix.shape[..] {
            [rows, columns] if whole(rows, 0.0, MOST_ROWS) && whole(columns, 1.0, MOST_COLUMNS) => {
                (rows as u64, columns as u64)
            }
            _ => {
                return Err(Error::param(
                    of_shape,
                    told(),
                    "two whole numbers: cells, and columns of which there is one",
                ));
            }
        };
        let dtype = matrix.x.dtype;
        let Some(size) = dtype.size().filter(|_| dtype != DType::Bool) else {
            return Err(Error::param(field, dtype.name(), "numbers"));
        };
        let bytes = self.take(&field, matrix.x)?;
        if rows.checked_mul(columns).and_then(|values| values.checked_mul(size as u64)) != Some(bytes.len() as u64) {
            return Err(Error::Shape {
                left: format!("{}: {field}", self.store),
                left_shape: vec![(bytes.len() / size) as u64],
                right: format!("{}: {of_shape}", self.store),
                right_shape: vec![rows, columns],
                reason: "as many values as rows × columns".into(),
            });
        }
        Ok(self.array(path, Values::Numbers(dtype, bytes), vec![rows, columns]))
    }

    fn column(&mut self, key: &str, column: GivenColumn, rows: u64) -> Result<Column> {
        let (field, path) = (format!("obs.{key}"), join("obs", key));
        let GivenColumn { values, labels, codes, categories, ordered } = column;
        match (values, labels, codes, categories) {
            (Some(values), None, None, None) => {
                let bytes = self.numbers(&field, values, rows)?;
                Ok(Column::Values(self.array(&path, Values::Numbers(values.dtype, bytes), vec![rows])))
            }
            (None, Some(labels), None, None) => {
                self.same(&field, labels.len() as u64, "shape", rows)?;
                let (codes, categories) = coded(&labels);
                let codes = Values::Numbers(DType::Int32, codes);
                let codes = self.array(&join(&path, "codes"), codes, vec![rows]);
                Ok(Column::Labels { codes, categories: self.categories(&path, &categories), ordered })
            }
            (None, None, Some(codes), Some(categories)) => {
                let categories: Vec<&str> = categories.iter().map(String::as_str).collect();
                let bytes = self.codes(&field, codes, rows, &categories)?;
                let codes = Values::Numbers(codes.dtype, bytes);
                let codes = self.array(&join(&path, "codes"), codes, vec![rows]);
                Ok(Column::Labels { codes, categories: self.categories(&path, &categories), ordered })
            }
            _ => Err(Error::param(field, "", "give numbers, labels, or codes with their categories")),
        }
    }

    /// Numbers of one column.
    fn numbers(&mut self, field: &str, numbers: GivenNumbers, rows: u64) -> Result<Vec<u8>> {
        let size = numbers.dtype.size().ok_or_else(|| Error::param(field, numbers.dtype.name(), "numbers"))?;
        let bytes = self.take(field, numbers)?;
        if !bytes.len().is_multiple_of(size) {
            return Err(Error::param(field, bytes.len(), format!("whole numbers of {size} bytes")));
        }
        self.same(field, (bytes.len() / size) as u64, "shape", rows)?;
        Ok(bytes)
    }

    /// Codes of one column, every one of which is −1 or a category.
    fn codes(&mut self, field: &str, codes: GivenNumbers, rows: u64, categories: &[&str]) -> Result<Vec<u8>> {
        let (of_codes, of_categories) = (format!("{field}.codes"), format!("{field}.categories"));
        if !numbers::is_integer(codes.dtype) {
            return Err(Error::param(of_codes, codes.dtype.name(), "integers"));
        }
        let mut sorted = categories.to_vec();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::param(of_categories, twice[0], "every category once"));
        }
        let bytes = self.numbers(&of_codes, codes, rows)?;
        let (mut row, mut wrong) = (0, None);
        numbers::each_i64(codes.dtype, &bytes, |code| {
            if !code.is_some_and(|code| (-1..categories.len() as i64).contains(&code)) {
                wrong.get_or_insert((row, code));
            }
            row += 1;
        });
        if let Some((row, code)) = wrong {
            let code = code.map_or_else(|| "beyond 2^63".to_owned(), |code| code.to_string());
            let reason = format!("the code {code} of row {row} lies outside the {} categories", categories.len());
            return Err(Error::schema(&*self.store, "", of_codes, reason));
        }
        Ok(bytes)
    }

    fn categories(&self, path: &str, categories: &[&str]) -> Arc<GivenArray> {
        self.texts(&join(path, "categories"), categories.iter().copied())
    }

    fn texts<'t>(&self, path: &str, texts: impl Iterator<Item = &'t str>) -> Arc<GivenArray> {
        let mut block = StringBlock::default();
        texts.for_each(|text| block.push(text));
        let count = block.len() as u64;
        self.array(path, Values::Texts(block), vec![count])
    }

    fn array(&self, path: &str, values: Values, shape: Vec<u64>) -> Arc<GivenArray> {
        Arc::new(GivenArray::new(&self.store, path.to_owned(), values, shape))
    }
}

/// The different labels, sorted as anndata does where it makes categories of texts, and the number of each cell's, −1 where it has none.
fn coded(labels: &[Option<String>]) -> (Vec<u8>, Vec<&str>) {
    let mut numbers: BTreeMap<&str, i32> = labels.iter().flatten().map(|label| (label.as_str(), 0)).collect();
    for (number, (_, code)) in numbers.iter_mut().enumerate() {
        *code = number as i32;
    }
    let code = |label: &Option<String>| label.as_deref().map_or(-1, |label| numbers.get(label).copied().unwrap_or(-1));
    let codes = labels.iter().flat_map(|label| code(label).to_ne_bytes()).collect();
    (codes, numbers.into_keys().collect())
}
