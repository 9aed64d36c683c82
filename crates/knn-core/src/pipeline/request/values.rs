//! Checks of single values, shared by the requests. Each refusal names the parameter, the value and what it may be.

use std::path::{Path, PathBuf};

use super::layout::LayoutRequest;
use crate::budget;
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::source::{condition, stores};

/// More neighbours than anyone maps with; keeps row buffers small.
pub(super) const MOST_NEIGHBORS: i64 = 10_000;
/// More lists than a reference of four billion cells wants.
const MOST_LISTS: i64 = 1 << 24;
/// More components than anyone computes.
const MOST_COMPONENTS: i64 = 1000;
/// The largest whole number that JSON carries unchanged.
const MOST_SEED: i64 = (1 << 53) - 1;

/// Whether both paths lead to the same cells: of one store, or of the same stores in the same order.
pub(super) fn same_store(query: &Path, reference: &Path) -> bool {
    let same = |left: &Path, right: &Path| matches!((condition(left), condition(right)), (Ok(left), Ok(right)) if left == right);
    query == reference || (same(query, reference) && same_place(query, reference))
}

/// The same, whichever of their cells are chosen.
pub(in crate::pipeline) fn same_place(query: &Path, reference: &Path) -> bool {
    let found = |path: &Path| -> Option<Vec<PathBuf>> {
        stores(path).ok()?.iter().map(|store| store.canonicalize().ok()).collect()
    };
    matches!((found(query), found(reference)), (Some(left), Some(right)) if left == right)
}

/// The given value if it is available (the first one if none is given); says which will come and which never existed.
pub(super) fn one_of(name: &str, given: Option<&str>, available: &[&str], later: &[&str]) -> Result<String> {
    match given {
        None => Ok(available[0].to_owned()),
        Some(value) if available.contains(&value) => Ok(value.to_owned()),
        Some(value) if later.contains(&value) => Err(Error::Unsupported {
            what: format!("{name} {value:?} in this version"),
            remedy: format!("available now: {}", available.join(", ")),
        }),
        Some(value) => Err(Error::param(name, value, format!("one of {}", [available, later].concat().join(", ")))),
    }
}

/// Where something goes, where that was said.
pub(super) fn checked_output(given: Option<&str>) -> Result<Option<PathBuf>> {
    match given {
        Some("") => Err(Error::param("output", "", "name the store to write")),
        given => Ok(given.map(PathBuf::from)),
    }
}

pub(super) fn postfix(name: &str, given: Option<&str>, default: &str) -> Result<String> {
    let value = given.unwrap_or(default);
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if value.is_empty() || !value.chars().all(fine) {
        return Err(Error::param(name, value, "letters, digits, '_', '-' and '.' only"));
    }
    Ok(value.to_owned())
}

pub(super) fn distinct(name: &str, keys: Option<&[String]>) -> Result<Vec<String>> {
    let keys = keys.unwrap_or_default();
    for (i, key) in keys.iter().enumerate() {
        if key.is_empty() || keys[..i].contains(key) {
            return Err(Error::param(name, key, "every key once, and none empty"));
        }
    }
    Ok(keys.to_vec())
}

pub(super) fn checked_layout(layout: LayoutRequest) -> Result<LayoutRequest> {
    let LayoutRequest { inner_rows, inner_per_unit, part_rows } = layout;
    let unit = inner_rows.checked_mul(inner_per_unit).unwrap_or(0);
    if unit == 0 || unit > 1 << 20 || part_rows == 0 || part_rows % unit != 0 {
        let reason = "a unit has 1 to 2^20 rows and a part is a whole number of units";
        return Err(Error::param("layout", format!("{inner_rows},{inner_per_unit},{part_rows}"), reason));
    }
    Ok(layout)
}

/// A distance between cells.
pub(super) fn checked_metric(given: Option<&str>) -> Result<Metric> {
    let names = Metric::ALL.map(Metric::name);
    let metric = Metric::from_name(&one_of("metric", given, &names, &[])?);
    metric.ok_or_else(|| Error::internal("a metric of an unknown name"))
}

/// Numbers in lists.
pub(super) fn checked_list_dtype(given: Option<&str>) -> Result<String> {
    one_of("listDtype", given, &["f32", "f16"], &[])
}

/// What decides among rows that codes have selected.
pub(super) fn checked_rerank(given: Option<&str>) -> Result<Option<String>> {
    given.map(|given| one_of("rerank", Some(given), &["exact", "f16", "none"], &[])).transpose()
}

/// Codes are summed from 0 on, as squared distances are; products are not.
pub(super) fn check_codes(coded: bool, metric: Metric) -> Result<()> {
    if coded && metric.is_product() {
        return Err(Error::Unsupported {
            what: "method ivfpq for inner products".into(),
            remedy: "ask for method ivf, or another metric".into(),
        });
    }
    Ok(())
}

/// How lists store rows that are decided in this way.
pub(super) fn reranked_dtype(rerank: &str) -> &'static str {
    match rerank {
        "f16" => "f16",
        "none" => "none",
        _ => "f32",
    }
}

/// A number of lists.
pub(super) fn checked_lists(name: &str, given: Option<i64>) -> Result<Option<u64>> {
    match given {
        None => Ok(None),
        Some(n @ 1..=MOST_LISTS) => Ok(Some(n as u64)),
        Some(n) => Err(Error::param(name, n, format!("between 1 and {MOST_LISTS}"))),
    }
}

/// A share above 0.
pub(super) fn checked_recall(given: Option<f64>) -> Result<Option<f64>> {
    match given {
        Some(recall) if !(recall > 0.0 && recall <= 1.0) => {
            Err(Error::param("recall", recall, "above 0 and at most 1; leave it out for 0.95"))
        }
        given => Ok(given),
    }
}

/// The seed, 0 unless given.
pub(super) fn checked_seed(given: Option<i64>) -> Result<u64> {
    match given {
        None => Ok(0),
        Some(seed @ 0..=MOST_SEED) => Ok(seed as u64),
        Some(seed) => Err(Error::param("seed", seed, format!("between 0 and {MOST_SEED}"))),
    }
}

/// A number of components.
pub(super) fn checked_components(given: Option<i64>) -> Result<Option<u64>> {
    match given {
        None => Ok(None),
        Some(n @ 1..=MOST_COMPONENTS) => Ok(Some(n as u64)),
        Some(n) => Err(Error::param("nComps", n, format!("between 1 and {MOST_COMPONENTS}"))),
    }
}

/// The budget in bytes.
pub(super) fn checked_memory(given: Option<&str>) -> Result<u64> {
    given.map_or_else(|| Ok(budget::default_limit()), budget::parse_bytes)
}

/// The number of worker threads.
pub(super) fn checked_threads(given: Option<i64>) -> Result<usize> {
    match given {
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        Some(n @ 1..=1024) => Ok(n as usize),
        Some(n) => Err(Error::param("threads", n, "between 1 and 1024")),
    }
}

/// The path of an index.
pub(super) fn checked_index_path<'p>(name: &str, path: &'p str) -> Result<&'p Path> {
    let given = Path::new(path);
    if given.extension().is_none_or(|extension| extension != "gmx") || given.file_name().is_none() {
        return Err(Error::param(name, path, "an index is a folder whose name ends in .gmx"));
    }
    Ok(given)
}
