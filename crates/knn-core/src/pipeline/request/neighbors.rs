//! A graph as it is asked for: a mapping that transfers nothing.

use serde::{Deserialize, Serialize};

use super::layout::LayoutRequest;
use super::map::MapRequest;
use super::other_graphs::OtherGraph;
use super::resolved::Resolved;
use crate::error::{Error, Result};

/// A request for neighbours alone, under the names of a mapping. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NeighborsRequest {
    /// The query store (y): an AnnData zarr folder.
    pub query: String,
    /// The reference store (x); none, or the query itself, is the graph of one store.
    pub reference: Option<String>,
    /// Only the query cells for which a condition holds, as in `map`. Default all.
    #[serde(rename = "where")]
    pub query_where: Option<String>,
    /// Only the reference cells for which a condition holds, as in `map`.
    #[serde(alias = "reference_where")]
    pub reference_where: Option<String>,
    /// Where the graph goes: an AnnData with `obsm/knn_indices` and `obsm/knn_distances`; `GM_EXISTS` if something is there.
    /// A plan works without it.
    pub output: Option<String>,
    /// Key in `obsm` of both stores: cells × d numbers, the same d in both. Default `X_pca`.
    #[serde(alias = "use_rep")]
    pub use_rep: Option<String>,
    /// Components. Of a representation that is stored the first ones, default all; of one that is computed how many, default 50, or one less than
    /// there are cells or genes where that is fewer.
    #[serde(alias = "n_comps")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub n_comps: Option<i64>,
    /// What is computed of `X` where `useRep` is not said and neither store has `X_pca`: `joint_pca` (default), or between two stores `fast_cca`.
    #[serde(alias = "fallback_representation")]
    pub fallback_representation: Option<String>,
    /// Which graphs (x is the reference, y the query): `yx`, from the query to the reference, and beside it `xx`, `yy` and `xy`, each a store of its
    /// own that `transfer` finds: `graph-xx.zarr` beside `graph.zarr`. Default `yx` alone. Within one store all are one.
    pub graphs: Option<Vec<String>>,
    /// Neighbours per cell, default 30; within one store it counts the cell itself.
    #[serde(alias = "n_neighbors")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub n_neighbors: Option<i64>,
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
    /// have; `inner_product` −⟨q, x⟩, so that the nearest come first.
    pub metric: Option<String>,
    /// A column of labels in `obs` of both stores: reference cells with the label of a query cell are not its neighbours, as in `map`. Default none.
    #[serde(alias = "exclude_batch")]
    pub exclude_batch: Option<String>,
    /// Seed of every random choice: samples for training and for measuring recall. 0 to 2^53 − 1, default 0.
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
    /// An index of the reference, `name.gmx`, instead of one that the run builds and removes.
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
    /// Replace an earlier store of gigamapper; anything else that is there stays `GM_EXISTS`.
    pub overwrite: Option<bool>,
    /// How matrices of the output are stored: `fast` (default) or `compact`, as in `map`.
    pub profile: Option<String>,
    /// Rows per inner chunk, shard and part; for tests of the layout.
    pub layout: Option<LayoutRequest>,
}

impl NeighborsRequest {
    /// The mapping without transfers that finds these neighbours.
    pub fn resolve(&self) -> Result<Resolved> {
        let request = self.clone();
        let mapping = MapRequest {
            query: request.query,
            reference: request.reference,
            query_where: request.query_where,
            reference_where: request.reference_where,
            output: request.output,
            use_rep: request.use_rep,
            n_comps: request.n_comps,
            fallback_representation: request.fallback_representation,
            n_neighbors: request.n_neighbors,
            method: request.method,
            recall: request.recall,
            nlist: request.nlist,
            nprobe: request.nprobe,
            metric: request.metric,
            exclude_batch: request.exclude_batch,
            // A graph has no weights yet.
            kernel_method: Some("gauss".into()),
            symmetrize: Some("none".into()),
            seed: request.seed,
            list_dtype: request.list_dtype,
            rerank: request.rerank,
            io: request.io,
            order: request.order,
            repair: request.repair,
            index: request.index,
            work_dir: request.work_dir,
            backend: request.backend,
            memory: request.memory,
            threads: request.threads,
            resume: request.resume,
            overwrite: request.overwrite,
            layout: request.layout,
            profile: request.profile,
            ..MapRequest::default()
        };
        let resolved = mapping.resolve()?;
        let kept_graphs = kept_graphs(self.graphs.as_deref(), &resolved)?;
        Ok(Resolved { graph_only: true, kept_graphs, ..resolved })
    }
}

/// The graphs besides `yx`, which is found in any case. Within one store the four are one.
fn kept_graphs(given: Option<&[String]>, resolved: &Resolved) -> Result<Vec<OtherGraph>> {
    let Some(graphs) = given else { return Ok(Vec::new()) };
    let told = graphs.join(",");
    if graphs.is_empty() || (1..graphs.len()).any(|i| graphs[..i].contains(&graphs[i])) {
        return Err(Error::param("graphs", told, "at least one graph, and each once"));
    }
    if let Some(unknown) = graphs.iter().find(|graph| !["yx", "xx", "yy", "xy"].contains(&graph.as_str())) {
        return Err(Error::param("graphs", unknown, "one of yx, xx, yy, xy (x is the reference, y the query)"));
    }
    if resolved.self_mapping {
        return Ok(Vec::new());
    }
    if !graphs.iter().any(|graph| graph == "yx") {
        let reason = "yx is one of them between two stores; for a graph within one, name that store as query alone";
        return Err(Error::param("graphs", told, reason));
    }
    let kept: Vec<_> =
        OtherGraph::ALL.into_iter().filter(|graph| graphs.iter().any(|name| name == graph.name())).collect();
    if resolved.parameters.n_neighbors < 2 && kept.iter().any(|&graph| graph != OtherGraph::Xy) {
        let reason = "counts the cell itself within one store, so xx and yy need 2 at least";
        return Err(Error::param("nNeighbors", resolved.parameters.n_neighbors, reason));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(reference: Option<&str>, graphs: &[&str]) -> NeighborsRequest {
        let graphs = graphs.iter().map(|&graph| graph.to_owned()).collect();
        let reference = reference.map(str::to_owned);
        NeighborsRequest { query: "q".into(), reference, graphs: Some(graphs), ..NeighborsRequest::default() }
    }

    #[test]
    fn it_is_the_mapping_that_transfers_nothing() {
        let resolved = NeighborsRequest { graphs: None, ..request(Some("r"), &[]) }.resolve().unwrap();
        let mapping = MapRequest { query: "q".into(), reference: Some("r".into()), ..MapRequest::default() };
        assert_eq!(resolved.parameters, mapping.resolve().unwrap().parameters);
        assert!(resolved.graph_only);
    }

    #[test]
    fn graphs_are_checked() {
        let kept =
            |reference, graphs: &[&str]| request(reference, graphs).resolve().map(|resolved| resolved.kept_graphs);
        assert_eq!(kept(Some("r"), &["yx"]).unwrap(), []);
        assert_eq!(kept(Some("r"), &["xy", "yx", "xx"]).unwrap(), [OtherGraph::Xx, OtherGraph::Xy]);
        assert_eq!(kept(None, &["xx", "yx", "yy", "xy"]).unwrap(), [], "within one store they are one");
        for wrong in [&["yx", "yx"][..], &["zx"], &[], &["xx"]] {
            assert_eq!(kept(Some("r"), wrong).unwrap_err().code(), "GM_PARAM", "{wrong:?}");
        }
        let one = NeighborsRequest { n_neighbors: Some(1), ..request(Some("r"), &["yx", "yy"]) };
        assert_eq!(one.resolve().unwrap_err().details()["name"].as_str(), Some("nNeighbors"));
    }
}
