//! Attributes as JSON: what AnnData keeps in them are texts, numbers, flags and lists of those.

use hdf5_reader::{Attribute, Datatype, ReferenceType};
use serde_json::{Map, Value};

use super::element::{Element, type_name};
use super::file::{Found, H5File};
use crate::error::{Error, Result};
use crate::source::container::Container;
use crate::source::key::join;
use crate::source::numbers;
use crate::types::DType;

/// More values than any list of column names has.
const MOST_VALUES: usize = 1 << 20;

impl H5File {
    /// Attributes of the node at `path`, without those that JSON has no value for.
    pub(super) fn attributes(&self, path: &str, attributes: &[Attribute]) -> Result<Map<String, Value>> {
        let mut map = Map::new();
        for attribute in attributes {
            if let Some(value) = self.value(path, attribute)? {
                map.insert(attribute.name.clone(), value);
            }
        }
        Ok(map)
    }

    fn value(&self, path: &str, attribute: &Attribute) -> Result<Option<Value>> {
        let damaged = |reason: String| Error::schema(self.name(), path, attribute.name.as_str(), reason);
        let scalar = attribute.shape.is_empty();
        let count = attribute.shape.iter().try_fold(1u64, |count, &extent| count.checked_mul(extent));
        let count = count.filter(|&count| count <= MOST_VALUES as u64);
        let count = count.ok_or_else(|| damaged(format!("has the shape {:?}", attribute.shape)))? as usize;
        let mut values = match &attribute.datatype {
            Datatype::String { .. } | Datatype::VarLen { .. } if count == 0 => Vec::new(),
            Datatype::String { .. } | Datatype::VarLen { .. } => {
                let texts =
                    if scalar { attribute.read_string().map(|text| vec![text]) } else { attribute.read_strings() };
                // Lists of numbers are no part of AnnData's vocabulary; a text that cannot be read is damage.
                match texts {
                    Ok(texts) => texts.into_iter().map(Value::from).collect(),
                    Err(hdf5_reader::error::Error::TypeMismatch { .. }) => return Ok(None),
                    Err(error) => return Err(damaged(error.to_string())),
                }
            }
            Datatype::Reference { ref_type: ReferenceType::Object, .. } if scalar => {
                return self.referred(path, &attribute.raw_data);
            }
            datatype => {
                let Ok(element) = Element::parse(datatype) else { return Ok(None) };
                if element.text.is_some() || element.values != 1 {
                    return Ok(None);
                }
                let bytes = attribute.raw_data.get(..count * element.record);
                let bytes = bytes.ok_or_else(|| damaged(format!("ends before its {count} {}", type_name(datatype))))?;
                json_numbers(element.dtype, &element.convert(bytes.to_vec()))
            }
        };
        if values.len() != count {
            return Err(damaged(format!("has {} values for the shape {:?}", values.len(), attribute.shape)));
        }
        Ok(if scalar { values.pop() } else { Some(Value::Array(values)) })
    }

    /// A reference to an object, as the path of it below the frame: anndata 0.7 refers from a column to its categories.
    fn referred(&self, path: &str, bytes: &[u8]) -> Result<Option<Value>> {
        let address = bytes.iter().rev().fold(0u64, |address, &byte| address << 8 | u64::from(byte));
        let frame = path.rsplit_once('/').map_or("", |(frame, _)| frame);
        let Some(Found::Group(categories)) = self.find(&join(frame, "__categories"))? else { return Ok(None) };
        let name = self.ask(path, |_| categories.child_name_by_address(address))?;
        Ok(name.map(|name| Value::from(join("__categories", &name))))
    }
}

fn json_numbers(dtype: DType, bytes: &[u8]) -> Vec<Value> {
    let mut values = Vec::new();
    match dtype {
        DType::Bool => bytes.iter().for_each(|&byte| values.push(Value::from(byte != 0))),
        DType::UInt64 => bytes.as_chunks().0.iter().for_each(|&value| values.push(u64::from_ne_bytes(value).into())),
        _ if numbers::is_integer(dtype) => numbers::each_i64(dtype, bytes, |value| values.push(value.into())),
        _ => numbers::each_f64(dtype, bytes, |value| values.push(value.into())),
    }
    values
}
