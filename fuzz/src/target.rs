//! What is fuzzed: how an input becomes a store, and what is then read of it. Used by the fuzzer and, without one, by the test
//! that replays the corpus.

use std::path::Path;

use gigamapper_core::budget::MemoryBudget;
use gigamapper_core::error::{Error, Result};
use gigamapper_core::index::{Io, IvfIndex};
use gigamapper_core::pipeline::describe_index;
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::source::{AnnDataStore, ColumnKind, ObsColumn, RowSource, StringBlock, inspect};
use gigamapper_core::store::{Journal, OsVfs};
use gigamapper_core::types::{RowRange, Tile};

use super::bundle::{Folder, decoded};
use super::everything::{errors_found, is_typed};

/// Rows that are read of whatever claims to have many.
const MOST_ROWS: u64 = 1000;
/// Scratch and rows of one read, in bytes: what a small budget would grant.
const MOST_BYTES: u64 = 8 << 20;
/// Bytes that an index may take.
const BUDGET: u64 = 32 << 20;

/// A reader and the form of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Metadata of zarr v2 and v3 and the groups of an AnnData: a bundle of files.
    Zarr,
    /// A small store with shards: a bundle of files.
    Shard,
    /// An archive of a zarr store.
    Zip,
    /// A flat file, behind a byte that says which.
    Flat,
    /// An HDF5 file.
    H5ad,
    /// A table, behind a byte that says which.
    Table,
    /// An index and a journal: a bundle of files.
    Gmx,
}

/// Suffixes of flat files and tables, by the first byte of an input.
const FLAT: [&str; 7] =
    ["cells.npy", "cells.fbin", "cells.u8bin", "cells.i8bin", "cells.fvecs", "cells.3.f32", "cells.0.f32"];
const TABLES: [&str; 4] = ["cells.parquet", "cells.arrow", "cells.feather", "cells.arrows"];

impl Target {
    pub(crate) const ALL: [Self; 7] =
        [Self::Zarr, Self::Shard, Self::Zip, Self::Flat, Self::H5ad, Self::Table, Self::Gmx];

    /// Its name, which is that of its folder in the corpus.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zarr => "zarr",
            Self::Shard => "shard",
            Self::Zip => "zip",
            Self::Flat => "flat",
            Self::H5ad => "h5ad",
            Self::Table => "table",
            Self::Gmx => "gmx",
        }
    }

    /// Whether its inputs are bundles of files.
    pub(crate) fn is_bundle(self) -> bool {
        matches!(self, Self::Zarr | Self::Shard | Self::Gmx)
    }

    /// Puts an input where [`Self::errors`] reads it.
    pub(crate) fn place(self, input: &[u8], folder: &mut Folder) {
        let one = |names: &[&str]| {
            let (kind, bytes) = input.split_first().unwrap_or((&0, &[]));
            vec![(names[usize::from(*kind) % names.len()].to_owned(), bytes.to_vec())]
        };
        folder.hold(match self {
            Self::Zarr | Self::Shard | Self::Gmx => decoded(input),
            Self::Zip => vec![("cells.zarr.zip".into(), input.to_vec())],
            Self::H5ad => vec![("cells.h5ad".into(), input.to_vec())],
            Self::Flat => one(&FLAT),
            Self::Table => one(&TABLES),
        });
    }

    /// Reads whatever the folder holds, as a run would and as `inspect` does, and returns what went wrong.
    pub(crate) fn errors(self, folder: &Path) -> Vec<Error> {
        if self == Self::Gmx {
            return [index(folder).err(), Journal::read_all(&OsVfs, folder).err()].into_iter().flatten().collect();
        }
        let file = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).next();
        let path = if self.is_bundle() { folder.to_path_buf() } else { file.unwrap_or_else(|| folder.to_path_buf()) };
        let mut errors = errors_found(&path);
        errors.extend(inspect(&path).err());
        cells(&path, &mut errors);
        errors
    }

    /// Whether an error says that the input is at fault. An index may also be larger than the budget.
    pub(crate) fn is_fine(self, error: &Error) -> bool {
        is_typed(error) || (self == Self::Gmx && error.code() == "GM_BUDGET")
    }
}

fn index(folder: &Path) -> Result<()> {
    describe_index(folder)?;
    for io in [Io::Pread, Io::Resident] {
        let index = IvfIndex::open(folder, io, &MemoryBudget::new(BUDGET))?;
        index.verify(&Progress::new(Cancel::default(), None))?;
    }
    Ok(())
}

/// Reads the first cells of everything that an AnnData has.
fn cells(path: &Path, errors: &mut Vec<Error>) {
    let store = match AnnDataStore::open(path) {
        Ok(store) => store,
        Err(error) => return errors.push(error),
    };
    let first = RowRange::new(0, store.n_obs().min(MOST_ROWS));
    let layers = store.layer_keys().into_iter().map(|key| format!("layers/{key}"));
    let matrix = matches!(store.container().node("X"), Ok(Some(_))).then(|| "X".to_owned());
    for key in store.obsm_keys().into_iter().chain(layers).chain(matrix) {
        errors.extend(store.representation(&key).and_then(|rows| read_rows(&rows, first)).err());
    }
    for key in store.obs_keys() {
        errors.extend(store.column(&key).and_then(|column| read_column(&column, first)).err());
        errors.extend(store.colors(&key).err());
    }
    let names = store.names().and_then(|names| {
        names.preflight()?;
        names.fingerprint(1)?;
        if names.scratch_bytes(first.len() as u64) > MOST_BYTES {
            return Ok(());
        }
        names.read(first, &mut StringBlock::default())
    });
    errors.extend(names.err());
}

fn read_rows(rows: &dyn RowSource, first: RowRange) -> Result<()> {
    rows.preflight()?;
    rows.warnings()?;
    let wanted = (rows.dim() as u64).saturating_mul(4 * first.len() as u64);
    if wanted.saturating_add(rows.scratch_bytes(first.len() as u64)) > MOST_BYTES {
        return Ok(());
    }
    rows.fingerprint(1)?;
    rows.read(first, &mut Tile::default())
}

fn read_column(column: &ObsColumn, first: RowRange) -> Result<()> {
    column.preflight()?;
    if column.scratch_bytes(first.len() as u64) > MOST_BYTES {
        return Ok(());
    }
    column.fingerprint(1)?;
    match column.kind() {
        ColumnKind::Categorical { .. } | ColumnKind::Boolean => column.read_codes(first, &mut Vec::new()),
        ColumnKind::Numeric(_) | ColumnKind::Datetime { .. } | ColumnKind::Timedelta { .. } => {
            column.read_numbers(first, &mut Vec::new())
        }
        ColumnKind::String => column.read_strings(first, &mut StringBlock::default(), &mut Vec::new()),
        ColumnKind::Other(_) => Ok(()),
    }
}
