//! Where a run may write: never into what it reads, and over nothing that it was not told to replace.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::request::Resolved;
use super::start::WORKER;
use crate::error::{Error, Result};
use crate::graph::named_place;
use crate::sink::{MappingStore, StoreSpec, journal_folder};
use crate::source::stores;
use crate::store::Vfs;

/// What to do with an output that exists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Existing {
    pub(super) resume: bool,
    pub(super) overwrite: bool,
}

/// The output may not exist unless that was said, and may not touch what is read.
pub(super) fn check_output(output: &Path, inputs: &[&Path], existing: Existing) -> Result<()> {
    apart("output", output, inputs)?;
    let Existing { resume, overwrite } = existing;
    if resume && overwrite {
        return Err(Error::param("resume", true, "cannot be combined with overwrite"));
    }
    if !resume && !overwrite && output.symlink_metadata().is_ok() {
        return Err(Error::Exists {
            path: output.to_path_buf(),
            reason: "the output is already there".into(),
            remedy: "say resume to continue the run that wrote it, overwrite to replace it, or choose another".into(),
        });
    }
    Ok(())
}

/// A store of neighbours that is read, and the one that it says holds them, which is read too.
pub(super) fn of_graph(graph: &Path) -> Vec<PathBuf> {
    std::iter::once(graph.to_path_buf()).chain(named_place(graph)).collect()
}

/// Whether anything of a store is at a path.
pub(super) fn is_begun(vfs: &dyn Vfs, output: &Path) -> Result<bool> {
    Ok(vfs.exists(output)? || vfs.exists(&journal_folder(output)?)?)
}

/// Begins, continues or replaces the output.
pub(super) fn open_store(
    vfs: Arc<dyn Vfs>,
    output: &Path,
    spec: StoreSpec,
    existing: Existing,
) -> Result<MappingStore> {
    if existing.resume {
        MappingStore::resume(vfs, output, spec, WORKER, false)
    } else if existing.overwrite {
        MappingStore::overwrite(vfs, output, spec, WORKER)
    } else {
        MappingStore::create(vfs, output, spec, WORKER)
    }
}

/// A folder for intermediate files must be one, and apart from what is read and from the output.
pub(super) fn check_work_dir(work_dir: &Path, inputs: &[&Path], output: Option<&Path>) -> Result<()> {
    if !work_dir.is_dir() {
        return Err(Error::param("workDir", work_dir.display(), "name a folder that exists"));
    }
    let inside = |outer: &Path| Ok::<_, Error>(absolute(work_dir)?.starts_with(absolute(outer)?));
    for store in each(inputs).iter().map(PathBuf::as_path).chain(output) {
        if inside(store)? {
            let reason = format!("lies inside {}, where no other files belong", store.display());
            return Err(Error::param("workDir", work_dir.display(), reason));
        }
    }
    Ok(())
}

/// Where intermediate files of the run go: into the folder for them, or beside the output.
pub(super) fn place(resolved: &Resolved, ending: &str) -> Result<PathBuf> {
    let output = resolved.output.as_ref().ok_or_else(|| Error::param("output", "", "name the store to write"))?;
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push(ending);
    Ok(resolved.search.work_dir.as_deref().map_or_else(|| output.with_file_name(&name), |folder| folder.join(&name)))
}

/// The folder of the run's runs.
pub(super) fn runs_folder(resolved: &Resolved) -> Result<PathBuf> {
    place(resolved, ".runs")
}

fn apart(name: &str, output: &Path, inputs: &[&Path]) -> Result<()> {
    let target = absolute(output)?;
    for input in each(inputs) {
        let input = absolute(&input)?;
        if target.starts_with(&input) || input.starts_with(&target) {
            let reason = format!("overlaps {}, which is read: nothing is ever written there", input.display());
            return Err(Error::param(name, output.display(), reason));
        }
    }
    Ok(())
}

/// Every store that the inputs name. What names none is left to whoever opens it.
fn each(inputs: &[&Path]) -> Vec<PathBuf> {
    inputs.iter().flat_map(|input| stores(input).unwrap_or_else(|_| vec![input.to_path_buf()])).collect()
}

/// The path as the system sees it. What does not exist yet is no link, so from there on names are enough.
fn absolute(path: &Path) -> Result<PathBuf> {
    let mut resolved = PathBuf::new();
    for part in std::path::absolute(path).map_err(|error| Error::io("resolve", path, error))?.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            Component::Normal(name) => {
                resolved.push(name);
                resolved = resolved.canonicalize().unwrap_or(resolved);
            }
            _ => resolved.push(part),
        }
    }
    Ok(resolved)
}
