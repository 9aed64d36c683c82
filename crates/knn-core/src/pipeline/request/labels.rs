//! What is asked for of labels besides the label: which may be predicted, what is told of the vote, and when a label is rejected.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::map::MapRequest;
use super::values::{distinct, one_of};
use crate::error::{Error, Result};

/// More shares than anyone keeps of a vote that is not kept whole.
const MOST_TOP: u64 = 64;

/// Least share of a label of several levels, where nothing else is said.
pub(in crate::pipeline) const DEFAULT_THRESHOLD: f64 = 0.5;

/// How labels are voted on, told of and rejected, with every default filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabelParameters {
    /// Categories that may be predicted; all where there is none.
    pub subset: Vec<String>,
    /// `drop`, `category` or `error`.
    pub missing: String,
    /// `numeric` where booleans are averaged instead of voted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub booleans: Option<String>,
    /// `none`, `all` or `top-<m>`.
    pub probabilities: String,
    /// Whether second label, margin and entropy are stored.
    pub details: bool,
    /// Least confidence of a label that is not rejected.
    pub min_confidence: Option<f64>,
    /// Largest distance of a cell whose labels are not rejected: pinned, or learnt from a graph of the reference.
    pub max_distance: Option<f64>,
    /// Which neighbour's distance that is, counted from 1.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub distance_of: Option<u64>,
    /// Columns of labels from coarse to fine, of which the deepest with enough weight is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// What is above each label of the one column of `levels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parents: BTreeMap<String, String>,
    /// The least share of such a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub level_threshold: Option<f64>,
}

/// Where a largest distance is learnt: a quantile of a stored self-mapping of the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct LearntDistance {
    /// The stored graph of the reference.
    pub graph: PathBuf,
    /// The quantile of its distances, above 0 and at most 1.
    pub quantile: f64,
}

impl Default for LabelParameters {
    fn default() -> Self {
        Self {
            subset: Vec::new(),
            missing: "drop".into(),
            booleans: None,
            probabilities: "none".into(),
            details: false,
            min_confidence: None,
            max_distance: None,
            distance_of: None,
            levels: Vec::new(),
            parents: BTreeMap::new(),
            level_threshold: None,
        }
    }
}

impl LabelParameters {
    /// Those of a request; refuses what no store could make valid.
    pub(super) fn resolve(request: &MapRequest) -> Result<(Self, Option<LearntDistance>)> {
        let probabilities = match request.probabilities.as_deref() {
            Some(given) if given.starts_with("top-") => given.to_owned(),
            given => one_of("probabilities", given, &["none", "all"], &[])?,
        };
        let mut parameters = Self {
            subset: distinct("subsetCategories", request.subset_categories.as_deref())?,
            missing: one_of("missing", request.missing.as_deref(), &["drop", "category", "error"], &[])?,
            booleans: Some(one_of("as", request.booleans.as_deref(), &["label", "numeric"], &[])?)
                .filter(|booleans| booleans == "numeric"),
            probabilities,
            details: request.label_details.unwrap_or(false),
            min_confidence: share("minConfidence", request.min_confidence)?,
            max_distance: request.max_distance,
            distance_of: None,
            levels: distinct("labelLevels", request.label_levels.as_deref())?,
            parents: request.label_parents.clone().unwrap_or_default(),
            level_threshold: share("levelThreshold", request.level_threshold)?,
        };
        parameters.check_levels()?;
        if !parameters.levels.is_empty() {
            parameters.level_threshold.get_or_insert(DEFAULT_THRESHOLD);
        }
        if parameters.probabilities.starts_with("top-") && !(1..=MOST_TOP).contains(&parameters.top()) {
            let reason = format!("none, all, or top-1 to top-{MOST_TOP}");
            return Err(Error::param("probabilities", &parameters.probabilities, reason));
        }
        if let Some(distance) = request.max_distance.filter(|d| !(d.is_finite() && *d >= 0.0)) {
            return Err(Error::param("maxDistance", distance, "a finite number of at least 0"));
        }
        let quantile = share("rejectQuantile", request.reject_quantile)?;
        let learnt = match (&request.reject_graph, quantile) {
            (None, Some(quantile)) => {
                let reason = "is a quantile of distances within the reference: name its graph as rejectGraph";
                return Err(Error::param("rejectQuantile", quantile, reason));
            }
            (Some(graph), _) if parameters.max_distance.is_some() => {
                return Err(Error::param("rejectGraph", graph, "cannot be combined with maxDistance"));
            }
            (Some(graph), _) if graph.is_empty() => {
                return Err(Error::param("rejectGraph", graph, "name a store of neighbors within the reference"));
            }
            (Some(graph), quantile) => {
                Some(LearntDistance { graph: PathBuf::from(graph), quantile: quantile.unwrap_or(0.99) })
            }
            (None, None) => None,
        };
        Ok((parameters, learnt))
    }

    /// Refuses what is said of levels that there are not, or too many of.
    fn check_levels(&self) -> Result<()> {
        let given = self.levels.join(",");
        match (self.levels.len(), self.parents.is_empty()) {
            (0, _) if self.level_threshold.is_some() || !self.parents.is_empty() => {
                Err(Error::param("labelLevels", given, "name the column, or the columns from coarse to fine"))
            }
            (1, true) => Err(Error::param(
                "labelLevels",
                given,
                "two columns or more, from coarse to fine; or one, with what is above its labels as labelParents",
            )),
            (2.., false) => Err(Error::param(
                "labelParents",
                given,
                "goes with one column of labelLevels: several say it themselves",
            )),
            _ => Ok(()),
        }
    }

    /// How many of the largest shares are stored; 0 unless `top-<m>`.
    pub fn top(&self) -> u64 {
        self.probabilities.strip_prefix("top-").and_then(|top| top.parse().ok()).unwrap_or(0)
    }

    /// Whether a label may be rejected.
    pub fn rejects(&self) -> bool {
        self.min_confidence.is_some() || self.max_distance.is_some()
    }
}

/// A share, above 0 and at most 1.
fn share(name: &str, given: Option<f64>) -> Result<Option<f64>> {
    match given.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
        Some(wrong) => Err(Error::param(name, wrong, "above 0 and at most 1")),
        None => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_name() {
        let text = |text: &str| Some(text.to_owned());
        let wrong = vec![
            ("probabilities", MapRequest { probabilities: text("top-0"), ..MapRequest::default() }),
            ("probabilities", MapRequest { probabilities: text("top-65"), ..MapRequest::default() }),
            ("probabilities", MapRequest { probabilities: text("top-m"), ..MapRequest::default() }),
            ("probabilities", MapRequest { probabilities: text("some"), ..MapRequest::default() }),
            ("missing", MapRequest { missing: text("keep"), ..MapRequest::default() }),
            ("minConfidence", MapRequest { min_confidence: Some(1.5), ..MapRequest::default() }),
            ("maxDistance", MapRequest { max_distance: Some(f64::NAN), ..MapRequest::default() }),
            ("rejectQuantile", MapRequest { reject_quantile: Some(0.9), ..MapRequest::default() }),
            ("rejectGraph", MapRequest { reject_graph: text(""), ..MapRequest::default() }),
            ("rejectGraph", MapRequest { reject_graph: text("g"), max_distance: Some(1.0), ..MapRequest::default() }),
            ("labelLevels", MapRequest { label_levels: Some(vec!["a".into()]), ..MapRequest::default() }),
            ("labelLevels", MapRequest { level_threshold: Some(0.5), ..MapRequest::default() }),
            ("levelThreshold", MapRequest { level_threshold: Some(0.0), ..MapRequest::default() }),
            (
                "labelParents",
                MapRequest {
                    label_levels: Some(vec!["a".into(), "b".into()]),
                    label_parents: Some([("a".to_owned(), "b".to_owned())].into()),
                    ..MapRequest::default()
                },
            ),
            ("subsetCategories", MapRequest { subset_categories: Some(vec![String::new()]), ..MapRequest::default() }),
        ];
        for (name, request) in wrong {
            let error = LabelParameters::resolve(&request).unwrap_err();
            assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some(name)), "{request:?}");
        }
        let request = MapRequest { probabilities: text("top-5"), reject_graph: text("g"), ..MapRequest::default() };
        let (parameters, learnt) = LabelParameters::resolve(&request).unwrap();
        assert_eq!((parameters.top(), parameters.missing.as_str(), parameters.rejects()), (5, "drop", false));
        assert_eq!(learnt, Some(LearntDistance { graph: "g".into(), quantile: 0.99 }));
    }
}
