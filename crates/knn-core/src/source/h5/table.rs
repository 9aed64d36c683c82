//! Tables of before AnnData 0.7: a compound dataset at the root, seen as a group with one array for each field, and with
//! the attributes that a group of columns would have. Categories were kept in `uns/<column>_categories`.

use hdf5_reader::{CompoundField, Dataset, Datatype};
use serde_json::{Map, Value, json};

use super::element::Element;
use super::file::H5File;
use crate::error::Result;
use crate::source::key::is_valid_path;
use crate::source::numbers;

/// Whether the dataset at `path` is such a table.
pub(super) fn is_table(path: &str, dataset: &Dataset) -> bool {
    !path.contains('/') && dataset.ndim() == 1 && matches!(dataset.dtype(), Datatype::Compound { .. })
}

fn compound(dataset: &Dataset) -> (&[CompoundField], u32) {
    match dataset.dtype() {
        Datatype::Compound { fields, size } => (fields, *size),
        _ => (&[], 0),
    }
}

/// Names of the columns, in their order.
pub(super) fn fields(dataset: &Dataset) -> Vec<String> {
    compound(dataset).0.iter().map(|field| field.name.clone()).collect()
}

/// Type of a column, and its own extent where every cell has several values.
pub(super) fn field<'a>(dataset: &'a Dataset, name: &str) -> (Option<&'a Datatype>, Option<u64>) {
    let found = compound(dataset).0.iter().find(|field| field.name == name);
    match found.map(|field| &field.datatype) {
        Some(Datatype::Array { base, dims }) if dims.len() == 1 => (Some(base), Some(dims[0])),
        other => (other, None),
    }
}

/// How the values of a column lie in the records of the table.
pub(super) fn element(dataset: &Dataset, name: &str) -> std::result::Result<Element, String> {
    let (fields, record) = compound(dataset);
    let field = fields.iter().find(|field| field.name == name).ok_or("no such field")?;
    Element::field(&field.datatype, field.byte_offset as usize, record as usize)
}

/// Attributes as a data frame has them. A table without an index (`obsm`) has none.
pub(super) fn attributes(dataset: &Dataset) -> Map<String, Value> {
    let names = fields(dataset);
    let index = names.iter().find(|name| ["index", "_index"].contains(&name.as_str())).or_else(|| {
        let first = names.first()?;
        matches!(field(dataset, first).0?, Datatype::String { .. } | Datatype::VarLen { .. }).then_some(first)
    });
    let Some(index) = index else { return Map::new() };
    let columns: Vec<&String> = names.iter().filter(|name| *name != index).collect();
    let attributes = json!({
        "encoding-type": "dataframe", "encoding-version": "0.1.0", "_index": index, "column-order": columns,
    });
    attributes.as_object().cloned().unwrap_or_default()
}

/// Attributes of a column: the path of its categories from the root, if it has some.
pub(super) fn field_attributes(file: &H5File, path: &str, dataset: &Dataset, name: &str) -> Result<Map<String, Value>> {
    let codes = element(dataset, name).is_ok_and(|element| numbers::is_integer(element.dtype));
    let categories = format!("uns/{name}_categories");
    let frame = path.rsplit_once('/').map_or("", |(frame, _)| frame);
    let mut attributes = Map::new();
    if codes && ["obs", "var"].contains(&frame) && is_valid_path(&categories) && file.find(&categories)?.is_some() {
        attributes.insert("categories".into(), Value::from(format!("/{categories}")));
    }
    Ok(attributes)
}
