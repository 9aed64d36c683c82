//! Composes the stages into [`plan`] and [`run`]. The only module that sees them all.
//!
//! A run is two passes over the query. The first joins every unit with the reference and stores its neighbours; the second, when
//! the bandwidth is known from all of them, turns stored distances into weights and transfers the reference's columns. Both are
//! committed unit by unit, so an interrupted run continues where it was.

mod doctor;
mod inputs;
mod join_stage;
mod memory;
mod outputs;
mod plan;
mod reference;
mod report;
mod request;
mod run;
mod transfer_stage;
#[cfg(test)]
mod typescript;

pub use doctor::{BackendState, Cpu, Doctor, MachineMemory, doctor};
pub use plan::plan;
pub use report::{MemoryPlan, OutputArray, OutputLayout, Plan, RunReport, Side, StageReport};
pub use request::{DEFAULT_LAYOUT, LayoutRequest, MapRequest, Parameters, Resolved};
pub use run::{Seams, run, run_with};
