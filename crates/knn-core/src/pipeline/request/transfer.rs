//! A transfer along neighbours that were found before, as it is asked for: a mapping that does not search.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::LayoutRequest;
use super::map::MapRequest;
use super::other_graphs::OtherGraph;
use super::resolved::Resolved;
use super::values::MOST_NEIGHBORS;
use crate::error::{Error, Result};
use crate::kernel::KernelMethod;

/// A request to transfer along stored neighbours, under the names of a mapping. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TransferRequest {
    /// The query store: an AnnData; or many that are read as one: `a.zarr,b.zarr`, or a pattern with `*` and `?`.
    pub query: String,
    /// The reference store, or many, as in `query`; none, or the query itself, is self-mapping.
    pub reference: Option<String>,
    /// Only the query cells for which a condition holds, as in `map`: those that the neighbours are of. Default all.
    #[serde(rename = "where")]
    pub query_where: Option<String>,
    /// Only the reference cells for which a condition holds, as in `map`.
    #[serde(alias = "reference_where")]
    pub reference_where: Option<String>,
    /// The neighbours: a finished store of `map` or `neighbors`; an AnnData with distances in `obsp`, such as scanpy's, in self-mapping; or
    /// `ids.npy,distances.npy`, query cells × k, −1 where there is none. Rows need not be sorted or equally long; within one store the cell
    /// itself is dropped.
    pub neighbors: String,
    /// Key in `obsp` of the distances, a sparse matrix. Default `distances`, if the store is not one of ours.
    #[serde(alias = "neighbors_key", alias = "distances_key", alias = "distancesKey")]
    pub neighbors_key: Option<String>,
    /// Neighbours of the reference's cells within the reference, of any of these forms: between two stores, for kernels that count shared
    /// neighbours. Default: what `neighbors` kept beside `neighbors` as `graphs`.
    #[serde(alias = "neighbors_xx")]
    pub neighbors_xx: Option<String>,
    /// The same of the query's cells within the query.
    #[serde(alias = "neighbors_yy")]
    pub neighbors_yy: Option<String>,
    /// The same of the reference's cells among the query's.
    #[serde(alias = "neighbors_xy")]
    pub neighbors_xy: Option<String>,
    /// Neighbours that are kept of each cell, the nearest; in self-mapping it counts the cell itself. Default all.
    #[serde(alias = "n_neighbors")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub n_neighbors: Option<i64>,
    /// Whether the neighbours are stored in the output too; without them it names the store that has them, where whoever reads them finds them. Default: only
    /// where `neighbors` is no store of ours that has them just so.
    #[serde(alias = "store_neighbors")]
    pub store_neighbors: Option<bool>,
    /// Where the mapped store goes; `GM_EXISTS` if something is there.
    pub output: Option<String>,
    /// Columns of the reference's `obs` to transfer: labels, texts and booleans are voted, numbers averaged. Default none.
    #[serde(alias = "obs_keys")]
    pub obs_keys: Option<Vec<String>>,
    /// Keys of the reference's `obsm` to transfer, as weighted means. Default none.
    #[serde(alias = "obsm_keys")]
    pub obsm_keys: Option<Vec<String>>,
    /// Expression of the reference to transfer, as weighted means: `X`, or the name of a layer. Default none.
    #[serde(alias = "layer_key")]
    pub layer_key: Option<String>,
    /// Names of the genes whose expression is transferred, in the order of the result. Default all.
    pub genes: Option<Vec<String>>,
    /// What the query has as library sizes, to which rows of expression are scaled, as in `map`. Default none.
    #[serde(alias = "target_libsize")]
    pub target_libsize: Option<String>,
    /// How distances become weights, as in `map`; between two stores `jaccard`, `hnoca` and `hnoca_knn` need the other graphs. Default `gauss`, in
    /// self-mapping `umap`.
    #[serde(alias = "kernel_method")]
    pub kernel_method: Option<String>,
    /// σ of `gauss` or `scarches`, a distance above 0. Default: what the kernel takes from all distances.
    pub bandwidth: Option<f64>,
    /// How an edge from a to b and one from b to a become one weight, in self-mapping: `max` (default there), `mean` or `none`.
    pub symmetrize: Option<String>,
    /// Whether a cell votes for itself in self-mapping; default true there, unless the neighbours were sought without its batch.
    #[serde(alias = "self_edges")]
    pub self_edges: Option<bool>,
    /// Steps of diffusion, in self-mapping, as in `map`. At least 1, the default.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub t: Option<i64>,
    /// How they are made: `iterative` (default) or `spectral`.
    #[serde(alias = "diffusion_method")]
    pub diffusion_method: Option<String>,
    /// `none` (default), `all` or `top-<m>`: which weights of categories are stored.
    pub probabilities: Option<String>,
    /// Categories that may be predicted, of every label column. Default all.
    #[serde(alias = "subset_categories")]
    pub subset_categories: Option<Vec<String>>,
    /// Reference cells without a label: `drop` (default), `category` or `error`.
    pub missing: Option<String>,
    /// What booleans are: `label` (default), which is voted on, or `numeric`, of which the mean is taken: the share that is true.
    #[serde(rename = "as")]
    pub booleans: Option<String>,
    /// Whether second label, margin and entropy are stored; default false.
    #[serde(alias = "label_details")]
    pub label_details: Option<bool>,
    /// Least confidence of a label that is not rejected, above 0 and at most 1.
    #[serde(alias = "min_confidence")]
    pub min_confidence: Option<f64>,
    /// Largest distance to the last neighbour of a cell whose labels are not rejected.
    #[serde(alias = "max_distance")]
    pub max_distance: Option<f64>,
    /// A store of the neighbours within the reference, from which the largest distance is learnt.
    #[serde(alias = "reject_graph")]
    pub reject_graph: Option<String>,
    /// The quantile of its distances that is the largest, above 0 and at most 1; default 0.99.
    #[serde(alias = "reject_quantile")]
    pub reject_quantile: Option<f64>,
    /// Label columns from coarse to fine, of which the deepest sure label is told, as in `map`. Default none.
    #[serde(alias = "label_levels")]
    pub label_levels: Option<Vec<String>>,
    /// The label above each label of the one column of `label_levels`.
    #[serde(alias = "label_parents")]
    pub label_parents: Option<BTreeMap<String, String>>,
    /// Least weight of such a label, above 0 and at most 1; default 0.5.
    #[serde(alias = "level_threshold")]
    pub level_threshold: Option<f64>,
    /// Suffix of predicted columns, default `pred`.
    #[serde(alias = "prediction_postfix")]
    pub prediction_postfix: Option<String>,
    /// Suffix of confidence columns, default `conf`.
    #[serde(alias = "confidence_postfix")]
    pub confidence_postfix: Option<String>,
    /// The metric of the distances, for those who read the result. Default what the graph tells, or `euclidean`; another than it tells is `GM_PARAM`.
    pub metric: Option<String>,
    /// Seed of the weights of `random`. 0 to 2^53 − 1, default 0.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub seed: Option<i64>,
    /// Existing folder for intermediate files. Default: beside the output. Changes no result.
    #[serde(alias = "work_dir")]
    pub work_dir: Option<String>,
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
    /// How matrices of the output are stored: `fast` (default) or `compact`, as in `map`.
    pub profile: Option<String>,
    /// Rows per inner chunk, shard and part; for tests of the layout.
    pub layout: Option<LayoutRequest>,
}

impl TransferRequest {
    /// The mapping that takes its neighbours from there.
    pub fn resolve(&self) -> Result<Resolved> {
        let request = self.clone();
        if request.neighbors.is_empty() {
            return Err(Error::param("neighbors", "", "name the store of the neighbors"));
        }
        if request.neighbors_key.as_deref() == Some("") {
            return Err(Error::param("neighborsKey", "", "name a key of obsp"));
        }
        let mapping = MapRequest {
            query: request.query,
            reference: request.reference,
            query_where: request.query_where,
            reference_where: request.reference_where,
            output: request.output,
            obs_keys: request.obs_keys,
            obsm_keys: request.obsm_keys,
            layer_key: request.layer_key,
            genes: request.genes,
            target_libsize: request.target_libsize,
            t: request.t,
            diffusion_method: request.diffusion_method,
            label_levels: request.label_levels,
            label_parents: request.label_parents,
            level_threshold: request.level_threshold,
            // How many there are is known when they are opened; what is asked for is checked all the same.
            n_neighbors: Some(request.n_neighbors.unwrap_or(MOST_NEIGHBORS)),
            kernel_method: request.kernel_method,
            bandwidth: request.bandwidth,
            symmetrize: request.symmetrize,
            self_edges: request.self_edges,
            probabilities: request.probabilities,
            subset_categories: request.subset_categories,
            missing: request.missing,
            booleans: request.booleans,
            label_details: request.label_details,
            min_confidence: request.min_confidence,
            max_distance: request.max_distance,
            reject_graph: request.reject_graph,
            reject_quantile: request.reject_quantile,
            prediction_postfix: request.prediction_postfix,
            confidence_postfix: request.confidence_postfix,
            method: Some("exact".into()),
            metric: request.metric,
            seed: request.seed,
            work_dir: request.work_dir,
            memory: request.memory,
            threads: request.threads,
            resume: request.resume,
            overwrite: request.overwrite,
            layout: request.layout,
            profile: request.profile,
            ..MapRequest::default()
        };
        let mut resolved = mapping.resolve()?;
        let parameters = &resolved.parameters;
        let is_shared = KernelMethod::from_name(&parameters.kernel_method).is_some_and(KernelMethod::is_shared);
        resolved.other_graphs = self.other_graphs(is_shared && !resolved.self_mapping)?;
        let most = self.n_neighbors.map(|n| n as u64 - u64::from(resolved.self_mapping));
        resolved.take_over(PathBuf::from(request.neighbors), request.neighbors_key, most);
        if let Some(imported) = &mut resolved.imported {
            imported.says_self_edges = self.self_edges.is_some();
            imported.says_metric = self.metric.is_some();
            imported.stored = self.store_neighbors;
        }
        Ok(resolved)
    }
}

impl TransferRequest {
    /// Where the other graphs are, if they are needed: as they were named, or beside the neighbours.
    fn other_graphs(&self, needed: bool) -> Result<Option<[PathBuf; 3]>> {
        let given = [&self.neighbors_xx, &self.neighbors_yy, &self.neighbors_xy];
        if !needed {
            return match OtherGraph::ALL
                .into_iter()
                .zip(given)
                .find_map(|(graph, given)| Some((graph, given.as_ref()?)))
            {
                None => Ok(None),
                Some((graph, given)) => {
                    let reason = "is read for jaccard, hnoca and hnoca_knn between two stores alone";
                    Err(Error::param(graph.option(), given, reason))
                }
            };
        }
        let mut paths = [const { PathBuf::new() }; 3];
        for ((path, graph), given) in paths.iter_mut().zip(OtherGraph::ALL).zip(given) {
            *path = match given {
                Some(given) => PathBuf::from(given),
                None => graph.beside(Path::new(&self.neighbors)),
            };
            if given.is_none() && !path.exists() {
                let reason = "name it: shared neighbors are counted in all four graphs, which neighbors keeps together by graphs yx,xx,yy,xy";
                return Err(Error::param(graph.option(), "", reason));
            }
        }
        Ok(Some(paths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mapping_that_does_not_search() {
        let request = || TransferRequest {
            query: "q".into(),
            reference: Some("r".into()),
            neighbors: "n".into(),
            obs_keys: Some(vec!["a".into()]),
            ..TransferRequest::default()
        };
        let resolved = request().resolve().unwrap();
        assert_eq!(
            (resolved.parameters.method.as_str(), resolved.parameters.kernel_method.as_str()),
            ("imported", "gauss")
        );
        assert_eq!(resolved.imported.unwrap().most, None);
        let own = TransferRequest { reference: None, n_neighbors: Some(15), ..request() }.resolve().unwrap();
        assert_eq!((own.parameters.kernel_method.as_str(), own.imported.unwrap().most), ("umap", Some(14)));
        let named = |name: &str| Some(name.to_owned());
        let shared = TransferRequest {
            kernel_method: named("hnoca"),
            neighbors_xx: named("xx"),
            neighbors_yy: named("yy"),
            neighbors_xy: named("xy"),
            ..request()
        };
        assert_eq!(shared.resolve().unwrap().other_graphs, Some(["xx", "yy", "xy"].map(PathBuf::from)));
        let wrong = [
            ("GM_PARAM", TransferRequest { neighbors: String::new(), ..request() }),
            ("GM_PARAM", TransferRequest { neighbors_key: Some(String::new()), ..request() }),
            ("GM_PARAM", TransferRequest { n_neighbors: Some(0), ..request() }),
            ("GM_PARAM", TransferRequest { query: String::new(), ..request() }),
            ("GM_PARAM", TransferRequest { kernel_method: Some("jaccard".into()), ..request() }),
            ("GM_PARAM", TransferRequest { neighbors_xx: Some("xx".into()), ..request() }),
        ];
        for (code, request) in wrong {
            assert_eq!(request.resolve().unwrap_err().code(), code, "{request:?}");
        }
    }
}
