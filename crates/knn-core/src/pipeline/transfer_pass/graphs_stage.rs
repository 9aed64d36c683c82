//! The other graphs of a mapping, as it weighs by them: within the reference (xx), within the query (yy), and from the reference to the query (xy).
//!
//! Each is a run of its own, found by the same search or taken over like neighbours that were found before, and stored like any graph, beside the
//! output or in the folder for intermediate files, until the last unit is transferred; or for good, where that is asked for. So it is interrupted
//! and resumed as any run is.

use std::sync::Arc;

use super::near_graphs::NearGraphs;
use super::stored_rows::StoredRows;
use crate::budget::MemoryBudget;
use crate::error::{Error, Result};
use crate::kernel::{KernelMethod, NearCounts, SharedNeighbors, Sharers};
use crate::pipeline::memory::graphs::BLOCK_WEIGHTS;
use crate::pipeline::other_graphs::{needed, path};
use crate::pipeline::places::is_begun;
use crate::pipeline::prepared::Prepared;
use crate::pipeline::request::{OtherGraph, Resolved};
use crate::progress::Progress;
use crate::sink::{Layout, MappingStore, Stage, discard};
use crate::store::Vfs;
use crate::types::NeighborBlock;

/// Removes the graphs that an overwriting run will find itself: those of the run before would be in the way of one that goes on with this.
/// `GM_EXISTS` where something lies that gigamapper did not write.
pub(in crate::pipeline) fn clear(prepared: &Prepared, vfs: &Arc<dyn Vfs>) -> Result<()> {
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

/// Whether nothing is left to transfer. Then the graphs stay as they are.
pub(in crate::pipeline) fn is_transferred(prepared: &Prepared, store: &MappingStore) -> bool {
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

/// Takes the other graphs into memory, which are found.
pub(in crate::pipeline) fn run(
    prepared: &Prepared,
    store: &MappingStore,
    method: KernelMethod,
    progress: &Progress,
) -> Result<Shared> {
    let layout = prepared.spec.layout;
    if is_transferred(prepared, store) {
        let (xx, xy) = (Sharers::default(), None);
        let neighbors = SharedNeighbors::new(method, prepared.spec.k, 0, xx, xy);
        return Ok(Shared { neighbors, yy: None, block: NeighborBlock::default() });
    }
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

/// Opens the other graphs, which are found and pass by the rows that are weighed.
pub(in crate::pipeline) fn near(
    prepared: &Prepared,
    store: &MappingStore,
    budget: &MemoryBudget,
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
    if own {
        near.xx = Some(open()?);
    } else {
        near.xx = stored(OtherGraph::Xx, prepared)?;
        near.xy = stored(OtherGraph::Xy, prepared)?;
        near.yy = stored(OtherGraph::Yy, prepared)?;
    }
    Ok(near)
}

/// Removes the graphs, once everything is transferred.
pub(in crate::pipeline) fn end(resolved: &Resolved, vfs: &dyn Vfs) -> Result<()> {
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
pub(in crate::pipeline) struct Shared {
    pub(in crate::pipeline) neighbors: SharedNeighbors,
    yy: Option<StoredRows>,
    block: NeighborBlock,
}

impl Shared {
    /// Rows that are weighed together at most: of usual rows, as many as there is room for.
    pub(in crate::pipeline) fn rows(k: u64) -> u64 {
        (BLOCK_WEIGHTS / (2 * (k + 1) * (k + 1))).max(1)
    }

    /// Leaves as many of these rows as can be weighed at once, and reads their neighbours within the query. They lie in one part.
    pub(in crate::pipeline) fn prepare(&mut self, yx: &mut NeighborBlock) -> Result<()> {
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
    pub(in crate::pipeline) fn within(&self) -> Option<&NeighborBlock> {
        self.yy.as_ref().map(|_| &self.block)
    }

    /// The same of one of these rows, counted within them.
    pub(in crate::pipeline) fn within_row(&self, row: usize) -> Option<NeighborBlock> {
        self.within().map(|block| NeighborBlock {
            first_row: block.first_row + row as u64,
            k: block.k,
            ids: block.ids[row * block.k..(row + 1) * block.k].to_vec(),
            distances: block.distances[row * block.k..(row + 1) * block.k].to_vec(),
        })
    }
}
