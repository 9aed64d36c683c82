//! The other graphs of a mapping: which it needs, where they are, the runs that find them, and what those cost.
//!
//! They are those within the reference (xx), within the query (yy), and from the reference to the query (xy). In self-mapping the four graphs
//! are one, which is stored already.

use std::path::{Path, PathBuf};

use super::figures::OutputArray;
use super::places::place;
use super::report::Plan;
use super::request::{LabelParameters, OtherGraph, Parameters, Resolved};
use crate::error::Result;
use crate::kernel::{KernelMethod, Symmetrize};
use crate::source::condition;

/// Where a graph is: kept beside the output, or only until the last unit is transferred.
pub(super) fn path(graph: OtherGraph, resolved: &Resolved) -> Result<PathBuf> {
    match &resolved.output {
        Some(output) if resolved.kept_graphs.contains(&graph) => Ok(graph.beside(output)),
        _ => place(resolved, &format!(".{}.zarr", graph.name())),
    }
}

/// The run that finds a graph, or takes over what was found before.
pub(super) fn request(graph: OtherGraph, asked: &Resolved) -> Result<Resolved> {
    let (query, reference) = match graph {
        OtherGraph::Xx => (&asked.reference, &asked.reference),
        OtherGraph::Yy => (&asked.query, &asked.query),
        OtherGraph::Xy => (&asked.reference, &asked.query),
    };
    let self_mapping = graph != OtherGraph::Xy;
    let mut search = asked.search.clone();
    // An index that was given is one of the reference, and so are lists that were said.
    if graph != OtherGraph::Xx {
        (search.index, search.nlist, search.nprobe) = (None, None, None);
    }
    if graph == OtherGraph::Xy && search.repair == "always" {
        search.repair = "auto".into();
    }
    let output = asked.output.as_ref().map(|_| path(graph, asked)).transpose()?;
    let exists = output.as_ref().is_some_and(|output| output.exists());
    let mut request = Resolved {
        query: query.clone(),
        reference: reference.clone(),
        self_mapping,
        // The cells of an index are the reference alone.
        bundled: false,
        resume: asked.resume && exists,
        output,
        representation: asked.representation.lent(),
        parameters: Parameters {
            query_where: condition(query)?,
            reference_where: if self_mapping { None } else { condition(reference)? },
            obs_keys: Vec::new(),
            obsm_keys: Vec::new(),
            layer_key: None,
            target_libsize: None,
            genes: Vec::new(),
            kernel_method: KernelMethod::Gauss.name().into(),
            kernel_seed: None,
            bandwidth: None,
            symmetrize: Symmetrize::None.name().into(),
            self_edges: self_mapping && asked.parameters.exclude_batch.is_none(),
            labels: LabelParameters::default(),
            diffusion: None,
            ..asked.parameters.clone()
        },
        search,
        learnt_distance: None,
        imported: None,
        other_graphs: None,
        kept_graphs: Vec::new(),
        graph_only: true,
        ..asked.clone()
    };
    if let Some(given) = given(graph, asked) {
        // As many neighbours as are taken of the graph that they belong to.
        let most = asked.imported.as_ref().and_then(|imported| imported.most);
        request.take_over(given.to_owned(), None, most.map(|most| (most - u64::from(self_mapping)).max(1)));
    }
    Ok(request)
}

/// Where a graph was found before.
fn given(graph: OtherGraph, asked: &Resolved) -> Option<&Path> {
    let places = OtherGraph::ALL.into_iter().zip(asked.other_graphs.as_ref()?);
    places.into_iter().find(|(other, _)| *other == graph).map(|(_, path)| path.as_path())
}

/// The kernel, if it is one of shared neighbours.
pub(super) fn method(parameters: &Parameters) -> Option<KernelMethod> {
    KernelMethod::from_name(&parameters.kernel_method).filter(|method| method.is_shared())
}

/// The graphs that must be there. With one neighbour in all, a cell has none within its own store but itself.
pub(super) fn needed(resolved: &Resolved) -> impl Iterator<Item = OtherGraph> + use<> {
    let counted = !resolved.self_mapping && is_used(resolved);
    let alone = resolved.parameters.n_neighbors < 2 && resolved.other_graphs.is_none();
    let kept = resolved.kept_graphs.clone();
    let is_needed = move |graph: OtherGraph| kept.contains(&graph) || (counted && (!alone || graph == OtherGraph::Xy));
    OtherGraph::ALL.into_iter().filter(move |&graph| is_needed(graph))
}

/// Whether anything is weighed by shared neighbours.
pub(super) fn is_used(resolved: &Resolved) -> bool {
    method(&resolved.parameters).is_some() && resolved.parameters.transfers()
}

/// Adds to a plan what the other graphs cost.
pub(super) fn add_costs(asked: &Resolved, others: Vec<(OtherGraph, Plan)>, plan: &mut Plan) {
    for (graph, other) in others {
        plan.pairs = plan.pairs.saturating_add(other.pairs);
        plan.read_bytes = plan.read_bytes.saturating_add(other.read_bytes);
        plan.estimated_seconds += other.estimated_seconds;
        let is_kept = asked.kept_graphs.contains(&graph);
        if is_kept {
            plan.outputs.extend(kept_arrays(graph, asked, &other));
        }
        let bytes = if is_kept { &mut plan.disk_bytes } else { &mut plan.search.run_bytes };
        *bytes = bytes.saturating_add(other.disk_bytes);
        if is_kept || asked.other_graphs.is_some() {
            let told = other.warnings.into_iter().filter(|warning| !plan.warnings.contains(warning));
            let told: Vec<_> = told.collect();
            plan.warnings.extend(told);
        }
        if other.memory.planned > plan.memory.planned {
            plan.memory = other.memory;
        }
    }
}

/// What is stored of a graph that is kept, by the path that it will have: names and statuses are those of the store beside it.
fn kept_arrays(graph: OtherGraph, asked: &Resolved, other: &Plan) -> Vec<OutputArray> {
    let store = graph.beside(asked.output.as_deref().unwrap_or(Path::new("output.zarr")));
    let arrays = other.outputs.iter().filter(|array| array.path.starts_with("obsm/"));
    let path = |array: &OutputArray| store.join(&array.path).display().to_string();
    arrays.map(|array| OutputArray { path: path(array), stage: "graphs".into(), ..array.clone() }).collect()
}

/// Where the graphs will be that are kept beside the output.
pub(super) fn kept_places(resolved: &Resolved) -> Vec<PathBuf> {
    let beside = |output: &PathBuf| resolved.kept_graphs.iter().map(|graph| graph.beside(output)).collect();
    resolved.output.as_ref().map(beside).unwrap_or_default()
}
