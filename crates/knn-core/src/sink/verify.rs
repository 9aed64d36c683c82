//! Every object of a store against the checksum in its journal; and the way back from damage.
//!
//! The journal is what decides: it stays beside a finished store and holds length and checksum of every object, metadata included. A damaged
//! store is reopened: what is damaged is struck from the journal and the root says `running`, so that the run that wrote it, resumed, computes
//! that and nothing else again.
//!
//! It computes nothing itself, because it does not know the inputs: no store holds their paths.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::found::{Found, find, journal_folder, lock_file};
use super::ragged::is_of_a_unit;
use super::tree::document_bytes;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::{
    Header, Journal, Lock, MARK, MARK_VERSION, ObjectRecord, Record, Stage, Status, Vfs, hash_file, is_temporary,
    write_atomic,
};

const ROOT: &str = "zarr.json";

/// An object that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DamagedObject {
    /// Path inside the store or index.
    pub object: String,
    /// The array that it is of, inside its part; of metadata the path of the node.
    pub array: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The rows of one unit of one stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UnitRows {
    /// `join`, `transfer` or `rechunk`; `finalise` is all metadata.
    pub stage: String,
    /// Number of the unit.
    #[cfg_attr(test, ts(type = "number"))]
    pub unit: u64,
    /// The part that it is in: `dataset_<part>` where there are several.
    #[cfg_attr(test, ts(type = "number"))]
    pub part: u64,
    /// First row and one past the last, of the whole store.
    #[cfg_attr(test, ts(type = "[number, number]"))]
    pub rows: [u64; 2],
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Whether the store says that it is finished, or would if its root were whole.
    pub complete: bool,
    /// Hash of its run.
    pub run: String,
    /// Objects that were looked at, and their bytes.
    pub objects: u64,
    /// Bytes of them as the journal has it.
    pub bytes: u64,
    /// Those that are not what was written.
    pub damaged: Vec<DamagedObject>,
    /// Units that are damaged or not there yet: what a resumed run computes.
    pub units: Vec<UnitRows>,
    /// Files of a finished store that nobody wrote.
    pub unknown: Vec<String>,
}

/// Reads every object that the journal of the store at `path` speaks of, and goes on after damage. `GM_NOT_FOUND` where there is no store or no
/// journal, `GM_SCHEMA` where there is something else.
pub fn verify(vfs: &dyn Vfs, path: &Path, progress: &Progress) -> Result<Checked> {
    let (header, records) = begun(vfs, path)?;
    let grid = Grid::of(&header, path)?;
    let finished = records.get(&(Stage::Finished, 0));
    let complete = match find(vfs, path)? {
        Found::Ours { complete, .. } => complete,
        // Without a root that can be read, a store that was about to get its last was finished.
        Found::Absent | Found::Empty | Found::Foreign => finished.is_some(),
    };
    let looked: Vec<&Record> = records.values().filter(|record| complete || record.stage != Stage::Finished).collect();
    let is_there = |object: &&ObjectRecord| !(complete && is_of_a_unit(&object.name));
    let total = looked.iter().map(|record| record.objects.iter().filter(is_there).count() as u64).sum();
    let mut checked = Checked {
        complete,
        run: header.run.clone(),
        objects: total,
        bytes: 0,
        damaged: Vec::new(),
        units: Vec::new(),
        unknown: Vec::new(),
    };
    progress.begin("verify", total, 0);
    let mut known = BTreeSet::new();
    for record in looked {
        let before = checked.damaged.len();
        for object in record.objects.iter().filter(is_there) {
            checked.bytes += object.length;
            if let Some(reason) = fault(vfs, path, object) {
                let (object, array) = (object.name.clone(), array_of(&object.name));
                checked.damaged.push(DamagedObject { object, array, reason });
            }
            known.insert(object.name.clone());
            progress.advance(1)?;
        }
        if checked.damaged.len() > before {
            checked.units.push(grid.rows(record.stage, record.unit));
        }
    }
    let finish = complete.then_some((Stage::Finished, 0));
    let missing = grid.units().chain(finish).filter(|unit| !records.contains_key(unit));
    checked.units.extend(missing.map(|(stage, unit)| grid.rows(stage, unit)));
    checked.units.sort();
    if complete {
        checked.unknown = others(vfs, path, &known)?;
    }
    progress.end();
    Ok(checked)
}

/// Strikes what `checked` found damaged from the journal and makes the store one that runs. Nothing is done where nothing is damaged.
pub fn reopen(vfs: &Arc<dyn Vfs>, path: &Path, checked: &Checked) -> Result<bool> {
    if checked.units.is_empty() || (!checked.complete && checked.damaged.is_empty()) {
        return Ok(false);
    }
    let _lock = Lock::take(vfs, &lock_file(path)?)?;
    let struck: BTreeSet<(&str, u64)> = checked.units.iter().map(|unit| (unit.stage.as_str(), unit.unit)).collect();
    let folder = journal_folder(path)?;
    // The journal first: a store that says it is complete with a journal that does not is found again, the other way round not.
    for (name, is_folder) in vfs.list(&folder)? {
        let Some(worker) = name.strip_suffix(".ndjson").filter(|_| !is_folder) else { continue };
        let journal = folder.join(&name);
        let Some(contents) = Journal::read(&**vfs, &journal)? else { continue };
        let stays =
            |record: &Record| record.stage != Stage::Finished && !struck.contains(&(record.stage.name(), record.unit));
        let records: Vec<Record> = contents.records.into_iter().filter(stays).collect();
        Journal::rewrite(vfs, &journal, worker, &contents.header, &records)?;
    }
    let document = match find(&**vfs, path)? {
        Found::Ours { mut document, .. } => {
            document["attributes"][MARK]["status"] = Status::Running.name().into();
            document
        }
        // Enough to say whose it is; whoever resumes writes the rest.
        Found::Absent | Found::Empty | Found::Foreign => {
            let own = json!({ "version": MARK_VERSION, "status": Status::Running.name(), "run": checked.run });
            json!({ "zarr_format": 3, "node_type": "group", "attributes": { MARK: own } })
        }
    };
    write_atomic(vfs, &path.join(ROOT), "verify", &document_bytes(&document))?;
    Ok(true)
}

/// Of each unit of each stage what was written last.
type Written = BTreeMap<(Stage, u64), Record>;

/// The journal of the run that is at `path`: its header, and of each unit what was written last.
fn begun(vfs: &dyn Vfs, path: &Path) -> Result<(Header, Written)> {
    let store = path.display().to_string();
    let missing = |kind: &str, key: &Path| Error::NotFound {
        store: store.clone(),
        kind: kind.into(),
        key: key.display().to_string(),
        available: Vec::new(),
    };
    let folder = journal_folder(path)?;
    let journals = Journal::read_all(vfs, &folder)?;
    let run = match find(vfs, path)? {
        Found::Absent => return Err(missing("store", path)),
        Found::Ours { run, .. } => Some(run),
        Found::Foreign if journals.is_empty() => {
            return Err(Error::schema(store, "", ROOT, "is not that of a store that gigamapper wrote"));
        }
        Found::Empty | Found::Foreign => None,
    };
    let mut header = None;
    let mut records = BTreeMap::new();
    for journal in journals {
        if run.as_ref().is_none_or(|run| *run == journal.header.run) {
            records.extend(journal.records.into_iter().map(|record| ((record.stage, record.unit), record)));
            header = Some(journal.header);
        }
    }
    Ok((header.ok_or_else(|| missing("journal, which has the checksums", &folder))?, records))
}

/// Which rows are in which unit, as the journal has it.
struct Grid {
    n_obs: u64,
    unit_rows: u64,
    part_rows: u64,
    stages: BTreeSet<Stage>,
}

impl Grid {
    fn of(header: &Header, path: &Path) -> Result<Self> {
        let wrong = |name: &str| Error::Corrupt {
            file: path.display().to_string(),
            block: "header of the journal".into(),
            reason: format!("{name} cannot be"),
        };
        let number = |name: &str| header.grid[name].as_u64().ok_or_else(|| wrong(name));
        let grid = Self {
            n_obs: number("n_obs")?,
            unit_rows: number("unit_rows")?,
            part_rows: number("part_rows")?,
            stages: stages(&header.grid["arrays"]).ok_or_else(|| wrong("arrays"))?,
        };
        // As many units as a journal has lines for.
        if grid.unit_rows == 0 || grid.part_rows == 0 || grid.n_obs / grid.unit_rows > 1 << 24 {
            return Err(wrong("unit_rows"));
        }
        Ok(grid)
    }

    fn units(&self) -> impl Iterator<Item = (Stage, u64)> {
        let units = self.n_obs.div_ceil(self.unit_rows);
        self.stages.iter().flat_map(move |&stage| (0..units).map(move |unit| (stage, unit)))
    }

    fn rows(&self, stage: Stage, unit: u64) -> UnitRows {
        let (start, end) = match stage {
            Stage::Finished => (0, self.n_obs),
            _ => (unit * self.unit_rows, (unit + 1).saturating_mul(self.unit_rows).min(self.n_obs)),
        };
        UnitRows { stage: stage.name().into(), unit, part: start / self.part_rows, rows: [start, end] }
    }
}

fn stages(arrays: &Value) -> Option<BTreeSet<Stage>> {
    arrays.as_array()?.iter().map(|array| serde_json::from_value(array[1].clone()).ok()).collect()
}

/// What is wrong with an object, if anything is.
fn fault(vfs: &dyn Vfs, path: &Path, object: &ObjectRecord) -> Option<String> {
    // A journal is a file like another: its names may not lead out of the store.
    let segments = || object.name.split('/');
    let foreign = |segment: &str| cfg!(windows) && segment.contains(['\\', ':']);
    if segments().any(|segment| ["", ".", ".."].contains(&segment) || foreign(segment)) {
        return Some("its name leads out of the store".into());
    }
    let file = path.join(&object.name);
    match vfs.len(&file) {
        Err(error) => Some(error.to_string()),
        Ok(None) => Some("it is missing".into()),
        Ok(Some(length)) if length != object.length => {
            Some(format!("it has {length} bytes instead of {}", object.length))
        }
        Ok(Some(_)) => match hash_file(vfs, &file) {
            Err(error) => Some(error.to_string()),
            Ok(hash) => (hash != object.xxh3).then(|| "its checksum is wrong".into()),
        },
    }
}

/// The array that an object is of, inside its part.
fn array_of(object: &str) -> String {
    let inside = match object.strip_prefix("dataset_").and_then(|rest| rest.split_once('/')) {
        Some((number, inside)) if number.bytes().all(|byte| byte.is_ascii_digit()) => inside,
        _ => object,
    };
    let node = inside.split_once("/c/").map_or(inside, |(array, _)| array);
    node.trim_end_matches(ROOT).trim_end_matches('/').trim_end_matches("/c").to_owned()
}

/// Files below `path` that are not among the known ones; what is left of a temporary is one.
fn others(vfs: &dyn Vfs, path: &Path, known: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for (name, is_folder) in vfs.list(&path.join(&folder))? {
            let inside = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if is_folder {
                folders.push(inside);
            } else if !known.contains(&inside) || is_temporary(&name) {
                found.push(inside);
            }
        }
    }
    found.sort();
    Ok(found)
}
