//! The nodes of one AnnData and of the root around it: everything of a store that is metadata.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::node::{Node, categories, compressed, dict, encoding, group, sharded, strings};
use super::spec::{ArraySpec, Field, Kind, StoreSpec};
use crate::graph::Holder;
use crate::store::{MARK, MARK_VERSION, Status};
use crate::types::DType;

const STATUS: &str = "gigamapper-status";

/// All nodes of part `part` below its own group. Arrays of an unfinished store say so in an attribute.
pub(super) fn part_nodes(spec: &StoreSpec, part: u64, status: Status) -> Vec<Node> {
    let columns = spec.arrays.iter().filter(|a| a.is_member()).filter_map(|a| a.path.strip_prefix("obs/"));
    let columns = columns.filter(|name| *name != "_index");
    let mut nodes = vec![dataframe("obs", columns.collect()), dict("obsm"), dataframe("var", Vec::new())];
    nodes.push(strings("var/_index", genes(spec)));
    nodes.extend(["layers", "obsp", "uns", "varm", "varp"].map(dict));
    // Arrays whose length is not known yet come at the end.
    for array in spec.arrays.iter().filter(|array| !matches!(array.kind, Kind::Ragged { .. })) {
        let attributes = |kind: &str| {
            let mut attributes = encoding(kind, "0.2.0");
            if status == Status::Running {
                attributes.insert(STATUS.into(), status.name().into());
            }
            attributes
        };
        if let Kind::Column(Field::Categorical { categories: names, ordered }) = &array.kind {
            let mut own = attributes("categorical");
            own.insert("ordered".into(), (*ordered).into());
            nodes.push(group(array.path.as_str(), &own));
            nodes.push(categories(&format!("{}/categories", array.path), names));
        }
        if let Kind::Column(Field::Nullable(dtype)) = array.kind {
            nodes.push(group(array.path.as_str(), &encoding(nullable(dtype), "0.1.0")));
        }
        let kind = if array.dtype() == DType::String { "string-array" } else { "array" };
        nodes.push(values(spec, part, array, &attributes(kind)));
    }
    nodes
}

/// The genes that expression is of; none without any.
fn genes(spec: &StoreSpec) -> &[String] {
    let genes = spec.arrays.iter().find_map(|array| match &array.kind {
        Kind::Expression { genes } => Some(genes.as_slice()),
        _ => None,
    });
    genes.unwrap_or_default()
}

/// What anndata calls values with a mask.
fn nullable(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "nullable-boolean",
        DType::String => "nullable-string-array",
        _ => "nullable-integer",
    }
}

fn values(spec: &StoreSpec, part: u64, array: &ArraySpec, attributes: &Map<String, Value>) -> Node {
    let rows = spec.layout.part_rows_of(part);
    let (inner, shard) = array.grid(&spec.layout);
    match array.width() {
        Some(width) => {
            let shapes = [[rows, width], [shard, width], [inner, width]];
            sharded(&array.path, shapes, array.dtype(), spec.layout.is_compact(), attributes)
        }
        None => compressed(&array.values(), &[rows], &[shard], array.dtype(), attributes),
    }
}

fn dataframe(path: &str, columns: Vec<&str>) -> Node {
    let mut attributes = encoding("dataframe", "0.2.0");
    attributes.insert("_index".into(), "_index".into());
    attributes.insert("column-order".into(), columns.into());
    group(path, &attributes)
}

/// The group of one AnnData among several.
pub(super) fn part_group() -> Node {
    group("", &encoding("anndata", "0.1.0"))
}

/// The root: the AnnData itself if there is one part.
pub(super) fn root(spec: &StoreSpec, status: Status) -> Node {
    let mut attributes = if spec.layout.parts() == 1 { encoding("anndata", "0.1.0") } else { Map::new() };
    let mut own = json!({
        "version": MARK_VERSION, "status": status.name(), "run": spec.run,
        "n_obs": spec.layout.n_obs(), "n_ref": spec.n_ref, "k": spec.k, "part_rows": spec.layout.part_rows(),
    });
    if let Some((name, told)) = spec.holder.as_ref().map(Holder::told) {
        own[name] = told;
    }
    attributes.insert(MARK.into(), own);
    group("", &attributes)
}

/// Adds to a group the metadata of all nodes below it, so that a reader opens a store with one request.
///
/// In the order of their paths: zarr-python 3.1 fails on a store in which members of one group are not side by side.
pub(super) fn consolidate(group: &mut Node, metadata: &BTreeMap<String, Value>) {
    group.document["consolidated_metadata"] =
        json!({ "kind": "inline", "must_understand": false, "metadata": metadata });
}

/// The bytes of a `zarr.json`.
pub(super) fn document_bytes(document: &Value) -> Vec<u8> {
    format!("{document:#}\n").into_bytes()
}
