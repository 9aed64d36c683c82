//! An index in the words of requests: the build that options ask for, and what the manifest of a sealed one tells.

use std::path::Path;

use super::request::{BRIEF, THOROUGH};
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::index::{IndexSpec, ListType, Manifest};
use crate::store::OsVfs;

/// Version of the format of the index: part of the build's identity.
pub(super) const INDEX_VERSION: u32 = 1;

/// What decides the bytes of an index.
pub(super) fn spec(nlist: u64, list_dtype: &str, codes: bool, metric: Metric, seed: u64) -> Result<IndexSpec> {
    let nlist = u32::try_from(nlist).map_err(|error| Error::internal(error.to_string()))?;
    let dtype = match list_dtype {
        "f16" => ListType::F16,
        "none" => ListType::None,
        _ => ListType::F32,
    };
    Ok(IndexSpec { nlist: Some(nlist), dtype, codes, metric, seed, ..IndexSpec::default() })
}

/// What is written down of the index at `path`: `GM_NOT_FOUND` where nothing is, `GM_SCHEMA` where something else is.
pub(super) fn sealed(path: &Path) -> Result<Manifest> {
    let store = path.display().to_string();
    if path.symlink_metadata().is_err() {
        return Err(Error::NotFound { store: store.clone(), kind: "index".into(), key: store, available: Vec::new() });
    }
    if !path.join("manifest.json").is_file() {
        return Err(Error::schema(store, "", "manifest.json", "is not there, so this is not an index of gigamapper"));
    }
    let manifest = Manifest::read(&OsVfs, path)?;
    manifest.ok_or_else(|| Error::schema(&*store, "", "manifest.json", "is not there any more"))
}

/// How the lists of an index were trained.
pub(super) fn training(manifest: &Manifest) -> &'static str {
    if manifest.training.rounds > 0 { THOROUGH } else { BRIEF }
}

/// Numbers in the lists of an index.
pub(super) fn list_dtype(manifest: &Manifest) -> &'static str {
    match manifest.dtype {
        ListType::F32 => "f32",
        ListType::F16 => "f16",
        ListType::None => "none",
    }
}

/// What decides among rows that codes of an index have selected; none without codes.
pub(super) fn rerank(manifest: &Manifest) -> Option<String> {
    let dtype = list_dtype(manifest);
    manifest.codes.map(|_| if dtype == "f32" { "exact" } else { dtype }.to_owned())
}

/// Bytes of its files.
pub(super) fn bytes(manifest: &Manifest) -> u64 {
    manifest.files.values().map(|file| file.length).sum()
}
