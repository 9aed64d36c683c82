//! Carries out a plan: join, transfer, finalise.

use std::sync::Arc;

use rayon::ThreadPool;

use super::clock::Clock;
use super::component_stage;
use super::inputs::batches::BatchCodes;
use super::join_pass::import_stage::Import;
use super::join_pass::join_stage::JoinStage;
use super::join_pass::joined::{self, Joined, Measured};
use super::join_pass::list_order::{self, Searched};
use super::join_pass::search_stage::{self, Lists};
use super::join_pass::units::{Units, store_units};
use super::join_pass::{gather, repair_stage, space};
use super::order::Order;
use super::other_graphs::{self, needed};
use super::places::{Existing, is_begun, open_store, runs_folder};
use super::plan::prepare;
use super::prepared::Prepared;
use super::report::RunReport;
use super::request::{MapRequest, Resolved};
use super::seams::Seams;
use super::told::{label_agreement, label_counts, named, uns, warnings};
use super::transfer_pass::transfer_stage::{self, Transferred, Weighing};
use super::transfer_pass::weigher::Weigher;
use super::transfer_pass::{bandwidth, diffusion, graphs_stage, reverse_stage};
use crate::budget::MemoryBudget;
use crate::error::{Error, Result};
use crate::join::ListJoin;
use crate::progress::Progress;
use crate::sink::{MappingStore, Stage};
use crate::store::{RunLedger, Vfs};
use crate::types::MappingStatus;

/// Maps the query onto the reference and stores the result. What is committed stays, whatever happens.
pub fn run(request: &MapRequest, progress: &Progress) -> Result<RunReport> {
    run_with(request, progress, Seams::default())
}

/// [`run`] through other seams.
#[expect(clippy::needless_pass_by_value, reason = "seams are made for one run, and given to it")]
pub fn run_with(request: &MapRequest, progress: &Progress, seams: Seams) -> Result<RunReport> {
    run_resolved(request.resolve()?, progress, &seams)
}

/// The run of a request that is resolved.
pub(super) fn run_resolved(resolved: Resolved, progress: &Progress, seams: &Seams) -> Result<RunReport> {
    let mut clock = Clock::start();
    progress.begin("preflight", 0, 0);
    progress.check()?;
    let (prepared, pool) = begin(resolved, (progress, seams), &mut clock)?;
    let budget = MemoryBudget::new(prepared.resolved.memory);
    let mut lease = Some(budget.take("the plan", prepared.sizes.leased)?);
    let vfs = Arc::clone(&seams.vfs);
    let search_in = |index| pool.install(|| search_stage::search(&prepared, index, &seams.lane, &budget));
    let batches = || pool.install(|| BatchCodes::read(prepared.inputs.batch.as_ref(), progress));
    check_beside(&prepared, &*vfs)?;
    clock.lap("preflight", 0);
    let opened = pool.install(|| search_stage::given(&prepared, &budget))?;
    let given = opened.as_ref().map(search_in);
    // An index that the run builds itself has the memory to itself, so batches are read behind it.
    let begins = !prepared.resolved.resume && prepared.spec.layout.units() > 0;
    let mut codes = if given.is_some() && begins { batches()? } else { None };
    // Measuring reads every list, so what is damaged is found before anything is written.
    let measuring = |search| calibrate(&prepared, search, codes.as_ref(), (&pool, seams), progress);
    let early = given.as_ref().filter(|_| begins).map(measuring).transpose()?;
    if early.is_some() {
        clock.lap("calibrate", 0);
    }
    graphs_stage::clear(&prepared, &vfs)?;
    let store = output(&prepared, Arc::clone(&vfs))?;
    let [joined_before, transferred_before] = [Stage::Joined, Stage::Transferred].map(|stage| resumed(&store, stage));
    let is_joined = joined_before.units == prepared.spec.layout.units();
    let mut ledger = runs(&prepared, &vfs, is_joined, store.is_complete())?;
    let searched = ledger.as_ref().map(list_order::searched).transpose()?.flatten();
    // Once the last query is joined nobody looks at an index any more.
    let n_obs = prepared.spec.layout.n_obs();
    let is_found = is_joined || ledger.as_ref().is_some_and(|ledger| ledger.covered(Stage::Found) == n_obs);
    let built = if is_found || given.is_some() {
        None
    } else {
        pool.install(|| search_stage::built(&prepared, &vfs, &budget, &seams.lane, progress))?
    };
    let search = given.or_else(|| built.as_ref().map(search_in)).filter(|_| !is_found);
    if built.is_some() {
        clock.lap("index", store.bytes_written());
    }
    if codes.is_none() && !is_found {
        codes = batches()?;
    }
    let measured = joined::measured(&store)?.or(searched.map(Searched::measured)).or(early);
    let is_told = measured.is_some();
    let anew = || measure(&prepared, search.as_ref(), codes.as_ref(), (&pool, seams), progress);
    let measured = measured.map_or_else(anew, Ok)?;
    if search.is_some() && !is_told {
        clock.lap("calibrate", store.bytes_written());
    }
    let probes = search_stage::probes(prepared.resolved.parameters.ivf.as_ref(), &measured.recall);
    let lists = search.as_ref().map(|search| Lists { search, probes });
    let repair = measured.recall.repair;
    // A repair that was not chosen needs no runs.
    if repair.is_none() && prepared.sizes.order != Some(Order::Lists) {
        ledger.take().map(RunLedger::end).transpose()?;
    }
    let joined = match (&mut ledger, lists) {
        (None, lists) => {
            progress.begin("join", n_obs, joined_before.rows);
            let way = || found_by(&prepared, seams, (lists, codes.as_ref()), progress);
            Some(pool.install(|| store_units(&prepared, &store, &mut *way()?, &measured))?)
        }
        (Some(ledger), Some(lists)) => {
            let lap = |stage: &str| clock.lap(stage, store.bytes_written());
            pool.install(|| list_order::run(&prepared, ledger, lists, &measured, progress, lap))?;
            None
        }
        (Some(_), None) => None,
    };
    progress.end();
    drop(codes);
    // The graph of the reference is looked at when the index is closed.
    let kept = opened.as_ref().filter(|_| repair.is_some() && prepared.resolved.search.kept.is_some());
    let kept = kept.map(|index| search_stage::kept(&prepared.resolved, index).cloned()).transpose()?;
    drop(search);
    drop((built, opened));
    if !store.is_complete() {
        search_stage::end(&prepared, &vfs)?;
    }
    if joined.is_some() || !is_found {
        clock.lap("join", store.bytes_written());
    }
    let joined = match (joined, ledger) {
        (None, Some(ledger)) => {
            let stage = if repair.is_some() { "repair" } else { "gather" };
            progress.begin(stage, n_obs, joined_before.rows);
            let joined = if let Some(hop) = repair {
                // What the join took is free again.
                drop(lease.take());
                let bytes = prepared.sizes.repair.as_ref().map_or(0, |shares| shares.bytes);
                let _lease = budget.take("the repair", bytes)?;
                let with = (hop, kept, &measured);
                pool.install(|| repair_stage::run(&prepared, &store, ledger, with, &seams.lane, progress))?
            } else {
                pool.install(|| gather::run(&prepared, &store, ledger, &measured, progress))?
            };
            clock.lap(stage, store.bytes_written());
            joined
        }
        (joined, _) => joined.unwrap_or_default(),
    };

    let resumed_units = joined_before.units + transferred_before.units;
    let graph = Graph { joined, measured, resumed_units, transferred_rows: transferred_before.rows };
    // What the join took is free again.
    drop(lease);
    finish(prepared, &store, graph, (seams, &budget), &pool, clock, progress)
}

/// Computes a representation where that is needed, and prepares the run.
fn begin(
    resolved: Resolved,
    (progress, seams): (&Progress, &Seams),
    clock: &mut Clock,
) -> Result<(Prepared, ThreadPool)> {
    let resolved = component_stage::compute(resolved, progress, seams)?;
    if resolved.is_computed() {
        clock.lap("components", 0);
    }
    let (mut prepared, pool) = prepare(resolved, progress)?;
    seams.replace(&mut prepared.sizes, &prepared.inputs);
    prepared.backend = seams.backend.clone().unwrap_or(prepared.backend);
    Ok((prepared, pool))
}

/// Chooses how many lists are looked in, in the run's own pool.
fn calibrate<'a>(
    prepared: &Prepared,
    search: &'a ListJoin<'a>,
    codes: Option<&'a BatchCodes>,
    (pool, seams): (&ThreadPool, &Seams),
    progress: &Progress,
) -> Result<Measured> {
    pool.install(|| search_stage::calibrate(prepared, search, codes, &seams.lane, progress))
}

/// What is told of a search before its first unit.
fn measure<'a>(
    prepared: &Prepared,
    search: Option<&'a ListJoin<'a>>,
    codes: Option<&'a BatchCodes>,
    (pool, seams): (&ThreadPool, &Seams),
    progress: &Progress,
) -> Result<Measured> {
    match (&prepared.resolved.parameters.ivf, search) {
        (_, Some(search)) => calibrate(prepared, search, codes, (pool, seams), progress),
        (Some(ivf), None) => Ok(search_stage::unmeasured(ivf)),
        (None, None) => {
            let is_empty = prepared.spec.layout.n_obs() == 0;
            let compare = || space::compare(prepared, None, &seams.lane, progress);
            let space = if is_empty { None } else { pool.install(compare)? };
            Ok(Measured { space, ..search_stage::unsearched(&prepared.resolved.parameters.method) })
        }
    }
}

/// How neighbours come about that are stored in the order of rows.
fn found_by<'a>(
    prepared: &'a Prepared,
    seams: &'a Seams,
    (lists, codes): (Option<Lists<'a>>, Option<&'a BatchCodes<'a>>),
    progress: &'a Progress,
) -> Result<Box<dyn Units + 'a>> {
    Ok(match prepared.resolved.imported {
        Some(_) => Box::new(Import::open(prepared, progress)?),
        None => Box::new(JoinStage::new(prepared, &seams.lane, (lists, codes), progress)),
    })
}

/// Refuses to start where something that is not ours lies in the place of intermediate files.
fn check_beside(prepared: &Prepared, vfs: &dyn Vfs) -> Result<()> {
    search_stage::check_runs(&prepared.resolved, vfs)?;
    diffusion::check(prepared, vfs)?;
    reverse_stage::check(prepared, vfs)
}

/// A graph that is stored in full, and what else the end of a run tells.
struct Graph {
    joined: Joined,
    measured: Measured,
    resumed_units: u64,
    /// Rows that were transferred before.
    transferred_rows: u64,
}

/// From stored neighbours to a finished store.
fn finish(
    prepared: Prepared,
    store: &MappingStore,
    graph: Graph,
    (seams, budget): (&Seams, &MemoryBudget),
    pool: &ThreadPool,
    mut clock: Clock,
    progress: &Progress,
) -> Result<RunReport> {
    let Graph { joined, measured, resumed_units, transferred_rows } = graph;
    let sigma = bandwidth::sigma(&prepared.resolved.parameters, &joined)?;
    let mut warnings = warnings(&prepared, &joined, sigma);
    warnings.extend(prepared.device_failure.get().cloned());
    let use_rep = &prepared.resolved.parameters.use_rep;
    warnings.extend(measured.space.as_ref().and_then(|space| space.warning(use_rep)));
    let mut transferred = Transferred::default();
    if prepared.spec.stages().contains(&Stage::Transferred) {
        let lap = |stage: &str| clock.lap(stage, store.bytes_written());
        pool.install(|| find_graphs(&prepared, store, seams, progress))?;
        let beside = (&seams.vfs, budget);
        let mut weigher = pool.install(|| Weigher::open(&prepared, store, sigma, beside, progress, lap))?;
        let _lease = budget.take("transfer", prepared.sizes.after.transfer)?;
        let diffused = pool.install(|| diffusion::run(&prepared, store, &mut weigher, beside, progress))?;
        if diffused.is_some() {
            clock.lap("diffuse", store.bytes_written());
        }
        progress.begin("transfer", prepared.spec.layout.n_obs(), transferred_rows);
        // Of what a truth would have given, one step is known.
        let held_out = measured.held_out.as_ref().filter(|_| prepared.resolved.parameters.diffusion.is_none());
        let weighing = Weighing { weigher, diffused, held_out, vfs: &seams.vfs };
        transferred = pool.install(|| transfer_stage::run(&prepared, store, weighing, progress))?;
        progress.end();
        clock.lap("transfer", store.bytes_written());
    }

    if keep_graphs(&prepared, seams, progress)? {
        clock.lap("graphs", store.bytes_written());
    }
    progress.begin("finalise", 0, 0);
    progress.check()?;
    if !store.is_complete() {
        search_stage::settle(&prepared, &*seams.vfs)?;
    }
    let output = store.path().display().to_string();
    let label_agreement = label_agreement(&prepared, &transferred);
    store.finalise(&uns(&prepared, &joined, sigma, &measured.recall, &label_agreement)?)?;
    component_stage::discard(&prepared.resolved, &seams.vfs)?;
    progress.end();
    clock.lap("finalise", store.bytes_written());
    Ok(RunReport {
        output,
        status_counts: named(&MappingStatus::NAMES, &joined.statuses),
        label_status_counts: label_counts(&prepared, &transferred),
        label_agreement,
        excluded_reference_rows: joined.excluded,
        sigma,
        recall: measured.recall,
        space: measured.space,
        gpu: prepared.gpu_report(),
        stored: prepared.plan.outputs.clone(),
        seconds: clock.seconds(),
        stages: clock.stages,
        peak_memory: progress.peak_memory(),
        resumed_units,
        warnings,
        plan: prepared.plan,
    })
}

/// Finds the graphs that are kept, before the store that they lie beside is said to be complete. Returns whether there are any.
fn keep_graphs(prepared: &Prepared, seams: &Seams, progress: &Progress) -> Result<bool> {
    for &graph in &prepared.resolved.kept_graphs {
        run_resolved(other_graphs::request(graph, &prepared.asked)?, progress, seams)?;
    }
    Ok(!prepared.resolved.kept_graphs.is_empty())
}

/// Finds the other graphs that weights come from, unless nothing is left to transfer. Each is a run of its own.
fn find_graphs(prepared: &Prepared, store: &MappingStore, seams: &Seams, progress: &Progress) -> Result<()> {
    if !other_graphs::is_used(&prepared.resolved) || graphs_stage::is_transferred(prepared, store) {
        return Ok(());
    }
    needed(&prepared.resolved).try_for_each(|graph| {
        run_resolved(other_graphs::request(graph, &prepared.asked)?, progress, seams)?;
        Ok(())
    })
}

/// The runs of a search in the order of lists, or with neighbours that may be repaired, as long as there are neighbours to find or to gather. Otherwise what an earlier process may have
/// left there is removed.
fn runs(prepared: &Prepared, vfs: &Arc<dyn Vfs>, is_joined: bool, is_complete: bool) -> Result<Option<RunLedger>> {
    if prepared.resolved.parameters.ivf.is_none() {
        return Ok(None);
    }
    let folder = &runs_folder(&prepared.resolved)?;
    let (run, resume) = (&prepared.spec.run, prepared.resolved.resume);
    if prepared.sizes.run_bytes > 0 && !is_joined {
        return RunLedger::open(vfs, folder, run, resume).map(Some);
    }
    if !is_complete && RunLedger::is_left(&**vfs, folder)? {
        RunLedger::open(vfs, folder, run, false)?.end()?;
    }
    Ok(None)
}

/// What an earlier process has committed of a stage.
struct Resumed {
    units: u64,
    rows: u64,
}

fn resumed(store: &MappingStore, stage: Stage) -> Resumed {
    let layout = store.spec().layout;
    let units = (0..layout.units()).filter(|&unit| store.committed(stage, unit).is_some());
    let rows = units.map(|unit| layout.unit(unit).rows.len() as u64);
    rows.fold(Resumed { units: 0, rows: 0 }, |all, rows| Resumed { units: all.units + 1, rows: all.rows + rows })
}

fn output(prepared: &Prepared, vfs: Arc<dyn Vfs>) -> Result<MappingStore> {
    let resolved = &prepared.resolved;
    let path = resolved.output.as_ref().ok_or_else(|| Error::param("output", "", "name the store to write"))?;
    // A run that was interrupted while its representation was computed has nothing there yet.
    let resume = resolved.resume && (!resolved.is_computed() || is_begun(&*vfs, path)?);
    let existing = Existing { resume, overwrite: resolved.overwrite };
    open_store(vfs, path, prepared.spec.clone(), existing)
}
