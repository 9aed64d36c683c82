//! The fields of a file of parameters, taken one by one, so that each error names the one at fault.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Fields that are not taken yet.
pub(super) struct Fields {
    store: String,
    /// What stands before the name of a field: `noise.`.
    before: String,
    left: Map<String, Value>,
}

impl Fields {
    /// The fields of a file's text.
    pub(super) fn parse(store: &str, text: &[u8]) -> Result<Self> {
        let value = serde_json::from_slice(text)
            .map_err(|error| Error::schema(store, "", "json", format!("cannot be parsed: {error}")))?;
        match value {
            Value::Object(left) => Ok(Self { store: store.to_owned(), before: String::new(), left }),
            _ => Err(Error::schema(store, "", "json", "is no object")),
        }
    }

    pub(super) fn wrong(&self, field: &str, reason: impl Into<String>) -> Error {
        Error::schema(self.store.as_str(), "", format!("{}{field}", self.before), reason.into())
    }

    fn required<T>(&self, field: &str, found: Option<T>) -> Result<T> {
        found.ok_or_else(|| self.wrong(field, "is missing"))
    }

    /// Text, if there is any.
    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>> {
        match self.left.remove(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(field, format!("is {other} and not text"))),
        }
    }

    /// A whole number from `least` to `most`; `instead` where there is none, or an error where that is none either.
    pub(super) fn whole(&mut self, field: &str, instead: Option<u64>, [least, most]: [u64; 2]) -> Result<u64> {
        let Some(value) = self.left.remove(field) else { return self.required(field, instead) };
        let within = |found: &u64| (least..=most).contains(found);
        let refused = || self.wrong(field, format!("is {value} and not a whole number from {least} to {most}"));
        value.as_u64().filter(within).ok_or_else(refused)
    }

    /// A number from 0 to `most`; `instead` where there is none.
    pub(super) fn number(&mut self, field: &str, instead: f64, most: f64) -> Result<f64> {
        let Some(value) = self.left.remove(field) else { return Ok(instead) };
        let within = |found: &f64| (0.0..=most).contains(found);
        let refused = || self.wrong(field, format!("is {value} and not a number from 0 to {most}"));
        value.as_f64().filter(within).ok_or_else(refused)
    }

    /// Two whole numbers from 1 to `most`, of which the second is not smaller; `instead` where there are none.
    pub(super) fn range(&mut self, field: &str, instead: [u64; 2], most: u64) -> Result<[u64; 2]> {
        let Some(value) = self.left.remove(field) else { return Ok(instead) };
        let pair = value.as_array().and_then(|pair| match pair.as_slice() {
            [low, high] => Some([low.as_u64()?, high.as_u64()?]),
            _ => None,
        });
        let within = |pair: &[u64; 2]| 1 <= pair[0] && pair[0] <= pair[1] && pair[1] <= most;
        let refused = || self.wrong(field, format!("is {value} and not [least, most] within 1 to {most}"));
        pair.filter(within).ok_or_else(refused)
    }

    /// The fields of a member; none where there is none.
    pub(super) fn member(&mut self, field: &str) -> Result<Self> {
        let before = format!("{}{field}.", self.before);
        match self.left.remove(field).unwrap_or_else(|| Value::Object(Map::new())) {
            Value::Object(left) => Ok(Self { store: self.store.clone(), before, left }),
            other => Err(self.wrong(field, format!("is {other} and no object"))),
        }
    }

    /// Refuses what is left.
    pub(super) fn end(self) -> Result<()> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(field) => Err(self.wrong(field, "is no parameter of generated cells")),
        }
    }
}
