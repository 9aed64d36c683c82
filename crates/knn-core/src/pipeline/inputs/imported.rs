//! Neighbours that were found before, as a run is planned: opened, looked through, and what they settle of the request.

use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::graph::{GraphBetween, Holder, ImportedGraph};
use crate::pipeline::provenance;
use crate::pipeline::request::Resolved;
use crate::pipeline::same_cells::same_names;
use crate::progress::Progress;
use crate::source::AnnDataStore;

/// Opens the neighbours that a request names; none for one that searches.
pub(in crate::pipeline) fn open(
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

/// Whether the neighbours stay where they are, and what the output says of that place: not where they were asked for, nor where they are there in another form.
pub(in crate::pipeline) fn stay(
    resolved: &Resolved,
    graph: Option<&ImportedGraph>,
    part_rows: u64,
) -> Result<(bool, Option<Holder>)> {
    let Some((graph, imported)) = graph.zip(resolved.imported.as_ref()) else { return Ok((false, None)) };
    if imported.stored == Some(true) {
        return Ok((false, None));
    }
    if graph.is_as_stored(part_rows)?
        && let Some(stored) = graph.stored()
    {
        let named = resolved.output.as_deref().map(|output| stored.named_from(output)).transpose()?;
        if named != Some(None) {
            return Ok((true, named.flatten()));
        }
    }
    if imported.stored == Some(false) {
        let reason = "they are stored, because they do not stand in a store of ours just as they are used here: another tool found them, or they are fewer or parted otherwise";
        return Err(Error::param("storeNeighbors", false, reason));
    }
    Ok((false, None))
}

/// Looks at all neighbours, and at the names of the cells where they are told, and settles how many neighbours there are.
pub(in crate::pipeline) fn scan(
    resolved: &mut Resolved,
    graph: Option<&mut ImportedGraph>,
    [query, reference]: [&AnnDataStore; 2],
    warnings: &mut Vec<String>,
    progress: &Progress,
) -> Result<()> {
    if let Some((graph, imported)) = graph.zip(resolved.imported.as_ref()) {
        if let Some(stored) = graph.stored() {
            // Names tell of the query's cells, and in self-mapping of all, whether they are the same.
            provenance::same_choice(stored, ("query", query), &mut Vec::new())?;
            if !resolved.self_mapping {
                provenance::same_choice(stored, ("reference", reference), warnings)?;
            }
            same_names(&AnnDataStore::open(&imported.path)?, query, warnings, progress)?;
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
