//! A reference in memory that is searched whole.

use super::run::{QueryRun, prepared};
use crate::budget::{Lease, MemoryBudget};
use crate::distance::{Lane, Metric};
use crate::error::{Error, Result};
use crate::join::{Slab, join_slab};
use crate::progress::Progress;

/// Reference rows, packed once for any number of queries.
pub struct ExactReference {
    slab: Slab,
    metric: Metric,
    lane: Lane,
    _lease: Lease,
}

impl ExactReference {
    /// Reference rows (row-major) of `dim` columns, to be compared by a metric.
    pub fn new(values: Vec<f32>, dim: usize, metric: Metric, budget: &MemoryBudget) -> Result<Self> {
        let rows = (values.len() / dim.max(1)) as u64;
        let lease = budget.take("the reference", Slab::bytes(rows, dim as u64))?;
        let rows = prepared("reference", values, dim, metric)?;
        if rows.rows() == 0 {
            return Err(Error::param("reference", "", "it has no cells"));
        }
        let lane = Lane::best();
        let centre = Slab::mean(&rows);
        Ok(Self { slab: Slab::new(rows, centre, metric, &lane), metric, lane, _lease: lease })
    }

    /// Reference rows.
    pub fn rows(&self) -> u64 {
        self.slab.rows().rows() as u64
    }

    /// The metric that rows are compared by.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// A run of the rows themselves. As in every self-mapping `n_neighbors` counts the cell itself, which is no neighbour of its own.
    pub fn own_run(&self, n_neighbors: usize, budget: &MemoryBudget) -> Result<QueryRun> {
        QueryRun::own(self.slab.rows(), n_neighbors, self.metric, budget)
    }

    /// Finds the nearest of the next queries of a run, at most `rows` of them.
    pub fn join(&self, run: &mut QueryRun, rows: usize, progress: &Progress) -> Result<()> {
        run.check_columns("reference", self.rows(), self.slab.rows().dim)?;
        let own = run.within;
        run.advance(rows, |queries, nearest, ordered| {
            join_slab(queries, &self.slab, (own, None), &self.lane, nearest, ordered, progress).map(|()| true)
        })?;
        Ok(())
    }
}
