//! Composes the stages into `plan` and `run`. The only module that sees them all.

mod report;
mod request;
#[cfg(test)]
mod typescript;

pub use report::{MemoryPlan, OutputArray, OutputLayout, Plan, RunReport, Side, StageReport};
pub use request::{DEFAULT_LAYOUT, LayoutRequest, MapRequest, Parameters, Resolved};
