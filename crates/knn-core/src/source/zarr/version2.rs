//! Metadata of zarr version 2, told in the words of version 3.
//!
//! `.zarray` of the zarr v2 specification becomes the same grid, chain of codecs and fill value as a `zarr.json`, so that
//! everything after it knows one format. Filters come before the compressor, in the order of encoding. `order: F` is a
//! transposition. Names of filters and compressors are those of numcodecs.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::json;
use super::metadata::{Fields, Named};
use super::store::{ZarrKind, ZarrNode, ZarrStore};
use crate::error::{Error, Result};
use crate::source::times;

/// Longest text of a fixed-width type, in characters.
const LONGEST_TEXT: u64 = 1 << 20;

/// A `.zarray`. What is absent must be null or may be left out.
#[derive(Debug, Deserialize)]
struct Zarray {
    zarr_format: u64,
    shape: Vec<u64>,
    chunks: Vec<u64>,
    dtype: Value,
    #[serde(default)]
    compressor: Option<Map<String, Value>>,
    #[serde(default)]
    fill_value: Value,
    order: String,
    #[serde(default)]
    filters: Option<Vec<Map<String, Value>>>,
    #[serde(default)]
    dimension_separator: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Zgroup {
    zarr_format: u64,
}

/// The element type of a `.zarray`.
struct ElementType {
    named: Named,
    big_endian: bool,
    /// numpy's letter of its kind.
    kind: char,
}

/// The node at a path; `None` if there is none of version 2.
pub(super) fn node(store: &ZarrStore, path: &str) -> Result<Option<ZarrNode>> {
    let kind = if let Some(text) = store.document(path, ".zarray")? {
        let wrong = |reason: String| Error::schema(store.name(), path, ".zarray", reason);
        let array: Zarray = json::parse(&text).map_err(wrong)?;
        check_version(store, path, array.zarr_format)?;
        ZarrKind::Array(Box::new(
            fields(array).map_err(|(field, reason)| Error::schema(store.name(), path, field, reason))?,
        ))
    } else if let Some(text) = store.document(path, ".zgroup")? {
        let wrong = |reason: String| Error::schema(store.name(), path, ".zgroup", reason);
        let group: Zgroup = json::parse(&text).map_err(wrong)?;
        check_version(store, path, group.zarr_format)?;
        ZarrKind::Group
    } else {
        return Ok(None);
    };
    let attributes = match store.document(path, ".zattrs")? {
        Some(text) => json::parse(&text).map_err(|reason| Error::schema(store.name(), path, ".zattrs", reason))?,
        None => Map::new(),
    };
    Ok(Some(ZarrNode { kind, attributes }))
}

fn check_version(store: &ZarrStore, path: &str, version: u64) -> Result<()> {
    if version == 2 {
        return Ok(());
    }
    Err(Error::schema(store.name(), path, "zarr_format", format!("is {version} and not 2")))
}

type Wrong = (&'static str, String);

fn fields(array: Zarray) -> Result<Fields, Wrong> {
    let element = element_type(&array.dtype)?;
    let mut codecs = Vec::new();
    match array.order.as_str() {
        "C" => {}
        "F" if array.shape.len() < 2 => {}
        "F" => {
            let order: Vec<usize> = (0..array.shape.len()).rev().collect();
            codecs.push(named("transpose", json!({ "order": order })));
        }
        other => return Err(("order", format!("{other:?} is neither \"C\" nor \"F\""))),
    }
    let mut filters = array.filters.unwrap_or_default().into_iter().map(|filter| codec(filter, "filters")).peekable();
    if element.kind == 'O' {
        // Objects are what their first filter says.
        let text = filters.next().ok_or(("filters", "are missing, and objects are nothing without".to_owned()))??;
        codecs.push(text);
    } else {
        let endian = if element.big_endian { "big" } else { "little" };
        codecs.push(named("bytes", json!({ "endian": endian })));
    }
    for filter in filters {
        codecs.push(filter?);
    }
    if let Some(compressor) = array.compressor {
        codecs.push(codec(compressor, "compressor")?);
    }
    let separator = array.dimension_separator.unwrap_or_else(|| ".".to_owned());
    Ok(Fields {
        zarr_format: 2,
        node_type: "array".to_owned(),
        attributes: Map::new(),
        fill_value: Some(fill_value(element.kind, array.fill_value)),
        shape: Some(array.shape),
        data_type: Some(element.named),
        chunk_grid: Some(named("regular", json!({ "chunk_shape": array.chunks }))),
        chunk_key_encoding: Some(named("v2", json!({ "separator": separator }))),
        codecs: Some(codecs),
        storage_transformers: Vec::new(),
    })
}

fn named(name: &str, configuration: Value) -> Named {
    let Value::Object(configuration) = configuration else { return Named::Short(name.to_owned()) };
    Named::Long { name: name.to_owned(), configuration }
}

fn codec(mut configuration: Map<String, Value>, field: &'static str) -> Result<Named, Wrong> {
    match configuration.remove("id") {
        Some(Value::String(name)) => Ok(Named::Long { name, configuration }),
        _ => Err((field, "has a member without an id".to_owned())),
    }
}

/// A numpy type string: byte order, kind, size. Tables of fields are named and not read.
fn element_type(dtype: &Value) -> Result<ElementType, Wrong> {
    let Some(text) = dtype.as_str() else {
        if dtype.is_array() {
            return Ok(ElementType { named: Named::Short("structured".into()), big_endian: false, kind: 'V' });
        }
        return Err(("dtype", "is neither a text nor a list".to_owned()));
    };
    let wrong = || ("dtype", format!("{text:?} is no numpy type"));
    let mut chars = text.chars();
    let big_endian = match chars.next() {
        Some('<' | '|' | '=') => false,
        Some('>') => true,
        _ => return Err(wrong()),
    };
    let kind = chars.next().ok_or_else(wrong)?;
    let size = chars.as_str();
    let number = || size.parse::<u64>().map_err(|_| wrong());
    let named = match (kind, size) {
        ('b', "1") => Named::Short("bool".into()),
        ('i', "1" | "2" | "4" | "8") => Named::Short(format!("int{}", number()? * 8)),
        ('u', "1" | "2" | "4" | "8") => Named::Short(format!("uint{}", number()? * 8)),
        ('f', "2" | "4" | "8") => Named::Short(format!("float{}", number()? * 8)),
        ('O', _) => Named::Short("string".into()),
        ('U' | 'S', _) if number()? > LONGEST_TEXT => return Err(("dtype", format!("{text:?} is too long a text"))),
        ('U', _) => named("fixed_length_utf32", json!({ "length_bytes": number()? * 4 })),
        ('S', _) => named("null_terminated_bytes", json!({ "length_bytes": number()? })),
        ('M' | 'm', _) => {
            let name = if kind == 'M' { times::DATETIME } else { times::TIMEDELTA };
            // The size is that of all, and the unit with its factor follows: 8[10ns].
            let unit = size.split_once('[').and_then(|(_, unit)| unit.strip_suffix(']')).unwrap_or_default();
            let digits = unit.len() - unit.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            let (scale, unit) = unit.split_at(digits);
            named(name, json!({ "unit": unit, "scale_factor": scale.parse::<u64>().unwrap_or(1) }))
        }
        ('c' | 'V' | 'i' | 'u' | 'f' | 'b', _) => Named::Short(text.to_owned()),
        _ => return Err(wrong()),
    };
    Ok(ElementType { named, big_endian, kind })
}

/// The fill value as version 3 spells it: nothing is zero, and zero is no text.
fn fill_value(kind: char, value: Value) -> Value {
    match (kind, value) {
        ('b', Value::Null) => json!(false),
        ('b', Value::Number(number)) if number.as_f64().is_some_and(|number| number == 0.0 || number == 1.0) => {
            json!(number.as_f64() == Some(1.0))
        }
        ('O' | 'U' | 'S', Value::Null | Value::Number(_)) => json!(""),
        // Texts of bytes are in base64 here. Only the empty one needs no decoding.
        ('S', Value::String(text)) if !text.is_empty() => json!([text]),
        ('i' | 'u', Value::Number(number)) if number.as_f64().is_some_and(|number| number == 0.0) => json!(0),
        ('M' | 'm', Value::Number(count)) if count.is_i64() => Value::Number(count),
        ('M' | 'm', Value::String(text)) if text == "NaT" => json!(text),
        ('M' | 'm' | 'V' | 'c', _) | (_, Value::Null) => json!(0),
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_tell_their_unit_and_what_is_missing_among_them() {
        let told = |dtype: &str| {
            let element = element_type(&json!(dtype)).unwrap();
            let unit: String = element.named.field("unit").unwrap();
            times::declared(element.named.name(), &unit, element.named.field("scale_factor").unwrap())
        };
        assert_eq!(told("<M8[ns]"), "numpy.datetime64[ns]");
        assert_eq!(told(">m8[10us]"), "numpy.timedelta64[10us]");
        assert_eq!(told("<M8"), "numpy.datetime64");
        assert_eq!(fill_value('M', json!("NaT")), json!("NaT"));
        assert_eq!(fill_value('m', json!(i64::MIN)), json!(i64::MIN));
        assert_eq!(fill_value('M', json!(null)), json!(0));
    }
}
