//! The store of one run: begun, resumed or overwritten, filled unit by unit, and finished.
//!
//! The journal stays when the store is finished. It holds the checksum of every object, and what the stages wanted to
//! know again, so that a run that is asked for twice can report without computing. Only `overwrite` removes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::found::{Found, clear, find, journal_folder, lock_file};
use super::node::Node;
use super::spec::StoreSpec;
use super::tree::{document_bytes, part_group, part_nodes, root};
use super::unit::UnitWriter;
use super::uns::Uns;
use super::var::VarTable;
use crate::error::{Error, Result};
use crate::store::{
    AtomicFile, Header, Journal, Lock, ObjectRecord, Record, Stage, Status, Vfs, Written, hash_file, make_dirs,
    make_many_dirs, recover, write_atomic,
};

/// A mapped store that this process writes. Others are kept out by its lock until it is dropped.
pub struct MappingStore {
    pub(super) shared: Arc<Shared>,
    complete: bool,
}

/// What units and store share.
pub(super) struct Shared {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) path: PathBuf,
    pub(super) worker: String,
    pub(super) spec: StoreSpec,
    state: Mutex<State>,
    written: AtomicU64,
    _lock: Lock,
}

#[derive(Default)]
struct State {
    journal: Option<Journal>,
    committed: BTreeMap<(Stage, u64), Arc<Record>>,
    open: BTreeSet<(Stage, u64)>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a unit whose objects are durable in the journal.
    pub(super) fn enter(&self, record: Record) -> Result<()> {
        self.note(&record)?;
        self.count(record.objects.iter().map(|object| object.length).sum());
        self.state().committed.insert((record.stage, record.unit), Arc::new(record));
        Ok(())
    }

    /// Appends a record to the journal.
    pub(super) fn note(&self, record: &Record) -> Result<()> {
        let mut state = self.state();
        let journal = state.journal.as_mut().ok_or_else(|| Error::internal("a finished store has no open journal"))?;
        journal.append(record)
    }

    pub(super) fn release(&self, stage: Stage, unit: u64) {
        self.state().open.remove(&(stage, unit));
    }

    pub(super) fn count(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Writes the objects of nodes below `prefix`, and tells what they are. Without `sync`, only for what is written again at the end.
    pub(super) fn write_nodes(&self, prefix: &str, nodes: &[Node], sync: bool) -> Result<Vec<ObjectRecord>> {
        let places: Vec<_> = nodes.iter().map(|node| self.path.join(format!("{prefix}{}", node.path))).collect();
        // A chunk may lie in folders of its own.
        let chunks = places.iter().zip(nodes).filter_map(|(place, node)| Some(place.join(node.chunk.as_ref()?.0)));
        let chunks: Vec<_> = chunks.collect();
        let of_chunks = chunks.iter().filter_map(|chunk| chunk.parent());
        make_many_dirs(&*self.vfs, places.iter().map(PathBuf::as_path).chain(of_chunks))?;
        let mut folders = BTreeSet::new();
        let mut objects = Vec::new();
        for (node, folder) in nodes.iter().zip(&places) {
            let path = format!("{prefix}{}", node.path);
            let document = document_bytes(&node.document);
            let chunk = node.chunk.as_ref().map(|(key, bytes)| (*key, bytes.as_slice()));
            for (key, bytes) in chunk.into_iter().chain([("zarr.json", document.as_slice())]) {
                let mut file = AtomicFile::create(&self.vfs, &folder.join(key), &self.worker)?;
                file.write_all(bytes)?;
                let sealed = if sync { file.seal()? } else { file.seal_unsynced() };
                folders.insert(sealed.folder().to_path_buf());
                let Written { length, xxh3 } = sealed.publish()?;
                self.count(length);
                let place = path.trim_end_matches('/');
                let name = if place.is_empty() { key.to_owned() } else { format!("{place}/{key}") };
                objects.push(ObjectRecord { name, length, xxh3 });
            }
        }
        if sync {
            folders.iter().try_for_each(|folder| self.vfs.sync_dir(folder))?;
        }
        Ok(objects)
    }
}

impl MappingStore {
    /// Begins a store; `GM_EXISTS` if there is anything at `path`, or a journal beside it.
    pub fn create(vfs: Arc<dyn Vfs>, path: &Path, spec: StoreSpec, worker: &str) -> Result<Self> {
        spec.check(worker)?;
        let refuse = |path: &Path| Error::Exists {
            path: path.to_path_buf(),
            reason: "the output is already there".into(),
            remedy: "say resume to continue the run that wrote it, overwrite to replace it, or choose another".into(),
        };
        let journal = journal_folder(path)?;
        for taken in [path, &journal] {
            if vfs.exists(taken)? {
                return Err(refuse(taken));
            }
        }
        let lock = Lock::take(&vfs, &lock_file(path)?)?;
        if vfs.exists(path)? {
            return Err(refuse(path));
        }
        Self::start(vfs, path, spec, worker, lock)
    }

    /// Begins a store in the place of an earlier one. What gigamapper did not write is `GM_EXISTS` and stays.
    pub fn overwrite(vfs: Arc<dyn Vfs>, path: &Path, spec: StoreSpec, worker: &str) -> Result<Self> {
        spec.check(worker)?;
        let lock = Lock::take(&vfs, &lock_file(path)?)?;
        clear(&vfs, path, worker)?;
        Self::start(vfs, path, spec, worker, lock)
    }

    /// Continues a run. `GM_NOT_FOUND` if it was never begun, `GM_STALE` if another run is there; both leave everything
    /// as it is. Units are kept whose objects have the length that the journal says and, if `verify`, its checksum.
    pub fn resume(vfs: Arc<dyn Vfs>, path: &Path, spec: StoreSpec, worker: &str, verify: bool) -> Result<Self> {
        spec.check(worker)?;
        let folder = journal_folder(path)?;
        if !vfs.exists(path)? && !vfs.exists(&folder)? {
            let store = path.display().to_string();
            return Err(Error::NotFound {
                store: store.clone(),
                kind: "run to resume".into(),
                key: store,
                available: Vec::new(),
            });
        }
        let lock = Lock::take(&vfs, &lock_file(path)?)?;
        let stale = |reason: &str| Err(Error::Stale { path: path.to_path_buf(), reason: reason.into() });
        let complete = match find(&*vfs, path)? {
            Found::Ours { run, .. } if run != spec.run => {
                return stale("it was begun with other inputs or parameters");
            }
            Found::Ours { complete, .. } => complete,
            Found::Absent | Found::Empty => false,
            Found::Foreign => {
                return Err(Error::Exists {
                    path: path.to_path_buf(),
                    reason: "it is not a store that gigamapper wrote".into(),
                    remedy: "choose another output".into(),
                });
            }
        };
        let journals = Journal::read_all(&*vfs, &folder)?;
        for journal in &journals {
            if journal.header.run != spec.run {
                return stale("its journal belongs to other inputs or parameters");
            }
            if journal.header.grid != spec.grid() {
                return stale("it was begun with another layout or other arrays");
            }
        }
        let records = journals.into_iter().flat_map(|journal| journal.records);
        if complete {
            // The process that finished it may have been killed before that was durable.
            vfs.sync_dir(path)?;
            let store = Self::shared(vfs, path, spec, worker, lock, true);
            store.shared.state().committed.extend(records.map(|r| ((r.stage, r.unit), Arc::new(r))));
            if store.missing().is_some() {
                return Err(Error::Exists {
                    path: path.to_path_buf(),
                    reason: "the store is complete, but its journal, which tells what was done, is gone".into(),
                    remedy: "use the store as it is, or say overwrite to make it again".into(),
                });
            }
            return Ok(store);
        }
        for folder in [path, &folder] {
            if vfs.exists(folder)? {
                recover(&*vfs, folder)?;
            }
        }
        let mut committed = BTreeMap::new();
        for record in records {
            // Another worker's journal may have an older record of the same unit: one that is whole is enough.
            if is_whole(&*vfs, path, &spec, &record, verify)? {
                committed.insert((record.stage, record.unit), Arc::new(record));
            }
        }
        let store = Self::start(vfs, path, spec, worker, lock)?;
        store.shared.state().committed = committed;
        Ok(store)
    }

    /// Writes all that is known before the first row. On a store begun before it writes the same again.
    fn start(vfs: Arc<dyn Vfs>, path: &Path, spec: StoreSpec, worker: &str, lock: Lock) -> Result<Self> {
        let store = Self::shared(vfs, path, spec, worker, lock, false);
        let Shared { vfs, spec, .. } = &*store.shared;
        make_dirs(&**vfs, path)?;
        // The root first: from here on whoever looks sees whose it is.
        let document = document_bytes(&root(spec, Status::Running).document);
        write_atomic(vfs, &path.join("zarr.json"), worker, &document)?;
        let header = Header::new(spec.run.clone(), spec.grid(), spec.plan.clone());
        let journal = Journal::open(vfs, &journal_folder(path)?.join(format!("{worker}.ndjson")), worker, &header)?;
        store.shared.state().journal = Some(journal);
        for part in 0..spec.layout.parts() {
            let prefix = spec.layout.prefix(part);
            if !prefix.is_empty() {
                store.shared.write_nodes(&prefix, &[part_group()], false)?;
            }
            store.shared.write_nodes(&prefix, &part_nodes(spec, part, Status::Running), false)?;
        }
        Ok(store)
    }

    fn shared(vfs: Arc<dyn Vfs>, path: &Path, spec: StoreSpec, worker: &str, lock: Lock, complete: bool) -> Self {
        let shared = Shared {
            vfs,
            path: path.to_path_buf(),
            worker: worker.to_owned(),
            spec,
            state: Mutex::default(),
            written: AtomicU64::new(0),
            _lock: lock,
        };
        Self { shared: Arc::new(shared), complete }
    }

    /// Whether the store was finished before: there is nothing left to write.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// What it holds.
    pub fn spec(&self) -> &StoreSpec {
        &self.shared.spec
    }

    /// The record of a unit that is committed, by this run or by the one it resumes.
    pub fn committed(&self, stage: Stage, unit: u64) -> Option<Arc<Record>> {
        self.shared.state().committed.get(&(stage, unit)).cloned()
    }

    /// The first unit that is not committed.
    fn missing(&self) -> Option<(Stage, u64)> {
        let units = 0..self.shared.spec.layout.units();
        let all = self.shared.spec.stages().into_iter().flat_map(|stage| units.clone().map(move |unit| (stage, unit)));
        all.into_iter().find(|&(stage, unit)| self.committed(stage, unit).is_none())
    }

    /// Starts to write a unit. Units may be written in any order and side by side.
    pub fn begin(&self, stage: Stage, unit: u64) -> Result<UnitWriter> {
        {
            let mut state = self.shared.state();
            let layout = &self.shared.spec.layout;
            if self.complete || unit >= layout.units() || state.committed.contains_key(&(stage, unit)) {
                return Err(Error::internal(format!("unit {unit} of {} is not to be written", layout.units())));
            }
            if !state.open.insert((stage, unit)) {
                return Err(Error::internal(format!("unit {unit} is being written already")));
            }
        }
        UnitWriter::begin(&self.shared, stage, unit)
    }

    /// Finishes the store once all units are committed. On one that was finished before it does nothing.
    pub fn finalise(&self, uns: &Uns) -> Result<()> {
        self.finalise_with(uns, &VarTable::default())
    }

    /// The same with genes and what is told of them.
    pub fn finalise_with(&self, uns: &Uns, var: &VarTable) -> Result<()> {
        if self.complete {
            return Ok(());
        }
        if let Some((stage, unit)) = self.missing() {
            return Err(Error::internal(format!("unit {unit} is not {stage:?}")));
        }
        super::finalise::finalise(&self.shared, uns, var)
    }

    /// Bytes written by this process: objects under their own names, not what was spooled.
    pub fn bytes_written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }
}

/// Whether the record names the objects of its unit and they are there.
fn is_whole(vfs: &dyn Vfs, path: &Path, spec: &StoreSpec, record: &Record, verify: bool) -> Result<bool> {
    if record.unit >= spec.layout.units() {
        return Ok(false);
    }
    // Names come from what we would write, never from the journal: a foreign one must not lead out of the store.
    let expected: Vec<_> = spec.of(record.stage).map(|array| array.object(&spec.layout, record.unit)).collect();
    if !record.objects.iter().map(|object| &object.name).eq(&expected) {
        return Ok(false);
    }
    for object in &record.objects {
        let file = path.join(&object.name);
        if vfs.len(&file)? != Some(object.length) || (verify && hash_file(vfs, &file)? != object.xxh3) {
            return Ok(false);
        }
    }
    Ok(true)
}
