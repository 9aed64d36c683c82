//! The reference's own graph, kept in its index: the index's rows are joined with themselves, and the first neighbours of each are written
//! into the index.
//!
//! The join is an ordinary self-mapping by the index that was just sealed, into a store beside it: so it has the budget, the recall, the
//! determinism and the resumption of every run. The store is gone when the index has the graph. What is interrupted leaves an index without
//! a graph, and the next build that resumes goes on with the store.

use std::collections::BTreeMap;
use std::path::Path;

use crate::budget::{MIB, MemoryBudget};
use crate::error::{Error, Result};
use crate::graph::{GraphStore, Ids, StoredNeighbors};
use crate::index::{GraphKeeper, Manifest};
use crate::pipeline::memory_plan::{HELD, MemoryPlan, PROCESS, held};
use crate::pipeline::plan::planned;
use crate::pipeline::report::Plan;
use crate::pipeline::request::{DEFAULT_LAYOUT, IndexParameters, LayoutRequest, NeighborsRequest, ResolvedIndex};
use crate::pipeline::run::run_resolved;
use crate::pipeline::seams::Seams;
use crate::progress::Progress;
use crate::store::Vfs;

/// Share of the true neighbours that a graph has.
const RECALL: f64 = 0.95;
/// Rows that are copied into the index at a time, a chunk of the store.
const COPIED_ROWS: u64 = 16_384;
const CHUNKS_PER_UNIT: u64 = 64;

/// What finding the graph would do and cost, without the index that is not there yet. None where none is kept.
pub(in crate::pipeline) fn plan(
    resolved: &ResolvedIndex,
    parameters: &IndexParameters,
    progress: &Progress,
) -> Result<Option<Plan>> {
    let Some(kept) = parameters.keep_graph else { return Ok(None) };
    let lists = NeighborsRequest {
        method: Some(if parameters.rerank.is_some() { "ivfpq" } else { "ivf" }.into()),
        nlist: Some(parameters.nlist as i64),
        rerank: parameters.rerank.clone(),
        list_dtype: parameters.rerank.is_none().then(|| parameters.list_dtype.clone()),
        ..request(resolved, parameters, kept)
    };
    planned(lists.resolve()?, progress).map(Some)
}

/// The memory of the stage that takes most: of the build, of finding the graph, or of copying it.
pub(in crate::pipeline) fn memory(
    resolved: &ResolvedIndex,
    build: MemoryPlan,
    graph: Option<&Plan>,
) -> Result<MemoryPlan> {
    let (Some(graph), Some(kept)) = (graph, resolved.keep_graph) else { return Ok(build) };
    let mut parts =
        BTreeMap::from([("process".to_owned(), PROCESS), ("graph copying".to_owned(), copying_bytes(kept))]);
    parts.extend(held(build.parts.get(HELD).copied().unwrap_or(0)));
    let copying = MemoryPlan { limit: resolved.memory, planned: parts.values().sum(), parts };
    if copying.planned > resolved.memory {
        return Err(Error::Budget {
            what: "the graph while it is copied into the index".into(),
            needed: copying.planned,
            available: resolved.memory,
            remedy: format!("memory of {} MiB would do, or a smaller keepGraph", copying.planned.div_ceil(MIB)),
        });
    }
    let most = |one: MemoryPlan, other: MemoryPlan| if other.planned > one.planned { other } else { one };
    Ok(most(most(build, graph.memory.clone()), copying))
}

/// Bytes of memory that copying takes.
fn copying_bytes(kept: u64) -> u64 {
    // As they are read, as numbers of 64 bits, and as they are written.
    StoredNeighbors::bytes(COPIED_ROWS, kept) + COPIED_ROWS * kept * 8 + GraphKeeper::bytes(COPIED_ROWS, kept as u32)
}

/// Gives the index that `sealed` describes the graph that was asked for, unless it has it already. Its manifest then.
pub(in crate::pipeline) fn keep(
    (resolved, parameters): (&ResolvedIndex, &IndexParameters),
    output: &Path,
    sealed: Manifest,
    seams: &Seams,
    progress: &Progress,
) -> Result<Manifest> {
    let Some(kept) = parameters.keep_graph else { return Ok(sealed) };
    let beside = resolved
        .work_dir
        .as_deref()
        .map_or_else(|| output.to_path_buf(), |folder| folder.join(output.file_name().unwrap_or_default()));
    let (store, journal) =
        (beside.with_added_extension("graph.zarr"), beside.with_added_extension("graph.zarr.journal"));
    if sealed.graph.is_some() {
        // A process that was stopped may have left it.
        if seams.vfs.exists(&store)? && is_of(&store, &sealed, kept) {
            remove(&*seams.vfs, &store, &journal)?;
        }
        return Ok(sealed);
    }
    let mut keeper = GraphKeeper::begin(&seams.vfs, output, &sealed, kept as u32)?;
    let found = NeighborsRequest {
        index: Some(output.display().to_string()),
        output: Some(store.display().to_string()),
        ..request(resolved, parameters, kept)
    };
    let run = |resume| {
        let found = NeighborsRequest { resume: Some(resume), overwrite: Some(!resume), ..found.clone() };
        run_resolved(found.resolve()?, progress, seams)
    };
    let begun = resolved.resume && (seams.vfs.exists(&store)? || seams.vfs.exists(&journal)?);
    match run(begun) {
        // What another build has left there is of other neighbours.
        Err(Error::Stale { .. }) if begun => run(false)?,
        ended => ended?,
    };
    let budget = MemoryBudget::new(resolved.memory.saturating_sub(PROCESS));
    let _lease = budget.take("the graph while it is copied", copying_bytes(kept))?;
    progress.begin("graph", sealed.rows, 0);
    let mut graph = GraphStore::open(&store)?;
    let mut ids = Vec::new();
    for first in (0..sealed.rows).step_by(COPIED_ROWS as usize) {
        let block = graph.read(first, Some(COPIED_ROWS as i64))?;
        ids.clear();
        match block.ids {
            Ids::Int32(narrow) => ids.extend(narrow.into_iter().map(i64::from)),
            Ids::Int64(wide) => ids.extend(wide),
        }
        keeper.push(&ids)?;
        progress.advance((ids.len() / kept as usize) as u64)?;
    }
    let manifest = keeper.end()?;
    remove(&*seams.vfs, &store, &journal)?;
    progress.end();
    Ok(manifest)
}

/// The reference joined with itself, but for how it is searched and where that goes.
fn request(resolved: &ResolvedIndex, parameters: &IndexParameters, kept: u64) -> NeighborsRequest {
    let cells = resolved.reference.display().to_string();
    NeighborsRequest {
        query: cells.clone(),
        reference: Some(cells),
        use_rep: Some(parameters.use_rep.clone()),
        // A cell counts itself.
        n_neighbors: Some(kept as i64 + 1),
        recall: Some(RECALL),
        metric: Some(parameters.metric.name().into()),
        seed: Some(parameters.seed as i64),
        repair: Some("never".into()),
        work_dir: resolved.work_dir.as_ref().map(|folder| folder.display().to_string()),
        memory: Some(resolved.memory.to_string()),
        threads: Some(resolved.threads as i64),
        backend: Some(resolved.backend.name().into()),
        layout: Some(LayoutRequest { inner_rows: COPIED_ROWS, inner_per_unit: CHUNKS_PER_UNIT, ..DEFAULT_LAYOUT }),
        ..NeighborsRequest::default()
    }
}

/// Whether a store is a finished graph of so many neighbours of the index's rows.
fn is_of(store: &Path, index: &Manifest, kept: u64) -> bool {
    GraphStore::open(store).is_ok_and(|graph| {
        let graph = graph.description();
        (graph.rows, graph.n_ref, graph.k) == (index.rows, index.rows, kept)
    })
}

/// The store goes last, because it alone tells what it is.
fn remove(vfs: &dyn Vfs, store: &Path, journal: &Path) -> Result<()> {
    vfs.remove_dir_all(journal)?;
    vfs.remove_dir_all(store)
}
