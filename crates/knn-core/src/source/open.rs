//! Opens whatever lies at a path, by what it is and not by what it is called.
//!
//! A path may name many stores, which are opened as one, and may go on inside a store: `atlas.zarr/mod/rna` is a modality of a MuData, in a file as well as in a folder.
//! Behind it a condition may stand between brackets: then it is the cells for which that holds.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::anndata::AnnDataStore;
use super::columnar::TableFile;
use super::container::Container;
use super::filtered::{FilteredStore, split as split_condition};
use super::flat::FlatFile;
use super::generated::GeneratedStore;
use super::given;
use super::h5::H5File;
use super::many::{ManyStores, parts, stores};
use super::subtree::Subtree;
use super::zarr::ZarrStore;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// First bytes of a file that tell what it is.
const HEAD: u64 = 8;
/// A path goes on inside a file by at most this many names.
const DEEPEST_INSIDE: usize = 16;

/// Opens the store at `path`, or the group inside a store that it names, or as one all the stores that it names ([`stores`]).
pub fn open(path: &Path) -> Result<Arc<dyn Container>> {
    open_while(path, &Progress::silent())
}

/// The same for a run that may be cancelled while a condition is evaluated: `GM_CANCELLED`.
pub fn open_while(path: &Path, progress: &Progress) -> Result<Arc<dyn Container>> {
    if path.as_os_str().is_empty() {
        return Err(Error::param("store", "", "name a store"));
    }
    if let Some((whole, expression)) = split_condition(path)? {
        return Ok(Arc::new(FilteredStore::open(AnnDataStore::of(open(&whole)?)?, &expression, progress)?));
    }
    let mut all = Vec::new();
    for store in stores(path)? {
        all.extend(parts(open_one(&store)?)?);
    }
    match all.pop() {
        Some(last) if all.is_empty() => Ok(last),
        last => {
            all.extend(last);
            Ok(Arc::new(ManyStores::open(path.display().to_string(), all)?))
        }
    }
}

fn open_one(path: &Path) -> Result<Arc<dyn Container>> {
    if let Some(store) = given::held(path) {
        return Ok(store);
    }
    let Some((file, inside)) = split(path)? else { return Ok(Arc::new(ZarrStore::open(path)?)) };
    let container = open_file(&file)?;
    if inside.is_empty() { Ok(container) } else { Ok(Arc::new(Subtree::open(container, inside)?)) }
}

/// The file that a path leads to or into, and the path inside it; `None` for folders and what does not exist.
fn split(path: &Path) -> Result<Option<(PathBuf, String)>> {
    let mut inside: Vec<&str> = Vec::new();
    for at in path.ancestors().take(DEEPEST_INSIDE) {
        match std::fs::metadata(at) {
            Ok(found) if found.is_file() => {
                inside.reverse();
                return Ok(Some((at.to_path_buf(), inside.join("/"))));
            }
            Ok(_) => return Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(Error::io("open", at, error)),
        }
        let Some(name) = at.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
        inside.push(name);
    }
    Ok(None)
}

fn open_file(path: &Path) -> Result<Arc<dyn Container>> {
    if H5File::is_h5(path) {
        return Ok(Arc::new(H5File::open(path)?));
    }
    if FlatFile::is_flat(path) {
        return Ok(Arc::new(FlatFile::open(path)?));
    }
    if GeneratedStore::is_generated(path) {
        return Ok(Arc::new(GeneratedStore::open(path)?));
    }
    let mut head = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| Error::io("open", path, error))?;
    file.take(HEAD).read_to_end(&mut head).map_err(|error| Error::io("read", path, error))?;
    if TableFile::is_table(path, &head) {
        return Ok(Arc::new(TableFile::open(path)?));
    }
    if head.starts_with(b"PK") {
        return Ok(Arc::new(ZarrStore::open(path)?));
    }
    Err(Error::Unsupported {
        what: format!("{}, which is a file and neither a zip archive nor an HDF5 file,", path.display()),
        remedy: "write it as .h5ad or as a zarr folder, or name a flat file by its suffix (.npy, .fbin, .fvecs)".into(),
    })
}
