//! Diffusion along stored neighbours as it is asked for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::layout::LayoutRequest;
use super::map::MapRequest;
use super::resolved::Resolved;
use super::values::MOST_NEIGHBORS;
use crate::error::{Error, Result};

/// A request to diffuse columns of cells along neighbours within one store. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DiffuseRequest {
    /// The neighbours of every cell within the store: a finished store of `map` or `neighbors`; an AnnData with `distances` in `obsp`; or
    /// `ids.npy,distances.npy`. They are never written to.
    pub neighbors: String,
    /// Key in `obsp` of the distances, a sparse matrix. Default `distances`, if the store is not one of ours.
    #[serde(alias = "neighbors_key", alias = "distances_key", alias = "distancesKey")]
    pub neighbors_key: Option<String>,
    /// Neighbours that are kept of each cell, the nearest, counting the cell itself. Default all.
    #[serde(alias = "n_neighbors")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub n_neighbors: Option<i64>,
    /// The cells that were mapped, whose columns are diffused: an AnnData, or many, as there. They are never written to.
    pub query: String,
    /// Only the cells for which a condition on columns of `obs` holds, as in `map`. Default all.
    #[serde(rename = "where")]
    pub query_where: Option<String>,
    /// Whether the neighbours are stored in the output too; without them it names the store that has them, where whoever reads them finds them. Default: only
    /// where `neighbors` is no store of ours that has them just so.
    #[serde(alias = "store_neighbors")]
    pub store_neighbors: Option<bool>,
    /// Where the result goes, a mapped AnnData; `GM_EXISTS` if something is there.
    pub output: Option<String>,
    /// Columns of `obs` to diffuse: labels, texts and booleans are voted, numbers averaged. Default none.
    #[serde(alias = "obs_keys")]
    pub obs_keys: Option<Vec<String>>,
    /// Keys of `obsm` to diffuse, as weighted means. Default none.
    #[serde(alias = "obsm_keys")]
    pub obsm_keys: Option<Vec<String>>,
    /// Expression to diffuse: `X`, or the name of a layer. Default none.
    #[serde(alias = "layer_key")]
    pub layer_key: Option<String>,
    /// Names of the genes whose expression is diffused, in the order of the result. Default all.
    pub genes: Option<Vec<String>>,
    /// Steps: the mapping matrix M is applied t times. At least 1, which is an ordinary transfer along these neighbours; default 3.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub t: Option<i64>,
    /// How they are made: `iterative` (default) or `spectral`, as in `map`.
    #[serde(alias = "diffusion_method")]
    pub diffusion_method: Option<String>,
    /// How distances become weights, as in `map`; default `umap`.
    #[serde(alias = "kernel_method")]
    pub kernel_method: Option<String>,
    /// σ of `gauss` or `scarches`, a distance above 0. Default: what the kernel takes from all stored distances.
    pub bandwidth: Option<f64>,
    /// How both directions of an edge become one weight: `max` (default), `mean` or `none`.
    pub symmetrize: Option<String>,
    /// Whether a cell keeps a share of its own value; default true, unless the neighbours were sought without its batch.
    #[serde(alias = "self_edges")]
    pub self_edges: Option<bool>,
    /// Seed of the weights of kernel `random`, 0 to 2^53 − 1; default 0.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub seed: Option<i64>,
    /// The metric of the stored distances, for those who read the result. Default what the graph tells, or `euclidean`; another than it tells is `GM_PARAM`.
    pub metric: Option<String>,
    /// `none` (default), `all` or `top-<m>`: the shares of categories that are stored, as in `map`.
    pub probabilities: Option<String>,
    /// Categories that may be predicted, of every label column. Default all.
    #[serde(alias = "subset_categories")]
    pub subset_categories: Option<Vec<String>>,
    /// Cells without a label: `drop` (default), `category` or `error`, as in `map`.
    pub missing: Option<String>,
    /// What booleans are: `label` (default), which is voted on, or `numeric`, of which the mean is taken: the share that is true.
    #[serde(rename = "as")]
    pub booleans: Option<String>,
    /// Whether second label, margin and entropy are stored; default false.
    #[serde(alias = "label_details")]
    pub label_details: Option<bool>,
    /// Suffix of predicted columns, default `pred`.
    #[serde(alias = "prediction_postfix")]
    pub prediction_postfix: Option<String>,
    /// Suffix of confidence columns, default `conf`.
    #[serde(alias = "confidence_postfix")]
    pub confidence_postfix: Option<String>,
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
    /// Replace an earlier store of gigamapper; anything else that is there stays `GM_EXISTS`.
    pub overwrite: Option<bool>,
    /// How matrices of the output are stored: `fast` (default) or `compact`, as in `map`.
    pub profile: Option<String>,
    /// Rows per inner chunk, shard and part; for tests of the layout.
    pub layout: Option<LayoutRequest>,
}

impl DiffuseRequest {
    /// The self-mapping that finds these neighbours given. How many there are of each cell is known once the graph is opened.
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
            query_where: request.query_where,
            output: request.output,
            // How many there are is known when they are opened; what is asked for is checked all the same.
            n_neighbors: Some(request.n_neighbors.unwrap_or(MOST_NEIGHBORS)),
            obs_keys: request.obs_keys,
            obsm_keys: request.obsm_keys,
            layer_key: request.layer_key,
            genes: request.genes,
            t: Some(request.t.unwrap_or(3)),
            diffusion_method: request.diffusion_method,
            kernel_method: request.kernel_method,
            bandwidth: request.bandwidth,
            symmetrize: request.symmetrize,
            self_edges: request.self_edges,
            seed: request.seed,
            metric: request.metric,
            probabilities: request.probabilities,
            subset_categories: request.subset_categories,
            missing: request.missing,
            booleans: request.booleans,
            label_details: request.label_details,
            prediction_postfix: request.prediction_postfix,
            confidence_postfix: request.confidence_postfix,
            method: Some("exact".into()),
            work_dir: request.work_dir,
            memory: request.memory,
            threads: request.threads,
            resume: request.resume,
            overwrite: request.overwrite,
            profile: request.profile,
            layout: request.layout,
            ..MapRequest::default()
        };
        let mut resolved = mapping.resolve()?;
        if !resolved.parameters.transfers() {
            return Err(Error::param("obsKeys", "", "name what is diffused: obsKeys, obsmKeys or layerKey"));
        }
        let most = self.n_neighbors.map(|n| n as u64 - 1);
        resolved.take_over(PathBuf::from(request.neighbors), request.neighbors_key, most);
        if let Some(imported) = &mut resolved.imported {
            imported.says_self_edges = self.self_edges.is_some();
            imported.says_metric = self.metric.is_some();
            imported.stored = self.store_neighbors;
        }
        Ok(resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> DiffuseRequest {
        let (neighbors, query, obs_keys) = ("n".into(), "q".into(), Some(vec!["a".into()]));
        DiffuseRequest { neighbors, query, obs_keys, ..DiffuseRequest::default() }
    }

    #[test]
    fn it_is_a_self_mapping_of_three_steps_along_a_graph() {
        let resolved = request().resolve().unwrap();
        assert!(
            resolved.self_mapping
                && resolved.imported.as_ref().is_some_and(|imported| imported.path == std::path::Path::new("n"))
        );
        assert_eq!(resolved.parameters.diffusion.unwrap().t, 3);
        assert_eq!(resolved.parameters.kernel_method, "umap");
        assert_eq!(resolved.imported.unwrap().most, None);
        let some = DiffuseRequest {
            n_neighbors: Some(15),
            neighbors_key: Some("knn".into()),
            profile: Some("compact".into()),
            ..request()
        };
        let some = some.resolve().unwrap();
        let imported = some.imported.as_ref().unwrap();
        assert_eq!((imported.most, imported.key.as_deref(), some.compact), (Some(14), Some("knn"), true));
        assert_eq!(DiffuseRequest { t: Some(1), ..request() }.resolve().unwrap().parameters.diffusion, None);
    }

    #[test]
    fn values_are_checked_by_name() {
        for (name, request) in [
            ("neighbors", DiffuseRequest { neighbors: String::new(), ..request() }),
            ("query", DiffuseRequest { query: String::new(), ..request() }),
            ("obsKeys", DiffuseRequest { obs_keys: None, ..request() }),
            ("t", DiffuseRequest { t: Some(0), ..request() }),
            ("neighborsKey", DiffuseRequest { neighbors_key: Some(String::new()), ..request() }),
            ("nNeighbors", DiffuseRequest { n_neighbors: Some(0), ..request() }),
            ("profile", DiffuseRequest { profile: Some("tiny".into()), ..request() }),
            ("kernelMethod", DiffuseRequest { kernel_method: Some("gaus".into()), ..request() }),
        ] {
            let error = request.resolve().unwrap_err();
            assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some(name)), "{request:?}");
        }
    }
}
