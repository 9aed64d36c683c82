//! What must hold of stores and indexes, whenever power was cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gigamapper_core::index::Manifest;
use gigamapper_core::progress::Progress;
use gigamapper_core::sink::verify;
use gigamapper_core::store::{Journal, ObjectRecord, Stage, hash_bytes, is_temporary};
use serde_json::Value;

use super::super::disk::assert_same;
use super::model::Model;
use super::state::State;

/// The mark of the store at `path`: status and run.
pub(super) fn mark(state: &State, path: &str) -> Option<(String, String)> {
    let bytes = state.files.get(&format!("{path}/zarr.json"))?;
    let document: Value = serde_json::from_slice(bytes).expect("a root that can be read");
    let own = &document["attributes"]["gigamapper"];
    Some((own["status"].as_str().unwrap().to_owned(), own["run"].as_str().unwrap().to_owned()))
}

/// A store that is all that is written.
pub(super) struct Whole {
    pub(super) run: String,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Stages and units in its journal.
    units: BTreeSet<(String, u64)>,
}

impl Whole {
    /// The store at `path` of a run that ended.
    pub(super) fn of(state: &State, path: &str) -> Self {
        let (status, run) = mark(state, path).unwrap();
        assert_eq!(status, "complete");
        Self { run, files: state.below(path), units: units(state, path) }
    }
}

fn units(state: &State, path: &str) -> BTreeSet<(String, u64)> {
    let journals = Journal::read_all(state, &PathBuf::from(format!("{path}.journal"))).unwrap();
    let records = journals.into_iter().flat_map(|journal| journal.records);
    records.map(|record| (record.stage.name().to_owned(), record.unit)).collect()
}

/// What says that it is complete is all there, journal included; what the journal speaks of is there; what was committed is in it.
/// `wholes` are what may be complete, and the last of them is what is written.
pub(super) fn look_at_store(model: &Model, state: &State, path: &str, wholes: &[&Whole]) {
    let written = wholes.last().unwrap();
    if let Some((status, run)) = mark(state, path) {
        let whole = wholes.iter().find(|whole| whole.run == run).expect("a run of ours");
        assert!(["running", "complete"].contains(&status.as_str()), "{status}");
        if status == "complete" {
            // Where it is to be overwritten, that may have begun.
            let mut found = state.below(path);
            found.retain(|name, _| !is_temporary(name.rsplit('/').next().unwrap()));
            assert_same(&found, &whole.files, "a complete store");
            assert_eq!(units(state, path), whole.units, "the journal of a complete store");
            let checked = verify(state, Path::new(path), &Progress::silent()).unwrap();
            assert!(checked.damaged.is_empty() && checked.units.is_empty(), "{checked:?}");
        }
    }
    let folder = format!("{path}.journal");
    for journal in Journal::read_all(state, Path::new(&folder)).unwrap() {
        if journal.header.run == written.run {
            for record in journal.records {
                // Its last object is the root, which comes after it; and another attempt may be writing all of them again.
                if record.stage == Stage::Finished {
                    continue;
                }
                is_there(state, path, &record.objects, record.stage.name());
                for object in &record.objects {
                    assert_eq!(state.files[&format!("{path}/{}", object.name)], written.files[&object.name]);
                }
            }
        }
    }
    look_for_committed(model, state, &folder);
}

/// Every line of a journal in `folder` that was synced is in it.
fn look_for_committed(model: &Model, state: &State, folder: &str) {
    let begun = model.committed.iter().filter(|(journal, lines)| journal.starts_with(folder) && !lines.is_empty());
    for (journal, lines) in begun {
        let found = state.files.get(journal.to_str().unwrap());
        let found = String::from_utf8_lossy(found.unwrap_or_else(|| panic!("{} is gone", journal.display())));
        let found: BTreeSet<&str> = found.split_inclusive('\n').collect();
        let lost: Vec<_> = lines.iter().filter(|line| !found.contains(line.as_str())).collect();
        assert!(lost.is_empty(), "lost of {}: {lost:?}", journal.display());
    }
}

fn is_there(state: &State, folder: &str, objects: &[ObjectRecord], what: &str) {
    for object in objects {
        let name = format!("{folder}/{}", object.name);
        let bytes = state.files.get(&name).unwrap_or_else(|| panic!("{name} is gone, of {what}"));
        assert_eq!((bytes.len() as u64, hash_bytes(bytes)), (object.length, object.xxh3.clone()), "{name} of {what}");
    }
}

/// What has a manifest is one of `wholes`, to the bit; one that was sealed has the manifest of the last; what the journal of a build
/// speaks of is there.
pub(super) fn look_at_index(model: &Model, state: &State, path: &str, wholes: &[&BTreeMap<String, Vec<u8>>]) {
    let manifest = Manifest::read(state, Path::new(path)).unwrap();
    let name = format!("{path}/manifest.json");
    if let Some(manifest) = &manifest {
        let whole = wholes.iter().find(|whole| whole.get("manifest.json") == state.files.get(&name));
        let whole = whole.expect("the manifest of a whole index");
        for (file, record) in &manifest.files {
            let bytes = state.files.get(&format!("{path}/{file}")).unwrap_or_else(|| panic!("{file} is gone"));
            assert_eq!((bytes.len() as u64, hash_bytes(bytes)), (record.length, record.xxh3.clone()), "{file}");
            assert_eq!(bytes, &whole[file], "{file}");
        }
    }
    let sealed = model.published.contains(Path::new(&name));
    if sealed {
        assert_eq!(state.files.get(&name), wholes.last().unwrap().get("manifest.json"), "a sealed index");
    }
    assert!(wholes.len() == 1 || manifest.is_some(), "an index that was there before is there");
    let folder = format!("{path}.journal");
    // Once the index is sealed, the folder of the build goes in any order.
    if !sealed {
        look_for_committed(model, state, &folder);
        for journal in Journal::read_all(state, Path::new(&folder)).unwrap() {
            for record in journal.records {
                is_there(state, &folder, &record.objects, record.stage.name());
            }
        }
    }
}
