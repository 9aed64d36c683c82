//! An index as it is asked for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::backend::AskedBackend;
use super::search::check_nlist;
use super::values::{
    check_codes, checked_index_path, checked_list_dtype, checked_lists, checked_memory, checked_metric, checked_rerank,
    checked_seed, checked_threads, distinct, one_of, reranked_dtype,
};
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::index::{Levels, MOST_KEPT, default_lists};
use crate::source::filtered_path;

/// Lists that are trained on more rows and together, and lists that are not.
pub(in crate::pipeline) const THOROUGH: &str = "thorough";
pub(in crate::pipeline) const BRIEF: &str = "brief";

/// A request to build the index of a reference, or to append to it. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IndexRequest {
    /// The reference store: an AnnData; or many that are read as one: `a.zarr,b.zarr`, or a pattern with `*` and `?`.
    pub reference: String,
    /// Only the cells for which a condition on columns of `obs` holds, as in `map`. Default all.
    #[serde(rename = "where")]
    pub reference_where: Option<String>,
    /// Where the index goes, `name.gmx`; `GM_EXISTS` if something is there, unless it is appended to. The plan of a build works without
    /// it.
    pub output: Option<String>,
    /// Representation of the reference: a key of `obsm`, `X`, or `layers/<name>`; cells × d numbers, dense or sparse.
    /// Default `X_pca`.
    #[serde(alias = "use_rep")]
    pub use_rep: Option<String>,
    /// Lists, 1 to 2^24 and at most one for each cell. Default: a 350th of the cells.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub nlist: Option<i64>,
    /// Seed of the training sample. 0 to 2^53 − 1, default 0.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub seed: Option<i64>,
    /// How lists are trained: `thorough` on 256 cells each and then all together, or `brief` on 64 each, as a run trains an index of its own: some
    /// four times faster, and as many lists hold about 1 in 100 neighbours less. Default `thorough` up to 2^18 lists; more are trained briefly.
    pub training: Option<String>,
    /// Numbers in the lists: `f32` (default), or `f16` for half the bytes, with coordinates rounded to 5e-4 of their size.
    #[serde(alias = "list_dtype")]
    pub list_dtype: Option<String>,
    /// `ivf` (default), or `ivfpq`: rows have codes of 4 bits for each sub-space, which say what is compared closely.
    pub method: Option<String>,
    /// What decides among the rows that codes have selected, by `ivfpq`: `exact` (default) rows as they are, `f16` rows rounded to half the
    /// bytes, or `none`: nothing but codes is stored, and distances are approximate.
    pub rerank: Option<String>,
    /// Distance that the lists are made for: `euclidean` (default), `sqeuclidean`, `cosine` or `inner_product`.
    pub metric: Option<String>,
    /// Neighbours of each cell that the index keeps, 1 to 64: the reference's own graph, found by the index at a recall of 0.95. A mapping of
    /// another store can then repair what its lists miss (`repair`). Default none. An index that has one is not appended to. With `resume`, an
    /// index that was built without gets it.
    #[serde(alias = "keep_graph")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub keep_graph: Option<i64>,
    /// Whether the index is made a portable reference: names and columns of the cells are stored within its folder, so that `map` needs nothing but
    /// the index. With `resume`, an index that was built without gets them. Default false.
    pub bundle: Option<bool>,
    /// Columns of `obs` that a bundle has. Default: all that can be read.
    #[serde(alias = "obs_keys")]
    pub obs_keys: Option<Vec<String>>,
    /// Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
    /// cgroup's, at least 256 MiB.
    pub memory: Option<String>,
    /// Worker threads; default all cores.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub threads: Option<i64>,
    /// By what the graph that is kept is found (`keepGraph`): `auto` (default), `cpu` or `cuda`, as in `map`. Lists are trained and rows assigned by the
    /// CPU in any case.
    pub backend: Option<String>,
    /// Existing folder for intermediate files. Default: beside the output. Changes no result.
    #[serde(alias = "work_dir")]
    pub work_dir: Option<String>,
    /// Append the cells that the reference has beyond those of the index at `output`, which must be its first; `GM_STALE` if they are
    /// not. Lists and parameters stay: others are `GM_PARAM`. One that was interrupted is repeated in the same way. Default false.
    pub append: Option<bool>,
    /// Continue an interrupted build of the same request; `GM_STALE` if inputs or parameters differ.
    pub resume: Option<bool>,
    /// Replace an earlier index; anything else that is there stays `GM_EXISTS`.
    pub overwrite: Option<bool>,
}

/// What decides the bytes of an index, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IndexParameters {
    /// Key in `obsm` of the reference.
    pub use_rep: String,
    /// Lists.
    #[cfg_attr(test, ts(type = "number"))]
    pub nlist: u64,
    /// Seed of the training sample.
    #[cfg_attr(test, ts(type = "number"))]
    pub seed: u64,
    /// How lists are trained: `thorough` or `brief`.
    pub training: String,
    /// Numbers in the lists: `f32`, `f16`, or `none` where codes are all there is.
    pub list_dtype: String,
    /// What decides among rows that codes have selected: `exact`, `f16` or `none`; null without codes.
    pub rerank: Option<String>,
    /// The metric.
    #[cfg_attr(test, ts(type = "string"))]
    pub metric: Metric,
    /// Neighbours of each row that are kept as the reference's own graph; null without.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub keep_graph: Option<u64>,
}

/// A request for an index with paths and limits resolved.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a yes or no of the request, and they do not exclude each other"
)]
pub struct ResolvedIndex {
    /// The reference store.
    pub reference: PathBuf,
    /// The index, where one was named.
    pub output: Option<PathBuf>,
    /// Key in `obsm`.
    pub use_rep: String,
    /// Lists, where that was said.
    pub nlist: Option<u64>,
    /// Seed of the training sample.
    pub seed: u64,
    /// How lists are trained, where that was said.
    pub training: Option<String>,
    /// Numbers in the lists.
    pub list_dtype: String,
    /// What decides among rows that codes have selected; none without codes.
    pub rerank: Option<String>,
    /// The metric.
    pub metric: Metric,
    /// Neighbours of each row that are kept.
    pub keep_graph: Option<u64>,
    /// Whether cells are stored beside the lists.
    pub bundle: bool,
    /// Their columns, where that was said.
    pub obs_keys: Option<Vec<String>>,
    /// The budget, bytes.
    pub memory: u64,
    /// Worker threads.
    pub threads: usize,
    /// What the cells of the graph that is kept are to be compared by.
    pub backend: AskedBackend,
    /// Where intermediate files go; none is beside the output.
    pub work_dir: Option<PathBuf>,
    /// Append to the index.
    pub append: bool,
    /// Continue an interrupted build.
    pub resume: bool,
    /// Replace an earlier index.
    pub overwrite: bool,
}

impl IndexRequest {
    /// Fills in defaults and refuses values that no store could make valid. Touches no array.
    pub fn resolve(&self) -> Result<ResolvedIndex> {
        if self.reference.is_empty() {
            return Err(Error::param("reference", "", "name the store to be indexed"));
        }
        let output = self.output.as_deref().map(|path| checked_index_path("output", path)).transpose()?;
        let rerank = self.checked_codes()?;
        let metric = checked_metric(self.metric.as_deref())?;
        check_codes(rerank.is_some(), metric)?;
        let list_dtype = match &rerank {
            Some(rerank) => reranked_dtype(rerank).to_owned(),
            None => checked_list_dtype(self.list_dtype.as_deref())?,
        };
        let rerank_none = rerank.as_deref() == Some("none");
        Ok(ResolvedIndex {
            reference: filtered_path(Path::new(&self.reference), "where", self.reference_where.as_deref())?,
            output: output.map(PathBuf::from),
            use_rep: self.use_rep.clone().unwrap_or_else(|| "X_pca".into()),
            nlist: checked_lists("nlist", self.nlist)?,
            seed: checked_seed(self.seed)?,
            training: self.training.as_deref().map(checked_training).transpose()?,
            list_dtype,
            rerank,
            metric,
            keep_graph: checked_kept(self.keep_graph, rerank_none)?,
            bundle: self.checked_bundle(rerank_none)?,
            obs_keys: self.obs_keys.as_deref().map(|keys| distinct("obsKeys", Some(keys))).transpose()?,
            memory: checked_memory(self.memory.as_deref())?,
            threads: checked_threads(self.threads)?,
            backend: self.checked_backend()?,
            work_dir: self.work_dir.as_ref().map(PathBuf::from),
            append: self.append.unwrap_or(false),
            resume: self.resume.unwrap_or(false),
            overwrite: self.overwrite.unwrap_or(false),
        })
    }
}

impl IndexRequest {
    /// Whether cells are stored beside the lists.
    fn checked_bundle(&self, only_codes: bool) -> Result<bool> {
        let bundle = self.bundle.unwrap_or(false);
        if let Some(keys) = self.obs_keys.as_ref().filter(|_| !bundle) {
            return Err(Error::param("obsKeys", keys.join(","), "are columns of a bundle: ask for bundle"));
        }
        if bundle && only_codes {
            let reason = "rows that only codes tell (rerank \"none\") need the reference beside them";
            return Err(Error::param("bundle", true, reason));
        }
        if bundle && self.append == Some(true) {
            return Err(Error::param("bundle", true, "an index that is appended to is built again for a bundle"));
        }
        Ok(bundle)
    }

    /// A build compares nothing by a GPU but the cells of the graph that it keeps.
    fn checked_backend(&self) -> Result<AskedBackend> {
        let backend = AskedBackend::resolve(self.backend.as_deref())?;
        if backend == AskedBackend::Cuda && self.keep_graph.is_none() {
            let reason =
                "lists are trained by the CPU, and only a graph that is kept is found by a GPU: ask for keepGraph too";
            return Err(Error::param("backend", backend.name(), reason));
        }
        Ok(backend)
    }

    /// What decides among rows that codes select, if they are to have codes.
    fn checked_codes(&self) -> Result<Option<String>> {
        let method = one_of("method", self.method.as_deref(), &["ivf", "ivfpq"], &[])?;
        let rerank = checked_rerank(self.rerank.as_deref())?;
        if let (Some("ivf"), Some(rerank)) = (self.method.as_deref(), &rerank) {
            return Err(Error::param("rerank", rerank, "only codes select what is decided: ask for method ivfpq"));
        }
        let coded = method == "ivfpq" || rerank.is_some();
        if let Some(dtype) = self.list_dtype.as_ref().filter(|_| coded) {
            return Err(Error::param("listDtype", dtype, "rerank says how rows are stored beside their codes"));
        }
        Ok(coded.then(|| rerank.unwrap_or_else(|| "exact".into())))
    }
}

fn checked_training(given: &str) -> Result<String> {
    one_of("training", Some(given), &[THOROUGH, BRIEF], &[])
}

/// Neighbours of each row to be kept. Rows that only codes tell are never repaired, so their graph would serve nobody.
fn checked_kept(given: Option<i64>, only_codes: bool) -> Result<Option<u64>> {
    match given {
        None => Ok(None),
        Some(kept) if only_codes => {
            let reason = "rows that only codes tell (rerank \"none\") cannot be compared exactly: leave it out";
            Err(Error::param("keepGraph", kept, reason))
        }
        Some(kept) if (1..=i64::from(MOST_KEPT)).contains(&kept) => Ok(Some(kept as u64)),
        Some(kept) => Err(Error::param("keepGraph", kept, format!("between 1 and {MOST_KEPT}"))),
    }
}

impl ResolvedIndex {
    /// How so many lists are trained.
    fn checked_training(&self, nlist: u64) -> Result<&str> {
        let brief_only = Levels::of(u32::try_from(nlist).unwrap_or(u32::MAX)).regions > 0;
        match self.training.as_deref() {
            Some(THOROUGH) if brief_only => {
                Err(Error::param("training", THOROUGH, format!("{nlist} lists are trained briefly: leave it out")))
            }
            Some(given) => Ok(given),
            None => Ok(if brief_only { BRIEF } else { THOROUGH }),
        }
    }

    /// What decides the index of `n` cells.
    pub fn parameters(&self, n: u64) -> Result<IndexParameters> {
        let nlist = self.nlist.unwrap_or_else(|| u64::from(default_lists(n)));
        check_nlist(nlist, n)?;
        Ok(IndexParameters {
            use_rep: self.use_rep.clone(),
            nlist,
            seed: self.seed,
            training: self.checked_training(nlist)?.to_owned(),
            list_dtype: self.list_dtype.clone(),
            rerank: self.rerank.clone(),
            metric: self.metric,
            keep_graph: self.keep_graph,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_name() {
        let request = || IndexRequest { reference: "r".into(), ..IndexRequest::default() };
        let wrong = [
            ("reference", IndexRequest::default()),
            ("where", IndexRequest { reference_where: Some("a".into()), ..request() }),
            ("output", IndexRequest { output: Some("index.zarr".into()), ..request() }),
            ("nlist", IndexRequest { nlist: Some(0), ..request() }),
            ("seed", IndexRequest { seed: Some(-3), ..request() }),
            ("training", IndexRequest { training: Some("deep".into()), ..request() }),
            ("listDtype", IndexRequest { list_dtype: Some("f64".into()), ..request() }),
            ("method", IndexRequest { method: Some("exact".into()), ..request() }),
            ("rerank", IndexRequest { rerank: Some("some".into()), ..request() }),
            ("rerank", IndexRequest { rerank: Some("none".into()), method: Some("ivf".into()), ..request() }),
            ("listDtype", IndexRequest { rerank: Some("none".into()), list_dtype: Some("f32".into()), ..request() }),
            ("metric", IndexRequest { metric: Some("manhattan".into()), ..request() }),
            ("keepGraph", IndexRequest { keep_graph: Some(0), ..request() }),
            ("keepGraph", IndexRequest { keep_graph: Some(65), ..request() }),
            ("keepGraph", IndexRequest { keep_graph: Some(8), rerank: Some("none".into()), ..request() }),
            ("obsKeys", IndexRequest { obs_keys: Some(vec!["a".into()]), ..request() }),
            ("bundle", IndexRequest { bundle: Some(true), rerank: Some("none".into()), ..request() }),
            ("bundle", IndexRequest { bundle: Some(true), append: Some(true), ..request() }),
            ("threads", IndexRequest { threads: Some(0), ..request() }),
            ("backend", IndexRequest { backend: Some("gpu".into()), ..request() }),
            ("backend", IndexRequest { backend: Some("cuda".into()), ..request() }),
        ];
        for (name, request) in wrong {
            let error = request.resolve().unwrap_err();
            assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some(name)), "{request:?}");
        }
        let resolved = request().resolve().unwrap();
        assert_eq!(resolved.parameters(1_000_000).unwrap().nlist, 2857);
        let training = |nlist, training: Option<&str>| {
            let request = IndexRequest { nlist: Some(nlist), training: training.map(str::to_owned), ..request() };
            let parameters = request.resolve().unwrap().parameters(1 << 30);
            parameters.map(|parameters| parameters.training).map_err(|error| error.code())
        };
        assert_eq!(training(1 << 18, None), Ok(THOROUGH.into()));
        assert_eq!(training(1 << 18, Some(BRIEF)), Ok(BRIEF.into()));
        assert_eq!(training((1 << 18) + 1, None), Ok(BRIEF.into()));
        assert_eq!(training((1 << 18) + 1, Some(THOROUGH)), Err("GM_PARAM"));
        let many = IndexRequest { nlist: Some(501), ..request() }.resolve().unwrap();
        assert_eq!(many.parameters(500).unwrap_err().code(), "GM_PARAM");
    }
}
