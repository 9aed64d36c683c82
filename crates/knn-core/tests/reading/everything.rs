//! Reads everything that a file holds, for files of which anything may be wrong.

use std::path::{Path, PathBuf};

use gigamapper_core::error::{Error, Result};
use gigamapper_core::source::{Container, Missing, NodeKind, StringBlock, open};
use gigamapper_core::types::{DType, RowRange};

use super::allocated::measured;

/// Bytes that reading any of these files may take.
const MOST_ALLOCATED: usize = 64 << 20;
/// Values of one read, in bytes: what a caller with a small budget would ask for.
const READ_BYTES: u64 = 4 << 20;
/// Bands of an array that are read, and bytes of them; more are as these.
const READ_BANDS: u64 = 20;
const MOST_READ: u64 = 64 << 20;

/// A fixture of HDF5.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/h5ad").join(name)
}

/// Reads everything below a group, and collects what went wrong.
fn read_all(container: &dyn Container, path: &str, depth: usize, errors: &mut Vec<Error>) {
    let children = container.children(path).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    for name in children {
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        match container.node(&path) {
            Err(error) => errors.push(error),
            Ok(None) => {}
            Ok(Some(node)) => match node.kind {
                NodeKind::Group if depth < 6 => read_all(container, &path, depth + 1, errors),
                NodeKind::Group => {}
                NodeKind::Array(_) => errors.extend(read_array(container, &path).err()),
            },
        }
    }
}

/// Opens, checks and reads the beginning of an array.
fn read_array(container: &dyn Container, path: &str) -> Result<()> {
    let array = container.array(path, Missing::AllOrNone)?;
    array.preflight()?;
    array.fingerprint(1)?;
    if array.scratch_bytes(array.inner_rows()) > READ_BYTES {
        return Ok(());
    }
    let last = array.rows().min(array.inner_rows().saturating_mul(READ_BANDS));
    let width =
        array.shape().iter().skip(1).try_fold(array.dtype().size().unwrap_or(16) as u64, |a, &b| a.checked_mul(b));
    let last = last.min(width.map_or(0, |width| MOST_READ / width.max(1)));
    let rows = width.map_or(0, |width| READ_BYTES / width.max(1)).min(last);
    if rows == 0 || array.shape().is_empty() || array.shape().len() > 2 {
        return Ok(());
    }
    let (mut bytes, mut texts) = (Vec::new(), StringBlock::default());
    for piece in RowRange::new(0, last).pieces(rows) {
        match array.dtype() {
            DType::String if array.shape().len() == 1 => array.read_strings(piece, &mut texts)?,
            DType::String => {}
            _ => array.read_rows(piece, &mut bytes)?,
        }
    }
    Ok(())
}

/// What went wrong in the file at `path`, from opening it to reading its last array; none of it takes more memory than it may.
#[track_caller]
pub(crate) fn errors(path: &Path) -> Vec<Error> {
    errors_of(path, "as it is")
}

/// The same of a file that `change` was done to.
#[track_caller]
pub(crate) fn errors_of(path: &Path, change: &str) -> Vec<Error> {
    // Tests beside this one make bombs of that size; what this file costs it costs every time.
    let mut costs = (0..3).map(|_| measured(|| errors_found(path)));
    let found = costs.find(|(_, bytes)| *bytes <= MOST_ALLOCATED);
    found.unwrap_or_else(|| panic!("{change}: more than {MOST_ALLOCATED} bytes were allocated")).0
}

/// The same, whatever it takes.
pub(crate) fn errors_found(path: &Path) -> Vec<Error> {
    let mut errors = Vec::new();
    match open(path) {
        Err(error) => errors.push(error),
        Ok(container) => read_all(container.as_ref(), "", 0, &mut errors),
    }
    errors
}

/// Whether an error says that the file is at fault.
pub(crate) fn is_typed(error: &Error) -> bool {
    ["GM_SCHEMA", "GM_CORRUPT", "GM_UNSUPPORTED", "GM_NOT_FOUND", "GM_SHAPE"].contains(&error.code())
}
