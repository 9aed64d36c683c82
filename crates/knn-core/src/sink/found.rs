//! What is already where a store should go. Nothing is removed that gigamapper did not write.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::tree::document_bytes;
use crate::error::{Error, Result};
use crate::store::{Journal, Lock, MARK, MARK_VERSION, Status, Vfs, beside, is_temporary, write_atomic};

/// Far above the consolidated metadata of a billion cells.
const MOST_BYTES: u64 = 1 << 28;

/// What stands at a path.
pub enum Found {
    /// Nothing.
    Absent,
    /// An empty folder, or one in which a store was just begun.
    Empty,
    /// A store of ours.
    Ours {
        /// Hash of its run.
        run: String,
        /// Whether it says that it is finished.
        complete: bool,
        /// Its root.
        document: Value,
    },
    /// Anything else.
    Foreign,
}

/// Looks at `path`.
pub fn find(vfs: &dyn Vfs, path: &Path) -> Result<Found> {
    if !vfs.exists(path)? {
        return Ok(Found::Absent);
    }
    let root = path.join("zarr.json");
    if vfs.len(&root)?.is_none() {
        if vfs.len(path)?.is_some() {
            return Ok(Found::Foreign);
        }
        let empty = vfs.list(path)?.iter().all(|(name, is_folder)| !is_folder && is_temporary(name));
        return Ok(if empty { Found::Empty } else { Found::Foreign });
    }
    let Ok(document) = serde_json::from_slice::<Value>(&vfs.read(&root, MOST_BYTES)?) else {
        return Ok(Found::Foreign);
    };
    let own = &document["attributes"][MARK];
    let (Some(version), Some(status), Some(run)) =
        (own["version"].as_u64(), own["status"].as_str(), own["run"].as_str())
    else {
        return Ok(Found::Foreign);
    };
    if version > MARK_VERSION {
        return Err(Error::Unsupported {
            what: format!("version {version} of the mapped store {}", path.display()),
            remedy: "use a newer gigamapper, or another output".into(),
        });
    }
    Ok(Found::Ours { run: run.to_owned(), complete: status == Status::Complete.name(), document })
}

/// The plan with which the run of that hash was begun at `path`, if its journal is there.
pub fn begun_plan(vfs: &dyn Vfs, path: &Path, run: &str) -> Result<Option<Value>> {
    let journals = Journal::read_all(vfs, &journal_folder(path)?)?;
    Ok(journals.into_iter().find(|journal| journal.header.run == run).map(|journal| journal.header.plan))
}

/// Removes the store at `path`, its journal and a stale lock. `GM_EXISTS` if anything there is not ours or a process writes it.
pub fn discard(vfs: &std::sync::Arc<dyn Vfs>, path: &Path) -> Result<()> {
    let _lock = Lock::take(vfs, &lock_file(path)?)?;
    clear(vfs, path, "discard")?;
    vfs.remove_dir_all(path)
}

/// Path of the journal's folder.
pub fn journal_folder(store: &Path) -> Result<PathBuf> {
    beside(store, "journal")
}

/// Path of the lock.
pub fn lock_file(store: &Path) -> Result<PathBuf> {
    beside(store, "lock")
}

/// Empties the place of an earlier store; `GM_EXISTS` if anything there is not ours.
///
/// A kill on the way leaves a store that says it is running, without a journal: it can be overwritten again.
pub(super) fn clear(vfs: &std::sync::Arc<dyn Vfs>, path: &Path, worker: &str) -> Result<()> {
    let found = find(&**vfs, path)?;
    if matches!(found, Found::Foreign) {
        return Err(Error::Exists {
            path: path.to_path_buf(),
            reason: "it is not a store that gigamapper wrote, so it is not overwritten".into(),
            remedy: "choose another output, or remove it yourself".into(),
        });
    }
    let journal = journal_folder(path)?;
    if vfs.exists(&journal)? {
        let ours = |name: &str| name.ends_with(".ndjson") || is_temporary(name);
        if vfs.len(&journal)?.is_some() || vfs.list(&journal)?.iter().any(|(name, folder)| *folder || !ours(name)) {
            return Err(Error::Exists {
                path: journal,
                reason: "it holds files that are not a journal of gigamapper".into(),
                remedy: "choose another output, or remove it yourself".into(),
            });
        }
    }
    if let Found::Ours { mut document, .. } = found {
        document["attributes"][MARK]["status"] = Status::Running.name().into();
        write_atomic(vfs, &path.join("zarr.json"), worker, &document_bytes(&document))?;
    }
    vfs.remove_dir_all(&journal)?;
    // A journal that came back beside another run's store would be taken for that run's.
    vfs.sync_dir(path.parent().unwrap_or(Path::new("")))?;
    if vfs.exists(path)? {
        for (name, is_folder) in vfs.list(path)? {
            match is_folder {
                true => vfs.remove_dir_all(&path.join(name))?,
                false if name != "zarr.json" => vfs.remove_file(&path.join(name))?,
                false => {}
            }
        }
        vfs.remove_file(&path.join("zarr.json"))?;
    }
    Ok(())
}
