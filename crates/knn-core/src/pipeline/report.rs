//! What `plan` promises and what `run` did, as data for people and programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::agreement::LabelAgreement;
use super::backend::BackendPlan;
use super::figures::{OutputArray, OutputLayout, Side, StageReport};
use super::memory_plan::MemoryPlan;
use super::request::Parameters;
use super::space_report::SpaceReport;
use crate::join::{DeviceWork, Hop};

/// A resolved run before it starts: nothing has been written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// `cross` or `self`.
    pub mode: String,
    /// The query side.
    pub query: Side,
    /// The reference side.
    pub reference: Side,
    /// Width of the stored neighbours: `nNeighbors`, less one in self-mapping; rows are padded where there are fewer cells.
    #[cfg_attr(test, ts(type = "number"))]
    pub k: u64,
    /// What changes results.
    pub parameters: Parameters,
    /// Why this search method, in one sentence.
    pub method_reason: String,
    /// What cells are compared by, and why.
    pub backend: BackendPlan,
    /// What the search takes besides the output.
    pub search: SearchPlan,
    /// Grid of the output.
    pub layout: OutputLayout,
    /// Query rows in flight.
    #[cfg_attr(test, ts(type = "number"))]
    pub block_rows: u64,
    /// Reference rows in memory at a time.
    #[cfg_attr(test, ts(type = "number"))]
    pub slab_rows: u64,
    /// How often the reference is read.
    #[cfg_attr(test, ts(type = "number"))]
    pub reference_passes: u64,
    /// Worker threads.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: u64,
    /// Bytes of memory: the limit and what takes them.
    pub memory: MemoryPlan,
    /// Bytes the output will take at most.
    #[cfg_attr(test, ts(type = "number"))]
    pub disk_bytes: u64,
    /// Bytes read from query and reference.
    #[cfg_attr(test, ts(type = "number"))]
    pub read_bytes: u64,
    /// Distances computed; an estimate where `recall` has yet to choose `nprobe`.
    #[cfg_attr(test, ts(type = "number"))]
    pub pairs: u64,
    /// Rough seconds, from fixed constants per pair and byte.
    pub estimated_seconds: f64,
    /// What will be stored where.
    pub outputs: Vec<OutputArray>,
    /// What the user should know before starting.
    pub warnings: Vec<String>,
    /// Hash of inputs, parameters and format: the same for the same result.
    pub run: String,
}

/// A search before it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SearchPlan {
    /// The recall that will choose `nprobe`; null for an exact search, and where `nprobe` was given.
    pub recall: Option<f64>,
    /// Lists of the index; null for an exact search.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub nlist: Option<u64>,
    /// Lists visited for each query cell; null for an exact search, and where `recall` chooses.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub nprobe: Option<u64>,
    /// Order of work: `rows` of the output or `lists` of the index; null for an exact search.
    pub order: Option<String>,
    /// Bytes of the index at most, given or built for this run; 0 for an exact search.
    #[cfg_attr(test, ts(type = "number"))]
    pub index_bytes: u64,
    /// Bytes of intermediate files at most, gone at the end.
    #[cfg_attr(test, ts(type = "number"))]
    pub run_bytes: u64,
}

/// What a finished run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// The mapped store.
    pub output: String,
    /// The plan that was run.
    pub plan: Plan,
    /// Query cells by `mapping_status`.
    #[cfg_attr(test, ts(type = "Record<string, number>"))]
    pub status_counts: BTreeMap<String, u64>,
    /// Per label column: query cells by status of that key.
    #[cfg_attr(test, ts(type = "Record<string, Record<string, number>>"))]
    pub label_status_counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// Per label column of an approximate search: whether labels are those of an exact one. Empty for an exact search.
    #[cfg_attr(test, ts(type = "Record<string, LabelAgreement>"))]
    pub label_agreement: BTreeMap<String, LabelAgreement>,
    /// Reference rows left out because a coordinate is NaN or infinite, or by cosine because all are zero.
    #[cfg_attr(test, ts(type = "number"))]
    pub excluded_reference_rows: u64,
    /// Bandwidth σ of the kernel, pinned or learnt; null where the kernel has none, and when there was no valid distance, as by inner
    /// products.
    pub sigma: Option<f64>,
    /// Recall of the neighbours.
    pub recall: RecallReport,
    /// How far the query's neighbours lie, beside those within the reference; null in self-mapping, and where it is not known.
    pub space: Option<SpaceReport>,
    /// What GPUs did; null where the CPU alone compared cells.
    pub gpu: Option<GpuReport>,
    /// What was stored where.
    pub stored: Vec<OutputArray>,
    /// Seconds and bytes by stage.
    pub stages: Vec<StageReport>,
    /// Seconds in all.
    pub seconds: f64,
    /// Most anonymous memory of the process seen, bytes: mapped files are not in it.
    #[cfg_attr(test, ts(type = "number"))]
    pub peak_memory: u64,
    /// Units that an earlier, interrupted run had committed.
    #[cfg_attr(test, ts(type = "number"))]
    pub resumed_units: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What GPUs did in the join of a run, in this process and all together: they find what may be near, and the CPU decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct GpuReport {
    /// Seconds in which reference rows were copied there; the CPU works meanwhile.
    pub load_seconds: f64,
    /// Seconds in which they searched, with copying queries there and what was found back.
    pub search_seconds: f64,
    /// Distances that they computed.
    #[cfg_attr(test, ts(type = "number"))]
    pub pairs: u64,
    /// Query cells that were decided by what a GPU found, once for each slab of the reference or for their lists together.
    #[cfg_attr(test, ts(type = "number"))]
    pub settled: u64,
    /// Those that were left to the CPU: more rows may be as near as were asked for, there was too little to compare, or a GPU failed.
    #[cfg_attr(test, ts(type = "number"))]
    pub left: u64,
}

impl GpuReport {
    pub(super) fn of(work: DeviceWork) -> Self {
        let DeviceWork { spent, settled, left } = work;
        Self { load_seconds: spent.loading, search_seconds: spent.searching, pairs: spent.pairs, settled, left }
    }
}

/// How many of the true neighbours were found: the share, over a held-out sample of this run's own query cells, of the
/// neighbours by brute force that are among those stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RecallReport {
    /// The measured share, 0 to 1; 1 for an exact search, which needs no measuring, and for imported neighbours, of which nothing is known.
    pub measured: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end of its 95 % interval.
    pub high: f64,
    /// What was asked for; null for an exact search, and where `nprobe` was given.
    pub target: Option<f64>,
    /// Lists that a query cell looks in at most; where `recall` chose them, it leaves out those that are much farther than the
    /// nearest. Null for an exact search.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub nprobe: Option<u64>,
    /// Lists that a query cell looks in on average, of that sample; null for an exact search.
    pub mean_nprobe: Option<f64>,
    /// How far neighbours were repaired: each cell was compared with the first `r1` neighbours of its first `r2` neighbours too. Null where
    /// that was not done.
    pub repair: Option<Hop>,
    /// The method taken: `exact`, `ivf` or `ivfpq`; `imported` where neighbours were found before.
    pub method: String,
    /// Whether stored distances are approximate: those to what codes stand for, where the rows themselves are not stored.
    pub approximate_distances: bool,
}

impl RecallReport {
    /// That of an exact search.
    pub fn exact() -> Self {
        Self {
            measured: 1.0,
            low: 1.0,
            high: 1.0,
            target: None,
            nprobe: None,
            mean_nprobe: None,
            repair: None,
            method: "exact".into(),
            approximate_distances: false,
        }
    }
}
