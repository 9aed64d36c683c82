//! What changes the results of a mapping, with every default filled in.

use serde::{Deserialize, Serialize};

use super::labels::LabelParameters;
use crate::distance::Metric;

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
