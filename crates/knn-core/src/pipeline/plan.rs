//! From a request to a resolved run: everything is opened, checked and counted, and nothing is written.

use std::path::PathBuf;

use rayon::ThreadPool;
use serde::Serialize;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use super::backend;
use super::bundle;
use super::cost::{self, Extent};
use super::describe_index::{check_index, describe_index};
use super::figures::{OutputLayout, side};
use super::found::FoundRows;
use super::inputs::{Inputs, chosen, imported};
use super::joint;
use super::memory;
use super::memory::runs::run_rows;
use super::memory::sizes::Sizes;
use super::order::Order;
use super::other_graphs;
use super::outputs;
use super::places::{Existing, check_output, check_work_dir, of_graph};
use super::prepared::Prepared;
use super::provenance;
use super::report::Plan;
use super::request::{LayoutRequest, LearntDistance, MapRequest, OtherGraph, Parameters, Representation, Resolved};
use super::square;
use super::start::{WORKER, pool};
use crate::error::{Error, Result};
use crate::graph::{GraphStore, distance_quantile};
use crate::index::training_warning;
use crate::progress::Progress;
use crate::sink::{ArraySpec, Layout, StoreSpec, planned_bytes};
use crate::source::RowSource;

/// Version of the output's layout and of the numbers in it: part of the run hash.
const RESULT_VERSION: u32 = 3;

/// What the run hash covers: whatever changes a byte of the result. A struct, so that its JSON has one order of fields.
#[derive(Serialize)]
struct Identity<'a> {
    version: u32,
    mode: &'a str,
    parameters: &'a Parameters,
    layout: LayoutRequest,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    compact: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    refers: bool,
    inputs: Vec<String>,
}

/// What `run` would do and cost. Writes nothing; fails where `run` would refuse to start.
pub fn plan(request: &MapRequest) -> Result<Plan> {
    planned(request.resolve()?, &Progress::silent())
}

/// The plan of a request that is resolved.
pub(super) fn planned(resolved: Resolved, progress: &Progress) -> Result<Plan> {
    prepare(resolved, progress).map(|(prepared, _)| prepared.plan)
}

/// Everything up to the first write. What reading takes depends on the threads that read, so this runs in the run's own pool.
pub(super) fn prepare(resolved: Resolved, progress: &Progress) -> Result<(Prepared, ThreadPool)> {
    let pool = pool(resolved.threads)?;
    let prepared = pool.install(|| check(resolved, progress))?;
    Ok((prepared, pool))
}

fn check(mut resolved: Resolved, progress: &Progress) -> Result<Prepared> {
    joint::settle(&mut resolved, progress)?;
    let asked = resolved.clone();
    check_places(&resolved)?;
    let mut inputs = Inputs::open(&resolved, progress)?;
    inputs.preflight(&resolved.parameters.labels, progress)?;
    inputs.scan_imported(&mut resolved, progress)?;
    learn_distance(&mut resolved, &mut inputs, progress)?;
    memory::diffusion::check_size(&resolved, inputs.query.n_obs())?;
    let method_reason = choose_search(&mut resolved, inputs.reference.n_obs())?;
    check_index(&resolved, &inputs.reference_rows)?;
    bundle::check(&resolved)?;
    let decided = backend::choose(&resolved)?;
    let backend = decided.backend(resolved.backend);
    inputs.warnings.extend(decided.warning);
    let parameters = &resolved.parameters;
    let (n_obs, n_ref) = (inputs.query.n_obs(), inputs.reference.n_obs());
    let k = parameters.n_neighbors - u64::from(resolved.self_mapping);
    let wanted = resolved.layout;
    let layout =
        Layout::new(n_obs, wanted.inner_rows, wanted.inner_per_unit, wanted.part_rows)?.compact(resolved.compact);
    let mode = if resolved.self_mapping { "self" } else { "cross" };
    let mut inputs_hash = inputs.fingerprints()?;
    // How wide they are is known of graphs that are sought. These come last, so that the run that needs most complains.
    let are_given = asked.other_graphs.is_some();
    let others = if are_given { graph_plans(&asked, progress)? } else { Vec::new() };
    inputs.other_widths = others.iter().map(|(graph, other)| (*graph, other.k)).collect();
    if are_given {
        inputs_hash.extend(others.iter().map(|(_, other)| other.run.clone()));
    }
    let compact = resolved.compact;
    let (refers, holder) = imported::stay(&resolved, inputs.imported.as_ref(), layout.part_rows())?;
    let version = RESULT_VERSION;
    let identity = Identity { version, mode, parameters, layout: wanted, compact, refers, inputs: inputs_hash };
    let identity = serde_json::to_vec(&identity).map_err(|error| Error::internal(error.to_string()))?;
    let run = format!("{:032x}", xxh3_128(&identity));
    let arrays = arrays(&resolved, &inputs, (&layout, k), refers);
    // What stands in the store must not depend on where the inputs lie or how much memory there was.
    let mut told = json!({ "mode": mode, "parameters": parameters, "n_obs": n_obs, "n_ref": n_ref, "k": k });
    if let Some(chosen) = chosen(&inputs) {
        told["chosen"] = chosen;
    }
    let mut spec = StoreSpec { layout, n_ref, k, holder, run: run.clone(), plan: told, arrays };
    spec.check(WORKER)?;
    let sizes = memory::share(&resolved, &inputs, &spec, (begun(&resolved, &run)?, &backend))?;
    // Whoever takes the graph over opens it anew: this one would hold what it has read.
    inputs.imported = None;
    if let Some(order) = sizes.order {
        spec.plan["order"] = json!(order.name());
    }

    let extent = Extent {
        n_query: n_obs,
        n_ref,
        dim: inputs.reference_rows.dim() as u64,
        k,
        self_mapping: resolved.self_mapping,
    };
    let run_rows = match sizes.run_bytes {
        1.. => run_rows(FoundRows::new(&spec)?.shape(), sizes.found_bytes),
        0 => u64::MAX,
    };
    let mut search = cost::search_plan(parameters, extent, sizes.order, run_rows);
    // The runs of one stage are gone before the next one's are written.
    search.run_bytes = search.run_bytes.max(sizes.after.edge_bytes);
    let pairs = if resolved.imported.is_some() { 0 } else { cost::pairs(parameters, extent) };
    let reference_bytes = inputs.reference_rows.stored_bytes().saturating_mul(sizes.reference_passes);
    let read_bytes = inputs.query_rows.stored_bytes().saturating_add(reference_bytes);
    let disk_bytes = planned_bytes(&spec);
    let threads = resolved.threads as u64;
    let traffic = read_bytes.saturating_add(disk_bytes).saturating_add(search.run_bytes.saturating_mul(2));
    let mut plan = Plan {
        mode: mode.into(),
        query: side(&inputs.query, &inputs.query_rows),
        reference: side(&inputs.reference, &inputs.reference_rows),
        k,
        parameters: parameters.clone(),
        method_reason: if refers { method_reason + ", and stay there" } else { method_reason },
        backend: decided.told,
        search,
        layout: OutputLayout {
            inner_rows: layout.inner_rows(),
            unit_rows: layout.unit_rows(),
            part_rows: layout.part_rows(),
            units: layout.units(),
            parts: layout.parts(),
        },
        block_rows: sizes.block_rows,
        slab_rows: sizes.slab_rows,
        reference_passes: sizes.reference_passes,
        threads,
        memory: sizes.memory.clone(),
        disk_bytes,
        read_bytes,
        pairs,
        estimated_seconds: cost::seconds(pairs, traffic, threads),
        outputs: outputs::described(&spec.arrays, n_obs),
        warnings: warnings(&resolved, &inputs, (&sizes, &spec), k),
        run,
    };
    let others = if are_given { others } else { graph_plans(&asked, progress)? };
    other_graphs::add_costs(&asked, others, &mut plan);
    joint::add_costs(&resolved, &mut plan);
    let (device_failure, device_work) = Default::default();
    Ok(Prepared { resolved, asked, inputs, spec, sizes, backend, device_failure, device_work, plan })
}

/// What the output holds; where it refers to the store that has its neighbours, all but those.
fn arrays(resolved: &Resolved, inputs: &Inputs, (layout, k): (&Layout, u64), refers: bool) -> Vec<ArraySpec> {
    let parameters = &resolved.parameters;
    let mut arrays = outputs::arrays(inputs, parameters, k);
    if refers {
        arrays.retain(|array| array.path != outputs::INDICES && array.path != outputs::DISTANCES);
    }
    if square::is_stored(parameters, resolved.self_mapping, resolved.graph_only, layout) {
        arrays.extend(square::arrays(inputs.query.n_obs(), k));
    }
    arrays
}

/// The order of work of a run that goes on: the one in which it was begun.
fn begun(resolved: &Resolved, run: &str) -> Result<Option<Order>> {
    let output = resolved.output.as_deref().filter(|_| resolved.resume);
    output.map_or(Ok(None), |output| Order::begun(output, run))
}

/// The plans of the other graphs, as `asked` for; fails where one of their runs would refuse to start.
fn graph_plans(asked: &Resolved, progress: &Progress) -> Result<Vec<(OtherGraph, Plan)>> {
    let plan = |graph| Ok((graph, planned(other_graphs::request(graph, asked)?, progress)?));
    other_graphs::needed(asked).map(plan).collect()
}

fn check_places(resolved: &Resolved) -> Result<()> {
    let inputs = [resolved.query.as_path(), resolved.reference.as_path()];
    let index = resolved.search.index.as_deref();
    let imported = resolved.imported.as_ref().map(|imported| imported.path.as_path());
    let learnt = resolved.learnt_distance.as_ref().map(|learnt| learnt.graph.as_path());
    let others = resolved.other_graphs.iter().flatten().map(PathBuf::as_path);
    let graphs: Vec<_> = imported.into_iter().chain(learnt).chain(others).flat_map(of_graph).collect();
    let read: Vec<_> = inputs.into_iter().chain(index).chain(graphs.iter().map(PathBuf::as_path)).collect();
    if let Some(output) = &resolved.output {
        check_output(output, &read, Existing { resume: resolved.resume, overwrite: resolved.overwrite })?;
    }
    for graph in other_graphs::kept_places(resolved) {
        check_output(&graph, &read, Existing { resume: resolved.resume, overwrite: resolved.overwrite })?;
    }
    if let Some(work_dir) = &resolved.search.work_dir {
        check_work_dir(work_dir, &read, resolved.output.as_deref())?;
    }
    Ok(())
}

/// Settles how far a cell may lie whose labels are not rejected: a quantile of the distances within the reference.
fn learn_distance(resolved: &mut Resolved, inputs: &mut Inputs, progress: &Progress) -> Result<()> {
    let k = resolved.parameters.n_neighbors - u64::from(resolved.self_mapping);
    let metric = resolved.parameters.metric;
    let labels = &mut resolved.parameters.labels;
    let Some(LearntDistance { graph, quantile }) = &resolved.learnt_distance else {
        labels.distance_of = labels.max_distance.map(|_| k);
        return Ok(());
    };
    if matches!(resolved.representation, Representation::Computed(_)) {
        let reason = "has distances of another representation than the one that is computed for this run: compute it with pca, and name it as useRep of both";
        return Err(Error::param("rejectGraph", graph.display(), reason));
    }
    let mut graph = GraphStore::open(graph)?;
    let (n_ref, described) = (inputs.reference.n_obs(), graph.description());
    if [described.rows, described.n_ref] != [n_ref, n_ref] {
        return Err(Error::Shape {
            left: described.path.clone(),
            left_shape: vec![described.rows, described.n_ref],
            right: inputs.reference.name().to_owned(),
            right_shape: vec![n_ref],
            reason: "rejectGraph holds the neighbors within the reference".into(),
        });
    }
    let of = k.min(described.k);
    provenance::same_choice(&graph, ("query", &inputs.reference), &mut inputs.warnings)?;
    provenance::same_metric(&graph, metric)?;
    labels.max_distance = distance_quantile(&mut graph, of as usize - 1, *quantile, progress)?;
    labels.distance_of = Some(of);
    Ok(())
}

/// Settles the search, now that the reference's size is known. Returns why this method.
fn choose_search(resolved: &mut Resolved, n_ref: u64) -> Result<String> {
    if let Some(imported) = &resolved.imported {
        return Ok(format!("the neighbors are those of {}", imported.path.display()));
    }
    let index = resolved.search.index.as_deref().map(describe_index).transpose()?;
    let chosen = resolved.search.choose(n_ref, index.as_ref())?;
    resolved.search.kept = index.and_then(|index| index.keep_graph).filter(|_| !resolved.self_mapping);
    resolved.parameters.method = chosen.method.into();
    resolved.parameters.ivf = chosen.ivf;
    if let Some(ivf) = &mut resolved.parameters.ivf {
        // A repair reads rows of the reference.
        let repairs = resolved.search.repairs(ivf, n_ref, resolved.self_mapping)?;
        ivf.repair = if resolved.bundled { "never" } else { repairs }.into();
    }
    Ok(chosen.reason)
}

fn warnings(resolved: &Resolved, inputs: &Inputs, (sizes, spec): (&Sizes, &StoreSpec), k: u64) -> Vec<String> {
    let mut warnings = inputs.warnings.clone();
    let others = inputs.reference.n_obs().saturating_sub(u64::from(resolved.self_mapping));
    if inputs.query.n_obs() > 0 && k > others {
        let asked = resolved.parameters.n_neighbors;
        warnings.push(format!(
            "nNeighbors {asked} is more than the cells there are to find ({others}): rows are padded with -1 and NaN"
        ));
    }
    let parameters = &resolved.parameters;
    if !resolved.graph_only && !parameters.transfers() {
        warnings.push("neither obsKeys nor obsmKeys nor layerKey: only neighbors are stored".into());
    }
    if resolved.rounds_queries() {
        warnings.push(
            "the lists hold f16, so cells are compared by rounded coordinates on both sides: distances are between those".into(),
        );
    }
    if let Some(ivf) = parameters.ivf.as_ref().filter(|ivf| ivf.index.is_none()) {
        warnings.extend(training_warning(ivf.nlist, inputs.reference.n_obs()));
    }
    if parameters.ivf.as_ref().is_some_and(|ivf| ivf.rerank.as_deref() == Some("none")) {
        warnings.push("rerank none: distances are approximate, those to what the codes of a cell stand for".into());
    }
    warnings.extend(sizes.after.passing.warning(inputs, spec));
    if let Some(passes) = sizes.repair.as_ref().map(|repair| repair.passes).filter(|&passes| passes > 1) {
        warnings.push(format!(
            "where neighbors are repaired, all cells are read {passes} times in this memory: more memory or repair \"never\" is quicker"
        ));
    }
    warnings
}
