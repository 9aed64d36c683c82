//! What a computed representation is and took, as data for people and programs.

use serde::{Deserialize, Serialize};

use crate::pipeline::figures::{OutputArray, Side, StageReport};
use crate::pipeline::memory_plan::MemoryPlan;

/// A finished representation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct JointReport {
    /// `joint_pca` or `fast_cca`.
    pub method: String,
    /// The query's part.
    pub output: String,
    /// The reference's part; null within one store.
    pub reference_output: Option<String>,
    /// The query: its cells × genes.
    pub query: Side,
    /// The reference; null within one store.
    pub reference: Option<Side>,
    /// Genes that were taken: those of both stores.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_genes: u64,
    /// Components.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_comps: u64,
    /// Key of the representation in `obsm`.
    pub use_rep: String,
    /// `gram` or `passes`.
    pub solver: String,
    /// Passes over the cells before that for the scores.
    #[cfg_attr(test, ts(type = "number"))]
    pub passes: u64,
    /// The largest residual of a component, as a share of its eigenvalue: how far it may be from the exact one.
    pub residual: f64,
    /// Variance of each principal component; none of canonical ones.
    pub variance: Vec<f64>,
    /// Its share of the variance of all genes.
    pub variance_ratio: Vec<f64>,
    /// Singular value of each canonical correlation; none of principal components.
    pub singular_values: Vec<f64>,
    /// What was stored where, in each of the outputs.
    pub stored: Vec<OutputArray>,
    /// Bytes of memory: the limit and what takes them.
    pub memory: MemoryPlan,
    /// Bytes that the outputs take on disk at most.
    #[cfg_attr(test, ts(type = "number"))]
    pub disk_bytes: u64,
    /// Worker threads.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: u64,
    /// Seconds and bytes by stage.
    pub stages: Vec<StageReport>,
    /// Seconds in all.
    pub seconds: f64,
    /// Most anonymous memory of the process seen, bytes: mapped files are not in it.
    #[cfg_attr(test, ts(type = "number"))]
    pub peak_memory: u64,
    /// Units that an earlier, interrupted run had stored.
    #[cfg_attr(test, ts(type = "number"))]
    pub resumed_units: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Hash of inputs, parameters and format: the same for the same representation.
    pub run: String,
}

/// What computing a representation would do and cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct JointPlan {
    /// `joint_pca` or `fast_cca`.
    pub method: String,
    /// The query: its cells × genes.
    pub query: Side,
    /// The reference; null within one store.
    pub reference: Option<Side>,
    /// Genes that would be taken: those of both stores.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_genes: u64,
    /// Components.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_comps: u64,
    /// Key of the representation in `obsm`.
    pub use_rep: String,
    /// `gram` or `passes`.
    pub solver: String,
    /// What would be stored where, in each of the outputs.
    pub outputs: Vec<OutputArray>,
    /// Bytes of memory: the limit and what would take them.
    pub memory: MemoryPlan,
    /// Bytes that the outputs take on disk at most.
    #[cfg_attr(test, ts(type = "number"))]
    pub disk_bytes: u64,
    /// Bytes that are read, about.
    #[cfg_attr(test, ts(type = "number"))]
    pub read_bytes: u64,
    /// Rough seconds of finding components.
    pub estimated_seconds: f64,
    /// Worker threads.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Hash of inputs, parameters and format: the same for the same representation.
    pub run: String,
}

/// What is known of components when their loadings are not at hand: kept in the journal with every unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) values: Vec<f64>,
    pub(super) ratios: Vec<f64>,
    pub(super) residual: f64,
    pub(super) converged: bool,
    pub(super) applied: u64,
}
