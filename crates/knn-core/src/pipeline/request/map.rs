//! A mapping as it is asked for: neighbours and what they transfer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layout::LayoutRequest;

/// A mapping request as it arrives from TypeScript, the command line or a configuration file. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MapRequest {
    /// The query store: an AnnData; or many that are read as one: `a.zarr,b.zarr`, or a pattern with `*` and `?`.
    pub query: String,
    /// The reference store, or many, as in `query`; none, or the query itself, is self-mapping.
    pub reference: Option<String>,
    /// Only the query cells for which a condition on columns of `obs` holds: `tissue == "lung" and n_genes > 500`. It has `==`, `!=`, `<`, `<=`,
    /// `>`, `>=`, `in ["a", "b"]` and `is missing`, and joins them by `and`, `or`, `not` and parentheses; a value that is missing fails every
    /// comparison. The result has rows for these cells alone. Default all.
    #[serde(rename = "where")]
    pub query_where: Option<String>,
    /// Only the reference cells for which a condition holds; rows of the reference are then counted among these. Without a reference it chooses
    /// cells of the query's store. Default all, in self-mapping those of `where`.
    #[serde(alias = "reference_where")]
    pub reference_where: Option<String>,
    /// Where the mapped store goes; `GM_EXISTS` if something is there. `plan` works without it.
    pub output: Option<String>,
    /// Representation in both stores: a key of `obsm`, `X`, or `layers/<name>`; cells × d numbers, dense or sparse, the same
    /// d in both. Default `X_pca`.
    #[serde(alias = "use_rep")]
    pub use_rep: Option<String>,
    /// Components. Of a representation that is stored the first ones, default all; of one that is computed how many, default 50, or one less than
    /// there are cells or genes where that is fewer.
    #[serde(alias = "n_comps")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub n_comps: Option<i64>,
    /// What is computed of `X` where `useRep` is not said and neither store has `X_pca`: `joint_pca` (default), or between two stores `fast_cca`. It
    /// is gone when the mapping is finished; the command `pca` keeps one.
    #[serde(alias = "fallback_representation")]
    pub fallback_representation: Option<String>,
    /// Columns of the reference's `obs` to transfer: labels, texts and booleans are voted, numbers averaged. Default none.
    #[serde(alias = "obs_keys")]
    pub obs_keys: Option<Vec<String>>,
    /// Keys of the reference's `obsm` to transfer, as weighted means. Default none.
    #[serde(alias = "obsm_keys")]
    pub obsm_keys: Option<Vec<String>>,
    /// Expression of the reference to transfer, as weighted means: `X`, or the name of a layer. Stored where it was found, dense, f32, with the
    /// reference's genes as `var`. Default none.
    #[serde(alias = "layer_key")]
    pub layer_key: Option<String>,
    /// Names of the genes whose expression is transferred, in the order of the result. Default all.
    pub genes: Option<Vec<String>>,
    /// What the query has as library sizes, to which rows of transferred expression are scaled: `X` or the name of a layer, summed over its genes, or
    /// `obs/<column>` of numbers. Default none: rows stay weighted means.
    #[serde(alias = "target_libsize")]
    pub target_libsize: Option<String>,
    /// Neighbours per cell, default 30; in self-mapping it counts the cell itself.
    #[serde(alias = "n_neighbors")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub n_neighbors: Option<i64>,
    /// How distances d become weights. `gauss`, the default between two stores: exp(−d²/2σ²), σ the mean of all distances. `umap`, the
    /// default in self-mapping and only there: UMAP's fuzzy simplicial set. `adaptive_gauss`, there too: with a σ of each cell, the root of
    /// the median of its d². `scarches` exp(−d·σ²/4), σ the standard deviation of all distances, and `scarches_local` with that of each cell;
    /// `inverse_distance` 1/(d + 1e-8); `equal`; or `random`, by `seed`. By the number s of neighbours that two cells share, which needs
    /// graphs within and between both stores: `jaccard` s/(4k − s), `hnoca` its square, `hnoca_knn` the same for neighbours alone.
    #[serde(alias = "kernel_method")]
    pub kernel_method: Option<String>,
    /// σ of `gauss` or `scarches`, a distance above 0, such as one that an earlier mapping reported. Default: what the kernel takes from all
    /// valid distances of the query.
    pub bandwidth: Option<f64>,
    /// How an edge from a to b and one from b to a become one weight, in self-mapping: `max` (default there), `mean`, where one that is not
    /// there counts as 0, or `none`. Within `umap` they are always united; those that share neighbours are the same both ways.
    pub symmetrize: Option<String>,
    /// Whether a cell votes for itself in self-mapping; default true there, unless `excludeBatch` excludes its batch.
    #[serde(alias = "self_edges")]
    pub self_edges: Option<bool>,
    /// Steps of diffusion, in self-mapping: the mapping matrix M is applied t times, so that labels, numbers, embeddings and expression spread along the
    /// graph (van Dijk et al. 2018). At least 1, which is the default and an ordinary transfer.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub t: Option<i64>,
    /// How they are made. `iterative` (default): one after another; `spectral`: at once by the eigenvectors of M, of 2048 cells at most, with weights that are the
    /// same both ways. Both give the same to 1e-5.
    #[serde(alias = "diffusion_method")]
    pub diffusion_method: Option<String>,
    /// `none` (default); `all`: store the weight of every category in `obsm/<key>_prob`; or `top-<m>`, 1 to 64: of the m categories with the
    /// largest weights, with their codes in `obsm/<key>_top` and the weights in `obsm/<key>_top_prob`.
    pub probabilities: Option<String>,
    /// Categories that may be predicted, of every label column. The weights of others are dropped without renormalising, as in CellMapper: they
    /// lower the confidence. Names that a column does not have are ignored with a warning. Default all.
    #[serde(alias = "subset_categories")]
    pub subset_categories: Option<Vec<String>>,
    /// Reference cells without a label: `drop` (default) leaves them out and renormalises; `category` lets them vote for no label; `error` refuses
    /// a column that has any.
    pub missing: Option<String>,
    /// What booleans are: `label` (default), which is voted on, or `numeric`, of which the mean is taken: the share that is true.
    #[serde(rename = "as")]
    pub booleans: Option<String>,
    /// Whether `obs/<key>_second`, the label with the second largest weight, `obs/<key>_margin`, by how much it is behind, and
    /// `obs/<key>_entropy` −Σ p ln p of the weights are stored; default false.
    #[serde(alias = "label_details")]
    pub label_details: Option<bool>,
    /// Least confidence of a label, above 0 and at most 1. A label below it has the status `rejected`, and `obs/<key>_label`, which is stored wherever labels
    /// can be rejected, says `unknown`; `obs/<key>_pred` keeps it.
    #[serde(alias = "min_confidence")]
    pub min_confidence: Option<f64>,
    /// Largest distance to the last neighbour of a cell whose labels are not rejected (Sun et al. 2022).
    #[serde(alias = "max_distance")]
    pub max_distance: Option<f64>,
    /// A store of the neighbours within the reference (`neighbors` of the reference alone), from which the largest distance is learnt.
    #[serde(alias = "reject_graph")]
    pub reject_graph: Option<String>,
    /// The quantile of its distances that is the largest, above 0 and at most 1; default 0.99.
    #[serde(alias = "reject_quantile")]
    pub reject_quantile: Option<f64>,
    /// Label columns of the reference from coarse to fine, which lie within one another; or one, whose labels `label_parents` puts below others. For
    /// each cell the deepest label whose weight, with all that is below it, is at least `level_threshold` of the whole is stored in
    /// `obs/<finest>_deepest`, with the weight in `obs/<finest>_deepest_conf` and its column, or how many labels are above it, in
    /// `obs/<finest>_deepest_level`. Default none.
    #[serde(alias = "label_levels")]
    pub label_levels: Option<Vec<String>>,
    /// The label above each label, by names: a table that may go on above those of the column.
    #[serde(alias = "label_parents")]
    pub label_parents: Option<BTreeMap<String, String>>,
    /// Least weight of a label of several levels, above 0 and at most 1; default 0.5.
    #[serde(alias = "level_threshold")]
    pub level_threshold: Option<f64>,
    /// Suffix of predicted columns, default `pred`.
    #[serde(alias = "prediction_postfix")]
    pub prediction_postfix: Option<String>,
    /// Suffix of confidence columns, default `conf`.
    #[serde(alias = "confidence_postfix")]
    pub confidence_postfix: Option<String>,
    /// How neighbours are sought. `auto` (default): `exact` below 50 000 reference cells, else `ivf`. `exact` compares every
    /// pair; `ivf` visits the lists of an index that are nearest to a cell; `ivfpq` does so by codes of 4 bits for each
    /// sub-space, which say what is compared closely.
    pub method: Option<String>,
    /// Share of the true neighbours that an approximate search must find, above 0 and at most 1; default 0.95. It chooses
    /// `nprobe`, by brute force on a sample of this run's own cells.
    pub recall: Option<f64>,
    /// Lists of the index that the run builds, 1 to 2^24. Default: a 350th of the reference cells.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub nlist: Option<i64>,
    /// Lists visited for each query cell, 1 to `nlist`, instead of what `recall` would choose.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub nprobe: Option<i64>,
    /// Distance between cells. `euclidean` (default) d; `sqeuclidean` d²; `cosine` 1 − cos, 0 to 2, which zero vectors do not
    /// have; `inner_product` −⟨q, x⟩, which a kernel of distances refuses.
    pub metric: Option<String>,
    /// A column of labels in `obs` of both stores, such as the donor or the batch: reference cells that have the same label as a query cell are not its
    /// neighbours, so that a cell is told by other batches than its own. A cell without a label excludes nothing. By lists it is searched in the order
    /// of rows and without a repair. Default none.
    #[serde(alias = "exclude_batch")]
    pub exclude_batch: Option<String>,
    /// Seed of every random choice: samples for training and for measuring recall, and weights of `random`. 0 to 2^53 − 1, default 0.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub seed: Option<i64>,
    /// Numbers in the lists of the index that the run builds: `f32` (default), or `f16` for half the bytes, with coordinates
    /// rounded to 5e-4 of their size.
    #[serde(alias = "list_dtype")]
    pub list_dtype: Option<String>,
    /// What decides among the rows that codes have selected, by `ivfpq`: `exact` (default) rows as they are, `f16` rows rounded to half the
    /// bytes, or `none`: nothing but codes is stored, and distances are approximate.
    pub rerank: Option<String>,
    /// How lists are read. `auto` (default): kept in memory where they fit, else read, or mapped if the run built them itself;
    /// `pread`; or `mmap` of a sealed index, which must not be changed meanwhile. Changes no result.
    pub io: Option<String>,
    /// Order of work of a search by lists. `rows`: blocks of cells in the order of the output, each against the whole index; `lists`: cells
    /// that lie near each other together, their neighbours sorted back on disk, which reads little where index or query are larger than
    /// memory. `auto` (default): whichever reads and writes less; lists where a GPU searches. A resumed run keeps its order. Changes no result.
    pub order: Option<String>,
    /// Whether neighbours are repaired after a search by lists, in self-mapping or by an index that keeps the graph of its rows (`keepGraph`): each
    /// cell is compared with the neighbours of its neighbours too. `auto` (default): where, of several millions of cells, that costs less than more lists for the same recall; `never`; `always`.
    pub repair: Option<String>,
    /// An index of the reference, `name.gmx`, instead of one that the run builds and removes. One that was built with `bundle` is a reference by itself:
    /// then none is named.
    pub index: Option<String>,
    /// Existing folder for intermediate files. Default: beside the output. Changes no result.
    #[serde(alias = "work_dir")]
    pub work_dir: Option<String>,
    /// What cells are compared by. `auto` (default): in an exact search by a GPU where cuVS and a device are found, else by the CPU, which searches lists as soon; the plan
    /// says which, and why. `cpu`; or `cuda`, which is `GM_BACKEND` with a remedy where there is none. Every one finds the same bits, so a run may be resumed by another.
    pub backend: Option<String>,
    /// Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
    /// cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
    pub memory: Option<String>,
    /// Worker threads; default all cores.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub threads: Option<i64>,
    /// Continue an interrupted run of the same request; `GM_STALE` if inputs or parameters differ.
    pub resume: Option<bool>,
    /// Replace an earlier mapped store; anything else that is there stays `GM_EXISTS`.
    pub overwrite: Option<bool>,
    /// How matrices of the output are stored: `fast` (default), as plain bytes; or `compact`, in small chunks compressed by blosc (zstd, shuffled), for stores
    /// that are kept or sent.
    pub profile: Option<String>,
    /// Rows per inner chunk, shard and part; for tests of the layout.
    pub layout: Option<LayoutRequest>,
}
