//! Categories of a dictionary column. Every group has a dictionary of its own, so they are united once, in the order in
//! which they appear, and codes are told in those of the whole.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use super::Groups;
use super::values::text;
use crate::error::{Error, Result};
use crate::source::StringBlock;

/// More categories than labels have.
const MOST_CATEGORIES: usize = 1 << 22;
/// More bytes of names than they have.
const MOST_BYTES: usize = 64 << 20;

/// The categories of one column.
#[derive(Debug, Default)]
pub(super) struct Categories {
    pub(super) names: StringBlock,
    codes: HashMap<String, i32>,
}

impl Categories {
    /// Reads the dictionaries of all groups.
    pub(super) fn read(groups: &dyn Groups, column: usize, name: &str) -> Result<Self> {
        let mut found = Self::default();
        for group in 0..groups.rows().len() {
            let array = groups.read(group, column)?;
            let Some(dictionary) = array.as_any_dictionary_opt() else { continue };
            let values = dictionary.values();
            for row in (0..values.len()).filter(|&row| values.is_valid(row)) {
                found.add(text(values.as_ref(), row));
            }
            if found.names.len() > MOST_CATEGORIES || found.names.bytes.len() > MOST_BYTES {
                let reason = format!("are more than {MOST_CATEGORIES}, or than {MOST_BYTES} bytes");
                return Err(Error::schema(name, groups.schema().field(column).name(), "categories", reason));
            }
        }
        Ok(found)
    }

    fn add(&mut self, name: &str) {
        if !self.codes.contains_key(name) {
            self.codes.insert(name.to_owned(), self.names.len() as i32);
            self.names.push(name);
        }
    }

    /// Codes of the rows of a group; −1 where there is none.
    pub(super) fn codes(&self, array: &ArrayRef) -> Vec<i32> {
        let Some(dictionary) = array.as_any_dictionary_opt() else { return vec![-1; array.len()] };
        let values = dictionary.values();
        if values.is_empty() {
            return vec![-1; array.len()];
        }
        let code = |row: usize| {
            let known = values.is_valid(row).then(|| self.codes.get(text(values.as_ref(), row)).copied());
            known.flatten().unwrap_or(-1)
        };
        let local: Vec<i32> = (0..values.len()).map(code).collect();
        let keys = dictionary.normalized_keys();
        keys.into_iter().enumerate().map(|(row, key)| if dictionary.is_null(row) { -1 } else { local[key] }).collect()
    }
}
