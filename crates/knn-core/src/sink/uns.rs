//! `uns`: nested names with single values and lists of texts or of numbers.
//!
//! Empty lists are left out, because readers disagree on the type of an empty array; so is null.

use std::collections::BTreeMap;

use serde_json::Value;

use super::name::check_group;
use super::node::{Node, dict, floats, scalar, strings, vlen_utf8};
use crate::error::{Error, Result};
use crate::types::DType;

/// A mapping of names to values, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Uns(pub BTreeMap<String, UnsValue>);

/// One value.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is what its type says")]
pub enum UnsValue {
    Dict(Uns),
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Strings(Vec<String>),
    Floats(Vec<f64>),
}

impl Uns {
    /// Adds or replaces a value.
    pub fn insert(&mut self, name: impl Into<String>, value: UnsValue) {
        self.0.insert(name.into(), value);
    }

    /// The same as a JSON object. Lists may hold texts only.
    pub fn from_json(object: &serde_json::Map<String, Value>) -> Result<Self> {
        let mut uns = Self::default();
        for (name, value) in object {
            if let Some(value) = value_of(name, value)? {
                uns.insert(name, value);
            }
        }
        Ok(uns)
    }

    /// The nodes below `path`, whose own group the tree has.
    pub(super) fn nodes(&self, path: &str, nodes: &mut Vec<Node>) -> Result<()> {
        check_group(self.0.keys().map(String::as_str))?;
        for (name, value) in &self.0 {
            let path = format!("{path}/{name}");
            let number = |dtype, bytes: &[u8]| scalar(&path, "numeric-scalar", dtype, bytes);
            match value {
                UnsValue::Dict(inner) => {
                    nodes.push(dict(path.as_str()));
                    inner.nodes(&path, nodes)?;
                }
                UnsValue::Strings(texts) if texts.is_empty() => {}
                UnsValue::Strings(texts) => nodes.push(strings(&path, texts)),
                UnsValue::Floats(values) if values.is_empty() => {}
                UnsValue::Floats(values) => nodes.push(floats(&path, values)),
                UnsValue::Text(text) => {
                    nodes.push(scalar(&path, "string", DType::String, &vlen_utf8(std::slice::from_ref(text))));
                }
                UnsValue::Integer(value) => nodes.push(number(DType::Int64, &value.to_le_bytes())),
                UnsValue::Float(value) => nodes.push(number(DType::Float64, &value.to_le_bytes())),
                UnsValue::Bool(value) => nodes.push(number(DType::Bool, &[u8::from(*value)])),
            }
        }
        Ok(())
    }
}

fn value_of(name: &str, value: &Value) -> Result<Option<UnsValue>> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(value) => UnsValue::Bool(*value),
        Value::String(text) => UnsValue::Text(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => UnsValue::Integer(integer),
            None => UnsValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::Object(object) => UnsValue::Dict(Uns::from_json(object)?),
        Value::Array(items) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>();
            UnsValue::Strings(
                texts.ok_or_else(|| Error::internal(format!("uns {name:?}: a list of other than texts")))?,
            )
        }
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_becomes_nodes() {
        let value =
            json!({ "g": { "s": "é", "n": 1.5, "i": 3, "b": true, "none": null, "d": {} }, "c": ["#fff"], "e": [] });
        let uns = Uns::from_json(value.as_object().unwrap()).unwrap();
        let mut nodes = Vec::new();
        uns.nodes("uns", &mut nodes).unwrap();
        let paths: Vec<_> = nodes.iter().map(|node| node.path.as_str()).collect();
        assert_eq!(paths, ["uns/c", "uns/g", "uns/g/b", "uns/g/d", "uns/g/i", "uns/g/n", "uns/g/s"]);
        assert_eq!(nodes[4].document["data_type"], "int64");
    }

    #[test]
    fn names_are_checked_at_every_level() {
        let mut inner = Uns::default();
        inner.insert("a/b", UnsValue::Bool(true));
        let mut uns = Uns::default();
        uns.insert("x", UnsValue::Dict(inner));
        assert_eq!(uns.nodes("uns", &mut Vec::new()).unwrap_err().code(), "GM_PARAM");
    }
}
