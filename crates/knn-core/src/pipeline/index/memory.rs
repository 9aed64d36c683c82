//! What a build or an append takes of the memory, and what both read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::MIB;
use crate::error::{Error, Result};
use crate::pipeline::backend;
use crate::pipeline::memory_plan::{MemoryPlan, PROCESS, held};
use crate::pipeline::request::ResolvedIndex;
use crate::representation::TileReader;
use crate::source::RowSource;

/// The rows that are indexed, and bytes that their open store holds.
pub(in crate::pipeline) type Reference = (Arc<dyn RowSource>, u64);

/// What a build or an append takes at least: the levels stay, and a tile of rows is read at a time.
pub(in crate::pipeline) fn memory(
    resolved: &ResolvedIndex,
    (rows, held_bytes): (&dyn RowSource, u64),
    levels: u64,
) -> Result<MemoryPlan> {
    let mut parts = BTreeMap::from([
        ("process".to_owned(), PROCESS),
        ("levels of the index".to_owned(), levels),
        ("reference reading".to_owned(), TileReader::bytes(rows)),
    ]);
    parts.extend(held(held_bytes));
    parts.extend(backend::opened().map(|(name, bytes)| (name.to_owned(), bytes)));
    let planned = parts.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    if planned > resolved.memory {
        let instead =
            if TileReader::bytes(rows) > levels { "a copy of the reference by rechunk" } else { "a smaller nlist" };
        return Err(Error::Budget {
            what: "the index".into(),
            needed: planned,
            available: resolved.memory,
            remedy: format!("memory of {} MiB would do, or {instead}", planned.div_ceil(MIB)),
        });
    }
    Ok(MemoryPlan { limit: resolved.memory, planned, parts })
}
