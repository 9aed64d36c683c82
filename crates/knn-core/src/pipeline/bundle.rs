//! A portable reference: an index with the cells beside its lists, so that queries are mapped onto it where the atlas is not.
//!
//! Within the folder of the index lies `cells.zarr`, an AnnData of the reference's names and columns without any matrix; the rows are those of the
//! lists. It names the fingerprint of the rows that the index was built from, so that cells of another index are not taken for its own, and the
//! representation that they are of, so that nobody has to know it who maps onto them.
//! What needs the rows by themselves (an exact search, shared neighbours, a repair, distances beside codes) needs the atlas.

use std::path::Path;
use std::sync::Arc;

use super::index_terms::sealed;
use super::request::{OtherGraph, Resolved, bundled_cells};
use crate::error::{Error, Result};
use crate::index::Manifest;
use crate::sink::{Found, find};
use crate::source::{AnnDataStore, Missing, RowSource, StringBlock, UnreadRows};
use crate::store::OsVfs;
use crate::types::RowRange;

/// Whether the cells of an index are there, and whether they are those of its rows: after an append they are those of before. What cannot be read is
/// nobody's.
pub(super) fn state(index: &Path, manifest: &Manifest) -> CellsState {
    let Some(path) = bundled_cells(index) else { return CellsState::None };
    let is_finished = || Ok::<_, Error>(matches!(find(&OsVfs, &path)?, Found::Ours { complete: true, .. }));
    let is_own = || Ok::<_, Error>(is_finished()? && is_of(&AnnDataStore::open(&path)?, manifest)?);
    if is_own().unwrap_or(false) { CellsState::Own } else { CellsState::Stale }
}

/// What lies beside the lists of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellsState {
    None,
    /// The cells of its rows.
    Own,
    /// Those of an earlier index, or unfinished ones.
    Stale,
}

/// Whether cells are those that an index was built with.
fn is_of(cells: &AnnDataStore, manifest: &Manifest) -> Result<bool> {
    Ok(told(cells, "index_source")?.as_ref() == Some(&manifest.source) && cells.n_obs() == manifest.rows)
}

/// Refuses what needs the rows of the reference by themselves.
pub(super) fn check(resolved: &Resolved) -> Result<()> {
    if !resolved.bundled {
        return Ok(());
    }
    let refuse = |what: String| {
        let remedy = "name the reference that the index was built from, too".into();
        Err(Error::Unsupported { what: format!("{what} onto an index without its reference"), remedy })
    };
    let ivf = resolved.parameters.ivf.as_ref();
    let kernel = &resolved.parameters.kernel_method;
    match ivf {
        None => refuse("an exact search".into()),
        Some(ivf) if ivf.rerank.as_deref() == Some("none") => refuse("a search by codes alone".into()),
        Some(_) if resolved.search.repair == "always" => refuse("repair \"always\"".into()),
        Some(_) if resolved.kept_graphs.iter().any(|&graph| graph != OtherGraph::Yy) => {
            refuse("graphs xx and xy".into())
        }
        Some(_)
            if crate::kernel::KernelMethod::from_name(kernel).is_some_and(crate::kernel::KernelMethod::is_shared) =>
        {
            refuse(format!("kernel {kernel}"))
        }
        Some(_) => Ok(()),
    }
}

/// The representation that the lists of an index are of, as its cells tell; none of cells that an earlier version wrote.
pub(super) fn representation(cells: &AnnDataStore) -> Result<Option<String>> {
    told(cells, "index_rep")
}

/// What the cells of an index tell of it.
fn told(cells: &AnnDataStore, name: &str) -> Result<Option<String>> {
    let path = format!("uns/gigamapper/{name}");
    if cells.container().node(&path)?.is_none() {
        return Ok(None);
    }
    let mut found = StringBlock::default();
    cells.container().array(&path, Missing::Fill)?.read_strings(RowRange::new(0, 1), &mut found)?;
    Ok(found.iter().next().map(str::to_owned))
}

/// A warning where the query is compared by an embedding of another name, which may be the same by a query's own name, and one where the query is
/// what the index was built from.
pub(super) fn warnings(resolved: &Resolved, reference: &AnnDataStore, query: &dyn RowSource) -> Result<Vec<String>> {
    if !resolved.bundled {
        return Ok(Vec::new());
    }
    let mut warnings = Vec::new();
    let plain = |key: &str| key.strip_prefix("obsm/").unwrap_or(key).to_owned();
    let asked = &resolved.parameters.use_rep;
    if let Some(own) = representation(reference)?.filter(|own| plain(own) != plain(asked)) {
        let query = query.name();
        warnings.push(format!(
            "the index is of {own}, and its queries are {asked} ({query}): they must be coordinates in one space"
        ));
    }
    let manifest = index(resolved)?.1;
    let is_same = query.rows() == manifest.rows && query.dim() as u64 == u64::from(manifest.dim);
    if is_same && manifest.source == format!("{:032x}", query.fingerprint(manifest.training.seed)?) {
        let reason = "the query is what the index was built from: each cell is its own nearest neighbor. Name it as reference, too, for self-mapping";
        warnings.push(reason.into());
    }
    Ok(warnings)
}

/// The index of a bundle.
fn index(resolved: &Resolved) -> Result<(&Path, Manifest)> {
    let path = resolved.search.index.as_deref().ok_or_else(|| Error::internal("a bundle without its index"))?;
    Ok((path, sealed(path)?))
}

/// The rows of the reference that an index stands for: how many, how long, and what they were.
pub(super) fn rows(resolved: &Resolved, reference: &AnnDataStore) -> Result<Arc<dyn RowSource>> {
    let (path, manifest) = index(resolved)?;
    if !is_of(reference, &manifest)? {
        let reason = format!(
            "{} are the cells of another index than lies there now: build it again with bundle",
            reference.name()
        );
        return Err(Error::Stale { path: path.to_path_buf(), reason });
    }
    let fingerprint = u128::from_str_radix(&manifest.source, 16).map_err(|error| Error::internal(error.to_string()))?;
    let rows = UnreadRows::new(&path.display().to_string(), manifest.rows);
    Ok(Arc::new(rows.standing_for(manifest.dim as usize, fingerprint)))
}
