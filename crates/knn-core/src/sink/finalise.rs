//! The end of a store: `uns`, metadata without the mark of an unfinished array, and consolidated metadata, the root last.
//!
//! Every file of metadata is written once more and synced, so nothing before needed to be. Only when all is durable does
//! the root say `complete`, by one rename. The bytes depend on the run alone, not on how often it was interrupted.
//!
//! What is written here is entered in the journal too, just before the root, so that all of a finished store can be verified.

use std::collections::BTreeMap;

use serde_json::Value;

use super::mapping::Shared;
use super::node::Node;
use super::ragged;
use super::tree::{consolidate, document_bytes, part_group, part_nodes, root};
use super::uns::Uns;
use super::var::VarTable;
use crate::error::Result;
use crate::store::{ObjectRecord, Record, Stage, Status, hash_bytes};

pub(super) fn finalise(store: &Shared, uns: &Uns, var: &VarTable) -> Result<()> {
    let (mut extra, mut objects) = (Vec::new(), Vec::new());
    uns.nodes("uns", &mut extra)?;
    var.nodes(&mut extra)?;
    extra.extend(ragged::stitch(store, &mut objects)?);
    let layout = &store.spec.layout;
    let mut all = BTreeMap::new();
    for part in 0..layout.parts() {
        let prefix = layout.prefix(part);
        // An earlier attempt may have been killed here, and its `uns` may have had other names.
        store.vfs.remove_dir_all(&store.path.join(format!("{prefix}uns")))?;
        let mut nodes = part_nodes(&store.spec, part, Status::Complete);
        nodes.retain(|node| extra.iter().all(|other| other.path != node.path));
        nodes.extend_from_slice(&extra);
        objects.extend(store.write_nodes(&prefix, &nodes, true)?);
        if !prefix.is_empty() {
            let mut group = part_group();
            let plain = group.document.clone();
            consolidate(&mut group, &metadata("", &nodes));
            objects.extend(store.write_nodes(&prefix, &[group], true)?);
            all.insert(prefix.trim_end_matches('/').to_owned(), plain);
        }
        all.extend(metadata(&prefix, &nodes));
    }
    ragged::end(store)?;
    let mut root = root(&store.spec, Status::Complete);
    consolidate(&mut root, &all);
    let bytes = document_bytes(&root.document);
    objects.push(ObjectRecord { name: "zarr.json".into(), length: bytes.len() as u64, xxh3: hash_bytes(&bytes) });
    store.note(&Record { stage: Stage::Finished, unit: 0, rows: [0, layout.n_obs()], objects, extra: Value::Null })?;
    store.write_nodes("", &[root], true).map(|_| ())
}

fn metadata(prefix: &str, nodes: &[Node]) -> BTreeMap<String, Value> {
    nodes.iter().map(|node| (format!("{prefix}{}", node.path), node.document.clone())).collect()
}
