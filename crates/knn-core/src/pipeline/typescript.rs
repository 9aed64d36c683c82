//! Writes and checks `ts/generated.ts`: the types that cross to TypeScript, rendered from the Rust ones.
//!
//! One file and one list, so that a type that crosses cannot be forgotten or drift. `UPDATE_TYPES=1 cargo test typescript`
//! rewrites the file; without it the test fails when the file is not what the types say.

use std::path::Path;

use ts_rs::{Config, TS};

use super::{
    Approximation, BackendPlan, BackendState, CalibrationReport, Capabilities, CategoryAgreement, ClassEvaluation,
    ClassLoss, CleanReport, CleanRequest, Combination, ConfusionMatrix, Cpu, DiffuseRequest, DiffusionParameters,
    Doctor, EvaluateRequest, EvaluationReport, ExpressionEvaluation, ExpressionMetric, FormatCapability, GpuReport,
    GroupMetric, IndexDescription, IndexParameters, IndexPlan, IndexReport, IndexRequest, IvfParameters, JointPlan,
    JointReport, JointRequest, Kept, KernelCapability, LabelAgreement, LabelEvaluation, LabelLoss, LabelParameters,
    LayoutRequest, Leftover, MachineMemory, MapRequest, MemoryPlan, MethodCapability, NeighborAgreement,
    NeighborsRequest, OutputArray, OutputLayout, Parameters, Plan, PlatformCapability, PresenceReport, PresenceRequest,
    RecallReport, RechunkReport, RechunkRequest, RiskCoverageReport, RunReport, SearchPlan, Side, SpaceReport,
    StageReport, TransferRequest, VerifyReport, VerifyRequest,
};
use crate::graph::GraphDescription;
use crate::join::Hop;
use crate::operator::{CalibrationBin, LabelScores, RiskPoint};
use crate::progress::ProgressEvent;
use crate::sink::{DamagedObject, UnitRows};
use crate::source::{
    ArrayReport, CellsDescription, ColumnReport, GivenColumn, GivenMatrix, GivenNumbers, Inspection, MatrixReport,
    SkippedNode, StoreReport,
};

const HEADER: &str = "/**
 * The types that cross between Rust and TypeScript. Written by a test of the core from its own types:
 * UPDATE_TYPES=1 cargo test typescript
 */
";

/// Every type that crosses, in the order of the file.
fn rendered() -> String {
    [
        declaration::<MapRequest>(),
        declaration::<NeighborsRequest>(),
        declaration::<DiffuseRequest>(),
        declaration::<TransferRequest>(),
        declaration::<LayoutRequest>(),
        declaration::<Parameters>(),
        declaration::<DiffusionParameters>(),
        declaration::<IvfParameters>(),
        declaration::<LabelParameters>(),
        declaration::<Plan>(),
        declaration::<SearchPlan>(),
        declaration::<BackendPlan>(),
        declaration::<Side>(),
        declaration::<OutputLayout>(),
        declaration::<MemoryPlan>(),
        declaration::<OutputArray>(),
        declaration::<RunReport>(),
        declaration::<RecallReport>(),
        declaration::<GpuReport>(),
        declaration::<SpaceReport>(),
        declaration::<Hop>(),
        declaration::<LabelAgreement>(),
        declaration::<CategoryAgreement>(),
        declaration::<StageReport>(),
        declaration::<IndexRequest>(),
        declaration::<IndexParameters>(),
        declaration::<IndexPlan>(),
        declaration::<IndexReport>(),
        declaration::<IndexDescription>(),
        declaration::<RechunkRequest>(),
        declaration::<RechunkReport>(),
        declaration::<JointRequest>(),
        declaration::<JointPlan>(),
        declaration::<JointReport>(),
        declaration::<PresenceRequest>(),
        declaration::<PresenceReport>(),
        declaration::<EvaluateRequest>(),
        declaration::<EvaluationReport>(),
        declaration::<LabelEvaluation>(),
        declaration::<LabelScores>(),
        declaration::<ClassEvaluation>(),
        declaration::<ConfusionMatrix>(),
        declaration::<CalibrationReport>(),
        declaration::<CalibrationBin>(),
        declaration::<RiskCoverageReport>(),
        declaration::<RiskPoint>(),
        declaration::<ExpressionEvaluation>(),
        declaration::<ExpressionMetric>(),
        declaration::<GroupMetric>(),
        declaration::<Approximation>(),
        declaration::<NeighborAgreement>(),
        declaration::<LabelLoss>(),
        declaration::<ClassLoss>(),
        declaration::<VerifyRequest>(),
        declaration::<VerifyReport>(),
        declaration::<DamagedObject>(),
        declaration::<UnitRows>(),
        declaration::<CleanRequest>(),
        declaration::<CleanReport>(),
        declaration::<Leftover>(),
        declaration::<Kept>(),
        declaration::<GraphDescription>(),
        declaration::<ProgressEvent>(),
        declaration::<Inspection>(),
        declaration::<StoreReport>(),
        declaration::<ColumnReport>(),
        declaration::<MatrixReport>(),
        declaration::<SkippedNode>(),
        declaration::<ArrayReport>(),
        declaration::<CellsDescription>(),
        declaration::<GivenMatrix>(),
        declaration::<GivenNumbers>(),
        declaration::<GivenColumn>(),
        declaration::<Capabilities>(),
        declaration::<MethodCapability>(),
        declaration::<Combination>(),
        declaration::<PlatformCapability>(),
        declaration::<KernelCapability>(),
        declaration::<FormatCapability>(),
        declaration::<Doctor>(),
        declaration::<Cpu>(),
        declaration::<MachineMemory>(),
        declaration::<BackendState>(),
    ]
    .into_iter()
    .fold(HEADER.to_owned(), |file, declaration| file + "\n" + &declaration)
}

fn declaration<T: TS>() -> String {
    let config = Config::default();
    format!("{}export {}\n", T::docs().unwrap_or_default(), T::decl(&config))
}

#[test]
fn typescript_has_the_types_of_the_core() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ts/generated.ts");
    let rendered = rendered();
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    assert!(stored == rendered, "ts/generated.ts is not what the types say: UPDATE_TYPES=1 cargo test typescript");
}
