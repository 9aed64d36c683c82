//! The other graphs of a mapping: within the reference (xx), within the query (yy), and from the reference to the query (xy).
//!
//! Each is a run of its own, found by the same search or taken over like neighbours that were found before, and stored like any graph, beside the
//! output or in the folder for intermediate files, until the last unit is transferred; or for good, where that is asked for. So it is interrupted
//! and resumed as any run is. In self-mapping the four graphs are one, which is stored already.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::inputs::Inputs;
use super::joint;
use super::memory::PROCESS;
use super::near_graphs::{self, NearGraphs};
use super::places::is_begun;
use super::plan::{Prepared, planned};
use super::report::{OutputArray, Plan};
use super::request::{LabelParameters, OtherGraph, Parameters, Resolved};
use super::run::{Seams, run_resolved};
use super::search_stage::place;
use super::sizes::Sizes;
use super::stored_rows::StoredRows;
use crate::budget::MemoryBudget;
use crate::error::{Error, Result};
use crate::kernel::{KernelMethod, NearCounts, SharedNeighbors, Sharers, Symmetrize};
use crate::progress::Progress;
use crate::sink::{Layout, MappingStore, Stage, StoreSpec, discard};
use crate::source::condition;
use crate::store::Vfs;
use crate::types::NeighborBlock;

/// Weights that are made at a time at most.
const BLOCK_WEIGHTS: u64 = 1 << 20;

/// Where a graph is: kept beside the output, or only until the last unit is transferred.
fn path(graph: OtherGraph, resolved: &Resolved) -> Result<PathBuf> {
    match &resolved.output {
        Some(output) if resolved.kept_graphs.contains(&graph) => Ok(graph.beside(output)),
        _ => place(resolved, &format!(".{}.zarr", graph.name())),
    }
}

/// The run that finds a graph, or takes over what was found before.
fn request(graph: OtherGraph, asked: &Resolved) -> Result<Resolved> {
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
        representation: joint::lent(&asked.representation),
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
fn method(parameters: &Parameters) -> Option<KernelMethod> {
    KernelMethod::from_name(&parameters.kernel_method).filter(|method| method.is_shared())
}

/// The graphs that must be there. With one neighbour in all, a cell has none within its own store but itself.
fn needed(resolved: &Resolved) -> impl Iterator<Item = OtherGraph> + use<> {
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

/// The plans of the other graphs, as `asked` for; fails where one of their runs would refuse to start.
pub(super) fn plans(asked: &Resolved, progress: &Progress) -> Result<Vec<(OtherGraph, Plan)>> {
    needed(asked).map(|graph| Ok((graph, planned(request(graph, asked)?, progress)?))).collect()
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

/// Removes the graphs that an overwriting run will find itself: those of the run before would be in the way of one that goes on with this.
/// `GM_EXISTS` where something lies that gigamapper did not write.
pub(super) fn clear(prepared: &Prepared, vfs: &Arc<dyn Vfs>) -> Result<()> {
    if !prepared.resolved.overwrite {
        return Ok(());
    }
    for graph in needed(&prepared.resolved) {
        let path = path(graph, &prepared.resolved)?;
        if is_begun(&**vfs, &path)? {
            discard(vfs, &path)?;
        }
    }
    Ok(())
}

/// Where the graphs will be that are kept beside the output.
pub(super) fn kept_places(resolved: &Resolved) -> Vec<PathBuf> {
    let beside = |output: &PathBuf| resolved.kept_graphs.iter().map(|graph| graph.beside(output)).collect();
    resolved.output.as_ref().map(beside).unwrap_or_default()
}

/// Finds the graphs that are kept, before the store that they lie beside is said to be complete. Returns whether there are any.
pub(super) fn keep(prepared: &Prepared, seams: &Seams, progress: &Progress) -> Result<bool> {
    for &graph in &prepared.resolved.kept_graphs {
        run_resolved(request(graph, &prepared.asked)?, progress, seams)?;
    }
    Ok(!prepared.resolved.kept_graphs.is_empty())
}

/// Finds the other graphs.
fn find(prepared: &Prepared, seams: &Seams, progress: &Progress) -> Result<()> {
    needed(&prepared.resolved).try_for_each(|graph| {
        run_resolved(request(graph, &prepared.asked)?, progress, seams)?;
        Ok(())
    })
}

/// Whether nothing is left to transfer. Then the graphs stay as they are.
fn is_transferred(prepared: &Prepared, store: &MappingStore) -> bool {
    let layout = prepared.spec.layout;
    (0..layout.units()).all(|unit| store.committed(Stage::Transferred, unit).is_some())
}

/// A graph that was found; none that is not needed.
fn stored(graph: OtherGraph, prepared: &Prepared) -> Result<Option<StoredRows>> {
    let (resolved, spec) = (&prepared.resolved, &prepared.spec);
    if !needed(resolved).any(|needed| needed == graph) {
        return Ok(None);
    }
    let n = if graph == OtherGraph::Yy { spec.layout.n_obs() } else { spec.n_ref };
    let asked = resolved.layout;
    let layout = Layout::new(n, asked.inner_rows, asked.inner_per_unit, asked.part_rows)?;
    StoredRows::open(&path(graph, resolved)?, layout).map(Some)
}

/// Finds the other graphs and takes them into memory.
pub(super) fn run(
    prepared: &Prepared,
    store: &MappingStore,
    (method, seams): (KernelMethod, &Seams),
    progress: &Progress,
) -> Result<Shared> {
    let layout = prepared.spec.layout;
    if is_transferred(prepared, store) {
        let (xx, xy) = (Sharers::default(), None);
        let neighbors = SharedNeighbors::new(method, prepared.spec.k, 0, xx, xy);
        return Ok(Shared { neighbors, yy: None, block: NeighborBlock::default() });
    }
    find(prepared, seams, progress)?;
    let n_ref = prepared.spec.n_ref;
    progress.begin("graphs", 0, 0);
    let (xx, xy) = if prepared.resolved.self_mapping {
        (sharers(Some(StoredRows::open(store.path(), layout)?), n_ref, n_ref, progress)?, None)
    } else {
        let xx = sharers(stored(OtherGraph::Xx, prepared)?, n_ref, n_ref, progress)?;
        (xx, Some(sharers_of_others(stored(OtherGraph::Xy, prepared)?, layout.n_obs(), progress)?))
    };
    progress.end();
    let neighbors = SharedNeighbors::new(method, prepared.spec.k, n_ref, xx, xy);
    Ok(Shared { neighbors, yy: stored(OtherGraph::Yy, prepared)?, block: NeighborBlock::default() })
}

/// Finds the other graphs, which pass by the rows that are weighed.
pub(super) fn near(
    prepared: &Prepared,
    store: &MappingStore,
    (seams, budget): (&Seams, &MemoryBudget),
    progress: &Progress,
) -> Result<NearGraphs> {
    let (spec, own) = (&prepared.spec, prepared.resolved.self_mapping);
    let open = || StoredRows::open(store.path(), spec.layout);
    let after = &prepared.sizes.after;
    let mut near = NearGraphs {
        yx: open()?,
        xx: None,
        xy: None,
        yy: None,
        n_ref: spec.n_ref,
        n_obs: spec.layout.n_obs(),
        rows: prepared.sizes.run_rows.unwrap_or(after.near_rows),
        _lease: budget.take("rows that wait", after.near_lease)?,
        counts: NearCounts::new(spec.k, own),
        one: NearCounts::new(spec.k, own),
    };
    if is_transferred(prepared, store) {
        return Ok(near);
    }
    find(prepared, seams, progress)?;
    if own {
        near.xx = Some(open()?);
    } else {
        near.xx = stored(OtherGraph::Xx, prepared)?;
        near.xy = stored(OtherGraph::Xy, prepared)?;
        near.yy = stored(OtherGraph::Yy, prepared)?;
    }
    Ok(near)
}

/// Neighbours of a row in yx, xx, xy and yy, 0 where there is no such graph.
fn widths(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec) -> [u64; 4] {
    let usual = |graph| if needed(resolved).any(|needed| needed == graph) { spec.k } else { 0 };
    let known = |graph| inputs.other_widths.iter().find(|(other, _)| *other == graph).map(|(_, width)| *width);
    let width = |graph| known(graph).unwrap_or_else(|| usual(graph));
    let [xx, xy, yy] = [OtherGraph::Xx, OtherGraph::Xy, OtherGraph::Yy].map(width);
    if resolved.self_mapping { [spec.k, spec.k, 0, 0] } else { [spec.k, xx, xy, yy] }
}

/// Whether rows wait for graphs to pass.
fn is_near(resolved: &Resolved) -> bool {
    is_used(resolved) && method(&resolved.parameters) == Some(KernelMethod::HnocaKnn)
}

/// Enters into the sizes of a run how many rows wait for graphs to pass: half of what transfer and diffusion leave is for more than the fewest.
pub(super) fn enter(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec, sizes: &mut Sizes) {
    if !is_near(resolved) {
        return;
    }
    let widths = widths(resolved, inputs, spec);
    let (row, n_obs) = (NearCounts::row_bytes(widths[0], widths[3]), spec.layout.n_obs());
    let (least, _) = near_graphs::least(n_obs, widths);
    let taken = sizes.after.transfer.saturating_add(sizes.after.state_lease);
    let rows = (least + resolved.memory.saturating_sub(taken) / 2 / row).min(n_obs.max(1));
    (sizes.after.near_rows, sizes.after.near_lease) = (rows, (rows - least) * row);
    let taken = taken + sizes.after.near_lease;
    if taken > sizes.memory.planned {
        let parts = [("process".to_owned(), PROCESS), ("transfer".to_owned(), taken - PROCESS)];
        sizes.memory.parts = parts.into_iter().collect();
        sizes.memory.planned = taken;
    }
}

/// Removes the graphs, once everything is transferred.
pub(super) fn end(resolved: &Resolved, vfs: &dyn Vfs) -> Result<()> {
    for graph in needed(resolved) {
        let path = path(graph, resolved)?;
        // The journal first: a store without one can be overwritten, a journal without a store is in the way of the next.
        for path in [path.with_added_extension("journal"), path] {
            if vfs.exists(&path)? {
                vfs.remove_dir_all(&path)?;
            }
        }
    }
    Ok(())
}

/// The transpose of a graph within one store, in which every cell is its own neighbour; without stored rows, its only one.
fn sharers(mut rows: Option<StoredRows>, n: u64, cells: u64, progress: &Progress) -> Result<Sharers> {
    let mut sharers = Sharers::new(cells);
    let alone = |first_row: u64, end: u64| {
        let rows = (end - first_row) as usize;
        NeighborBlock { first_row, k: 1, ids: vec![-1; rows], distances: vec![f32::NAN; rows] }
    };
    let mut each = |see: &mut dyn FnMut(&NeighborBlock)| {
        let Some(rows) = &mut rows else {
            (0..n).step_by(4096).for_each(|row| see(&alone(row, n.min(row + 4096))));
            return Ok(());
        };
        rows.each(|block| {
            see(block);
            progress.check()
        })
    };
    each(&mut |block| sharers.count(block, true))?;
    sharers.counted()?;
    each(&mut |block| sharers.enter(block, true))?;
    sharers.entered();
    Ok(sharers)
}

/// The transpose of a graph between two stores.
fn sharers_of_others(rows: Option<StoredRows>, cells: u64, progress: &Progress) -> Result<Sharers> {
    let mut rows = rows.ok_or_else(|| Error::internal("a graph that was not found"))?;
    let mut sharers = Sharers::new(cells);
    rows.each(|block| {
        sharers.count(block, false);
        progress.check()
    })?;
    sharers.counted()?;
    rows.each(|block| {
        sharers.enter(block, false);
        progress.check()
    })?;
    sharers.entered();
    Ok(sharers)
}

/// Shared neighbours, and those of the query cells at hand within the query.
pub(super) struct Shared {
    pub(super) neighbors: SharedNeighbors,
    yy: Option<StoredRows>,
    block: NeighborBlock,
}

impl Shared {
    /// Rows that are weighed together at most: of usual rows, as many as there is room for.
    pub(super) fn rows(k: u64) -> u64 {
        (BLOCK_WEIGHTS / (2 * (k + 1) * (k + 1))).max(1)
    }

    /// Leaves as many of these rows as can be weighed at once, and reads their neighbours within the query. They lie in one part.
    pub(super) fn prepare(&mut self, yx: &mut NeighborBlock) -> Result<()> {
        let rows = yx.rows();
        if let Some(yy) = &mut self.yy {
            self.block.clone_from(yy.read(yx.first_row, yx.first_row + rows as u64)?);
        }
        let fitting = self.neighbors.rows_that_fit(yx, self.within(), BLOCK_WEIGHTS as usize);
        yx.ids.truncate(fitting * yx.k);
        yx.distances.truncate(fitting * yx.k);
        self.block.ids.truncate(fitting * self.block.k);
        self.block.distances.truncate(fitting * self.block.k);
        Ok(())
    }

    /// The neighbours of the prepared rows within the query, where that is another store.
    pub(super) fn within(&self) -> Option<&NeighborBlock> {
        self.yy.as_ref().map(|_| &self.block)
    }

    /// The same of one of these rows, counted within them.
    pub(super) fn within_row(&self, row: usize) -> Option<NeighborBlock> {
        self.within().map(|block| NeighborBlock {
            first_row: block.first_row + row as u64,
            k: block.k,
            ids: block.ids[row * block.k..(row + 1) * block.k].to_vec(),
            distances: block.distances[row * block.k..(row + 1) * block.k].to_vec(),
        })
    }
}

/// Bytes that shared neighbours take in transfer, all threads together.
pub(super) fn bytes(resolved: &Resolved, inputs: &Inputs, spec: &StoreSpec) -> u64 {
    if !is_used(resolved) {
        return 0;
    }
    if is_near(resolved) {
        return near_graphs::least(spec.layout.n_obs(), widths(resolved, inputs, spec)).1;
    }
    let (n_obs, n_ref, k) = (spec.layout.n_obs(), spec.n_ref, spec.k);
    let width = |graph| inputs.other_widths.iter().find(|(other, _)| *other == graph).map_or(k, |(_, width)| *width);
    let between = n_ref.saturating_mul(width(OtherGraph::Xy));
    let between = if resolved.self_mapping { 0 } else { Sharers::bytes(n_obs, between) };
    let graphs = Sharers::bytes(n_ref, n_ref.saturating_mul(width(OtherGraph::Xx) + 1)).saturating_add(between);
    let threads = SharedNeighbors::thread_bytes(n_ref).saturating_mul(resolved.threads as u64);
    graphs.saturating_add(threads).saturating_add((BLOCK_WEIGHTS + n_ref) * 32)
}
