//! How neighbours are to be found: what was asked for, and what is chosen once the size of the reference is known.

use std::path::PathBuf;

use super::map::MapRequest;
use super::parameters::IvfParameters;
use super::values::{
    checked_index_path, checked_list_dtype, checked_lists, checked_recall, checked_rerank, checked_seed, one_of,
    reranked_dtype,
};
use crate::error::{Error, Result};
use crate::index::default_lists;
use crate::pipeline::index_description::IndexDescription;
use crate::pipeline::order::Order;

/// Below this many reference cells, comparing every pair is quicker than building an index.
const EXACT_BELOW: u64 = 50_000;
/// Share of the true neighbours that an approximate search finds unless told otherwise.
const DEFAULT_RECALL: f64 = 0.95;
/// Below this many reference cells a repair never cost less than more lists: `docs/design/repair.md`.
const REPAIR_FROM: u64 = 10_000_000;

/// The search options of a request, each valid by itself and none contradicting another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    /// `auto`, `exact`, `ivf` or `ivfpq`.
    pub method: String,
    /// The recall asked for.
    pub recall: Option<f64>,
    /// Lists of the index to be built.
    pub nlist: Option<u64>,
    /// Lists visited for each query cell.
    pub nprobe: Option<u64>,
    /// Seed of all samples.
    pub seed: u64,
    /// Numbers in lists, where that was said.
    pub list_dtype: Option<String>,
    /// What decides among rows that codes have selected, where that was said.
    pub rerank: Option<String>,
    /// `auto`, `pread` or `mmap`.
    pub io: String,
    /// The order of work; none is the one that costs less.
    pub(in crate::pipeline) order: Option<Order>,
    /// `auto`, `never` or `always`: whether neighbours are repaired.
    pub repair: String,
    /// The index to be used.
    pub index: Option<PathBuf>,
    /// Neighbours of each reference row that this index keeps, where a mapping between two stores may follow them.
    pub kept: Option<u64>,
    /// Where intermediate files go; none is beside the output.
    pub work_dir: Option<PathBuf>,
}

/// What a search will be, and one sentence that says why.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::pipeline) struct Chosen {
    /// `exact`, `ivf` or `ivfpq`.
    pub(in crate::pipeline) method: &'static str,
    /// None for an exact search.
    pub(in crate::pipeline) ivf: Option<IvfParameters>,
    /// Why this method.
    pub(in crate::pipeline) reason: String,
}

impl Search {
    /// Checks the options alone and against each other.
    pub(super) fn resolve(request: &MapRequest) -> Result<Self> {
        let method = one_of("method", request.method.as_deref(), &["auto", "exact", "ivf", "ivfpq"], &[])?;
        let list_dtype = request.list_dtype.as_deref().map(|given| checked_list_dtype(Some(given))).transpose()?;
        let index = request.index.as_deref().map(|path| checked_index_path("index", path)).transpose()?;
        let search = Self {
            method,
            recall: checked_recall(request.recall)?,
            nlist: checked_lists("nlist", request.nlist)?,
            nprobe: checked_lists("nprobe", request.nprobe)?,
            seed: checked_seed(request.seed)?,
            list_dtype,
            rerank: checked_rerank(request.rerank.as_deref())?,
            io: one_of("io", request.io.as_deref(), &["auto", "pread", "mmap"], &["direct"])?,
            order: Order::from_name(&one_of("order", request.order.as_deref(), &["auto", "rows", "lists"], &[])?),
            repair: one_of("repair", request.repair.as_deref(), &["auto", "never", "always"], &[])?,
            index: index.map(PathBuf::from),
            kept: None,
            work_dir: request.work_dir.as_ref().map(PathBuf::from),
        };
        search.refuse_contradictions()?;
        let search = if request.exclude_batch.is_some() { search.among_others()? } else { search };
        let is_alone = request.reference.is_none() && request.reference_where.is_none();
        if search.index.is_some() && is_alone && request.bundle().is_none() {
            return Err(Error::Unsupported {
                what: "an index that is no bundle, without its reference,".into(),
                remedy: "name the reference that the index was built from; for self-mapping, the query again; or build it with bundle".into(),
            });
        }
        Ok(search)
    }

    /// The same where some references are barred: in the order of rows, in which the batches of a block of queries are read with it, and without
    /// a repair, which would follow neighbours of neighbours of any batch.
    fn among_others(self) -> Result<Self> {
        let refuse = |what: &str, remedy: &str| {
            let what = format!("{what} beside excludeBatch");
            Err(Error::Unsupported { what, remedy: remedy.into() })
        };
        if self.order == Some(Order::Lists) {
            return refuse("order \"lists\"", "leave order out, or ask for \"rows\"");
        }
        if self.repair == "always" {
            return refuse("repair \"always\"", "leave repair out, or ask for \"never\"");
        }
        Ok(Self { order: Some(Order::Rows), repair: "never".into(), ..self })
    }

    /// Whether codes were asked for. An index that has them says so itself.
    pub(super) fn is_coded(&self) -> bool {
        self.method == "ivfpq" || self.rerank.is_some()
    }

    fn refuse_contradictions(&self) -> Result<()> {
        if self.method == "exact"
            && let Some((name, value)) = self.of_lists()
        {
            let reason = "an exact search has no lists: leave it out, or ask for method ivf";
            return Err(Error::param(name, value, reason));
        }
        if self.method == "ivf"
            && let Some(rerank) = &self.rerank
        {
            return Err(Error::param("rerank", rerank, "only codes select what is decided: ask for method ivfpq"));
        }
        if self.is_coded()
            && let Some(dtype) = &self.list_dtype
        {
            return Err(Error::param("listDtype", dtype, "rerank says how rows are stored beside their codes"));
        }
        if let (Some(recall), Some(_)) = (self.recall, self.nprobe) {
            return Err(Error::param("recall", recall, "nprobe fixes what recall would choose: give one of them"));
        }
        if let (Some(nlist), Some(nprobe)) = (self.nlist, self.nprobe)
            && nprobe > nlist
        {
            return Err(Error::param("nprobe", nprobe, format!("at most nlist, which is {nlist}")));
        }
        if self.index.is_some() {
            let reason = "the index has its own: leave it out, or leave out index to have one built";
            if let Some(nlist) = self.nlist {
                return Err(Error::param("nlist", nlist, reason));
            }
            if let Some(dtype) = &self.list_dtype {
                return Err(Error::param("listDtype", dtype, reason));
            }
            if let Some(rerank) = &self.rerank {
                return Err(Error::param("rerank", rerank, reason));
            }
        }
        Ok(())
    }

    /// The first option that only a search by lists has.
    fn of_lists(&self) -> Option<(&'static str, String)> {
        let index = self.index.as_ref().map(|path| ("index", path.display().to_string()));
        let nlist = self.nlist.map(|nlist| ("nlist", nlist.to_string()));
        let nprobe = self.nprobe.map(|nprobe| ("nprobe", nprobe.to_string()));
        let list_dtype = self.list_dtype.as_ref().map(|dtype| ("listDtype", dtype.clone()));
        let rerank = self.rerank.as_ref().map(|rerank| ("rerank", rerank.clone()));
        let repair = (self.repair == "always").then(|| ("repair", self.repair.clone()));
        index.or(nlist).or(nprobe).or(list_dtype).or(rerank).or(repair)
    }

    /// The method for `n_ref` reference cells, and its parameters. `index` describes the one that was given.
    pub(in crate::pipeline) fn choose(&self, n_ref: u64, index: Option<&IndexDescription>) -> Result<Chosen> {
        let (approximate, reason) = self.method_for(n_ref);
        if !approximate {
            return Ok(Chosen { method: "exact", ivf: None, reason });
        }
        let nlist =
            index.map_or_else(|| self.nlist.unwrap_or_else(|| u64::from(default_lists(n_ref))), |index| index.nlist);
        if index.is_none() {
            check_nlist(nlist, n_ref)?;
        }
        if let Some(nprobe) = self.nprobe.filter(|&nprobe| nprobe > nlist) {
            return Err(Error::param("nprobe", nprobe, format!("at most nlist, which is {nlist}")));
        }
        if let Some(index) = index.filter(|index| self.method != "auto" && self.method != index.method) {
            return Err(Error::param("method", &self.method, format!("the index is made for {}", index.method)));
        }
        let rerank = match index {
            Some(index) => index.rerank.clone(),
            None => self.is_coded().then(|| self.rerank.clone().unwrap_or_else(|| "exact".into())),
        };
        let list_dtype = index.map(|index| index.list_dtype.clone()).or_else(|| self.list_dtype.clone());
        let list_dtype = rerank.as_deref().map(|rerank| reranked_dtype(rerank).to_owned()).or(list_dtype);
        let method = if rerank.is_some() { "ivfpq" } else { "ivf" };
        let ivf = IvfParameters {
            recall: self.nprobe.is_none().then(|| self.recall.unwrap_or(DEFAULT_RECALL)),
            nprobe: self.nprobe,
            nlist,
            list_dtype: list_dtype.unwrap_or_else(|| "f32".into()),
            rerank,
            repair: "never".into(),
            seed: self.seed,
            index: index.map(|index| index.digest.clone()),
        };
        Ok(Chosen { method, ivf: Some(ivf), reason })
    }

    /// Whether neighbours are repaired, in a search with these parameters: `always`, `never`, or `auto` where it may pay.
    pub(in crate::pipeline) fn repairs(
        &self,
        ivf: &IvfParameters,
        n_ref: u64,
        self_mapping: bool,
    ) -> Result<&'static str> {
        let has_rows = ivf.rerank.as_deref() != Some("none");
        match self.repair.as_str() {
            "always" if !self_mapping && self.kept.is_none() && has_rows => Err(Error::Unsupported {
                what: "repair of a mapping between two stores without the graph of the reference".into(),
                remedy: "build an index that keeps it (index --keep-graph 16, or keepGraph) and name that, or leave repair out".into(),
            }),
            "always" if !has_rows => {
                let reason = "rows that only codes tell (rerank \"none\") cannot be compared exactly: leave it out";
                Err(Error::param("repair", "always", reason))
            }
            "always" => Ok("always"),
            "auto" if (self_mapping || self.kept.is_some()) && has_rows && ivf.recall.is_some() && n_ref >= REPAIR_FROM => Ok("auto"),
            _ => Ok("never"),
        }
    }

    fn method_for(&self, n_ref: u64) -> (bool, String) {
        match self.method.as_str() {
            "exact" => (false, "it was asked for".into()),
            "ivf" | "ivfpq" => (true, "it was asked for".into()),
            _ => match self.of_lists() {
                Some((name, _)) => (true, format!("{name} was given, which only an index has")),
                None if self.recall == Some(1.0) => (false, "only an exact search promises a recall of 1".into()),
                None if n_ref < EXACT_BELOW => {
                    (false, format!("{n_ref} reference cells are fewer than {EXACT_BELOW}, where an index would pay"))
                }
                None => (true, format!("{n_ref} reference cells are at least {EXACT_BELOW}, where an index pays")),
            },
        }
    }
}

/// Refuses more lists than cells.
pub(super) fn check_nlist(nlist: u64, n: u64) -> Result<()> {
    if nlist > n.max(1) {
        return Err(Error::param("nlist", nlist, format!("at most one list for each of the {n} reference cells")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> MapRequest {
        MapRequest { query: "q".into(), reference: Some("r".into()), ..MapRequest::default() }
    }

    fn search(request: &MapRequest) -> Search {
        Search::resolve(request).unwrap()
    }

    #[test]
    fn values_and_contradictions_are_refused_by_name() {
        let ivf = |edit: fn(&mut MapRequest)| {
            let mut request = request();
            edit(&mut request);
            request
        };
        let wrong = vec![
            ("method", ivf(|r| r.method = Some("hnsw".into()))),
            ("recall", ivf(|r| r.recall = Some(0.0))),
            ("recall", ivf(|r| r.recall = Some(1.01))),
            ("recall", ivf(|r| r.recall = Some(f64::NAN))),
            ("nlist", ivf(|r| r.nlist = Some(0))),
            ("nlist", ivf(|r| r.nlist = Some(1 << 25))),
            ("nprobe", ivf(|r| r.nprobe = Some(-1))),
            ("nprobe", ivf(|r| (r.nlist, r.nprobe) = (Some(8), Some(9)))),
            ("seed", ivf(|r| r.seed = Some(-1))),
            ("listDtype", ivf(|r| r.list_dtype = Some("f8".into()))),
            ("io", ivf(|r| r.io = Some("uring".into()))),
            ("order", ivf(|r| r.order = Some("random".into()))),
            ("repair", ivf(|r| r.repair = Some("twice".into()))),
            ("repair", ivf(|r| (r.method, r.repair) = (Some("exact".into()), Some("always".into())))),
            ("index", ivf(|r| r.index = Some("index.faiss".into()))),
            ("recall", ivf(|r| (r.recall, r.nprobe) = (Some(0.9), Some(8)))),
            ("nprobe", ivf(|r| (r.method, r.nprobe) = (Some("exact".into()), Some(8)))),
            ("nlist", ivf(|r| (r.method, r.nlist) = (Some("exact".into()), Some(8)))),
            ("listDtype", ivf(|r| (r.method, r.list_dtype) = (Some("exact".into()), Some("f16".into())))),
            ("index", ivf(|r| (r.method, r.index) = (Some("exact".into()), Some("a.gmx".into())))),
            ("nlist", ivf(|r| (r.index, r.nlist) = (Some("a.gmx".into()), Some(8)))),
            ("listDtype", ivf(|r| (r.index, r.list_dtype) = (Some("a.gmx".into()), Some("f32".into())))),
            ("rerank", ivf(|r| r.rerank = Some("f32".into()))),
            ("rerank", ivf(|r| (r.method, r.rerank) = (Some("ivf".into()), Some("exact".into())))),
            ("rerank", ivf(|r| (r.method, r.rerank) = (Some("exact".into()), Some("none".into())))),
            ("rerank", ivf(|r| (r.index, r.rerank) = (Some("a.gmx".into()), Some("f16".into())))),
            ("listDtype", ivf(|r| (r.method, r.list_dtype) = (Some("ivfpq".into()), Some("f16".into())))),
        ];
        for (name, request) in wrong {
            let error = Search::resolve(&request).unwrap_err();
            assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some(name)), "{request:?}");
        }
        let later = ivf(|r| r.io = Some("direct".into()));
        assert_eq!(Search::resolve(&later).unwrap_err().code(), "GM_UNSUPPORTED");
        let alone = MapRequest { index: Some("a.gmx".into()), reference: None, ..request() };
        assert_eq!(Search::resolve(&alone).unwrap_err().code(), "GM_UNSUPPORTED");
    }

    #[test]
    fn auto_follows_the_size_of_the_reference_and_what_was_given() {
        let method = |request: MapRequest, n| search(&request).choose(n, None).unwrap().method;
        assert_eq!(method(request(), 49_999), "exact");
        assert_eq!(method(request(), 50_000), "ivf");
        assert_eq!(method(MapRequest { recall: Some(1.0), ..request() }, 50_000), "exact");
        assert_eq!(method(MapRequest { nprobe: Some(2), ..request() }, 10_000), "ivf");
        assert_eq!(method(MapRequest { method: Some("exact".into()), ..request() }, 1 << 30), "exact");
    }

    #[test]
    fn a_repair_is_considered_where_there_is_a_graph_and_it_may_pay() {
        let repairs = |repair: Option<&str>, edit: fn(&mut MapRequest), n_ref, self_mapping| {
            let mut request = MapRequest { repair: repair.map(str::to_owned), method: Some("ivf".into()), ..request() };
            edit(&mut request);
            let search = search(&request);
            let ivf = search.choose(n_ref, None).unwrap().ivf.unwrap();
            search.repairs(&ivf, n_ref, self_mapping).map_err(|error| error.code())
        };
        let plain = |_: &mut MapRequest| ();
        let many = REPAIR_FROM;
        assert_eq!(repairs(None, plain, many, true), Ok("auto"));
        assert_eq!(repairs(Some("auto"), plain, many - 1, true), Ok("never"));
        assert_eq!(repairs(None, plain, many, false), Ok("never"));
        assert_eq!(repairs(None, |r| r.nprobe = Some(8), many, true), Ok("never"));
        assert_eq!(repairs(Some("never"), plain, many, true), Ok("never"));
        assert_eq!(repairs(Some("always"), |r| r.nprobe = Some(2), 1000, true), Ok("always"));
        assert_eq!(repairs(Some("always"), plain, many, false), Err("GM_UNSUPPORTED"));
        let kept = |repair: &str, n_ref| {
            let request = MapRequest { repair: Some(repair.into()), index: Some("a.gmx".into()), ..request() };
            let search = Search { kept: Some(8), ..search(&request) };
            let ivf = search.choose(n_ref, Some(&IndexDescription::default())).unwrap().ivf.unwrap();
            search.repairs(&ivf, n_ref, false).unwrap()
        };
        assert_eq!((kept("always", 1000), kept("auto", many), kept("auto", many - 1)), ("always", "auto", "never"));
        let codes = |r: &mut MapRequest| (r.method, r.rerank) = (None, Some("none".into()));
        assert_eq!(repairs(None, codes, many, true), Ok("never"));
        assert_eq!(repairs(Some("always"), codes, many, true), Err("GM_PARAM"));
    }

    #[test]
    fn equal_searches_have_equal_parameters() {
        let ivf = |request: MapRequest| search(&request).choose(1_000_000, None).unwrap().ivf.unwrap();
        let plain = ivf(request());
        assert_eq!((plain.recall, plain.nprobe, plain.nlist, plain.seed), (Some(0.95), None, 2857, 0));
        let said = MapRequest {
            method: Some("ivf".into()),
            recall: Some(0.95),
            nlist: Some(2857),
            seed: Some(0),
            list_dtype: Some("f32".into()),
            io: Some("mmap".into()),
            work_dir: Some("elsewhere".into()),
            order: Some("lists".into()),
            ..request()
        };
        assert_eq!(ivf(said), plain);
        let pinned = ivf(MapRequest { nprobe: Some(16), ..request() });
        assert_eq!((pinned.recall, pinned.nprobe), (None, Some(16)));
        let many = MapRequest { nprobe: Some(5000), ..request() };
        assert_eq!(search(&many).choose(1_000_000, None).unwrap_err().code(), "GM_PARAM");
        let more = MapRequest { nlist: Some(600), ..request() };
        assert_eq!(search(&more).choose(500, None).unwrap_err().code(), "GM_PARAM");
    }

    #[test]
    fn codes_say_how_rows_are_stored() {
        let chosen = |method: Option<&str>, rerank: Option<&str>| {
            let (method, rerank) = (method.map(str::to_owned), rerank.map(str::to_owned));
            let chosen = search(&MapRequest { method, rerank, ..request() }).choose(1000, None).unwrap();
            let ivf = chosen.ivf.unwrap();
            (chosen.method, ivf.rerank.unwrap_or_default(), ivf.list_dtype)
        };
        let expected = |rerank: &str, dtype: &str| ("ivfpq", rerank.to_owned(), dtype.to_owned());
        assert_eq!(chosen(Some("ivfpq"), None), expected("exact", "f32"));
        assert_eq!(chosen(None, Some("f16")), expected("f16", "f16"));
        assert_eq!(chosen(Some("ivfpq"), Some("none")), expected("none", "none"));
        assert_eq!(chosen(Some("ivf"), None), ("ivf", String::new(), "f32".into()));
        let given = MapRequest { index: Some("a.gmx".into()), ..request() };
        let index = IndexDescription { method: "ivfpq".into(), rerank: Some("none".into()), ..Default::default() };
        assert_eq!(search(&given).choose(500, Some(&index)).unwrap().method, "ivfpq");
        let other = MapRequest { method: Some("ivf".into()), ..given };
        assert_eq!(search(&other).choose(500, Some(&index)).unwrap_err().code(), "GM_PARAM");
    }

    #[test]
    fn an_index_brings_its_own_lists() {
        let given = MapRequest { index: Some("a.gmx".into()), ..request() };
        let index =
            IndexDescription { nlist: 77, list_dtype: "f16".into(), digest: "abc".into(), ..Default::default() };
        let ivf = search(&given).choose(500, Some(&index)).unwrap().ivf.unwrap();
        assert_eq!((ivf.nlist, ivf.list_dtype.as_str(), ivf.index.as_deref()), (77, "f16", Some("abc")));
    }
}
