//! The build under way, or the append: a folder `<index>.journal/` beside the index or in the folder for intermediate files, with a journal, the
//! trained levels and the runs.
//!
//! A step counts when a line of the journal says so. The names of files follow from what they hold, never from the journal, and a
//! file that no line speaks of is removed. When the index is sealed the folder goes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::coarse::Coarse;
use super::format::{CELLS, COARSE, MANIFEST, PQ, is_file_name};
use super::manifest::Manifest;
use super::quantiser::Quantiser;
use super::spec::Resolved;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::{
    FAN_IN, Header, Journal, Lock, ObjectRecord, Record, Run, RunBuffer, RunShape, Stage, Vfs, Written, beside,
    is_temporary, make_dirs, merge, recover, standing,
};

/// One process builds an index, so its temporary files need no other name.
pub(super) const WORKER: &str = "build";
const JOURNAL: &str = "build.ndjson";

/// What to do with what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing may be there.
    New,
    /// A build that was interrupted goes on; a finished one is left as it is; where there is nothing, one is begun.
    Resume,
    /// An index that is there, finished or not, is replaced.
    Overwrite,
}

/// A build that this process carries on.
pub(super) struct Work {
    pub(super) vfs: Arc<dyn Vfs>,
    /// The index.
    pub(super) path: PathBuf,
    folder: PathBuf,
    /// The first row that is added: those before it lie in the index that an append is to.
    first: u64,
    journal: Mutex<Journal>,
    records: Mutex<Vec<Record>>,
    _locks: Locks,
}

/// That of the index, and elsewhere one of the work on it, where indexes of one name may meet.
pub(super) struct Locks {
    _of: (Lock, Option<Lock>),
}

/// How a build begins.
pub(super) enum Begun {
    /// There is work to do.
    Work(Box<Work>),
    /// It was done before.
    Sealed(Box<Manifest>),
}

impl Work {
    /// Begins or resumes the build of `path`.
    pub(super) fn begin(
        vfs: &Arc<dyn Vfs>,
        (path, work_dir): (&Path, Option<&Path>),
        start: Start,
        spec: &Resolved,
    ) -> Result<Begun> {
        let folder = work_folder(path, work_dir)?;
        let locks = Self::locks(vfs, path, work_dir)?;
        let stale = |reason: &str| Err(Error::Stale { path: path.to_path_buf(), reason: reason.into() });
        match start {
            Start::New => {
                for taken in [path, &folder] {
                    if vfs.exists(taken)? {
                        return Err(Error::Exists {
                            path: taken.to_path_buf(),
                            reason: "the index, or the journal of its build, is already there".into(),
                            remedy: "say resume to go on, overwrite to replace it, or choose another".into(),
                        });
                    }
                }
            }
            Start::Overwrite => clear(&**vfs, path, &folder)?,
            Start::Resume => {
                if let Some(manifest) = Manifest::read(&**vfs, path)? {
                    // Without the graph that it is to keep it is on the way to that.
                    if manifest.run != spec.run && Some(&manifest.run) != spec.kept_run.as_ref() {
                        return stale("the index is of other rows or parameters");
                    }
                    // The process that sealed it may have been killed before that was durable.
                    recover(&**vfs, path)?;
                    clear_folder(&**vfs, &folder, is_work)?;
                    return Ok(Begun::Sealed(Box::new(manifest)));
                }
                check_ours(&**vfs, path, is_file)?;
                check_ours(&**vfs, &folder, is_work)?;
            }
        }
        if begun_as(&**vfs, &folder)?.is_some_and(|run| run != spec.run) {
            return stale("its build was begun with other rows or parameters");
        }
        Self::open(vfs, path, folder, locks, spec, 0).map(|work| Begun::Work(Box::new(work)))
    }

    /// Begins or resumes an append to the index at `path` from row `first` on. What another append has left is removed.
    pub(super) fn append(
        vfs: &Arc<dyn Vfs>,
        (path, work_dir): (&Path, Option<&Path>),
        locks: Locks,
        spec: &Resolved,
        first: u64,
    ) -> Result<Self> {
        let folder = work_folder(path, work_dir)?;
        check_ours(&**vfs, &folder, is_work)?;
        if begun_as(&**vfs, &folder)?.is_none_or(|run| run != spec.run) {
            vfs.remove_dir_all(&folder)?;
        }
        Self::open(vfs, path, folder, locks, spec, first)
    }

    /// The lock that whoever writes an index holds.
    pub(super) fn lock(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<Lock> {
        Lock::take(vfs, &beside(path, "lock")?)
    }

    /// That and the lock of work that lies elsewhere.
    pub(super) fn locks(vfs: &Arc<dyn Vfs>, path: &Path, work_dir: Option<&Path>) -> Result<Locks> {
        let own = Self::lock(vfs, path)?;
        // However it is spelled, the index's own folder is not elsewhere.
        let resolved = |folder: &Path| folder.canonicalize().ok();
        let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let elsewhere = work_dir.filter(|folder| resolved(folder) != resolved(parent));
        let work = elsewhere.map(|folder| Lock::take(vfs, &beside(&in_folder(path, folder), "lock")?)).transpose()?;
        Ok(Locks { _of: (own, work) })
    }

    fn open(
        vfs: &Arc<dyn Vfs>,
        path: &Path,
        folder: PathBuf,
        locks: Locks,
        spec: &Resolved,
        first: u64,
    ) -> Result<Self> {
        make_dirs(&**vfs, &folder)?;
        let journal = folder.join(JOURNAL);
        let records = Journal::read(&**vfs, &journal)?.map_or_else(Vec::new, |contents| contents.records);
        let header = Header::new(&spec.run, json!({}), json!({ "rows": spec.rows, "lists": spec.levels.lists }));
        let journal = Journal::open(vfs, &journal, WORKER, &header)?;
        let work = Self {
            vfs: Arc::clone(vfs),
            path: path.to_path_buf(),
            folder,
            first,
            journal: Mutex::new(journal),
            records: Mutex::default(),
            _locks: locks,
        };
        work.recover(records)?;
        Ok(work)
    }

    /// Keeps the records whose files are there, as long as their rows follow each other, and removes all other files.
    fn recover(&self, records: Vec<Record>) -> Result<()> {
        let mut whole = Vec::new();
        let mut next = self.first;
        for record in standing(records) {
            let mut present = !record.objects.is_empty();
            for (name, object) in names_of(&record).iter().zip(&record.objects) {
                present &= self.vfs.len(&self.folder.join(name))? == Some(object.length);
            }
            let follows = match record.stage {
                Stage::Trained => true,
                Stage::Added => record.rows[0] == next && record.rows[1] >= next,
                Stage::Routed
                | Stage::Found
                | Stage::Joined
                | Stage::Reversed
                | Stage::Weighed
                | Stage::Diffused
                | Stage::Transferred
                | Stage::Copied
                | Stage::Finished => false,
            };
            if !present || !follows {
                break;
            }
            next = if record.stage == Stage::Added { record.rows[1] } else { next };
            whole.push(record);
        }
        let names: BTreeSet<String> = whole.iter().flat_map(names_of).collect();
        recover(&*self.vfs, &self.folder)?;
        for (name, is_folder) in self.vfs.list(&self.folder)? {
            if !is_folder && name != JOURNAL && !names.contains(&name) {
                self.vfs.remove_file(&self.folder.join(name))?;
            }
        }
        if self.vfs.exists(&self.path)? {
            recover(&*self.vfs, &self.path)?;
        }
        *self.records.lock().unwrap_or_else(PoisonError::into_inner) = whole;
        Ok(())
    }

    fn enter(&self, stage: Stage, rows: [u64; 2], written: Vec<Written>) -> Result<()> {
        let mut record = Record { stage, unit: rows[0], rows, objects: Vec::new(), extra: json!(null) };
        let objects = names_of(&record).into_iter().zip(written);
        record.objects = objects.map(|(name, Written { length, xxh3 })| ObjectRecord { name, length, xxh3 }).collect();
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).append(&record)?;
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        Ok(())
    }

    fn of(&self, stage: Stage) -> Vec<Record> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().filter(|record| record.stage == stage).cloned().collect()
    }

    /// The levels, and the quantiser where there is to be one, if an earlier process trained them.
    pub(super) fn trained(&self, dim: usize, coded: bool) -> Result<Option<(Coarse, Option<Quantiser>)>> {
        let Some(record) = self.of(Stage::Trained).pop() else { return Ok(None) };
        let coarse = self.object(&record, 0, |bytes, file| Coarse::parse(bytes, file, dim))?;
        let quantiser = || self.object(&record, 1, |bytes, file| Quantiser::parse(bytes, file, dim));
        Ok(Some((coarse, coded.then(quantiser).transpose()?)))
    }

    /// What a file of a record holds.
    fn object<T>(&self, record: &Record, number: usize, parse: impl Fn(&[u8], &str) -> Result<T>) -> Result<T> {
        let missing = || Error::internal("a record speaks of too few files");
        let object = record.objects.get(number).ok_or_else(missing)?;
        let path = self.folder.join(&names_of(record)[number]);
        let (bytes, file) = (self.vfs.read(&path, object.length)?, path.display().to_string());
        if crate::store::hash_bytes(&bytes) != object.xxh3 {
            return Err(super::format::corrupt(&file, "file", "its checksum is wrong"));
        }
        parse(&bytes, &file)
    }

    /// Commits trained levels and quantiser. Runs of the sample are not needed any more.
    pub(super) fn commit_trained(&self, coarse: &Coarse, quantiser: Option<&Quantiser>) -> Result<()> {
        let mut written = vec![coarse.write(&self.vfs, &self.folder.join(COARSE), WORKER)?];
        if let Some(quantiser) = quantiser {
            written.push(quantiser.write(&self.vfs, &self.folder.join(PQ), WORKER)?);
        }
        self.enter(Stage::Trained, [0, 0], written)?;
        for (name, _) in self.vfs.list(&self.folder)? {
            if name.starts_with("sample-") {
                self.vfs.remove_file(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Writes a run of the sample. It is not in the journal: training is one step.
    pub(super) fn commit_sample(&self, number: usize, buffer: &mut RunBuffer, shape: RunShape) -> Result<Run> {
        let path = self.folder.join(format!("sample-{number}.run"));
        buffer.commit(&self.vfs, &path, WORKER)?;
        Run::open(&path, shape)
    }

    /// Rows that are in runs already, or were in the index before: all below this one.
    pub(super) fn added(&self) -> u64 {
        self.of(Stage::Added).last().map_or(self.first, |record| record.rows[1])
    }

    /// Commits the run of some rows.
    pub(super) fn commit_added(&self, rows: [u64; 2], buffer: &mut RunBuffer) -> Result<()> {
        let written = buffer.commit(&self.vfs, &self.folder.join(run_name(rows)), WORKER)?;
        self.enter(Stage::Added, rows, vec![written])
    }

    /// The runs of all rows, in their order, merged until there are few enough to read side by side.
    pub(super) fn runs(&self, shape: RunShape, progress: &Progress) -> Result<Vec<Run>> {
        let path = |rows: [u64; 2]| self.folder.join(run_name(rows));
        let open = |rows: &[u64; 2]| Run::open(&path(*rows), shape);
        let mut runs: Vec<[u64; 2]> = self.of(Stage::Added).iter().map(|record| record.rows).collect();
        while runs.len() > FAN_IN {
            let mut merged = Vec::new();
            for some in runs.chunks(FAN_IN) {
                let rows = [some[0][0], some[some.len() - 1][1]];
                merged.push(rows);
                if some.len() == 1 {
                    continue;
                }
                let opened = some.iter().map(open).collect::<Result<Vec<_>>>()?;
                let written = merge(&self.vfs, &opened, shape, &path(rows), WORKER, progress)?;
                drop(opened);
                self.enter(Stage::Added, rows, vec![written])?;
                some.iter().try_for_each(|rows| self.vfs.remove_file(&path(*rows)))?;
            }
            runs = merged;
        }
        runs.iter().map(open).collect()
    }

    /// Removes what is left of other generations than the one of `manifest`, which is sealed, and of the work on any.
    pub(super) fn tidy(vfs: &dyn Vfs, (path, work_dir): (&Path, Option<&Path>), manifest: &Manifest) -> Result<()> {
        // The process that wrote the manifest may have been killed before its name was durable.
        recover(vfs, path)?;
        for (name, is_folder) in vfs.list(path)? {
            if !is_folder && name != MANIFEST && is_file(&name) && !manifest.files.contains_key(&name) {
                vfs.remove_file(&path.join(name))?;
            }
        }
        clear_folder(vfs, &work_folder(path, work_dir)?, is_work)
    }

    /// The index is sealed: what was needed to build it goes.
    pub(super) fn end(self) -> Result<()> {
        clear_folder(&*self.vfs, &self.folder, is_work)
    }
}

/// Where the work on an index lies.
fn work_folder(path: &Path, work_dir: Option<&Path>) -> Result<PathBuf> {
    beside(&work_dir.map_or_else(|| path.to_path_buf(), |folder| in_folder(path, folder)), "journal")
}

/// What the index would be called in another folder.
fn in_folder(path: &Path, folder: &Path) -> PathBuf {
    folder.join(path.file_name().unwrap_or_default())
}

fn run_name(rows: [u64; 2]) -> String {
    format!("added-{}-{}.run", rows[0], rows[1])
}

/// The files that a record may speak of; the second of the levels is there where rows have codes.
fn names_of(record: &Record) -> Vec<String> {
    match record.stage {
        Stage::Trained => vec![COARSE.into(), PQ.into()],
        _ => vec![run_name(record.rows)],
    }
}

/// The run of the build or append that a folder is of, if it is of any.
fn begun_as(vfs: &dyn Vfs, folder: &Path) -> Result<Option<String>> {
    Ok(Journal::read(vfs, &folder.join(JOURNAL))?.map(|contents| contents.header.run))
}

/// Whether a file of that name is one of an index.
fn is_file(name: &str) -> bool {
    name == MANIFEST || is_file_name(name) || is_temporary(name)
}

/// Whether that is what the cells of an index are called, or the journal or the lock of writing them.
pub fn is_cells(name: &str) -> bool {
    name.strip_prefix(CELLS).is_some_and(|rest| ["", ".journal", ".lock"].contains(&rest))
}

/// Whether a file of that name is one of a build.
fn is_work(name: &str) -> bool {
    let is_run = |stem: &str| stem.starts_with("added-") || stem.starts_with("sample-");
    name.strip_suffix(".run").is_some_and(is_run) || [JOURNAL, COARSE, PQ].contains(&name) || is_temporary(name)
}

/// `GM_EXISTS` if there is anything in a folder that is not ours.
fn check_ours(vfs: &dyn Vfs, folder: &Path, ours: fn(&str) -> bool) -> Result<()> {
    if !vfs.exists(folder)? {
        return Ok(());
    }
    if vfs.len(folder)?.is_some()
        || vfs.list(folder)?.iter().any(|(name, is_folder)| !is_cells(name) && (*is_folder || !ours(name)))
    {
        return Err(Error::Exists {
            path: folder.to_path_buf(),
            reason: "it is not an index that gigamapper wrote".into(),
            remedy: "choose another output, or remove it yourself".into(),
        });
    }
    Ok(())
}

fn clear_folder(vfs: &dyn Vfs, folder: &Path, ours: fn(&str) -> bool) -> Result<()> {
    check_ours(vfs, folder, ours)?;
    vfs.remove_dir_all(folder)
}

/// Removes the index at `path` with all that is left of building it, a stale lock included; nothing need be there. `GM_EXISTS` if
/// anything there is not ours, or a process is writing it.
pub fn discard(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<()> {
    let folder = beside(path, "journal")?;
    for left in [path, &folder, &beside(path, "lock")?] {
        if vfs.exists(left)? {
            let _lock = Work::lock(vfs, path)?;
            return clear(&**vfs, path, &folder);
        }
    }
    Ok(())
}

/// Removes an index and the work on it, its manifest first: what a kill leaves is no index.
fn clear(vfs: &dyn Vfs, path: &Path, folder: &Path) -> Result<()> {
    check_ours(vfs, path, is_file)?;
    check_ours(vfs, folder, is_work)?;
    if vfs.exists(path)? {
        vfs.remove_file(&path.join(MANIFEST))?;
        vfs.sync_dir(path)?;
    }
    vfs.remove_dir_all(path)?;
    vfs.remove_dir_all(folder)
}
