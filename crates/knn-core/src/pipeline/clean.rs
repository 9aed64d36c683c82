//! What interrupted work has left and nobody needs: locks of processes that have ended, temporary files, runs and journals without a store.
//!
//! Only what can be told to be ours is looked at, by what is in it. A finished store or index is never touched, but for those that a run
//! made for itself and that bear its output's name, nothing is that a process has the lock of, and what is unfinished only where that is asked for, because `resume` goes on with it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::joint;
use crate::error::{Error, Result};
use crate::index::{self, Manifest};
use crate::sink::{self, Found, find};
use crate::store::{Journal, Lock, OsVfs, RunLedger, Standing, Vfs, is_temporary, recover};

/// What the names of folders with runs end in: of searches, of edges that are sorted, and of steps of diffusion.
const RUNS: [&str; 3] = [".runs", ".edges", ".steps"];
/// What the names of stores end in that a run makes for itself: graphs, and representations that it computes.
const PARTS: [&str; 6] = [".xx.zarr", ".yy.zarr", ".xy.zarr", ".graph.zarr", ".query-rep.zarr", ".reference-rep.zarr"];
/// Folders below a path, no more than these levels deep.
const DEEPEST: usize = 64;

/// A request to clean up. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CleanRequest {
    /// Stores, indexes, or folders below which they are.
    pub paths: Vec<String>,
    /// Remove what is found; else it is only told.
    pub yes: Option<bool>,
    /// Unfinished stores and indexes too, with all that `resume` would go on with.
    pub unfinished: Option<bool>,
}

/// Something that is not needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// Where it is.
    pub path: String,
    /// `lock`, `temporary`, `runs`, `sums`, `journal`, `store` or `index`.
    pub kind: String,
    /// Bytes of it, with all that goes with it.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
}

/// Something that stays, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Where it is.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// What was found, and whether it was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CleanReport {
    /// What is not needed, in the order of the paths.
    pub leftovers: Vec<Leftover>,
    /// Bytes of it.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Whether it was removed.
    pub removed: bool,
    /// Unfinished work, what a process has the lock of, and what could not be removed.
    pub kept: Vec<Kept>,
}

/// Looks for what is not needed, and removes it where that was said. `GM_NOT_FOUND` where nothing is at a path.
pub fn clean(request: &CleanRequest) -> Result<CleanReport> {
    let mut search = Search {
        vfs: Arc::new(OsVfs),
        yes: request.yes.unwrap_or(false),
        unfinished: request.unfinished.unwrap_or(false),
        report: CleanReport::default(),
    };
    if request.paths.is_empty() {
        return Err(Error::param("paths", "", "name a store, an index, or a folder below which they are"));
    }
    for path in &request.paths {
        search.path(Path::new(path))?;
    }
    let Search { mut report, yes, .. } = search;
    report.leftovers.sort();
    report.leftovers.dedup();
    report.kept.sort();
    report.kept.dedup();
    report.bytes = report.leftovers.iter().map(|left| left.bytes).sum();
    report.removed = yes;
    Ok(report)
}

struct Search {
    vfs: Arc<dyn Vfs>,
    yes: bool,
    unfinished: bool,
    report: CleanReport,
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thing {
    /// Neither a store nor an index of ours.
    None,
    Finished,
    /// A store that says it is running.
    Running,
    /// The journal of an index that is not sealed.
    Building,
    /// Something that cannot be read, or of a newer version: nothing of it is touched.
    Unknown,
}

impl Search {
    /// A store or an index, or all below a folder.
    fn path(&mut self, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() {
            return Err(Error::param("paths", "", "name a store, an index, or a folder below which they are"));
        }
        let path = std::path::absolute(path).map_err(|error| Error::io("resolve", path, error))?;
        let Some((folder, name)) = path.parent().zip(path.file_name().and_then(|name| name.to_str())) else {
            return self.below(&path, 0);
        };
        let endings = ["", ".journal", ".lock", ".fit", ".index.gmx"].into_iter().chain(RUNS).chain(PARTS);
        let around: Vec<_> = endings.map(|ending| folder.join(format!("{name}{ending}"))).collect();
        let there = around.iter().map(|path| self.vfs.exists(path)).collect::<Result<Vec<_>>>()?;
        if !there.contains(&true) {
            let store = path.display().to_string();
            return Err(Error::NotFound {
                store: store.clone(),
                kind: "path".into(),
                key: store,
                available: Vec::new(),
            });
        }
        if self.thing(&path) == Thing::None && there[0] && !there[1] && self.vfs.len(&path)?.is_none() {
            return self.below(&path, 0);
        }
        self.around(folder, name)
    }

    /// Everything below a folder, but not what is inside a store.
    fn below(&mut self, folder: &Path, depth: usize) -> Result<()> {
        let mut names = BTreeSet::new();
        for (name, is_folder) in self.vfs.list(folder)? {
            let of = [".lock", ".journal", ".fit"].iter().chain(&RUNS).find_map(|ending| name.strip_suffix(ending));
            let path = folder.join(&name);
            if let Some(of) = of.filter(|of| !of.is_empty()) {
                names.insert(of.to_owned());
            } else if is_folder && self.thing(&path) != Thing::None {
                names.insert(name);
            } else if is_folder && depth < DEEPEST && !is_store(&path) {
                self.below(&path, depth + 1)?;
            }
        }
        names.iter().try_for_each(|name| self.around(folder, name))
    }

    /// What has a name, or one that is made of it.
    fn around(&mut self, folder: &Path, name: &str) -> Result<()> {
        let path = folder.join(name);
        let with = |ending: &str| folder.join(format!("{name}{ending}"));
        let (lock, journal, runs) = (with(".lock"), with(".journal"), RUNS.map(with));
        // What is made of a store's name belongs to the run that writes the store.
        let owner = RUNS
            .iter()
            .chain(&[".fit", ".index.gmx"])
            .find_map(|ending| name.strip_suffix(ending))
            .map(|of| folder.join(of));
        for at in [Some(&path), owner.as_ref()].into_iter().flatten() {
            if Lock::standing(&*self.vfs, &at.with_added_extension("lock"))? == Standing::Held {
                self.keep(&path, "a process is writing it");
                return Ok(());
            }
        }
        // Whatever is removed below takes the lock and gives it back.
        let (standing, lock_bytes) = (Lock::standing(&*self.vfs, &lock)?, self.vfs.len(&lock)?.unwrap_or(0));
        let asides = Lock::leftovers(&*self.vfs, &lock).into_iter();
        let asides = asides.map(|aside| Ok((self.vfs.len(&aside)?.unwrap_or(0), aside))).collect::<Result<Vec<_>>>()?;
        let thing = self.thing(&path);
        let is_ours = !matches!(thing, Thing::None | Thing::Unknown);
        let is_journal = self.is_journal(&journal)?;
        let has_runs = runs.iter().map(|runs| self.vfs.exists(runs)).collect::<Result<Vec<_>>>()?.contains(&true);
        let known = is_ours || is_journal || has_runs;
        if matches!(thing, Thing::Running | Thing::Building) {
            if self.unfinished {
                let kind = if thing == Thing::Running { "store" } else { "index" };
                let bytes = self.bytes(&path)? + self.bytes(&journal)?;
                self.leave(&path, kind, bytes, |vfs| match thing {
                    Thing::Running => sink::discard(vfs, &path),
                    _ => index::discard(vfs, &path),
                });
            } else {
                self.keep(&path, "unfinished: resume goes on with it");
            }
        }
        // A store whose root is damaged is repaired with its journal.
        let is_gone = thing == Thing::None && !self.vfs.exists(&path)?;
        if is_gone && is_journal {
            let bytes = self.bytes(&journal)?;
            self.leave(&journal, "journal", bytes, |vfs| {
                let _lock = Lock::take(vfs, &lock)?;
                vfs.remove_dir_all(&journal)
            });
        }
        let needless = match thing {
            Thing::Finished => true,
            Thing::None => is_gone,
            Thing::Running | Thing::Building => self.unfinished,
            Thing::Unknown => false,
        };
        for runs in runs.iter().filter(|_| needless) {
            if self.vfs.exists(&runs.join("runs.ndjson"))? && RunLedger::check(&*self.vfs, runs).is_ok() {
                let bytes = self.bytes(runs)?;
                self.leave(runs, "runs", bytes, |vfs| {
                    let _lock = Lock::take(vfs, &runs.with_added_extension("lock"))?;
                    RunLedger::remove(&**vfs, runs)
                });
            }
        }
        let sums = with(".fit");
        if needless && joint::are_sums(&*self.vfs, &sums)? {
            let bytes = self.bytes(&sums)?;
            self.leave(&sums, "sums", bytes, |vfs| {
                let _lock = Lock::take(vfs, &lock)?;
                vfs.remove_dir_all(&sums)
            });
        }
        // A name alone says whose they are, so the run itself must be there, or all that is unfinished be unwanted.
        let parts = if thing == Thing::Finished || (needless && self.unfinished) {
            PARTS.map(with).to_vec()
        } else {
            Vec::new()
        };
        for part in &parts {
            if matches!(self.thing(part), Thing::Finished | Thing::Running) {
                let bytes = self.bytes(part)? + self.bytes(&part.with_added_extension("journal"))?;
                self.leave(part, "store", bytes, |vfs| sink::discard(vfs, part));
            }
        }
        for inside in [Some(&path).filter(|_| is_ours), Some(&journal).filter(|_| is_journal)] {
            if let Some(inside) = inside.filter(|inside| inside.is_dir()) {
                self.temporaries(inside, &lock)?;
            }
        }
        for (bytes, aside) in asides {
            self.leave(&aside, "temporary", bytes, |vfs| Lock::take(vfs, &lock).map(drop));
        }
        if standing == Standing::Stale || (standing == Standing::Unreadable && known) {
            self.leave(&lock, "lock", lock_bytes, |vfs| Lock::take(vfs, &lock).map(drop));
        }
        Ok(())
    }

    fn temporaries(&mut self, folder: &Path, lock: &Path) -> Result<()> {
        let mut found = Vec::new();
        files(&*self.vfs, folder, &mut |path, name| {
            if is_temporary(name) {
                found.push(path.to_path_buf());
            }
        })?;
        for path in found {
            let bytes = self.vfs.len(&path)?.unwrap_or(0);
            self.leave(&path, "temporary", bytes, |vfs| {
                let _lock = Lock::take(vfs, lock)?;
                recover(&**vfs, folder).map(drop)
            });
        }
        Ok(())
    }

    /// Notes what is not needed, and removes it where that was said.
    fn leave(&mut self, path: &Path, kind: &str, bytes: u64, remove: impl FnOnce(&Arc<dyn Vfs>) -> Result<()>) {
        match if self.yes { remove(&self.vfs) } else { Ok(()) } {
            Ok(()) => {
                self.report.leftovers.push(Leftover { path: path.display().to_string(), kind: kind.into(), bytes });
            }
            Err(error) => self.keep(path, &error.to_string()),
        }
    }

    fn keep(&mut self, path: &Path, reason: &str) {
        self.report.kept.push(Kept { path: path.display().to_string(), reason: reason.into() });
    }

    fn thing(&self, path: &Path) -> Thing {
        let vfs = &*self.vfs;
        match Manifest::read(vfs, path) {
            Ok(None) => {}
            Ok(Some(_)) => return Thing::Finished,
            Err(_) => return Thing::Unknown,
        }
        match find(vfs, path) {
            Ok(Found::Ours { complete: true, .. }) => return Thing::Finished,
            Ok(Found::Ours { complete: false, .. }) => return Thing::Running,
            Ok(Found::Absent | Found::Empty | Found::Foreign) => {}
            Err(_) => return Thing::Unknown,
        }
        let build = path.with_added_extension("journal").join("build.ndjson");
        if Journal::read(vfs, &build).is_ok_and(|journal| journal.is_some()) { Thing::Building } else { Thing::None }
    }

    /// Whether a folder holds the journal of a store, and no more.
    fn is_journal(&self, folder: &Path) -> Result<bool> {
        if !self.vfs.exists(folder)? || self.vfs.len(folder)?.is_some() || !folder.is_dir() {
            return Ok(false);
        }
        let names = self.vfs.list(folder)?;
        let ours = |name: &str| name.ends_with(".ndjson") || is_temporary(name);
        let begun = Journal::read_all(&*self.vfs, folder).is_ok_and(|journals| !journals.is_empty());
        Ok(begun && names.iter().all(|(name, is_folder)| !is_folder && ours(name)))
    }

    fn bytes(&self, path: &Path) -> Result<u64> {
        let mut bytes = 0;
        if path.is_dir() {
            files(&*self.vfs, path, &mut |path, _| bytes += self.vfs.len(path).ok().flatten().unwrap_or(0))?;
        }
        Ok(bytes)
    }
}

/// Calls `each` with path and name of every file below a folder. Links are not followed.
fn files(vfs: &dyn Vfs, folder: &Path, each: &mut dyn FnMut(&Path, &str)) -> Result<()> {
    for (name, is_folder) in vfs.list(folder)? {
        let path = folder.join(&name);
        if is_folder {
            files(vfs, &path, each)?;
        } else {
            each(&path, &name);
        }
    }
    Ok(())
}

/// Whether a folder is a zarr store of anyone, in which there is nothing to look for.
fn is_store(folder: &Path) -> bool {
    ["zarr.json", ".zgroup", ".zarray"].iter().any(|name| folder.join(name).exists())
}
