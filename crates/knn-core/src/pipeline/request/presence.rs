//! Presence scores as they are asked for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{DEFAULT_LAYOUT, LayoutRequest};
use super::values::{checked_layout, checked_memory, checked_threads};
use crate::error::{Error, Result};
use crate::kernel::KernelMethod;
use crate::operator::Scaling;
use crate::source::filtered_path;

/// A request for presence scores of the reference cells of a stored graph: how much of the query lies at each. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PresenceRequest {
    /// A finished store of `map` or `neighbors`, with the neighbours of every query cell.
    pub neighbors: String,
    /// The reference that it was made with, or many, as there; its cells name the rows. It is never written to.
    pub reference: String,
    /// Only the query cells for which a condition holds, as in `map`: those that the neighbours are of, for `groupby`. Default all.
    #[serde(rename = "where")]
    pub query_where: Option<String>,
    /// Only the reference cells for which a condition holds, as in `map`.
    #[serde(alias = "reference_where")]
    pub reference_where: Option<String>,
    /// Where the scores go, a new AnnData with a row for each reference cell; `GM_EXISTS` if something is there.
    pub output: Option<String>,
    /// A column of labels in the query's `obs`: scores are made for each of its categories as well. Default none.
    pub groupby: Option<String>,
    /// The store whose `obs` has `groupby`, a row for each query cell. Default: the store of the neighbours, which has predicted labels.
    pub query: Option<String>,
    /// Name of the scores in `obs`, and of those by group in `obsm`; default `presence_score`.
    #[serde(alias = "key_added")]
    pub key_added: Option<String>,
    /// Whether sums become ln(1 + sum) first; default false.
    pub log: Option<bool>,
    /// Two percentiles, 0 to 100, that scores are clipped to, column by column; default 1 and 99. 0 and 100 clip nothing.
    pub percentile: Option<(f64, f64)>,
    /// Whether each column is scaled to 0 … 1 at last; default true. A column of one value becomes 0.
    pub minmax: Option<bool>,
    /// How distances become weights, as in `map`, but neither symmetrised nor normalised: `gauss` (default, exp(−d²/2σ²)), `scarches`,
    /// `scarches_local`, `inverse_distance` or `equal`.
    #[serde(alias = "kernel_method")]
    pub kernel_method: Option<String>,
    /// σ of `gauss` or `scarches`, a distance above 0. Default: what the kernel takes from all stored distances, `gauss` their mean.
    pub bandwidth: Option<f64>,
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
    /// Rows per inner chunk, shard and part; for tests of the layout.
    pub layout: Option<LayoutRequest>,
}

/// A request for presence scores with paths and limits resolved.
#[derive(Debug, Clone)]
pub struct ResolvedPresence {
    /// The stored graph.
    pub neighbors: PathBuf,
    /// The reference.
    pub reference: PathBuf,
    /// The scores.
    pub output: PathBuf,
    /// The column of groups, and the store that has it.
    pub groups: Option<(PathBuf, String)>,
    /// Name of the scores.
    pub key_added: String,
    /// What is done with sums.
    pub scaling: Scaling,
    /// The kernel.
    pub kernel: KernelMethod,
    /// The bandwidth, where it was pinned.
    pub bandwidth: Option<f64>,
    /// The budget, bytes.
    pub memory: u64,
    /// Worker threads.
    pub threads: usize,
    /// Continue an interrupted run.
    pub resume: bool,
    /// Replace an earlier store.
    pub overwrite: bool,
    /// Grid of the output.
    pub layout: LayoutRequest,
}

impl PresenceRequest {
    /// Fills in defaults and refuses values that no store could make valid. Touches no array.
    pub fn resolve(&self) -> Result<ResolvedPresence> {
        let named = |name: &str, given: Option<&String>, what: &str| {
            let given = given.filter(|given| !given.is_empty());
            given.map(PathBuf::from).ok_or_else(|| Error::param(name, "", format!("name {what}")))
        };
        let neighbors = named("neighbors", Some(&self.neighbors), "the store of the neighbors")?;
        let groups = match (&self.groupby, &self.query) {
            (None, Some(query)) => {
                return Err(Error::param("query", query, "is read for groupby alone: name the column of groups"));
            }
            (None, None) => None,
            (Some(key), _) if key.is_empty() => return Err(Error::param("groupby", "", "name a column of obs")),
            (Some(key), Some(query)) => {
                Some((filtered_path(Path::new(query), "where", self.query_where.as_deref())?, key.clone()))
            }
            (Some(key), None) => Some((neighbors.clone(), key.clone())),
        };
        if let Some(condition) = self.query_where.as_ref().filter(|_| self.query.is_none()) {
            return Err(Error::param("where", condition, "chooses cells of the query: name it"));
        }
        let reference = named("reference", Some(&self.reference), "the reference that the neighbors are of")?;
        let (low, high) = self.percentile.unwrap_or((1.0, 99.0));
        if !(0.0 <= low && low <= high && high <= 100.0) {
            return Err(Error::param("percentile", format!("{low},{high}"), "two ascending numbers from 0 to 100"));
        }
        if let Some(bandwidth) = self.bandwidth.filter(|b| !(b.is_finite() && *b > 0.0)) {
            return Err(Error::param("bandwidth", bandwidth, "a finite number above 0"));
        }
        let kernel = kernel(self.kernel_method.as_deref())?;
        if let Some(bandwidth) = self.bandwidth.filter(|_| !kernel.has_bandwidth()) {
            return Err(Error::param("bandwidth", bandwidth, format!("kernel {} has none", kernel.name())));
        }
        Ok(ResolvedPresence {
            kernel,
            reference: filtered_path(&reference, "referenceWhere", self.reference_where.as_deref())?,
            output: named("output", self.output.as_ref(), "the store to write")?,
            neighbors,
            groups,
            key_added: self.key_added.clone().unwrap_or_else(|| "presence_score".into()),
            scaling: Scaling {
                log: self.log.unwrap_or(false),
                percentile: (low, high),
                minmax: self.minmax.unwrap_or(true),
            },
            bandwidth: self.bandwidth,
            memory: checked_memory(self.memory.as_deref())?,
            threads: checked_threads(self.threads)?,
            resume: self.resume.unwrap_or(false),
            overwrite: self.overwrite.unwrap_or(false),
            layout: checked_layout(self.layout.unwrap_or(DEFAULT_LAYOUT))?,
        })
    }
}

/// The kernel of that name, if it weighs an edge by the row that it leaves.
fn kernel(name: Option<&str>) -> Result<KernelMethod> {
    let name = name.unwrap_or(KernelMethod::Gauss.name());
    let known = || KernelMethod::ALL.map(KernelMethod::name).join(", ");
    let kernel = KernelMethod::from_name(name).ok_or_else(|| Error::param("kernelMethod", name, known()))?;
    if !kernel.weighs_rows_alone() {
        return Err(Error::Unsupported {
            what: format!("presence by kernel {name}"),
            remedy: "it weighs edges by more than the row that they leave: take gauss, scarches, scarches_local, inverse_distance or equal".into(),
        });
    }
    Ok(kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_name_and_defaults_are_cellmappers() {
        let request = || PresenceRequest {
            neighbors: "n".into(),
            reference: "r".into(),
            output: Some("o".into()),
            ..PresenceRequest::default()
        };
        let wrong = [
            ("neighbors", PresenceRequest { neighbors: String::new(), ..request() }),
            ("reference", PresenceRequest { reference: String::new(), ..request() }),
            ("output", PresenceRequest { output: None, ..request() }),
            ("query", PresenceRequest { query: Some("q".into()), ..request() }),
            ("where", PresenceRequest { query_where: Some("a == 1".into()), ..request() }),
            ("groupby", PresenceRequest { groupby: Some(String::new()), ..request() }),
            ("percentile", PresenceRequest { percentile: Some((99.0, 1.0)), ..request() }),
            ("percentile", PresenceRequest { percentile: Some((f64::NAN, 1.0)), ..request() }),
            ("bandwidth", PresenceRequest { bandwidth: Some(0.0), ..request() }),
            ("bandwidth", PresenceRequest { bandwidth: Some(1.0), kernel_method: Some("equal".into()), ..request() }),
            ("kernelMethod", PresenceRequest { kernel_method: Some("gaus".into()), ..request() }),
            ("threads", PresenceRequest { threads: Some(0), ..request() }),
        ];
        for (name, request) in wrong {
            let error = request.resolve().unwrap_err();
            assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some(name)), "{request:?}");
        }
        let resolved = PresenceRequest { groupby: Some("type".into()), ..request() }.resolve().unwrap();
        assert_eq!(resolved.scaling, Scaling { log: false, percentile: (1.0, 99.0), minmax: true });
        assert_eq!(
            (resolved.key_added.as_str(), resolved.groups),
            ("presence_score", Some(("n".into(), "type".into())))
        );
    }
}
