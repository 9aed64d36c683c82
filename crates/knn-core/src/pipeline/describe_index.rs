//! What lies at the path of an index, and whether it is of the rows that are to be searched.

use std::path::Path;

use super::bundle::{self, CellsState};
use super::index_description::IndexDescription;
use super::index_terms::{bytes, list_dtype, rerank, sealed, training};
use super::request::Resolved;
use crate::error::{Error, Result};
use crate::index::Manifest;
use crate::source::RowSource;
use crate::store::OsVfs;

/// What the index at `path` holds: `GM_NOT_FOUND` where nothing is, `GM_SCHEMA` where something else is.
pub fn describe_index(path: &Path) -> Result<IndexDescription> {
    let manifest = sealed(path)?;
    let cells = bundle::state(path, &manifest);
    Ok(IndexDescription {
        path: path.display().to_string(),
        format_version: u64::from(manifest.version),
        generation: u64::from(manifest.generation),
        rows: manifest.rows,
        dim: u64::from(manifest.dim),
        nlist: u64::from(manifest.nlist),
        levels: u64::from(manifest.levels),
        method: if manifest.codes.is_some() { "ivfpq" } else { "ivf" }.into(),
        list_dtype: list_dtype(&manifest).into(),
        rerank: rerank(&manifest),
        metric: manifest.metric.name().into(),
        seed: manifest.training.seed,
        training: training(&manifest).into(),
        excluded_rows: manifest.excluded,
        keep_graph: manifest.graph.map(|graph| u64::from(graph.neighbors)),
        bytes: bytes(&manifest),
        bundled: cells == CellsState::Own,
        stale_cells: cells == CellsState::Stale,
        digest: manifest.run,
    })
}

/// An index of other rows than the reference's cannot be searched for it.
pub(super) fn check_index(resolved: &Resolved, reference: &dyn RowSource) -> Result<()> {
    let path = resolved.parameters.ivf.as_ref().and(resolved.search.index.as_deref());
    let Some((path, manifest)) = path.zip(path.map(|path| Manifest::read(&OsVfs, path)).transpose()?.flatten()) else {
        return Ok(());
    };
    if manifest.dim as usize != reference.dim() || manifest.rows != reference.rows() {
        return Err(Error::Shape {
            left: path.display().to_string(),
            left_shape: vec![manifest.rows, u64::from(manifest.dim)],
            right: reference.name(),
            right_shape: vec![reference.rows(), reference.dim() as u64],
            reason: "the index must be of the reference's own rows".into(),
        });
    }
    if manifest.source != format!("{:032x}", reference.fingerprint(manifest.training.seed)?) {
        let reason = "the index was built from other rows than the reference has now".into();
        return Err(Error::Stale { path: path.to_path_buf(), reason });
    }
    let metric = resolved.parameters.metric;
    if manifest.metric != metric {
        return Err(Error::param(
            "metric",
            metric.name(),
            format!("the index is made for {:?}", manifest.metric.name()),
        ));
    }
    Ok(())
}
