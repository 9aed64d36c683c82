//! Composes the stages into [`plan`] and [`run`]. The only module that sees them all.
//!
//! A run is two passes over the query. The first joins every unit with the reference and stores its neighbours; the second, when
//! the bandwidth is known from all of them, turns stored distances into weights and transfers the reference's columns. Both are
//! committed unit by unit, so an interrupted run continues where it was.
//!
//! Modules stand in the order in which they need each other, here and in each folder: one imports only from those above it. First what is asked
//! and told, then what a run reads and what it takes of the memory, then plans, the two passes and the run, and last the verbs.

// What needs no other module: figures that are told, constants, forms.
mod agreement;
mod space_report;
mod order;
mod index_description;
mod memory_plan;
mod figures;
mod little_endian;
mod start;
mod provenance;
mod same_cells;

// What is asked, what is told, and where things are.
mod request;
mod backend;
mod report;
mod cost;
mod clock;
mod places;
mod index_terms;
mod bundle;
mod describe_index;
mod other_graphs;

// What a run reads and stores, and what that takes of the memory.
mod inputs;
mod outputs;
mod finished;
mod found;
mod square;
mod memory;
mod prepared;
mod seams;

// What is planned, and the run that carries it out, in two passes. A plan needs to know how columns are copied and components computed.
mod rechunk;
mod joint;
mod plan;
mod component_stage;
mod join_pass;
mod transfer_pass;
mod told;
mod run;

// The verbs, and what this version can do.
mod neighbors;
mod transfer;
mod diffuse;
mod index;
mod presence;
mod evaluate;
mod verify;
mod clean;
mod doctor;
mod combinations;
mod capabilities;
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
pub use index::{IndexPlan, IndexReport, build_index, build_index_with, plan_index};
pub use index_description::IndexDescription;
pub use joint::{JointPlan, JointReport, joint, joint_with, plan_joint};
pub use memory_plan::MemoryPlan;
pub use neighbors::{neighbors, neighbors_with, plan_neighbors};
pub use plan::plan;
pub use presence::{PresenceReport, presence, presence_with};
pub use rechunk::{RechunkReport, rechunk, rechunk_with};
pub use report::{GpuReport, Plan, RecallReport, RunReport, SearchPlan};
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
