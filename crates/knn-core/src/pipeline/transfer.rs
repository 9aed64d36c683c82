//! A transfer along neighbours that were found before: the run of a mapping whose join takes them over.

use super::plan::planned;
use super::report::{Plan, RunReport};
use super::request::TransferRequest;
use super::run::run_resolved;
use super::seams::Seams;
use crate::error::Result;
use crate::progress::Progress;

/// What [`transfer`] would do and cost. Writes nothing; fails where it would refuse to start. Neighbours of another tool are all looked at.
pub fn plan_transfer(request: &TransferRequest) -> Result<Plan> {
    planned(request.resolve()?, &Progress::silent())
}

/// Transfers to every query cell along the neighbours that a request names. What is committed stays, whatever happens.
pub fn transfer(request: &TransferRequest, progress: &Progress) -> Result<RunReport> {
    transfer_with(request, progress, &Seams::default())
}

/// [`transfer`] through other seams.
pub fn transfer_with(request: &TransferRequest, progress: &Progress, seams: &Seams) -> Result<RunReport> {
    run_resolved(request.resolve()?, progress, seams)
}
