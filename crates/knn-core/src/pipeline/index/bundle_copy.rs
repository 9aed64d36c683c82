//! The cells of an index that is built with them: names and columns of the reference, copied into its folder.

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::index::{CELLS, Manifest};
use crate::pipeline::figures::OutputArray;
use crate::pipeline::places::is_begun;
use crate::pipeline::rechunk::{planned_copy, rechunk_resolved};
use crate::pipeline::request::{DEFAULT_LAYOUT, ResolvedIndex, ResolvedRechunk};
use crate::progress::Progress;
use crate::store::Vfs;

/// Writes the cells of an index that is sealed, or goes on with them.
pub(in crate::pipeline) fn write(
    resolved: &ResolvedIndex,
    (index, manifest): (&Path, &Manifest),
    vfs: &Arc<dyn Vfs>,
    progress: &Progress,
) -> Result<Vec<OutputArray>> {
    if !resolved.bundle {
        return Ok(Vec::new());
    }
    // What an earlier index of the same name left is of other rows.
    let resume = resolved.resume && is_begun(&**vfs, &index.join(CELLS))?;
    let request = request(resolved, index, Some(manifest.source.clone()), resume);
    rechunk_resolved(&request, progress, Arc::clone(vfs)).map(|report| report.stored)
}

/// Bytes on disk that the cells of an index will take, 0 where it is to have none; fails where writing them would.
pub(in crate::pipeline) fn planned(resolved: &ResolvedIndex, progress: &Progress) -> Result<u64> {
    let Some(index) = resolved.output.as_deref().filter(|_| resolved.bundle) else { return Ok(0) };
    planned_copy(&request(resolved, index, None, false), progress)
}

/// The copy of names and columns into the folder of an index.
fn request(resolved: &ResolvedIndex, index: &Path, source: Option<String>, resume: bool) -> ResolvedRechunk {
    ResolvedRechunk {
        input: resolved.reference.clone(),
        output: index.join(CELLS),
        use_rep: None,
        index_source: source,
        index_rep: Some(resolved.use_rep.clone()),
        obs_keys: resolved.obs_keys.clone(),
        memory: resolved.memory,
        threads: resolved.threads,
        resume,
        overwrite: !resume,
        layout: DEFAULT_LAYOUT,
    }
}
