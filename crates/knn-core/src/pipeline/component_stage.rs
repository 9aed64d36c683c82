//! The representation of a run for which none was named and none is stored: computed before the run, beside its output, and gone with its end.

use std::path::Path;
use std::sync::Arc;

use super::joint;
use super::places::is_begun;
use super::plan::planned;
use super::request::{Representation, Resolved, ResolvedJoint};
use super::seams::Seams;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::sink::{self, Found, find};
use crate::store::Vfs;

/// Computes what a run needs, or goes on with it. Nothing is computed for a run that would be refused, or that is finished.
pub(super) fn compute(mut resolved: Resolved, progress: &Progress, seams: &Seams) -> Result<Resolved> {
    joint::settle(&mut resolved, progress)?;
    let Representation::Computed(computed) = &resolved.representation else { return Ok(resolved) };
    let Some(output) = resolved.output.as_ref().filter(|_| !computed.stored) else { return Ok(resolved) };
    planned(resolved.clone(), progress)?;
    if resolved.resume && matches!(find(&*seams.vfs, output)?, Found::Ours { complete: true, .. }) {
        return Ok(resolved);
    }
    let begun = |path: &Path| is_begun(&*seams.vfs, path);
    let resume = resolved.resume && computed.request.output.as_deref().map_or(Ok(false), begun)?;
    if resolved.resume && !resume && !begun(output)? {
        let store = output.display().to_string();
        let (kind, key) = ("run to resume".into(), store.clone());
        return Err(Error::NotFound { store, kind, key, available: Vec::new() });
    }
    let request = ResolvedJoint { resume, overwrite: !resume, ..computed.request.clone() };
    joint::joint_resolved(&request, progress, &seams.vfs)?;
    if let Representation::Computed(computed) = &mut resolved.representation {
        computed.stored = true;
    }
    Ok(resolved)
}

/// Removes what was computed for a run that is finished.
pub(super) fn discard(resolved: &Resolved, vfs: &Arc<dyn Vfs>) -> Result<()> {
    let Representation::Computed(computed) = &resolved.representation else { return Ok(()) };
    if computed.lent {
        return Ok(());
    }
    let outputs = [&computed.request.output, &computed.request.reference_output];
    let there: Vec<_> = outputs.into_iter().flatten().filter(|path| path.exists()).collect();
    there.iter().try_for_each(|path| sink::discard(vfs, path))?;
    // Nobody looks for them again once the run is told to be done.
    let folder = there.first().and_then(|path| path.parent());
    folder.map_or(Ok(()), |folder| vfs.sync_dir(folder))
}
