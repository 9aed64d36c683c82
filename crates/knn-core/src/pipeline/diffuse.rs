//! Diffusion along neighbours that are stored: a mapping whose graph is given.

use super::plan::planned;
use super::report::{Plan, RunReport};
use super::request::DiffuseRequest;
use super::run::run_resolved;
use super::seams::Seams;
use crate::error::Result;
use crate::progress::Progress;

/// What [`diffuse`] would do and cost. Writes nothing; fails where it would refuse to start. Neighbours of another tool are all looked at.
pub fn plan_diffuse(request: &DiffuseRequest) -> Result<Plan> {
    planned(request.resolve()?, &Progress::silent())
}

/// Diffuses columns of cells along the neighbours of a finished self-mapping. What is committed stays, whatever happens.
pub fn diffuse(request: &DiffuseRequest, progress: &Progress) -> Result<RunReport> {
    diffuse_with(request, progress, &Seams::default())
}

/// [`diffuse`] through other seams.
pub fn diffuse_with(request: &DiffuseRequest, progress: &Progress, seams: &Seams) -> Result<RunReport> {
    run_resolved(request.resolve()?, progress, seams)
}
