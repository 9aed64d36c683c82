//! What a hostile store must be answered with.

use std::path::Path;

use gigamapper_core::error::{Error, Result};
use gigamapper_core::source::{AnnDataStore, ObsColumn, StringBlock};
use gigamapper_core::types::{RowRange, Tile};

use super::allocated::measured;

/// Most bytes that a refusal may ask for.
const MOST_BYTES: usize = 64 << 20;
/// Rows that are read of whatever claims to have many.
const MOST_ROWS: u64 = 1000;

/// Opens everything that a run would, checks it, and reads the first rows of it.
fn read_all(path: &Path, use_rep: &str) -> Result<()> {
    let store = AnnDataStore::open(path)?;
    let rows = store.representation(use_rep)?;
    let columns = store.obs_keys().iter().map(|key| store.column(key)).collect::<Result<Vec<_>>>()?;
    let names = store.names()?;
    rows.preflight()?;
    names.preflight()?;
    columns.iter().try_for_each(ObsColumn::preflight)?;
    let first = RowRange::new(0, store.n_obs().min(MOST_ROWS));
    rows.read(first, &mut Tile::default())?;
    names.read(first, &mut StringBlock::default())?;
    for column in &columns {
        match column.categories() {
            Some(_) => column.read_codes(first, &mut Vec::new())?,
            None => column.read_numbers(first, &mut Vec::new())?,
        }
    }
    Ok(())
}

/// Asserts that reading fails with this code, that the error names the field at fault, and that little was allocated.
#[track_caller]
pub(crate) fn refused(case: &str, path: &Path, use_rep: &str, code: &str, field: &str) {
    let (result, bytes) = measured(|| read_all(path, use_rep));
    let Err(error) = result else { panic!("{case}: was read") };
    assert_eq!(error.code(), code, "{case}: {error}");
    let named = match &error {
        Error::Schema { field, .. } => field.clone(),
        Error::Corrupt { file, block, .. } => format!("{file}: {block}"),
        other => other.to_string(),
    };
    assert!(named.contains(field), "{case}: {field:?} is not in {named:?} ({error})");
    assert!(bytes <= MOST_BYTES, "{case}: {bytes} bytes were allocated");
}

/// Asserts that it can be read.
#[track_caller]
pub(crate) fn accepted(path: &Path, use_rep: &str) {
    read_all(path, use_rep).unwrap();
}
