//! Building an index for later searches: what it would cost, and what it did. The pipeline's own part is to open and check; the
//! building is the index stage's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rayon::ThreadPool;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::cost;
use super::inputs::FINGERPRINT_SEED;
use super::memory::PROCESS;
use super::places::{Existing, check_output, check_work_dir};
use super::plan::{pool, side};
use super::report::{MemoryPlan, Side, StageReport};
use super::request::{IndexParameters, IndexRequest, ResolvedIndex};
use super::search_stage::list_type;
use crate::budget::{self, MIB, MemoryBudget};
use crate::distance::Lane;
use crate::error::{Error, Result};
use crate::index::{IndexBuilder, IndexSpec, ListType, Manifest, Start};
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::{AnnDataStore, RowSource, ZarrRows};
use crate::store::OsVfs;

/// Version of the format of the index: part of the build's identity.
const INDEX_VERSION: u32 = 1;

/// A build before it starts: nothing has been written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IndexPlan {
    /// The reference.
    pub reference: Side,
    /// What decides the bytes of the index.
    pub parameters: IndexParameters,
    /// Worker threads.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: u64,
    /// Bytes of memory: the limit and what takes them at least.
    pub memory: MemoryPlan,
    /// Bytes the index will take at most.
    #[cfg_attr(test, ts(type = "number"))]
    pub disk_bytes: u64,
    /// Bytes of intermediate files, which are gone at the end.
    #[cfg_attr(test, ts(type = "number"))]
    pub run_bytes: u64,
    /// Bytes read from the reference.
    #[cfg_attr(test, ts(type = "number"))]
    pub read_bytes: u64,
    /// Rough seconds, from fixed constants per pair and byte.
    pub estimated_seconds: f64,
    /// What the user should know before starting.
    pub warnings: Vec<String>,
    /// Hash of input, parameters and format: the same for the same index.
    pub run: String,
}

/// What a finished build did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IndexReport {
    /// The index.
    pub output: String,
    /// The plan that was carried out.
    pub plan: IndexPlan,
    /// Rows of the reference, those that were left out included.
    #[cfg_attr(test, ts(type = "number"))]
    pub rows: u64,
    /// Columns of each.
    #[cfg_attr(test, ts(type = "number"))]
    pub dim: u64,
    /// Lists, those that were split included.
    #[cfg_attr(test, ts(type = "number"))]
    pub nlist: u64,
    /// Rows left out because a coordinate is NaN or infinite.
    #[cfg_attr(test, ts(type = "number"))]
    pub excluded_rows: u64,
    /// Bytes of the index on disk.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Seconds and bytes by stage: `build`.
    pub stages: Vec<StageReport>,
    /// Seconds in all.
    pub seconds: f64,
    /// Peak memory of the process, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub peak_memory: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What a sealed index holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IndexDescription {
    /// The index.
    pub path: String,
    /// Version of its format.
    #[cfg_attr(test, ts(type = "number"))]
    pub format_version: u64,
    /// Rows of the reference, those that were left out included.
    #[cfg_attr(test, ts(type = "number"))]
    pub rows: u64,
    /// Columns of each.
    #[cfg_attr(test, ts(type = "number"))]
    pub dim: u64,
    /// Lists.
    #[cfg_attr(test, ts(type = "number"))]
    pub nlist: u64,
    /// Numbers in the lists: `f32` or `f16`.
    pub list_dtype: String,
    /// The metric that they are made for.
    pub metric: String,
    /// Seed of the training sample.
    #[cfg_attr(test, ts(type = "number"))]
    pub seed: u64,
    /// Rows of the reference that were left out because a coordinate is NaN or infinite.
    #[cfg_attr(test, ts(type = "number"))]
    pub excluded_rows: u64,
    /// Bytes on disk.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Hash of the reference and of everything that decides the bytes of the index: the same for the same index.
    pub digest: String,
}

/// A build that may start.
pub(super) struct PreparedIndex {
    /// The reference's rows.
    pub(super) rows: ZarrRows,
    /// Where the index goes.
    pub(super) output: PathBuf,
    /// Limits, places and what to do with what is there.
    pub(super) resolved: ResolvedIndex,
    /// What was promised.
    pub(super) plan: IndexPlan,
}

/// What [`build_index`] would do and cost. Writes nothing; fails where the build would refuse to start.
pub fn plan_index(request: &IndexRequest) -> Result<IndexPlan> {
    check(request.resolve()?).map(|(_, plan, ..)| plan)
}

/// Builds the index of a reference. What is committed stays, whatever happens.
pub fn build_index(request: &IndexRequest, progress: &Progress) -> Result<IndexReport> {
    progress.begin("preflight", 0, 0);
    progress.check()?;
    let (resolved, plan, rows, pool) = check(request.resolve()?)?;
    let output = resolved.output.clone().ok_or_else(|| Error::param("output", "", "name the index to write"))?;
    let prepared = PreparedIndex { rows, output, resolved, plan };
    pool.install(|| build(prepared, progress))
}

fn build(prepared: PreparedIndex, progress: &Progress) -> Result<IndexReport> {
    let PreparedIndex { rows, output, resolved, plan } = prepared;
    let began = Instant::now();
    let nlist = u32::try_from(plan.parameters.nlist);
    let spec = IndexSpec {
        nlist: Some(nlist.map_err(|_| Error::param("nlist", plan.parameters.nlist, "at most 2^28"))?),
        dtype: list_type(&resolved.list_dtype),
        metric: resolved.metric.clone(),
        prepare: None,
        seed: resolved.seed,
    };
    let start = match (resolved.resume, resolved.overwrite) {
        (true, _) => Start::Resume,
        (false, true) => Start::Overwrite,
        (false, false) => Start::New,
    };
    let budget = MemoryBudget::new(resolved.memory.saturating_sub(PROCESS));
    let builder = IndexBuilder { vfs: Arc::new(OsVfs), spec, start, budget, tile: &Lane::best(), progress };
    let built = builder.build(&output, &rows)?;
    progress.end();
    let manifest = &built.manifest;
    let bytes = manifest.files.values().map(|file| file.length).sum();
    let seconds = began.elapsed().as_secs_f64();
    let mut warnings = plan.warnings.clone();
    warnings.extend(built.warnings.into_iter().filter(|warning| !plan.warnings.contains(warning)));
    Ok(IndexReport {
        output: output.display().to_string(),
        rows: manifest.rows,
        dim: u64::from(manifest.dim),
        nlist: u64::from(manifest.nlist),
        excluded_rows: manifest.excluded,
        bytes,
        stages: vec![StageReport { stage: "build".into(), seconds, bytes_written: bytes }],
        seconds,
        peak_memory: budget::resident().1,
        warnings,
        plan,
    })
}

/// What the index at `path` holds: `GM_NOT_FOUND` where nothing is, `GM_SCHEMA` where something else is.
pub fn describe_index(path: &Path) -> Result<IndexDescription> {
    let store = path.display().to_string();
    if path.symlink_metadata().is_err() {
        return Err(Error::NotFound { store: store.clone(), kind: "index".into(), key: store, available: Vec::new() });
    }
    if !path.join("manifest.json").is_file() {
        return Err(Error::schema(store, "", "manifest.json", "is not there, so this is not an index of gigamapper"));
    }
    let manifest = Manifest::read(&OsVfs, path)?;
    let manifest = manifest.ok_or_else(|| Error::schema(store, "", "manifest.json", "is not there"))?;
    Ok(IndexDescription {
        path: path.display().to_string(),
        format_version: u64::from(manifest.version),
        rows: manifest.rows,
        dim: u64::from(manifest.dim),
        nlist: u64::from(manifest.nlist),
        list_dtype: if manifest.dtype == ListType::F16 { "f16" } else { "f32" }.into(),
        metric: manifest.metric,
        seed: manifest.training.seed,
        excluded_rows: manifest.excluded,
        bytes: manifest.files.values().map(|file| file.length).sum(),
        digest: manifest.run,
    })
}

/// Everything up to the first write, in the pool that would build.
fn check(resolved: ResolvedIndex) -> Result<(ResolvedIndex, IndexPlan, ZarrRows, ThreadPool)> {
    let pool = pool(resolved.threads)?;
    let (plan, rows) = pool.install(|| prepare(&resolved))?;
    Ok((resolved, plan, rows, pool))
}

fn prepare(resolved: &ResolvedIndex) -> Result<(IndexPlan, ZarrRows)> {
    let inputs = [resolved.reference.as_path()];
    if let Some(output) = &resolved.output {
        check_output(output, &inputs, Existing { resume: resolved.resume, overwrite: resolved.overwrite })?;
    }
    if let Some(work_dir) = &resolved.work_dir {
        check_work_dir(work_dir, &inputs, resolved.output.as_deref())?;
    }
    let store = AnnDataStore::open(&resolved.reference)?;
    let rows = store.embedding(&resolved.use_rep)?;
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
    warnings.extend(super::training_warning(parameters.nlist, n));
    let disk_bytes = cost::index_bytes(n, dim, parameters.nlist, &parameters.list_dtype);
    let run_bytes = cost::build_run_bytes(n, dim);
    let threads = resolved.threads as u64;
    // Once for the sample, once to add: the stored rows; and the runs are written and read.
    let read_bytes = rows.stored_bytes().saturating_mul(2);
    let traffic = read_bytes.saturating_add(run_bytes.saturating_mul(2)).saturating_add(disk_bytes);
    let pairs = n.saturating_mul(cost::routing(parameters.nlist)).saturating_mul(2);
    let plan = IndexPlan {
        reference: side(&store, &rows),
        memory: memory(resolved, &rows, parameters.nlist)?,
        parameters,
        threads,
        disk_bytes,
        run_bytes,
        read_bytes,
        estimated_seconds: cost::seconds(pairs, traffic, threads),
        warnings,
        run: format!("{:032x}", xxh3_128(&identity)),
    };
    Ok((plan, rows))
}

/// What a build takes at least: the centroids stay, and a tile of rows is read at a time.
fn memory(resolved: &ResolvedIndex, rows: &ZarrRows, nlist: u64) -> Result<MemoryPlan> {
    let centroids = nlist.saturating_mul(rows.dim() as u64 * 4);
    let parts = BTreeMap::from([
        ("process".to_owned(), PROCESS),
        ("centroids".to_owned(), centroids),
        ("reference reading".to_owned(), TileReader::bytes(rows)),
    ]);
    let planned = parts.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    if planned > resolved.memory {
        return Err(Error::Budget {
            what: "the index".into(),
            needed: planned,
            available: resolved.memory,
            remedy: format!("memory of {} MiB would do, or a smaller nlist", planned.div_ceil(MIB)),
        });
    }
    Ok(MemoryPlan { limit: resolved.memory, planned, parts })
}
