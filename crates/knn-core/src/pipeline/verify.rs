//! A store or an index against the checksums that were written with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::index_terms::sealed;
use super::request::bundled_cells;
use crate::error::{Error, Result};
use crate::index::{CELLS, Manifest, is_cells};
use crate::progress::Progress;
use crate::sink::{self, DamagedObject, UnitRows};
use crate::store::{OsVfs, Vfs, hash_file};

/// A request to verify a store or an index. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VerifyRequest {
    /// A store that gigamapper wrote, with its journal beside it, or an index.
    pub path: String,
    /// Make a damaged store one that `resume` repairs: what is damaged is struck from its journal, and it says `running` until then. An
    /// index is built again instead, so for one this is `GM_PARAM`.
    pub repair: Option<bool>,
}

/// What was verified, and what is damaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// What was verified.
    pub path: String,
    /// `store` or `index`.
    pub kind: String,
    /// Whether it says that it is finished.
    pub complete: bool,
    /// Hash of the run that wrote it.
    pub run: String,
    /// Files that were read.
    #[cfg_attr(test, ts(type = "number"))]
    pub objects: u64,
    /// Bytes that they were written with.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Those that are not what was written.
    pub damaged: Vec<DamagedObject>,
    /// Units of a store that are damaged, or not there yet: what a resumed run computes. None of an index.
    pub units: Vec<UnitRows>,
    /// Files in a finished store or index that no run wrote there: no damage, but nobody reads them.
    pub unknown: Vec<String>,
    /// Whether the store was made one that `resume` repairs.
    pub reopened: bool,
    /// What to do now; none where all is well.
    pub remedy: Option<String>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Reads all of a store or an index and compares it with the checksums that were written with it, going on after damage. Writes nothing unless
/// a damaged store is to be repaired. `GM_NOT_FOUND` where nothing is, or a store has no journal; `GM_SCHEMA` where something else is.
pub fn verify(request: &VerifyRequest, progress: &Progress) -> Result<VerifyReport> {
    let began = Instant::now();
    let path = Path::new(&request.path);
    if request.path.is_empty() {
        return Err(Error::param("path", "", "name a store or an index"));
    }
    let repair = request.repair.unwrap_or(false);
    let mut report = if path.join("manifest.json").is_file() {
        index(path, repair, progress)?
    } else {
        store(path, repair, progress)?
    };
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

fn store(path: &Path, repair: bool, progress: &Progress) -> Result<VerifyReport> {
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
    let checked = sink::verify(&*vfs, path, progress)?;
    let reopened = repair && sink::reopen(&vfs, path, &checked)?;
    let remedy = match (reopened, checked.complete && !checked.units.is_empty(), checked.damaged.is_empty()) {
        (true, ..) => Some("run the command that wrote it again, with resume: it computes these units and no others"),
        (false, true, _) | (false, _, false) => {
            Some("verify it with repair, then run the command that wrote it again, with resume")
        }
        (false, false, true) => {
            (!checked.complete).then_some("run the command that wrote it again, with resume, to finish it")
        }
    };
    Ok(VerifyReport {
        path: path.display().to_string(),
        kind: "store".into(),
        complete: checked.complete && !reopened,
        run: checked.run,
        objects: checked.objects,
        bytes: checked.bytes,
        damaged: checked.damaged,
        units: checked.units,
        unknown: checked.unknown,
        reopened,
        remedy: remedy.map(str::to_owned),
        seconds: 0.0,
    })
}

fn index(path: &Path, repair: bool, progress: &Progress) -> Result<VerifyReport> {
    if repair {
        return Err(Error::param("repair", true, "is for stores; a damaged index is built again, with overwrite"));
    }
    let mut report = VerifyReport {
        path: path.display().to_string(),
        kind: "index".into(),
        complete: true,
        run: String::new(),
        objects: 1,
        bytes: 0,
        damaged: Vec::new(),
        units: Vec::new(),
        unknown: Vec::new(),
        reopened: false,
        remedy: None,
        seconds: 0.0,
    };
    let mut damaged = |object: &str, reason: String| {
        report.damaged.push(DamagedObject { object: object.into(), array: object.into(), reason });
    };
    match sealed(path) {
        Ok(manifest) => {
            files(path, &manifest, progress, &mut damaged)?;
            report.objects += manifest.files.len() as u64;
            report.bytes = manifest.files.values().map(|file| file.length).sum();
            let names = OsVfs.list(path)?.into_iter().map(|(name, _)| name);
            let is_known =
                |name: &String| name == "manifest.json" || manifest.files.contains_key(name) || is_cells(name);
            report.unknown = names.filter(|name| !is_known(name)).collect();
            report.run = manifest.run;
            cells(path, &mut report, progress)?;
        }
        Err(Error::Corrupt { reason, .. }) => damaged("manifest.json", reason),
        Err(other) => return Err(other),
    }
    if !report.damaged.is_empty() {
        let of_cells = report.damaged.iter().all(|one| one.object.starts_with(CELLS));
        let also = if of_cells { "bundle and overwrite" } else { "overwrite" };
        report.remedy = Some(format!("build it again, with {also}"));
    } else if !report.complete {
        report.remedy = Some("build it again, with bundle and resume, to finish its cells".into());
    }
    Ok(report)
}

/// The cells of an index that is a reference by itself, which are a store with a journal of its own.
fn cells(index: &Path, report: &mut VerifyReport, progress: &Progress) -> Result<()> {
    let Some(path) = bundled_cells(index) else { return Ok(()) };
    let within = |object: &str| format!("{CELLS}/{object}");
    match sink::verify(&OsVfs, &path, progress) {
        Ok(checked) => {
            report.objects += checked.objects;
            report.bytes += checked.bytes;
            report.complete &= checked.complete;
            let inside = |one: DamagedObject| DamagedObject { object: within(&one.object), ..one };
            report.damaged.extend(checked.damaged.into_iter().map(inside));
            report.unknown.extend(checked.unknown.iter().map(|object| within(object)));
        }
        Err(error @ (Error::NotFound { .. } | Error::Schema { .. } | Error::Corrupt { .. })) => {
            let reason = error.to_string();
            report.damaged.push(DamagedObject { object: CELLS.into(), array: String::new(), reason });
        }
        Err(other) => return Err(other),
    }
    Ok(())
}

/// Tells every file of an index that is not what its manifest says.
fn files(path: &Path, manifest: &Manifest, progress: &Progress, damaged: &mut dyn FnMut(&str, String)) -> Result<()> {
    progress.begin("verify", manifest.files.len() as u64, 0);
    for (name, record) in &manifest.files {
        let file = path.join(name);
        match OsVfs.len(&file) {
            Err(error) => damaged(name, error.to_string()),
            Ok(None) => damaged(name, "it is missing".into()),
            Ok(Some(length)) if length != record.length => {
                damaged(name, format!("it has {length} bytes instead of {}", record.length));
            }
            Ok(Some(_)) => match hash_file(&OsVfs, &file) {
                Err(error) => damaged(name, error.to_string()),
                Ok(hash) if hash != record.xxh3 => damaged(name, "its checksum is wrong".into()),
                Ok(_) => {}
            },
        }
        progress.advance(1)?;
    }
    progress.end();
    Ok(())
}
