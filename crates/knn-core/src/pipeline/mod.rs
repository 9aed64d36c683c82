//! Composes the stages into [`plan`] and [`run`]. The only module that sees them all.
//!
//! A run is two passes over the query. The first joins every unit with the reference and stores its neighbours; the second, when
//! the bandwidth is known from all of them, turns stored distances into weights and transfers the reference's columns. Both are
//! committed unit by unit, so an interrupted run continues where it was.

mod agreement;
mod append;
mod clean;
mod cost;
mod doctor;
mod finished;
mod found;
mod gather;
mod index;
mod index_report;
mod inputs;
mod join_stage;
mod later;
mod list_order;
mod memory;
mod neighbors;
mod order;
mod outputs;
mod places;
mod plan;
mod rechunk;
mod reference;
mod repair_memory;
mod repair_stage;
mod report;
mod request;
mod routed;
mod run;
mod runs_memory;
mod search_stage;
mod transfer_stage;
mod verify;
mod work_rows;
#[cfg(test)]
mod typescript;

pub use agreement::{CategoryAgreement, LabelAgreement};
pub use clean::{CleanReport, CleanRequest, Kept, Leftover, clean};
pub use doctor::{BackendState, Cpu, Doctor, MachineMemory, doctor};
pub use index::{build_index, describe_index, plan_index};
pub use index_report::{IndexDescription, IndexPlan, IndexReport};
pub use neighbors::{neighbors, plan_neighbors};
pub use plan::plan;
pub use rechunk::{RechunkReport, rechunk, rechunk_with};
pub use report::{MemoryPlan, OutputArray, OutputLayout, Plan, RecallReport, RunReport, SearchPlan, Side, StageReport};
pub use request::{
    DEFAULT_LAYOUT, IndexParameters, IndexRequest, IvfParameters, LayoutRequest, MapRequest, NeighborsRequest,
    Parameters, RechunkRequest, Resolved, ResolvedIndex, ResolvedRechunk, Search,
};
pub use run::{Seams, run, run_with};
pub use verify::{VerifyReport, VerifyRequest, verify};
