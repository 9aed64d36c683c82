//! The graph alone: the run of a mapping that transfers nothing.

use super::plan::planned;
use super::report::{Plan, RunReport};
use super::request::NeighborsRequest;
use super::run::run_resolved;
use super::seams::Seams;
use crate::error::Result;
use crate::progress::Progress;

/// What [`neighbors`] would do and cost. Writes nothing; fails where it would refuse to start.
pub fn plan_neighbors(request: &NeighborsRequest) -> Result<Plan> {
    planned(request.resolve()?, &Progress::silent())
}

/// Finds the neighbours of every query cell and stores them. What is committed stays, whatever happens.
pub fn neighbors(request: &NeighborsRequest, progress: &Progress) -> Result<RunReport> {
    neighbors_with(request, progress, &Seams::default())
}

/// [`neighbors`] through other seams.
pub fn neighbors_with(request: &NeighborsRequest, progress: &Progress, seams: &Seams) -> Result<RunReport> {
    run_resolved(request.resolve()?, progress, seams)
}
