//! Neighbours that are given: those of a finished self-mapping, which are copied where others are found.
//!
//! Behind the copy a run is like any other: the same edges are sorted, weighed and transferred, and it is interrupted and resumed alike. The representation
//! is not looked at; what stands for it is the stored distances.

use std::path::Path;
use std::sync::Arc;

use super::finished::Finished;
use super::join_stage::{Joined, copy_names};
use super::plan::Prepared;
use super::request::Resolved;
use crate::error::{Error, Result};
use crate::graph::{GraphStore, Ids};
use crate::kernel::KernelMethod;
use crate::progress::Progress;
use crate::sink::UnitWriter;
use crate::source::{AnnDataStore, ObsColumn, ObsNames, RowSource, StringBlock};
use crate::types::{MappingStatus, NeighborBlock, RowRange};

/// Rows that are copied at a time.
const PIECE_ROWS: u64 = 8192;
/// What a stored graph is read as where a representation is.
const DISTANCES: &str = "knn_distances";

/// The rows that stand for the representation.
pub(super) fn rows(graph: &Path) -> Result<Arc<dyn RowSource>> {
    AnnDataStore::open(graph)?.embedding(DISTANCES)
}

/// Takes from a given graph what a search would have been asked for. `GM_SHAPE` or `GM_SCHEMA` where it is not of these cells.
pub(super) fn settle(resolved: &mut Resolved) -> Result<()> {
    let Some(path) = &resolved.graph else { return Ok(()) };
    let graph = GraphStore::open(path)?;
    let described = graph.description();
    let cells = AnnDataStore::open(&resolved.query)?;
    if described.rows != described.n_ref {
        return Err(Error::Shape {
            left: described.path.clone(),
            left_shape: vec![described.rows, described.n_ref],
            right: cells.name().to_owned(),
            right_shape: vec![cells.n_obs()],
            reason: "steps go along the neighbors within one store: those of a self-mapping".into(),
        });
    }
    if described.rows != cells.n_obs() {
        return Err(Error::Shape {
            left: described.path.clone(),
            left_shape: vec![described.rows],
            right: cells.name().to_owned(),
            right_shape: vec![cells.n_obs()],
            reason: "the neighbors are of another number of cells".into(),
        });
    }
    check_names(&AnnDataStore::open(path)?, &cells)?;
    resolved.parameters.n_neighbors = described.k + 1;
    resolved.parameters.graph = Some(graph.run().to_owned());
    Ok(())
}

/// Refuses other cells, or the same in another order.
fn check_names(graph: &AnnDataStore, cells: &AnnDataStore) -> Result<()> {
    let (ours, theirs) = (graph.names()?, cells.names()?);
    let (mut one, mut other) = (StringBlock::default(), StringBlock::default());
    let mut next = 0;
    while next < ours.rows() {
        let read = |names: &ObsNames, block: &mut StringBlock, end| names.read(RowRange::new(next, end), block);
        let end = ours.band_end(next).min(theirs.band_end(next)).min(ours.rows());
        read(&ours, &mut one, end)?;
        read(&theirs, &mut other, end)?;
        if let Some(at) = one.iter().zip(other.iter()).position(|(one, other)| one != other) {
            let reason = format!("cell {} is another than in {}", next + at as u64, graph.name());
            return Err(Error::schema(cells.name(), "obs", "_index", reason));
        }
        next = end;
    }
    Ok(())
}

/// Copies the neighbours of units.
pub(super) struct GivenGraph<'a> {
    prepared: &'a Prepared,
    graph: GraphStore,
    statuses: ObsColumn,
    progress: &'a Progress,
    finished: Finished,
    codes: Vec<i32>,
    names: StringBlock,
}

impl<'a> GivenGraph<'a> {
    pub(super) fn open(prepared: &'a Prepared, path: &Path, progress: &'a Progress) -> Result<Self> {
        let store = AnnDataStore::open(path)?;
        let statuses = store.column("mapping_status")?;
        if statuses.categories().is_none_or(|categories| categories.len() != MappingStatus::NAMES.len()) {
            return Err(Error::schema(store.name(), "obs/mapping_status", "categories", "are not those of a mapping"));
        }
        let finished = Finished {
            nearest: NeighborBlock { k: prepared.spec.k as usize, ..NeighborBlock::default() },
            ..Finished::default()
        };
        Ok(Self {
            prepared,
            graph: GraphStore::open(path)?,
            statuses,
            progress,
            finished,
            codes: Vec::new(),
            names: StringBlock::default(),
        })
    }

    pub(super) fn unit(&mut self, rows: RowRange, writer: &mut UnitWriter, joined: &mut Joined) -> Result<()> {
        let weighs_distances = KernelMethod::from_name(&self.prepared.resolved.parameters.kernel_method)
            .is_some_and(KernelMethod::weighs_distances);
        self.statuses.read_codes(rows, &mut self.codes)?;
        for piece in rows.pieces(PIECE_ROWS.min(self.graph.description().block_rows)) {
            let stored = self.graph.read(piece.start, Some(piece.len() as i64))?;
            let Finished { nearest, statuses, .. } = &mut self.finished;
            nearest.first_row = stored.first_row;
            nearest.ids = match stored.ids {
                Ids::Int32(ids) => ids.into_iter().map(i64::from).collect(),
                Ids::Int64(ids) => ids,
            };
            nearest.distances = stored.distances;
            if weighs_distances && nearest.distances.iter().any(|&distance| distance < 0.0) {
                let name = &self.graph.description().path;
                let reason =
                    format!("{name} holds inner products, which are no distances: take a kernel that weighs none");
                return Err(Error::param("neighbors", name, reason));
            }
            let first = (piece.start - rows.start) as usize;
            statuses.clear();
            for &code in &self.codes[first..first + piece.len()] {
                let known = usize::try_from(code).ok().filter(|code| *code < MappingStatus::NAMES.len());
                let code = known.ok_or_else(|| Error::Corrupt {
                    file: self.graph.description().path.clone(),
                    block: "obs/mapping_status".into(),
                    reason: "a cell has no status".into(),
                })?;
                joined.statuses[code] += 1;
                // Within one store, cells that cannot be mapped are nobody's neighbours.
                joined.excluded += u64::from(code >= MappingStatus::InvalidInput as usize);
                statuses.push(code as u8);
            }
            joined.sums.add(nearest, |row| statuses[row] == MappingStatus::Ok as u8);
            self.finished.store(writer, self.prepared.spec.n_ref)?;
            self.progress.advance(piece.len() as u64)?;
        }
        copy_names(self.prepared, rows, &mut self.names, writer, self.progress)
    }
}
