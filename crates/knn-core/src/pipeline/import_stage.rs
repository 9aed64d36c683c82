//! Neighbours that were found before, taken over in the place of the join: unit by unit, so that all behind it is the same.

use std::collections::BTreeMap;

use super::evaluate::same_names;
use super::finished::Finished;
use super::inputs::{FINGERPRINT_SEED, Inputs};
use super::join_stage::{Joined, copy_names};
use super::memory::fits;
use super::plan::Prepared;
use super::provenance;
use super::report::MemoryPlan;
use super::request::Resolved;
use super::sizes::{AfterJoin, Sizes};
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::graph::{GraphBetween, ImportedGraph};
use crate::progress::Progress;
use crate::sink::UnitWriter;
use crate::source::{AnnDataStore, RowSource, StringBlock};
use crate::types::{MappingStatus, RowRange};

/// Opens the neighbours that a request names; none for one that searches.
pub(super) fn open(
    resolved: &Resolved,
    query: &AnnDataStore,
    reference: &AnnDataStore,
) -> Result<Option<ImportedGraph>> {
    let Some(imported) = &resolved.imported else { return Ok(None) };
    let between = GraphBetween {
        n_query: query.n_obs(),
        n_ref: reference.n_obs(),
        within: resolved.self_mapping,
        signed: imported.signed,
    };
    ImportedGraph::open(&imported.path, imported.key.as_deref(), imported.most, between).map(Some)
}

/// Looks at all neighbours, and at the names of the cells where they are told, and settles how many neighbours there are.
pub(super) fn scan(resolved: &mut Resolved, inputs: &mut Inputs, progress: &Progress) -> Result<()> {
    if let Some((graph, imported)) = inputs.imported.as_mut().zip(resolved.imported.as_ref()) {
        if let Some(stored) = graph.stored() {
            let warnings = &mut inputs.warnings;
            // Names tell of the query's cells, and in self-mapping of all, whether they are the same.
            provenance::same_choice(stored, ("query", &inputs.query), &mut Vec::new())?;
            if !resolved.self_mapping {
                provenance::same_choice(stored, ("reference", &inputs.reference), warnings)?;
            }
            same_names(&AnnDataStore::open(&imported.path)?, &inputs.query, warnings, progress)?;
            let told = provenance::parameters(stored)?.unwrap_or_default();
            if let Some(metric) = told["metric"].as_str().and_then(Metric::from_name) {
                if imported.says_metric && metric != resolved.parameters.metric {
                    let reason = format!("the neighbors of {} are by {}", imported.path.display(), metric.name());
                    return Err(Error::param("metric", resolved.parameters.metric.name(), reason));
                }
                resolved.parameters.metric = metric;
            }
            if let Some(batch) = told["excludeBatch"].as_str() {
                // Whoever takes over what is stored here is told, too.
                resolved.parameters.exclude_batch = Some(batch.to_owned());
                resolved.parameters.self_edges &= imported.says_self_edges;
            }
        }
        provenance::same_space(&imported.path, resolved.other_graphs.as_ref().map_or(&[], |graphs| graphs))?;
        resolved.parameters.n_neighbors = graph.scan(progress)? + u64::from(resolved.self_mapping);
    }
    Ok(())
}

/// The hash of the neighbours.
pub(super) fn fingerprint(inputs: &Inputs) -> Result<Option<u128>> {
    inputs.imported.as_ref().map(|graph| graph.fingerprint(FINGERPRINT_SEED)).transpose()
}

/// Shares out the memory of taking neighbours over.
pub(super) fn share(
    resolved: &Resolved,
    inputs: &Inputs,
    k: u64,
    common: &BTreeMap<&'static str, u64>,
    transfer: BTreeMap<&'static str, u64>,
) -> Result<Sizes> {
    let mut parts = common.clone();
    parts.insert(
        "imported neighbors",
        inputs.imported.as_ref().map_or(0, ImportedGraph::bytes) + Finished::row_bytes(k),
    );
    let names = inputs.names.natural_tile_rows().min(inputs.query.n_obs());
    parts.insert("names", inputs.names.scratch_bytes(names) + names * 32);
    let sum = |parts: &BTreeMap<_, u64>| parts.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    let (what, highest) =
        if sum(&transfer) > sum(&parts) { ("transfer", transfer) } else { ("imported neighbors", parts) };
    let planned = sum(&highest);
    fits(resolved, what, planned, &highest)?;
    let parts = highest.into_iter().map(|(what, bytes)| (what.to_owned(), bytes)).collect();
    Ok(Sizes {
        block_rows: 1,
        slab_rows: inputs.reference_rows.rows().max(1),
        reference_passes: 1,
        leased: planned,
        device: None,
        order: None,
        after: AfterJoin::default(),
        repair: None,
        run_bytes: 0,
        found_bytes: 0,
        run_rows: None,
        memory: MemoryPlan { limit: resolved.memory, planned, parts },
    })
}

/// The neighbours, and buffers that serve unit after unit.
pub(super) struct Import<'a> {
    prepared: &'a Prepared,
    progress: &'a Progress,
    graph: ImportedGraph,
    found: Finished,
    /// The piece of rows behind, read while one is written.
    ahead: Finished,
    names: StringBlock,
}

impl<'a> Import<'a> {
    /// Opens them once more, to be read.
    pub(super) fn open(prepared: &'a Prepared, progress: &'a Progress) -> Result<Self> {
        let graph = open(&prepared.resolved, &prepared.inputs.query, &prepared.inputs.reference)?;
        let graph = graph.ok_or_else(|| Error::internal("no neighbors to take over"))?.with_width(prepared.spec.k);
        let (found, ahead) = (Finished::default(), Finished::default());
        Ok(Self { prepared, progress, graph, found, ahead, names: StringBlock::default() })
    }

    /// Writes the rows of a unit.
    pub(super) fn unit(&mut self, writer: &mut UnitWriter, joined: &mut Joined) -> Result<()> {
        let Self { prepared, progress, graph, found, ahead, names } = self;
        let rows = writer.range().rows;
        let mut piece = next_piece(graph, RowRange::new(rows.start, rows.end), ahead)?;
        while !piece.is_empty() {
            std::mem::swap(found, ahead);
            for &status in &found.statuses {
                joined.statuses[usize::from(status)] += 1;
                // Within one store, cells that cannot be mapped are nobody's neighbours.
                let is_excluded = prepared.resolved.self_mapping && status >= MappingStatus::InvalidInput as u8;
                joined.excluded += u64::from(is_excluded);
            }
            let statuses = &found.statuses;
            joined.sums.add(&found.nearest, |row| statuses[row] == MappingStatus::Ok as u8);
            let behind = RowRange::new(piece.end, rows.end);
            let store = || found.store(writer, prepared.spec.n_ref);
            let (stored, read) = rayon::join(store, || next_piece(graph, behind, ahead));
            stored?;
            progress.advance(piece.len() as u64)?;
            piece = read?;
        }
        copy_names(prepared, RowRange::new(rows.start, rows.end), names, writer, progress)
    }
}

/// Reads the first of these rows, as many as may be read together; none of none.
fn next_piece(graph: &mut ImportedGraph, rows: RowRange, into: &mut Finished) -> Result<RowRange> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let piece = graph.piece(rows.start, rows.end)?;
    graph.read(piece, &mut into.nearest, &mut into.statuses)?;
    Ok(piece)
}
