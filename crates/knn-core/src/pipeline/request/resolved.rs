//! A request with its defaults: what a plan works on, and the part of it that decides results.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::backend::AskedBackend;
use super::labels::{LabelParameters, LearntDistance};
use super::map::LayoutRequest;
use super::other_graphs::OtherGraph;
use super::search::Search;
use crate::distance::Metric;
use crate::kernel::KernelMethod;
use crate::pipeline::joint::Computed;

/// Parameters that change results, with every default filled in. Canonical: two equal runs have equal parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// Key in `obsm` of both stores; empty where neighbours are imported.
    pub use_rep: String,
    /// The condition that chooses query cells, in the one form that it has.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub query_where: Option<String>,
    /// The condition that chooses reference cells; none in self-mapping, where it is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub reference_where: Option<String>,
    /// Its first columns, if not all are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub n_comps: Option<u64>,
    /// Columns of `obs` to transfer.
    pub obs_keys: Vec<String>,
    /// Keys of `obsm` to transfer.
    pub obsm_keys: Vec<String>,
    /// Expression to transfer: `X` or `layers/<name>`.
    pub layer_key: Option<String>,
    /// Genes of it; all where there is none.
    pub genes: Vec<String>,
    /// What the query has as library sizes, to which expression is scaled: `X`, `layers/<name>` or `obs/<column>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub target_libsize: Option<String>,
    /// As asked for: in self-mapping it counts the cell itself.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_neighbors: u64,
    /// The kernel.
    pub kernel_method: String,
    /// The bandwidth, where it was pinned.
    pub bandwidth: Option<f64>,
    /// Seed of the weights of kernel `random`; null for any other.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub kernel_seed: Option<u64>,
    /// How two directions of an edge become one weight: `max`, `mean`, `union` within `umap`, or `none`.
    pub symmetrize: String,
    /// Whether a cell votes for itself.
    pub self_edges: bool,
    /// How labels are voted on, told of and rejected.
    pub labels: LabelParameters,
    /// Steps of diffusion; left out for one step, which is what there is without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub diffusion: Option<DiffusionParameters>,
    /// Suffix of predicted columns.
    pub prediction_postfix: String,
    /// Suffix of confidence columns.
    pub confidence_postfix: String,
    /// The column of batches, where a cell's neighbours are of other batches than its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub exclude_batch: Option<String>,
    /// The search method taken: `exact`, `ivf` or `ivfpq`; `imported` where neighbours were found before.
    pub method: String,
    /// The metric.
    #[cfg_attr(test, ts(type = "string"))]
    pub metric: Metric,
    /// What decides the result of an approximate search; null for an exact one, which has no choices.
    pub ivf: Option<IvfParameters>,
}

impl Parameters {
    /// Whether anything is transferred.
    pub fn transfers(&self) -> bool {
        let columns = [&self.obs_keys, &self.obsm_keys, &self.labels.levels];
        self.layer_key.is_some() || columns.iter().any(|keys| !keys.is_empty())
    }
}

/// How what is transferred is diffused: Mᵗ x instead of M x.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DiffusionParameters {
    /// Steps, at least 2.
    #[cfg_attr(test, ts(type = "number"))]
    pub t: u64,
    /// `iterative` or `spectral`.
    pub method: String,
}

/// What decides which neighbours a search by inverted lists finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IvfParameters {
    /// The recall that chooses `nprobe`; null where that was given.
    pub recall: Option<f64>,
    /// Lists visited for each query cell; null where `recall` chooses.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub nprobe: Option<u64>,
    /// Lists of the index.
    #[cfg_attr(test, ts(type = "number"))]
    pub nlist: u64,
    /// Numbers in its lists: `f32`, `f16`, or `none` where codes are all there is.
    pub list_dtype: String,
    /// What decides among rows that codes have selected: `exact`, `f16` or `none`; null without codes.
    pub rerank: Option<String>,
    /// Whether neighbours are repaired: `always`, `never`, or `auto` where a measurement decides.
    pub repair: String,
    /// Seed of all samples.
    #[cfg_attr(test, ts(type = "number"))]
    pub seed: u64,
    /// Digest of the index that was given; null where the run builds its own.
    pub index: Option<String>,
}

/// Neighbours that were found before, in the place of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedNeighbors {
    /// The store, or ids and distances with a comma between.
    pub path: PathBuf,
    /// Key in `obsp`, where one was named.
    pub key: Option<String>,
    /// Neighbours that are kept of each cell at most.
    pub most: Option<u64>,
    /// Whether distances of a store of ours may be negative: where weights do not depend on them.
    pub signed: bool,
    /// Whether it was said if cells vote for themselves; else it is as the neighbours were sought.
    pub says_self_edges: bool,
    /// Whether the request says by which metric they were found.
    pub says_metric: bool,
}

/// A request with paths and limits resolved: what `plan` works on.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a yes or no of the request, and they do not exclude each other"
)]
pub struct Resolved {
    /// The query store.
    pub query: PathBuf,
    /// The reference store; the query's path in self-mapping.
    pub reference: PathBuf,
    /// Whether query and reference are one store.
    pub self_mapping: bool,
    /// Whether the reference is the cells of an index, whose rows are in its lists alone.
    pub bundled: bool,
    /// Where its representation comes from.
    pub representation: Representation,
    /// The output store, where one was named.
    pub output: Option<PathBuf>,
    /// What changes results. `method` is as asked for, and `ivf` open, until a plan knows the reference's size.
    pub parameters: Parameters,
    /// How neighbours are to be sought.
    pub search: Search,
    /// Where the largest distance of a label is learnt, where that was asked for.
    pub learnt_distance: Option<LearntDistance>,
    /// Where the neighbours come from, where none are sought.
    pub imported: Option<ImportedNeighbors>,
    /// Where the other graphs come from, in the order of `OtherGraph::ALL`, where they are not sought either.
    pub other_graphs: Option<[PathBuf; 3]>,
    /// The other graphs that are kept beside the output.
    pub kept_graphs: Vec<OtherGraph>,
    /// Whether only the graph was asked for, so that transferring nothing is no surprise.
    pub graph_only: bool,
    /// The budget, bytes.
    pub memory: u64,
    /// Worker threads.
    pub threads: usize,
    /// What cells are to be compared by.
    pub backend: AskedBackend,
    /// Continue an interrupted run.
    pub resume: bool,
    /// Replace an earlier mapped store.
    pub overwrite: bool,
    /// Grid of the output.
    pub layout: LayoutRequest,
    /// Whether matrices of the output are compressed.
    pub compact: bool,
}

/// Where the representation of a run comes from.
#[derive(Debug, Clone)]
pub enum Representation {
    /// Both stores have it.
    Stored,
    /// It was not named: the usual one, and where neither store has that, one that is computed.
    Usual {
        /// Whether that is by canonical correlations.
        is_canonical: bool,
        /// Seed of its computation.
        seed: u64,
    },
    /// It is computed for the run.
    Computed(Box<Computed>),
}

impl Resolved {
    /// Takes neighbours from a place instead of seeking them.
    pub(in crate::pipeline) fn take_over(&mut self, path: PathBuf, key: Option<String>, most: Option<u64>) {
        let kernel = KernelMethod::from_name(&self.parameters.kernel_method);
        "imported".clone_into(&mut self.parameters.method);
        self.parameters.use_rep.clear();
        self.representation = Representation::Stored;
        let signed = kernel.is_some_and(|kernel| !kernel.weighs_distances());
        self.imported = Some(ImportedNeighbors { path, key, most, signed, says_self_edges: false, says_metric: false });
    }

    /// Whether queries are rounded to f16: where they are the rows of lists that are.
    pub(in crate::pipeline) fn rounds_queries(&self) -> bool {
        self.self_mapping && self.rounds_references()
    }

    /// Whether references are compared as rows of f16 lists have them.
    pub(in crate::pipeline) fn rounds_references(&self) -> bool {
        self.parameters.ivf.as_ref().is_some_and(|ivf| ivf.list_dtype == "f16")
    }
}

/// Rows per inner chunk, inner chunks per unit and rows per part that `formats.md` fixes.
pub const DEFAULT_LAYOUT: LayoutRequest = LayoutRequest { inner_rows: 65_536, inner_per_unit: 16, part_rows: 1 << 24 };
