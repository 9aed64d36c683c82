//! Where older versions of anndata keep the categories of a column that is no group of its own.
//!
//! Data frames 0.1.0 (anndata 0.7) name an array in an attribute of the codes; before, they lie in `uns` by the name of
//! the column.

use serde_json::Value;

use super::categories::Categories;
use crate::error::{Error, Result};
use crate::source::container::{Container, Node};
use crate::source::key::{is_valid_path, join};

/// Categories of the codes at `frame/key`, and whether they are ordered; `None` for what is no categorical.
pub(super) fn categories(
    store: &dyn Container,
    frame: &str,
    key: &str,
    codes: &Node,
) -> Result<Option<(Categories, bool)>> {
    let path = if let Some(reference) = codes.attributes.get("categories") {
        let wrong = |reason: &str| Error::schema(store.name(), join(frame, key), "categories", reason);
        let reference = reference.as_str().ok_or_else(|| wrong("is not the path of an array"))?;
        let path = reference.strip_prefix('/').map_or_else(|| join(frame, reference), str::to_owned);
        if !is_valid_path(&path) {
            return Err(wrong("is not a plain path inside the store"));
        }
        path
    } else {
        // A frame that says nothing of itself is of that time.
        let path = format!("uns/{key}_categories");
        let old = store.node(frame)?.is_some_and(|frame| !frame.attributes.contains_key("encoding-type"));
        if !old || !codes.attributes.is_empty() || !is_valid_path(&path) {
            return Ok(None);
        }
        path
    };
    let Some(node) = store.node(&path)? else {
        if codes.attributes.contains_key("categories") {
            let reason = format!("names {path:?}, which does not exist");
            return Err(Error::schema(store.name(), join(frame, key), "categories", reason));
        }
        return Ok(None);
    };
    let ordered = match node.attributes.get("ordered") {
        Some(Value::Bool(ordered)) => *ordered,
        Some(Value::Number(ordered)) => ordered.as_f64() == Some(1.0),
        // h5py's booleans are enumerations, which some readers spell out.
        Some(Value::String(ordered)) => ordered.eq_ignore_ascii_case("true"),
        _ => false,
    };
    Ok(Some((Categories::read(store, &path)?, ordered)))
}
