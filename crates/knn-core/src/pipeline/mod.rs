//! Composes the stages into [`plan`] and [`run`]. The only module that sees them all.
//!
//! A run is two passes over the query. The first joins every unit with the reference and stores its neighbours; the second, when
//! the bandwidth is known from all of them, turns stored distances into weights and transfers the reference's columns. Both are
//! committed unit by unit, so an interrupted run continues where it was.

mod agreement;
mod component_stage;
mod seams;
mod units;
mod joined;
mod space_report;
mod truth;
mod rounding;
mod prepared;
mod little_endian;
mod diffusion_memory;
mod import_memory;
mod passing_memory;
mod graphs_memory;
mod other_graphs;
mod index_memory;
mod bundle_copy;
mod describe_index;
mod index_terms;
mod same_cells;
mod imported;
mod representation_rows;
mod bands;
mod index_description;
mod start;
mod figures;
mod memory_plan;
mod append;
mod backend;
mod bandwidth;
mod batches;
mod bundle;
mod capabilities;
mod clean;
mod clock;
mod combinations;
mod cost;
mod diffuse;
mod diffusion;
mod doctor;
mod evaluate;
mod expression;
mod finished;
mod found;
mod gather;
mod graphs_stage;
mod import_stage;
mod index;
mod index_report;
mod inputs;
mod join_stage;
mod joint;
mod kept_graph;
mod levels;
mod library_size;
mod list_order;
mod memory;
mod near_graphs;
mod neighbors;
mod order;
mod outputs;
mod passing;
mod payload;
mod places;
mod plan;
mod presence;
mod provenance;
mod rechunk;
mod reference;
mod repair_memory;
mod repair_stage;
mod report;
mod request;
mod reverse_memory;
mod reverse_stage;
mod routed;
mod run;
mod runs_memory;
mod search_stage;
mod sizes;
mod space;
mod square;
mod stored_rows;
mod told;
mod transfer;
mod transfer_memory;
mod transfer_stage;
mod verify;
mod weigher;
mod work_rows;
#[cfg(test)]
mod typescript;

pub use agreement::{CategoryAgreement, LabelAgreement};
pub use backend::BackendPlan;
pub use capabilities::{Capabilities, FormatCapability, KernelCapability, MethodCapability, capabilities};
pub use clean::{CleanReport, CleanRequest, Kept, Leftover, clean};
pub use combinations::{Combination, PlatformCapability};
pub use describe_index::describe_index;
pub use diffuse::{diffuse, diffuse_with, plan_diffuse};
pub use doctor::{BackendState, Cpu, Doctor, MachineMemory, doctor};
pub use evaluate::{
    Approximation, CalibrationReport, ClassEvaluation, ClassLoss, ConfusionMatrix, EvaluationReport,
    ExpressionEvaluation, ExpressionMetric, GroupMetric, LabelEvaluation, LabelLoss, NeighborAgreement,
    RiskCoverageReport, evaluate,
};
pub use figures::{OutputArray, OutputLayout, Side, StageReport};
pub use index::{build_index, build_index_with, plan_index};
pub use index_description::IndexDescription;
pub use index_report::{IndexPlan, IndexReport};
pub use joint::{JointPlan, JointReport, joint, joint_with, plan_joint};
pub use memory_plan::MemoryPlan;
pub use neighbors::{neighbors, neighbors_with, plan_neighbors};
pub use plan::plan;
pub use presence::{PresenceReport, presence, presence_with};
pub use rechunk::{RechunkReport, rechunk, rechunk_with};
pub use report::{Plan, RecallReport, RunReport, SearchPlan};
pub use request::{
    AskedBackend, DEFAULT_LAYOUT, DiffuseRequest, DiffusionParameters, EvaluateRequest, ExpressionKeys,
    IndexParameters, IndexRequest, IvfParameters, JointRequest, LabelKeys, LabelParameters, LayoutRequest,
    LearntDistance, MapRequest, NeighborsRequest, OtherGraph, Parameters, PresenceRequest, RechunkRequest,
    Representation, Resolved, ResolvedEvaluation, ResolvedIndex, ResolvedJoint, ResolvedPresence, ResolvedRechunk,
    Search, TransferRequest, read_request,
};
pub use run::{run, run_with};
pub use seams::Seams;
pub use space_report::SpaceReport;
pub use transfer::{plan_transfer, transfer, transfer_with};
pub use verify::{VerifyReport, VerifyRequest, verify};
