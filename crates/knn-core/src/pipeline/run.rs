//! Carries out a plan: join, transfer, finalise.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::join_stage::{self, Joined, Lists};
use super::later;
use super::outputs;
use super::plan::{Prepared, WORKER, prepare};
use super::report::{RecallReport, RunReport, StageReport};
use super::request::{MapRequest, Resolved};
use super::search_stage;
use super::transfer_stage::{self, Transferred};
use crate::budget::MemoryBudget;
use crate::distance::{Lane, Metric};
use crate::error::{Error, Result};
use crate::operator::LabelStatus;
use crate::progress::Progress;
use crate::sink::{MappingStore, Stage, Uns, UnsValue};
use crate::store::{OsVfs, Vfs};
use crate::types::MappingStatus;

/// Maps the query onto the reference and stores the result. What is committed stays, whatever happens.
pub fn run(request: &MapRequest, progress: &Progress) -> Result<RunReport> {
    run_with(request, progress, Seams::default())
}

/// What a test may replace. Nothing of it changes a result.
pub struct Seams {
    /// Where every write goes.
    pub vfs: Arc<dyn Vfs>,
    /// Query rows in flight, instead of what the budget gives.
    pub block_rows: Option<u64>,
    /// Reference rows in memory, instead of what the budget gives.
    pub slab_rows: Option<u64>,
    /// Lane of the distance tile, instead of the best.
    pub lane: Lane,
}

impl Default for Seams {
    fn default() -> Self {
        Self { vfs: Arc::new(OsVfs), block_rows: None, slab_rows: None, lane: Lane::best() }
    }
}

/// [`run`] through other seams.
pub fn run_with(request: &MapRequest, progress: &Progress, seams: Seams) -> Result<RunReport> {
    run_resolved(request.resolve()?, progress, seams)
}

/// The run of a request that is resolved.
pub(super) fn run_resolved(resolved: Resolved, progress: &Progress, seams: Seams) -> Result<RunReport> {
    let mut clock = Clock::start();
    progress.begin("preflight", 0, 0);
    progress.check()?;
    let (mut prepared, pool) = prepare(resolved)?;
    later::search(&prepared.resolved.parameters)?;
    let sizes = &mut prepared.sizes;
    sizes.block_rows = seams.block_rows.unwrap_or(sizes.block_rows);
    sizes.slab_rows = seams.slab_rows.unwrap_or(sizes.slab_rows);
    let budget = MemoryBudget::new(prepared.resolved.memory);
    let _lease = budget.take("the plan", prepared.sizes.leased)?;
    let vfs = Arc::clone(&seams.vfs);
    let search_in = |index| pool.install(|| search_stage::search(&prepared, index, &seams.lane, &budget));
    let calibrate = |search: &_| pool.install(|| search_stage::calibrate(&prepared, search, &seams.lane, progress));
    clock.lap("preflight", 0);
    let given = pool.install(|| search_stage::given(&prepared, &budget))?;
    let given = given.as_ref().map(search_in);
    // Measuring reads every list, so what is damaged is found before anything is written.
    let early = match &given {
        Some(search) if !prepared.resolved.resume && prepared.spec.layout.units() > 0 => Some(calibrate(search)?),
        _ => None,
    };
    if early.is_some() {
        clock.lap("calibrate", 0);
    }
    let store = open_store(&prepared, seams.vfs)?;
    let units = prepared.spec.layout.units();
    let resumed = |stage| (0..units).filter(|&unit| store.committed(stage, unit).is_some()).collect::<Vec<_>>();
    let resumed_rows = |units: &[u64]| units.iter().map(|&u| prepared.spec.layout.unit(u).rows.len() as u64).sum();
    let (joined_before, transferred_before) = (resumed(Stage::Joined), resumed(Stage::Transferred));
    let resumed_units = (joined_before.len() + transferred_before.len()) as u64;

    // Once the last unit is joined nobody looks at an index any more.
    let is_joined = joined_before.len() as u64 == units;
    let built = if is_joined || given.is_some() {
        None
    } else {
        pool.install(|| search_stage::built(&prepared, &vfs, &budget, &seams.lane, progress))?
    };
    let search = given.or_else(|| built.as_ref().map(search_in)).filter(|_| !is_joined);
    if built.is_some() {
        clock.lap("index", store.bytes_written());
    }
    let measured = join_stage::measured(&store)?.or(early);
    let recall = match (&prepared.resolved.parameters.ivf, measured, &search) {
        (None, ..) => RecallReport::exact(),
        (_, Some(measured), _) => measured,
        (_, None, Some(search)) => {
            let measured = calibrate(search)?;
            clock.lap("calibrate", store.bytes_written());
            measured
        }
        (Some(ivf), None, None) => search_stage::unmeasured(ivf),
    };
    let (n_obs, resumed_rows) =
        (prepared.spec.layout.n_obs(), (resumed_rows(&joined_before), resumed_rows(&transferred_before)));
    let probes = search_stage::probes(prepared.resolved.parameters.ivf.as_ref(), &recall);
    prepared.sizes.probe(probes.most() as u64);
    let lists = search.as_ref().map(|search| Lists { search, probes });
    progress.begin("join", n_obs, resumed_rows.0);
    let joined = pool.install(|| join_stage::run(&prepared, &store, &seams.lane, lists, &recall, progress))?;
    progress.end();
    drop(search);
    drop(built);
    if !store.is_complete() {
        search_stage::end(&prepared, &*vfs)?;
    }
    clock.lap("join", store.bytes_written());

    let sigma = sigma(&prepared, &joined);
    let warnings = warnings(&prepared, &joined, sigma);
    let transferred = if prepared.spec.stages().contains(&Stage::Transferred) {
        progress.begin("transfer", n_obs, resumed_rows.1);
        // Without any valid distance nobody has neighbours, and no weight is ever computed.
        let bandwidth = sigma.unwrap_or(1.0);
        let transferred = pool.install(|| transfer_stage::run(&prepared, &store, bandwidth, progress))?;
        progress.end();
        clock.lap("transfer", store.bytes_written());
        transferred
    } else {
        Transferred::default()
    };

    progress.begin("finalise", 0, 0);
    progress.check()?;
    let output = store.path().display().to_string();
    store.finalise(&uns(&prepared, &joined, sigma, &recall)?)?;
    progress.end();
    clock.lap("finalise", store.bytes_written());
    Ok(RunReport {
        output,
        status_counts: named(&MappingStatus::NAMES, &joined.statuses),
        label_status_counts: label_counts(&prepared, &transferred),
        excluded_reference_rows: joined.excluded,
        sigma,
        recall,
        stored: prepared.plan.outputs.clone(),
        seconds: clock.seconds(),
        stages: clock.stages,
        peak_memory: progress.peak_memory(),
        resumed_units,
        warnings,
        plan: prepared.plan,
    })
}

fn open_store(prepared: &Prepared, vfs: Arc<dyn Vfs>) -> Result<MappingStore> {
    let resolved = &prepared.resolved;
    let path = resolved.output.as_ref().ok_or_else(|| Error::param("output", "", "name the store to write"))?;
    let spec = prepared.spec.clone();
    if resolved.resume {
        MappingStore::resume(vfs, path, spec, WORKER, false)
    } else if resolved.overwrite {
        MappingStore::overwrite(vfs, path, spec, WORKER)
    } else {
        MappingStore::create(vfs, path, spec, WORKER)
    }
}

/// The bandwidth: pinned, or the mean of all valid distances. None if there is no distance at all, as between inner products.
fn sigma(prepared: &Prepared, joined: &Joined) -> Option<f64> {
    let parameters = &prepared.resolved.parameters;
    if parameters.metric.is_product() {
        return None;
    }
    parameters.bandwidth.or_else(|| joined.sums.mean(parameters.self_edges))
}

/// What the user should know: what the plan said, and what the join found.
fn warnings(prepared: &Prepared, joined: &Joined, sigma: Option<f64>) -> Vec<String> {
    let mut warnings = prepared.plan.warnings.clone();
    if joined.statuses[MappingStatus::Ok as usize] == 0 || sigma.is_some() {
        warnings.extend(sigma_warning(sigma, prepared.spec.layout.n_obs()));
    }
    // A zero vector is an ordinary row by every metric but this one.
    let metric = prepared.resolved.parameters.metric;
    if joined.excluded > 0 && metric == Metric::Cosine {
        let (excluded, why) = (joined.excluded, metric.flaws());
        warnings.push(format!("{excluded} reference cells have {why} and are nobody's neighbors"));
    }
    warnings
}

fn sigma_warning(sigma: Option<f64>, n_obs: u64) -> Option<String> {
    match sigma {
        None if n_obs > 0 => Some("no query cell has a neighbor: every prediction is missing".into()),
        Some(0.0) => Some("all distances are 0, so the bandwidth is 0: neighbors are weighted equally".into()),
        _ => None,
    }
}

/// `uns`: what was done, and the colours. Nothing in it depends on memory, threads, time or place.
fn uns(prepared: &Prepared, joined: &Joined, sigma: Option<f64>, recall: &RecallReport) -> Result<Uns> {
    let parameters = &prepared.resolved.parameters;
    let mut done = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mode": prepared.plan.mode,
        "run": prepared.spec.run,
        "parameters": serde_json::to_string(parameters).map_err(|error| Error::internal(error.to_string()))?,
        "k": prepared.spec.k,
        "n_ref": prepared.spec.n_ref,
        "excluded_reference_rows": joined.excluded,
        "recall": recall.measured,
        "status_counts": named(&MappingStatus::NAMES, &joined.statuses),
    });
    if recall.approximate_distances {
        done["approximate_distances"] = json!(true);
    }
    if let Some(sigma) = sigma {
        done["sigma"] = json!(sigma);
    }
    let mut uns = Uns::from_json(json!({ "gigamapper": done }).as_object().unwrap_or(&serde_json::Map::new()))?;
    for input in &prepared.inputs.columns {
        if let Some(colors) = &input.colors {
            let name = outputs::column_paths(input.column.key(), parameters).colors;
            uns.insert(name, UnsValue::Strings(colors.clone()));
        }
    }
    Ok(uns)
}

fn named(names: &[&str], counts: &[u64]) -> BTreeMap<String, u64> {
    names.iter().zip(counts).map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn label_counts(prepared: &Prepared, transferred: &Transferred) -> BTreeMap<String, BTreeMap<String, u64>> {
    let keys = prepared.inputs.columns.iter().filter(|input| input.labels().is_some()).map(|input| input.column.key());
    keys.zip(&transferred.labels).map(|(key, counts)| (key.to_owned(), named(&LabelStatus::NAMES, counts))).collect()
}

/// Time and bytes of each stage.
struct Clock {
    began: Instant,
    lapped: Instant,
    bytes: u64,
    stages: Vec<StageReport>,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self { began: now, lapped: now, bytes: 0, stages: Vec::new() }
    }

    /// Ends a stage, at the end of which so many bytes of the store are written.
    fn lap(&mut self, stage: &str, bytes: u64) {
        let now = Instant::now();
        let seconds = (now - self.lapped).as_secs_f64();
        self.stages.push(StageReport { stage: stage.into(), seconds, bytes_written: bytes - self.bytes });
        (self.lapped, self.bytes) = (now, bytes);
    }

    fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}
