//! What becomes of every combination of back end, method, numbers in lists, metric and mode. Each is asked of the checks that a request meets and of
//! the decision that a plan takes, as if there were a device; whether there is one stands beside it, in the list of back ends.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::backend::{Missing, Work, decide, environment, no_loader};
use super::index_terms::spec;
use super::request::{IndexRequest, MapRequest, Resolved, ResolvedIndex};
use crate::distance::Metric;
use crate::error::Result;
use crate::source::stores;

/// Back ends by their names.
const BACKENDS: [&str; 2] = ["cpu", "cuda"];
/// Numbers in lists, and what decides among what codes select.
pub(super) const LIST_DTYPES: [&str; 2] = ["f32", "f16"];
pub(super) const RERANKS: [&str; 3] = ["exact", "f16", "none"];
/// Methods with the options that say how their lists store rows.
pub(super) const METHODS: [(&str, &[&str]); 3] = [("exact", &["f32"]), ("ivf", &LIST_DTYPES), ("ivfpq", &RERANKS)];
/// Names of platforms as packages have them, and what the compiler calls their system, processor and C library.
const PLATFORMS: [(&str, [&str; 3]); 6] = [
    ("linux-x64-gnu", ["linux", "x86_64", "gnu"]),
    ("linux-arm64-gnu", ["linux", "aarch64", "gnu"]),
    ("linux-x64-musl", ["linux", "x86_64", "musl"]),
    ("darwin-arm64", ["macos", "aarch64", ""]),
    ("win32-x64-msvc", ["windows", "x86_64", "msvc"]),
    ("wasm32", ["unknown", "wasm32", ""]),
];

/// One combination of what a search can be asked for, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Combination {
    /// The back end that is asked for: `cpu` or `cuda`.
    pub backend: String,
    /// `exact`, `ivf`, or `ivfpq`, whose codes are those of a product quantiser.
    pub method: String,
    /// Numbers of the rows that are compared: `f32`, `f16`, or `none` where codes are all that is stored.
    pub dtype: String,
    /// The metric.
    pub metric: String,
    /// `cross` between two stores, `self` within one.
    pub mode: String,
    /// The back end that compares cells then, where it is there; null where the combination is refused.
    pub runs_on: Option<String>,
    /// Why it is refused, or why another back end does it; null where it is as asked.
    pub reason: Option<String>,
    /// The same as `runsOn` where `excludeBatch` is asked for too.
    pub runs_on_with_exclude_batch: Option<String>,
    /// Whether there is an index of it that cells can be added to on disk (`append`).
    pub append: bool,
    /// Whether each side may be in many stores (shards) that are read as one.
    pub sharded: bool,
}

/// What back ends a platform can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PlatformCapability {
    /// Its name, as packages have it: `linux-x64-gnu`.
    pub name: String,
    /// Whether this build is for it.
    pub is_this: bool,
    /// Back ends that can be there.
    pub backends: Vec<String>,
    /// Why one cannot; null where all can.
    pub reason: Option<String>,
}

/// Every combination, in the order of its fields.
pub(super) fn combinations() -> Vec<Combination> {
    let mut all = Vec::new();
    for backend in BACKENDS {
        for (method, stored) in METHODS {
            for rows in stored {
                for metric in Metric::ALL {
                    all.extend([false, true].map(|within| combination(backend, (method, rows), metric, within)));
                }
            }
        }
    }
    all
}

/// What can be there on each platform.
pub(super) fn platforms() -> Vec<PlatformCapability> {
    let this = [std::env::consts::OS, std::env::consts::ARCH, environment()];
    PLATFORMS
        .into_iter()
        .map(|(name, target)| {
            let reason = no_loader(target);
            let there = BACKENDS.into_iter().filter(|backend| *backend != "cuda" || reason.is_none());
            PlatformCapability {
                name: name.into(),
                is_this: target == this,
                backends: there.map(str::to_owned).collect(),
                reason: reason.map(str::to_owned),
            }
        })
        .collect()
}

/// A request that nothing but these options can make wrong.
fn request(backend: &str, (method, rows): (&str, &str), metric: Metric, within: bool) -> MapRequest {
    MapRequest {
        query: "query".into(),
        reference: (!within).then(|| "reference".into()),
        backend: Some(backend.into()),
        method: Some(method.into()),
        list_dtype: (method == "ivf").then(|| rows.into()),
        rerank: (method == "ivfpq").then(|| rows.into()),
        metric: Some(metric.name().into()),
        ..MapRequest::default()
    }
}

fn combination(backend: &str, (method, rows): (&str, &str), metric: Metric, within: bool) -> Combination {
    let asked = request(backend, (method, rows), metric, within);
    let many = |name: &str| format!("{name}-1,{name}-2");
    let halves = MapRequest { query: many("query"), reference: asked.reference.as_deref().map(many), ..asked.clone() };
    let batches = MapRequest { exclude_batch: Some("batch".into()), ..asked.clone() };
    let index = IndexRequest {
        reference: "reference".into(),
        output: Some("index.gmx".into()),
        append: Some(true),
        method: Some(method.into()),
        list_dtype: asked.list_dtype.clone(),
        rerank: asked.rerank.clone(),
        metric: asked.metric.clone(),
        ..IndexRequest::default()
    };
    let runs = asked.resolve().and_then(|resolved| decided(&resolved));
    let (runs_on, reason) = match &runs {
        Ok((name, reason)) => (Some(name.clone()), (name != backend).then(|| reason.clone())),
        Err(refusal) => (None, Some(refusal.to_string())),
    };
    Combination {
        backend: backend.into(),
        method: method.into(),
        dtype: dtype(&asked),
        metric: metric.name().into(),
        mode: if within { "self" } else { "cross" }.into(),
        runs_on_with_exclude_batch: batches
            .resolve()
            .and_then(|resolved| decided(&resolved))
            .ok()
            .map(|(name, _)| name),
        runs_on,
        reason,
        append: index.resolve().is_ok_and(|index| is_growable(&index)),
        sharded: halves.resolve().is_ok_and(|resolved| is_many(&resolved.query) && is_many(&resolved.reference)),
    }
}

/// The back end that a plan would take if there were a device, and why.
fn decided(resolved: &Resolved) -> Result<(String, String)> {
    let chosen = resolved.search.choose(u64::from(u32::MAX), None)?;
    let work = Work { method: chosen.method, bars: resolved.parameters.exclude_batch.is_some() };
    let told = decide(resolved.backend, work, || Ok::<_, Missing>(((), String::new())))?.told;
    Ok((told.name, told.reason))
}

/// The numbers of its rows: those of lists, or where there are none, those that all rows are read as.
fn dtype(asked: &MapRequest) -> String {
    let chosen = asked.resolve().and_then(|resolved| resolved.search.choose(u64::from(u32::MAX), None));
    let lists = chosen.ok().and_then(|chosen| chosen.ivf).map(|ivf| ivf.list_dtype);
    lists.unwrap_or_else(|| match asked.rerank.as_deref() {
        None | Some("exact") => "f32".into(),
        Some(rows) => rows.into(),
    })
}

/// Whether an index with these lists can be appended to.
fn is_growable(index: &ResolvedIndex) -> bool {
    let spec = spec(1, &index.list_dtype, index.rerank.is_some(), index.metric, index.seed);
    spec.is_ok_and(|spec| spec.dtype.is_growable())
}

fn is_many(path: &Path) -> bool {
    stores(path).is_ok_and(|stores| stores.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_there_once() {
        let all = combinations();
        assert_eq!(all.len(), 2 * (1 + 2 + 3) * 4 * 2);
        let key = |one: &Combination| [&one.backend, &one.method, &one.dtype, &one.metric, &one.mode].map(Clone::clone);
        let mut keys: Vec<_> = all.iter().map(key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all.len());
        assert!(all.iter().all(|one| one.reason.is_some() == (one.runs_on.as_ref() != Some(&one.backend))));
    }

    #[test]
    fn this_platform_is_one_of_those_that_are_told() {
        let found = platforms();
        let this: Vec<_> = found.iter().filter(|platform| platform.is_this).collect();
        assert_eq!(this.len(), 1);
        assert!(found.iter().all(|platform| platform.backends[0] == "cpu"));
        assert!(found.iter().all(|platform| platform.reason.is_none() == (platform.backends.len() == 2)));
    }
}
