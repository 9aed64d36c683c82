//! How a stored graph was made, as a store of ours tells: which cells were chosen, and by which metric in which representation they were compared.
//!
//! Sizes alone do not tell graphs apart: two choices of cells may be equally many. Graphs of other tools tell nothing, so nothing is asked of them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::graph::{GraphStore, is_ours};
use crate::source::{AnnDataStore, FilteredStore};

/// The parameters of the run that found a graph; none where it tells none.
pub(super) fn parameters(graph: &GraphStore) -> Result<Option<Value>> {
    let told = graph.told("parameters")?;
    Ok(told.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Refuses a graph whose cells of a side (`query` or `reference`) were chosen otherwise than they are now: `GM_STALE`. Where one of both was chosen
/// and the other is taken whole, they may still be the same cells, as of a copy of the chosen ones: then there is a warning.
pub(super) fn same_choice(
    graph: &GraphStore,
    (side, store): (&str, &AnnDataStore),
    warnings: &mut Vec<String>,
) -> Result<()> {
    let told = |what: &str| graph.told(&format!("chosen/{side}/{what}"));
    let (path, now) = (&graph.description().path, store.filtered().map(FilteredStore::described));
    let condition = || Ok::<_, Error>(told("where")?.unwrap_or_default());
    match (told("digest")?, now) {
        (Some(then), Some(now)) if now["digest"] != then => {
            let reason = format!("its {side} cells were chosen by {}, and {} has others", condition()?, store.name());
            return Err(Error::Stale { path: PathBuf::from(path), reason });
        }
        (Some(_), None) => warnings.push(format!(
            "the {side} cells of {path} were chosen by {}, and {} is taken whole: it must hold these cells and no others",
            condition()?,
            store.name()
        )),
        (None, Some(now)) if now["cells"] != now["of"] => warnings.push(format!(
            "the {side} cells of {path} are those of a whole store, and here they are {}: they must be the same",
            store.name()
        )),
        _ => {}
    }
    Ok(())
}

/// Refuses a graph whose distances are by another metric, as far as it tells: `GM_STALE`.
pub(super) fn same_metric(graph: &GraphStore, metric: Metric) -> Result<()> {
    let told = parameters(graph)?.unwrap_or_default();
    match told["metric"].as_str() {
        Some(theirs) if theirs != metric.name() => {
            let reason = format!("its distances are by {theirs}, and here they are by {}", metric.name());
            Err(Error::Stale { path: PathBuf::from(&graph.description().path), reason })
        }
        _ => Ok(()),
    }
}

/// Refuses two graphs that tell of other reference cells or of another metric: `GM_STALE`.
pub(super) fn same_graphs(one: &GraphStore, other: &GraphStore) -> Result<()> {
    let digest = |graph: &GraphStore| graph.told("chosen/reference/digest");
    if let (Some(one_digest), Some(digest)) = (digest(one)?, digest(other)?)
        && one_digest != digest
    {
        let reason = format!("its reference cells were chosen otherwise than those of {}", one.description().path);
        return Err(Error::Stale { path: PathBuf::from(&other.description().path), reason });
    }
    let told = parameters(one)?.unwrap_or_default();
    told["metric"].as_str().and_then(Metric::from_name).map_or(Ok(()), |metric| same_metric(other, metric))
}

/// Refuses graphs that were found by another metric or in another representation than the one that they belong to: `GM_STALE`.
pub(super) fn same_space(graph: &Path, others: &[PathBuf]) -> Result<()> {
    let Some(own) = space(graph)? else { return Ok(()) };
    for other in others {
        if let Some(theirs) = space(other)?.filter(|theirs| *theirs != own) {
            let reason = format!("its neighbors are by {theirs}, and those of {} by {own}", graph.display());
            return Err(Error::Stale { path: other.clone(), reason });
        }
    }
    Ok(())
}

/// The metric and the representation of a graph; none where it does not tell, as one that was taken over.
fn space(path: &Path) -> Result<Option<String>> {
    if !is_ours(path)? {
        return Ok(None);
    }
    let Some(parameters) = parameters(&GraphStore::open(path)?)? else { return Ok(None) };
    let named = |name: &str| parameters[name].as_str().filter(|name| !name.is_empty());
    let columns =
        parameters["nComps"].as_u64().map_or_else(String::new, |columns| format!(" (columns 1 to {columns})"));
    Ok(named("useRep").zip(named("metric")).map(|(key, metric)| format!("{metric} in {key}{columns}")))
}
