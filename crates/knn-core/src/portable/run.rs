//! The queries of a mapping and what was found for them so far, block by block.

use crate::budget::{Lease, MemoryBudget};
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::graph::DistanceSums;
use crate::join::{Ordered, ordered_bytes};
use crate::types::{MappingStatus, NeighborBlock, Tile};

/// Query rows, prepared for the metric, and the neighbours of those that were joined.
pub struct QueryRun {
    queries: Tile,
    pub(super) metric: Metric,
    k: usize,
    /// Whether queries are the rows of the reference: then none is its own neighbour.
    pub(super) within: bool,
    found: NeighborBlock,
    statuses: Vec<u8>,
    sums: DistanceSums,
    ordered: Ordered,
    _lease: Lease,
}

/// Rows (row-major) of `dim` columns, prepared for a metric.
pub(super) fn prepared(name: &str, mut values: Vec<f32>, dim: usize, metric: Metric) -> Result<Tile> {
    if dim == 0 || !values.len().is_multiple_of(dim) {
        let reason = format!("{} values are not whole rows of {dim}", values.len());
        return Err(Error::param(name, "", reason));
    }
    if let Some(prepare) = metric.prepare() {
        values.chunks_exact_mut(dim).for_each(prepare);
    }
    Ok(Tile { first_row: 0, dim, values })
}

impl QueryRun {
    /// Queries (row-major) of `dim` columns, each to be given its `k` nearest by the metric.
    pub fn new(values: Vec<f32>, dim: usize, k: usize, metric: Metric, budget: &MemoryBudget) -> Result<Self> {
        if k == 0 {
            return Err(Error::param("nNeighbors", k, "at least 1"));
        }
        let lease = Self::lease(values.len() / dim.max(1), dim, k, budget)?;
        Ok(Self::of(prepared("query", values, dim, metric)?, k, metric, false, lease))
    }

    /// The rows of a reference, prepared already. `n_neighbors` counts the cell itself, as in every self-mapping.
    pub(super) fn own(rows: &Tile, n_neighbors: usize, metric: Metric, budget: &MemoryBudget) -> Result<Self> {
        if n_neighbors < 2 {
            let reason = "at least 2 in self-mapping, where it counts the cell itself";
            return Err(Error::param("nNeighbors", n_neighbors, reason));
        }
        let lease = Self::lease(rows.rows(), rows.dim, n_neighbors - 1, budget)?;
        Ok(Self::of(rows.clone(), n_neighbors - 1, metric, true, lease))
    }

    fn lease(rows: usize, dim: usize, k: usize, budget: &MemoryBudget) -> Result<Lease> {
        // The ids leave as numbers of eight bytes, in a copy.
        let each = dim as u64 * 4 + k as u64 * (12 + 8) + 1 + ordered_bytes(k as u64, dim as u64);
        budget.take("the queries and their neighbors", (rows as u64).saturating_mul(each))
    }

    fn of(queries: Tile, k: usize, metric: Metric, within: bool, lease: Lease) -> Self {
        let rows = queries.rows();
        // A vector that grows takes twice its bytes.
        let (ids, distances) = (Vec::with_capacity(rows * k), Vec::with_capacity(rows * k));
        let found = NeighborBlock { k, ids, distances, ..NeighborBlock::default() };
        let (statuses, sums, ordered) = (Vec::new(), DistanceSums::default(), Ordered::default());
        Self { queries, metric, k, within, found, statuses, sums, ordered, _lease: lease }
    }

    /// Query rows.
    pub fn rows(&self) -> usize {
        self.queries.rows()
    }

    /// Neighbours of each.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Query rows that were joined.
    pub fn done(&self) -> usize {
        self.statuses.len()
    }

    /// Neighbours of the rows that were joined.
    pub fn found(&self) -> &NeighborBlock {
        &self.found
    }

    /// What became of each of these rows: the codes of [`MappingStatus`].
    pub fn statuses(&self) -> &[u8] {
        &self.statuses
    }

    /// Sums of all distances, for the bandwidth.
    pub(super) fn sums(&self) -> &DistanceSums {
        &self.sums
    }

    /// Some query rows, as a block of their own.
    pub(super) fn block(&self, first: usize, rows: usize) -> Tile {
        let (dim, last) = (self.queries.dim, (first + rows).min(self.rows()));
        let first = first.min(last);
        Tile { first_row: first as u64, dim, values: self.queries.values[first * dim..last * dim].to_vec() }
    }

    /// Fails unless the queries have the columns of what they are compared with.
    pub(super) fn check_columns(&self, other: &str, rows: u64, dim: usize) -> Result<()> {
        if self.queries.dim == dim {
            return Ok(());
        }
        Err(Error::Shape {
            left: "query".into(),
            left_shape: vec![self.rows() as u64, self.queries.dim as u64],
            right: other.into(),
            right_shape: vec![rows, dim as u64],
            reason: "both must have the same columns".into(),
        })
    }

    /// Joins the next rows, at most so many, by `join`, and returns what that does: where it is false, they are not joined yet.
    pub(super) fn advance(
        &mut self,
        rows: usize,
        join: impl FnOnce(&Tile, &mut NeighborBlock, &mut Ordered) -> Result<bool>,
    ) -> Result<bool> {
        let queries = self.block(self.done(), rows);
        let mut nearest = NeighborBlock::empty(queries.rows(), self.k);
        nearest.first_row = queries.first_row;
        if queries.rows() == 0 {
            return Ok(true);
        }
        if !join(&queries, &mut nearest, &mut self.ordered)? {
            return Ok(false);
        }
        let status = |row: usize| {
            let otherwise =
                if nearest.ids[row * nearest.k] < 0 { MappingStatus::NoNeighbors } else { MappingStatus::Ok };
            self.metric.flaw(queries.row(row)).unwrap_or(otherwise) as u8
        };
        let first = self.statuses.len();
        self.statuses.extend((0..queries.rows()).map(status));
        self.sums.add(&nearest, |row| self.statuses[first + row] == MappingStatus::Ok as u8);
        self.found.ids.extend_from_slice(&nearest.ids);
        self.found.distances.extend_from_slice(&nearest.distances);
        Ok(true)
    }
}
