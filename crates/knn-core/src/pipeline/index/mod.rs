//! Building an index for later searches, or appending to one: what it would cost, and what it did. The pipeline's own part is to open
//! and check; the building is the index stage's.

mod report;
mod memory;
mod bundle_copy;
mod append;
mod kept_graph;

pub use report::{IndexPlan, IndexReport};

use std::sync::Arc;
use std::time::Duration;

use rayon::ThreadPool;
use xxhash_rust::xxh3::xxh3_128;

use self::memory::{Reference, memory};
use super::backend;
use super::cost;
use super::figures::{StageReport, side};
use super::index_terms::{INDEX_VERSION, bytes, spec};
use super::memory_plan::PROCESS;
use super::places::{Existing, check_output, check_work_dir};
use super::request::{IndexRequest, ResolvedIndex, THOROUGH};
use super::seams::Seams;
use super::start::{FINGERPRINT_SEED, pool};
use crate::budget::MemoryBudget;
use crate::error::{Error, Result};
use crate::index::{IndexBuilder, IndexSpec, Levels, Start, kept_bytes, training_warning};
use crate::progress::Progress;
use crate::source::{AnnDataStore, RowSource};

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
    let stored = bundle_copy::write(&resolved, (output, &manifest), &seams.vfs, progress)?;
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

/// The index is written when it is sealed; until then there are intermediate files only.
fn stage_report(stage: &str, time: Duration, bytes: u64) -> StageReport {
    let bytes_written = if stage == "seal" { bytes } else { 0 };
    StageReport { stage: stage.into(), seconds: time.as_secs_f64(), bytes_written }
}

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
    let disk_bytes = lists_bytes.saturating_add(kept).saturating_add(bundle_copy::planned(resolved, progress)?);
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
