//! A copy of an embedding in shards of whole rows, for stores whose own chunks are cut otherwise: reading them again and again, or at all,
//! may take more memory or time than copying them once. Names and columns of `obs` go with it; nothing else does.
//!
//! One pass in the order of the rows. A band of chunks that reaches into the next unit is kept until that one is written, so no
//! chunk is decoded twice.

mod report;
mod column;
mod copy;

pub use report::RechunkReport;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

pub(super) use self::column::{ColumnCopy, columns};
use self::copy::{RowsCopy, piece_rows};
use super::clock::laps;
use super::figures::{OutputLayout, side};
use super::memory_plan::{MemoryPlan, PROCESS, held};
use super::outputs::described;
use super::places::{Existing, check_output, open_store};
use super::request::{LayoutRequest, RechunkRequest, ResolvedRechunk};
use super::start::{FINGERPRINT_SEED, WORKER, pool};
use crate::budget::{MIB, MemoryBudget};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::sink::{
    ArraySpec, Kind, Layout, MappingStore, Stage, StoreSpec, Uns, UnsValue, planned_bytes, writer_bytes,
};
use crate::source::{AnnDataStore, RowSource, UnreadRows};
use crate::store::{OsVfs, Vfs};
use crate::types::DType;

/// Version of the layout of a copy: part of the run hash.
const COPY_VERSION: u32 = 1;
/// No inner chunk of the copy is larger: readers of ours and of others decode it whole.
const MOST_INNER_BYTES: u64 = 64 * MIB;

/// Copies an embedding, names and columns of a store. What is committed stays, whatever happens.
pub fn rechunk(request: &RechunkRequest, progress: &Progress) -> Result<RechunkReport> {
    rechunk_with(request, progress, Arc::new(OsVfs))
}

/// [`rechunk`] through another file system.
pub fn rechunk_with(request: &RechunkRequest, progress: &Progress, vfs: Arc<dyn Vfs>) -> Result<RechunkReport> {
    rechunk_resolved(&request.resolve()?, progress, vfs)
}

/// The copy of a request that is resolved.
pub(super) fn rechunk_resolved(
    resolved: &ResolvedRechunk,
    progress: &Progress,
    vfs: Arc<dyn Vfs>,
) -> Result<RechunkReport> {
    progress.begin("preflight", 0, 0);
    progress.check()?;
    let pool = pool(resolved.threads)?;
    let mut prepared = pool.install(|| prepare(resolved, progress))?;
    let budget = MemoryBudget::new(resolved.memory);
    let _lease = budget.take("the copy", prepared.memory.planned)?;
    let existing = Existing { resume: resolved.resume, overwrite: resolved.overwrite };
    let store = open_store(vfs, &resolved.output, prepared.spec.clone(), existing)?;
    let layout = prepared.spec.layout;
    let kept = (0..layout.units()).filter(|&unit| store.committed(Stage::Copied, unit).is_some());
    let resumed: Vec<_> = kept.map(|unit| layout.unit(unit).rows.len() as u64).collect();
    progress.begin("rechunk", layout.n_obs(), resumed.iter().sum());
    pool.install(|| copy(&mut prepared, &store, progress))?;
    progress.end();
    let copied_bytes = store.bytes_written();
    progress.begin("finalise", 0, 0);
    progress.check()?;
    store.finalise(&prepared.uns)?;
    progress.end();
    let stages = laps(progress, &[("rechunk", copied_bytes), ("finalise", store.bytes_written() - copied_bytes)]);
    Ok(RechunkReport {
        output: store.path().display().to_string(),
        input: side(&prepared.store, &prepared.rows),
        stored: described(&prepared.spec.arrays, layout.n_obs()),
        layout: OutputLayout {
            inner_rows: layout.inner_rows(),
            unit_rows: layout.unit_rows(),
            part_rows: layout.part_rows(),
            units: layout.units(),
            parts: layout.parts(),
        },
        memory: prepared.memory,
        disk_bytes: planned_bytes(&prepared.spec),
        threads: resolved.threads as u64,
        seconds: stages.iter().map(|stage| stage.seconds).sum(),
        stages,
        peak_memory: progress.peak_memory(),
        resumed_units: resumed.len() as u64,
        warnings: prepared.warnings,
        run: prepared.spec.run,
    })
}

/// Bytes on disk that a copy will take; fails where it would refuse to start.
pub(super) fn planned_copy(resolved: &ResolvedRechunk, progress: &Progress) -> Result<u64> {
    prepare(resolved, progress).map(|prepared| planned_bytes(&prepared.spec))
}

/// A copy that may start.
struct Prepared {
    store: AnnDataStore,
    rows: Arc<dyn RowSource>,
    /// Path of the embedding in the copy; none where no matrix is copied.
    path: Option<String>,
    /// The names first, then the columns.
    columns: Vec<ColumnCopy>,
    spec: StoreSpec,
    uns: Uns,
    memory: MemoryPlan,
    warnings: Vec<String>,
}

/// Everything up to the first write.
fn prepare(resolved: &ResolvedRechunk, progress: &Progress) -> Result<Prepared> {
    let existing = Existing { resume: resolved.resume, overwrite: resolved.overwrite };
    check_output(&resolved.output, &[&resolved.input], existing)?;
    let store = AnnDataStore::open_while(&resolved.input, progress)?;
    let rows: Arc<dyn RowSource> = match &resolved.use_rep {
        Some(key) => store.representation(key)?,
        None => Arc::new(UnreadRows::new(store.name(), store.n_obs())),
    };
    rows.preflight()?;
    let mut warnings = rows.warnings()?;
    let columns = columns(&store, resolved.obs_keys.as_deref(), &mut warnings)?;
    columns.iter().try_for_each(ColumnCopy::preflight)?;
    let dim = rows.dim() as u64;
    let grid = grid(resolved.layout, dim);
    let layout = Layout::new(store.n_obs(), grid.inner_rows, grid.inner_per_unit, grid.part_rows)?;
    let path = resolved.use_rep.as_ref().map(|key| format!("obsm/{}", key.rsplit('/').next().unwrap_or(key)));
    let matrix = |path: &String| {
        let kind = Kind::Matrix { dtype: DType::Float32, width: dim };
        ArraySpec { path: path.clone(), stage: Stage::Copied, kind }
    };
    let mut arrays: Vec<ArraySpec> = path.iter().map(matrix).collect();
    arrays.extend(columns.iter().flat_map(ColumnCopy::arrays));
    let mut fingerprints = vec![rows.fingerprint(FINGERPRINT_SEED)?];
    for column in &columns {
        fingerprints.push(column.fingerprint(FINGERPRINT_SEED)?);
    }
    let colors = colors(&store, &columns, &mut warnings);
    let paths: Vec<_> = arrays.iter().map(|array| &array.path).collect();
    let fingerprints: Vec<_> = fingerprints.iter().map(|hash| format!("{hash:032x}")).collect();
    let mut told_of = format!("{colors:?}");
    told_of.extend([&resolved.index_source, &resolved.index_rep].into_iter().flatten().map(String::as_str));
    let identity = serde_json::to_vec(&(COPY_VERSION, &paths, grid, fingerprints, told_of));
    let run = format!("{:032x}", xxh3_128(&identity.map_err(|error| Error::internal(error.to_string()))?));
    let plan = json!({ "mode": "rechunk", "use_rep": resolved.use_rep, "n_obs": store.n_obs(), "arrays": paths });
    let spec = StoreSpec { layout, n_ref: 0, k: 0, holder: None, run: run.clone(), plan, arrays };
    spec.check(WORKER)?;
    let mut uns = Uns::default();
    uns.insert("gigamapper", told(resolved, &rows, &run)?);
    for (name, colors) in colors {
        uns.insert(name, UnsValue::Strings(colors));
    }
    let memory = memory((resolved, &store), &spec, &rows, &columns)?;
    Ok(Prepared { store, rows, path, columns, spec, uns, memory, warnings })
}

/// What stands in `uns` of the copy. Nothing in it depends on memory, threads, time or place.
fn told(resolved: &ResolvedRechunk, rows: &dyn RowSource, run: &str) -> Result<UnsValue> {
    let mut told = json!({ "version": env!("CARGO_PKG_VERSION"), "mode": "rechunk", "run": run });
    if let Some(use_rep) = &resolved.use_rep {
        told["use_rep"] = json!(use_rep);
        told["source_dtype"] = json!(rows.dtype().name());
    }
    if let Some(source) = &resolved.index_source {
        // A list, because whoever maps onto the cells reads it.
        told["index_source"] = json!([source]);
    }
    if let Some(key) = &resolved.index_rep {
        told["index_rep"] = json!([key]);
    }
    Ok(UnsValue::Dict(Uns::from_json(told.as_object().unwrap_or(&serde_json::Map::new()))?))
}

/// The grid of the copy: where rows are long, there are fewer in a chunk.
fn grid(asked: LayoutRequest, dim: u64) -> LayoutRequest {
    let mut grid = asked;
    while grid.inner_rows.is_multiple_of(2) && grid.inner_rows.saturating_mul(dim * 4) > MOST_INNER_BYTES {
        grid.inner_rows /= 2;
    }
    grid
}

/// Colours of the categories that are copied. A problem with them warns and never stops a copy.
pub(super) fn colors(
    store: &AnnDataStore,
    columns: &[ColumnCopy],
    warnings: &mut Vec<String>,
) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for key in columns.iter().filter_map(ColumnCopy::label_key) {
        match store.colors(key) {
            Ok(Some(colors)) => drop(all.insert(format!("{key}_colors"), colors)),
            Ok(None) => {}
            Err(error) => warnings.push(format!("uns/{key}_colors cannot be read ({error}): not copied")),
        }
    }
    all
}

fn memory(
    (resolved, store): (&ResolvedRechunk, &AnnDataStore),
    spec: &StoreSpec,
    rows: &dyn RowSource,
    columns: &[ColumnCopy],
) -> Result<MemoryPlan> {
    let dim = rows.dim() as u64;
    let mut parts = BTreeMap::from([
        ("process".to_owned(), PROCESS),
        ("writer".to_owned(), writer_bytes(spec)),
        ("chunks of the embedding".to_owned(), TileReader::bytes(rows)),
        ("rows in flight".to_owned(), 2 * piece_rows(dim) * dim * 4),
        ("chunks of columns".to_owned(), ColumnCopy::bytes(columns)),
    ]);
    parts.extend(held(store.container().held_bytes()));
    let planned = parts.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    if planned > resolved.memory {
        let largest = parts.iter().max_by_key(|(_, bytes)| **bytes).map_or("process", |(part, _)| part.as_str());
        let fewer = if largest == "chunks of columns" { ", or fewer obsKeys" } else { "" };
        return Err(Error::Budget {
            what: format!("the copy (most of it: {largest})"),
            needed: planned,
            available: resolved.memory,
            remedy: format!("memory of {} MiB would do{fewer}", planned.div_ceil(MIB)),
        });
    }
    Ok(MemoryPlan { limit: resolved.memory, planned, parts })
}

/// Copies every unit that is not committed yet.
fn copy(prepared: &mut Prepared, store: &MappingStore, progress: &Progress) -> Result<()> {
    let layout = prepared.spec.layout;
    let mut rows = prepared.path.as_ref().map(|path| RowsCopy::new(&prepared.rows, path));
    for unit in (0..layout.units()).filter(|&unit| store.committed(Stage::Copied, unit).is_none()) {
        let mut writer = store.begin(Stage::Copied, unit)?;
        let range = writer.range().rows;
        match &mut rows {
            Some(rows) => rows.copy(range, &mut writer, progress)?,
            None => progress.advance(range.len() as u64)?,
        }
        for column in &mut prepared.columns {
            column.copy(range, &mut writer)?;
            progress.check()?;
        }
        writer.commit(json!(null))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_long_rows_have_fewer_of_them() {
        let asked = LayoutRequest { inner_rows: 65_536, inner_per_unit: 16, part_rows: 1 << 24 };
        assert_eq!(grid(asked, 50), asked);
        for dim in [257, 2000, 36_000, 1 << 26] {
            let grid = grid(asked, dim);
            assert!(grid.inner_rows * dim * 4 <= MOST_INNER_BYTES || grid.inner_rows == 1, "{dim}");
            Layout::new(1 << 30, grid.inner_rows, grid.inner_per_unit, grid.part_rows).unwrap();
        }
    }
}
