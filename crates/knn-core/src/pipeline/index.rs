//! Building an index for later searches, or appending to one: what it would cost, and what it did. The pipeline's own part is to open
//! and check; the building is the index stage's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rayon::ThreadPool;
use xxhash_rust::xxh3::xxh3_128;

use super::append;
use super::backend;
use super::bundle::{self, CellsState};
use super::cost;
use super::index_report::{IndexDescription, IndexPlan, IndexReport};
use super::inputs::FINGERPRINT_SEED;
use super::kept_graph;
use super::memory::{self, PROCESS};
use super::places::{Existing, check_output, check_work_dir};
use super::plan::{pool, side};
use super::report::{MemoryPlan, StageReport};
use super::request::{BRIEF, IndexRequest, ResolvedIndex, THOROUGH};
use super::run::Seams;
use super::search_stage::spec;
use crate::budget::{MIB, MemoryBudget};
use crate::error::{Error, Result};
use crate::index::{IndexBuilder, IndexSpec, Levels, ListType, Manifest, Start, kept_bytes, training_warning};
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::{AnnDataStore, RowSource};
use crate::store::OsVfs;

/// Version of the format of the index: part of the build's identity.
pub(super) const INDEX_VERSION: u32 = 1;

/// What [`build_index`] would do and cost. Writes nothing; fails where the build would refuse to start.
pub fn plan_index(request: &IndexRequest) -> Result<IndexPlan> {
    check(request, &Progress::silent()).map(|(_, plan, ..)| plan)
}

/// Builds the index of a reference, or appends to it what the reference has beyond it. What is committed stays, whatever happens.
pub fn build_index(request: &IndexRequest, progress: &Progress) -> Result<IndexReport> {
    build_index_with(request, progress, &Seams::default())
}

/// [`build_index`] through other seams.
pub fn build_index_with(request: &IndexRequest, progress: &Progress, seams: &Seams) -> Result<IndexReport> {
    progress.begin("preflight", 0, 0);
    progress.check()?;
    let (resolved, plan, (rows, held), pool) = check(request, progress)?;
    let output = resolved.output.as_deref().ok_or_else(|| Error::param("output", "", "name the index to write"))?;
    let opened = backend::opened().map_or(0, |(_, bytes)| bytes);
    let parameters = &plan.parameters;
    let builder = IndexBuilder {
        vfs: Arc::clone(&seams.vfs),
        spec: IndexSpec {
            keep: parameters.keep_graph.map(|kept| kept as u32),
            thorough: parameters.training == THOROUGH,
            ..spec(
                parameters.nlist,
                &parameters.list_dtype,
                parameters.rerank.is_some(),
                parameters.metric,
                parameters.seed,
            )?
        },
        start: match (resolved.resume, resolved.overwrite) {
            (true, _) => Start::Resume,
            (_, true) => Start::Overwrite,
            _ => Start::New,
        },
        budget: MemoryBudget::new(resolved.memory.saturating_sub(PROCESS + held + opened)),
        tile: &seams.lane,
        progress,
    };
    let places = (output, resolved.work_dir.as_deref());
    let built = pool
        .install(|| if resolved.append { builder.append_in(places, &rows) } else { builder.build_in(places, &rows) })?;
    progress.end();
    // Whoever reads the reference once more chooses its cells once more.
    drop(rows);
    let manifest = kept_graph::keep((&resolved, parameters), output, built.manifest, seams, progress)?;
    let stored = bundle::write(&resolved, (output, &manifest), &seams.vfs, progress)?;
    let bytes = bytes(&manifest);
    let stages: Vec<_> = progress.laps().into_iter().map(|(stage, time)| stage_report(stage, time, bytes)).collect();
    Ok(IndexReport {
        output: output.display().to_string(),
        rows: manifest.rows,
        dim: u64::from(manifest.dim),
        nlist: u64::from(manifest.nlist),
        excluded_rows: manifest.excluded,
        generation: u64::from(manifest.generation),
        added_rows: built.added,
        stored,
        bytes,
        seconds: stages.iter().map(|stage| stage.seconds).sum(),
        stages,
        peak_memory: progress.peak_memory(),
        warnings: built.warnings,
        plan,
    })
}

/// What the index at `path` holds: `GM_NOT_FOUND` where nothing is, `GM_SCHEMA` where something else is.
pub fn describe_index(path: &Path) -> Result<IndexDescription> {
    let manifest = sealed(path)?;
    let cells = bundle::state(path, &manifest);
    Ok(IndexDescription {
        path: path.display().to_string(),
        format_version: u64::from(manifest.version),
        generation: u64::from(manifest.generation),
        rows: manifest.rows,
        dim: u64::from(manifest.dim),
        nlist: u64::from(manifest.nlist),
        levels: u64::from(manifest.levels),
        method: if manifest.codes.is_some() { "ivfpq" } else { "ivf" }.into(),
        list_dtype: list_dtype(&manifest).into(),
        rerank: rerank(&manifest),
        metric: manifest.metric.name().into(),
        seed: manifest.training.seed,
        training: training(&manifest).into(),
        excluded_rows: manifest.excluded,
        keep_graph: manifest.graph.map(|graph| u64::from(graph.neighbors)),
        bytes: bytes(&manifest),
        bundled: cells == CellsState::Own,
        stale_cells: cells == CellsState::Stale,
        digest: manifest.run,
    })
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

/// The index is written when it is sealed; until then there are intermediate files only.
fn stage_report(stage: &str, time: Duration, bytes: u64) -> StageReport {
    let bytes_written = if stage == "seal" { bytes } else { 0 };
    StageReport { stage: stage.into(), seconds: time.as_secs_f64(), bytes_written }
}

fn bytes(manifest: &Manifest) -> u64 {
    manifest.files.values().map(|file| file.length).sum()
}

/// The rows that are indexed, and bytes that their open store holds.
pub(super) type Reference = (Arc<dyn RowSource>, u64);

/// Everything up to the first write, in the pool that would build.
fn check(request: &IndexRequest, progress: &Progress) -> Result<(ResolvedIndex, IndexPlan, Reference, ThreadPool)> {
    let resolved = request.resolve()?;
    let pool = pool(resolved.threads)?;
    let (plan, rows) = pool.install(|| {
        if resolved.append { append::prepare(request, &resolved, progress) } else { prepare(&resolved, progress) }
    })?;
    Ok((resolved, plan, rows, pool))
}

fn prepare(resolved: &ResolvedIndex, progress: &Progress) -> Result<(IndexPlan, Reference)> {
    let inputs = [resolved.reference.as_path()];
    if let Some(output) = &resolved.output {
        check_output(output, &inputs, Existing { resume: resolved.resume, overwrite: resolved.overwrite })?;
    }
    if let Some(work_dir) = &resolved.work_dir {
        check_work_dir(work_dir, &inputs, resolved.output.as_deref())?;
    }
    let store = AnnDataStore::open_while(&resolved.reference, progress)?;
    let rows = store.representation(&resolved.use_rep)?;
    rows.preflight()?;
    let (n, dim) = (rows.rows(), rows.dim() as u64);
    if n == 0 {
        return Err(Error::schema(store.name(), "obs", "shape", "there are no cells to index"));
    }
    let parameters = resolved.parameters(n)?;
    let fingerprint = format!("{:032x}", rows.fingerprint(FINGERPRINT_SEED)?);
    let identity = serde_json::to_vec(&(INDEX_VERSION, &parameters, fingerprint));
    let identity = identity.map_err(|error| Error::internal(error.to_string()))?;
    let mut warnings = rows.warnings()?;
    warnings.extend(training_warning(parameters.nlist, n));
    let graph = kept_graph::plan(resolved, &parameters, progress)?;
    let kept = parameters.keep_graph.map_or(0, |kept| kept_bytes(n, kept as u32));
    let lists_bytes = cost::index_bytes(n, dim, parameters.nlist, &parameters.list_dtype, parameters.rerank.is_some());
    let disk_bytes = lists_bytes.saturating_add(kept).saturating_add(bundle::planned(resolved, progress)?);
    let build_bytes = cost::build_run_bytes(n, dim);
    // The runs of the build are gone when the graph is found.
    let graph_bytes = graph.as_ref().map_or(0, |graph| graph.disk_bytes.saturating_add(graph.search.run_bytes));
    let run_bytes = build_bytes.max(graph_bytes);
    let backend = graph.as_ref().map(|graph| graph.backend.clone());
    let threads = resolved.threads as u64;
    // Once for the sample, once to add: the stored rows; and the runs are written and read.
    let read_bytes = rows.stored_bytes().saturating_mul(2);
    let traffic = read_bytes.saturating_add(build_bytes.saturating_mul(2)).saturating_add(disk_bytes);
    let pairs = n.saturating_mul(cost::routing(parameters.nlist)).saturating_mul(2);
    let codes = if parameters.rerank.is_some() { IndexBuilder::codes_bytes(dim) } else { 0 };
    let levels = Levels::of(u32::try_from(parameters.nlist).unwrap_or(u32::MAX));
    let levels = IndexBuilder::least_bytes(levels, dim, threads, parameters.training == THOROUGH) + codes;
    let held = store.container().held_bytes();
    let plan = IndexPlan {
        reference: side(&store, &rows),
        memory: kept_graph::memory(resolved, memory(resolved, (&rows, held), levels)?, graph.as_ref())?,
        added_rows: n,
        threads,
        backend,
        disk_bytes,
        run_bytes,
        read_bytes,
        estimated_seconds: cost::seconds(pairs, traffic, threads) + graph.map_or(0.0, |graph| graph.estimated_seconds),
        parameters,
        warnings,
        run: format!("{:032x}", xxh3_128(&identity)),
    };
    Ok((plan, (rows, held)))
}

/// What a build or an append takes at least: the levels stay, and a tile of rows is read at a time.
pub(super) fn memory(resolved: &ResolvedIndex, (rows, held): (&dyn RowSource, u64), levels: u64) -> Result<MemoryPlan> {
    let mut parts = BTreeMap::from([
        ("process".to_owned(), PROCESS),
        ("levels of the index".to_owned(), levels),
        ("reference reading".to_owned(), TileReader::bytes(rows)),
    ]);
    parts.extend(memory::held(held));
    parts.extend(backend::opened().map(|(name, bytes)| (name.to_owned(), bytes)));
    let planned = parts.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    if planned > resolved.memory {
        let instead =
            if TileReader::bytes(rows) > levels { "a copy of the reference by rechunk" } else { "a smaller nlist" };
        return Err(Error::Budget {
            what: "the index".into(),
            needed: planned,
            available: resolved.memory,
            remedy: format!("memory of {} MiB would do, or {instead}", planned.div_ceil(MIB)),
        });
    }
    Ok(MemoryPlan { limit: resolved.memory, planned, parts })
}
