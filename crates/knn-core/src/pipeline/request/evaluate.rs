//! An evaluation as it is asked for, and with its defaults.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::values::{checked_memory, checked_threads, distinct};
use crate::error::{Error, Result};
use crate::source::filtered_path;

/// How expression is compared, as CellMapper calls it.
const COMPARISONS: [&str; 4] = ["pearson", "spearman", "js", "rmse"];

/// A request for metrics of predictions: of labels (`label`), of expression (`layerKey`), of an approximate mapping against an exact one
/// (`exact`), or of several of them. Nothing is written. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EvaluateRequest {
    /// A finished store of `map` or `transfer`, whose predictions are evaluated.
    pub mapped: Option<String>,
    /// Instead of it, a store with predictions that another tool made, a row for each cell: an AnnData, or a table such as Parquet.
    pub predictions: Option<String>,
    /// The store with the truth, of the same cells in the same order, such as the query. Default: that of the predictions.
    pub truth: Option<String>,
    /// Only the cells of `truth` for which a condition holds, as in `map`: those that were mapped. Default all.
    #[serde(rename = "where")]
    pub truth_where: Option<String>,
    /// Column of true labels in the truth's `obs`: categorical, boolean or texts.
    #[serde(alias = "labelKey", alias = "label_key")]
    pub label: Option<String>,
    /// Column of predicted labels. Default `<label>_pred`.
    pub prediction: Option<String>,
    /// Column of their confidences, 0 to 1. Default `<label>_conf`, if there is one.
    pub confidence: Option<String>,
    /// Least confidence of a cell that is evaluated; default 0. A cell without a confidence is below it.
    #[serde(alias = "confidence_cutoff")]
    pub confidence_cutoff: Option<f64>,
    /// Original expression in the truth: `X`, or the name of a layer.
    #[serde(alias = "layer_key")]
    pub layer_key: Option<String>,
    /// Predicted expression: `X`, or the name of a layer. Default: what `layerKey` says.
    #[serde(alias = "imputed_key")]
    pub imputed_key: Option<String>,
    /// How expression is compared, gene by gene: `pearson` (default), `spearman`, `js` (Jensen–Shannon distance, base 10) and `rmse` of
    /// z-scores.
    #[serde(alias = "comparison_method")]
    pub comparison_method: Option<Vec<String>>,
    /// Column of labels of the truth, or else of the predictions: expression is compared within each of its categories as well. Default none.
    pub groupby: Option<String>,
    /// Column of the truth's `var` that is true for the genes over which metrics are averaged. Default all.
    #[serde(alias = "test_var_key")]
    pub test_var_key: Option<String>,
    /// Genes that are compared. Default: all that both stores have.
    pub genes: Option<Vec<String>>,
    /// A finished store of the same mapping by exact search: tells the recall of the neighbours of `mapped`, and with `label` what becomes of
    /// labels.
    pub exact: Option<String>,
    /// Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
    /// cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
    pub memory: Option<String>,
    /// Worker threads; default all cores.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub threads: Option<i64>,
}

/// A request for metrics with paths and limits resolved.
#[derive(Debug, Clone)]
pub struct ResolvedEvaluation {
    /// The store of the predictions.
    pub predictions: PathBuf,
    /// Whether it must be a mapped store.
    pub is_mapped: bool,
    /// The store of the truth, where one was named.
    pub truth: Option<PathBuf>,
    /// Labels.
    pub labels: Option<LabelKeys>,
    /// Expression.
    pub expression: Option<ExpressionKeys>,
    /// The exact mapping.
    pub exact: Option<PathBuf>,
    /// The budget, bytes.
    pub memory: u64,
    /// Worker threads.
    pub threads: usize,
}

/// The columns of labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelKeys {
    /// That of true labels.
    pub label: String,
    /// That of predicted ones.
    pub prediction: String,
    /// That of confidences, and whether it was named.
    pub confidence: (String, bool),
    /// The weights of all categories in `obsm`, if the predictions are those of a mapping.
    pub probabilities: Option<String>,
    /// Least confidence.
    pub cutoff: f64,
}

/// The matrices of expression.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpressionKeys {
    /// That of the truth.
    pub original: String,
    /// That of the predictions.
    pub imputed: String,
    /// How they are compared, each once.
    pub methods: Vec<String>,
    /// The column of groups.
    pub groupby: Option<String>,
    /// The column of test genes.
    pub test_var_key: Option<String>,
    /// Genes; all that both have where there is none.
    pub genes: Vec<String>,
}

impl EvaluateRequest {
    /// Fills in defaults and refuses values that no store could make valid. Touches no array.
    pub fn resolve(&self) -> Result<ResolvedEvaluation> {
        let given = |name: &str, value: &Option<String>| match value.as_deref() {
            Some("") => Err(Error::param(name, "", "may be left out, but not be empty")),
            value => Ok(value.map(str::to_owned)),
        };
        let (predictions, is_mapped) = match (given("mapped", &self.mapped)?, given("predictions", &self.predictions)?)
        {
            (Some(mapped), None) => (PathBuf::from(mapped), true),
            (None, Some(predictions)) => (PathBuf::from(predictions), false),
            (None, None) => return Err(Error::param("mapped", "", "name the store whose predictions are evaluated")),
            (Some(_), Some(predictions)) => {
                return Err(Error::param(
                    "predictions",
                    predictions,
                    "stands in the place of mapped: name one of them",
                ));
            }
        };
        let exact = given("exact", &self.exact)?.map(PathBuf::from);
        if exact.is_some() && !is_mapped {
            return Err(Error::param("exact", "", "is compared with a store of ours: name it as mapped"));
        }
        let truth = given("truth", &self.truth)?.map(PathBuf::from);
        let condition = self.truth_where.as_deref();
        if let Some(condition) = condition.filter(|_| truth.is_none()) {
            return Err(Error::param("where", condition, "chooses cells of truth: name the store"));
        }
        let truth = truth.map(|truth| filtered_path(&truth, "where", condition)).transpose()?;
        let resolved = ResolvedEvaluation {
            predictions,
            is_mapped,
            truth,
            labels: self.label_keys()?,
            expression: self.expression_keys()?,
            exact,
            memory: checked_memory(self.memory.as_deref())?,
            threads: checked_threads(self.threads)?,
        };
        if resolved.labels.is_none() && resolved.expression.is_none() && resolved.exact.is_none() {
            return Err(Error::param(
                "label",
                "",
                "name labels, or an expression (layerKey), or an exact mapping (exact)",
            ));
        }
        if resolved.is_truth_of_itself() {
            return Err(Error::param("truth", "", "name the store with the truth: a column is not its own"));
        }
        Ok(resolved)
    }

    fn label_keys(&self) -> Result<Option<LabelKeys>> {
        let Some(label) = self.label.clone() else {
            let others = [("prediction", &self.prediction), ("confidence", &self.confidence)];
            if let Some((name, Some(value))) = others.into_iter().find(|(_, value)| value.is_some()) {
                return Err(Error::param(name, value, "is compared with true labels: name their column as label"));
            }
            if let Some(cutoff) = self.confidence_cutoff {
                return Err(Error::param("confidenceCutoff", cutoff, "is of labels: name their column as label"));
            }
            return Ok(None);
        };
        let cutoff = self.confidence_cutoff.unwrap_or(0.0);
        if !cutoff.is_finite() {
            return Err(Error::param("confidenceCutoff", cutoff, "a finite number"));
        }
        let named = |name: &str, value: &Option<String>, default: String| match value {
            Some(empty) if empty.is_empty() => Err(Error::param(name, "", "name a column of obs")),
            value => Ok(value.clone().unwrap_or(default)),
        };
        let label = named("label", &Some(label), String::new())?;
        Ok(Some(LabelKeys {
            prediction: named("prediction", &self.prediction, format!("{label}_pred"))?,
            confidence: (named("confidence", &self.confidence, format!("{label}_conf"))?, self.confidence.is_some()),
            probabilities: self.prediction.is_none().then(|| format!("{label}_prob")),
            label,
            cutoff,
        }))
    }

    fn expression_keys(&self) -> Result<Option<ExpressionKeys>> {
        let Some(original) = matrix_path("layerKey", self.layer_key.as_deref())? else {
            let others = [
                ("imputedKey", self.imputed_key.is_some()),
                ("comparisonMethod", self.comparison_method.is_some()),
                ("groupby", self.groupby.is_some()),
                ("testVarKey", self.test_var_key.is_some()),
                ("genes", self.genes.is_some()),
            ];
            return match others.into_iter().find(|(_, is_given)| *is_given) {
                Some((name, _)) => Err(Error::param(name, "", "is of expression: name the original as layerKey")),
                None => Ok(None),
            };
        };
        let mut methods = distinct("comparisonMethod", self.comparison_method.as_deref())?;
        for method in &mut methods {
            if method == "jensen-shannon" {
                "js".clone_into(method);
            }
            if !COMPARISONS.contains(&method.as_str()) {
                return Err(Error::param("comparisonMethod", method, format!("some of {}", COMPARISONS.join(", "))));
            }
        }
        if methods.is_empty() {
            methods.push(COMPARISONS[0].into());
        }
        Ok(Some(ExpressionKeys {
            imputed: matrix_path("imputedKey", self.imputed_key.as_deref())?.unwrap_or_else(|| original.clone()),
            original,
            methods,
            groupby: self.groupby.clone(),
            test_var_key: self.test_var_key.clone(),
            genes: distinct("genes", self.genes.as_deref())?,
        }))
    }
}

impl ResolvedEvaluation {
    /// The store of the truth.
    pub fn truth(&self) -> &PathBuf {
        self.truth.as_ref().unwrap_or(&self.predictions)
    }

    /// Whether labels are compared with true ones: where there is an exact mapping, that may do.
    pub fn has_true_labels(&self) -> bool {
        self.labels.is_some() && (self.exact.is_none() || self.truth.is_some())
    }

    fn is_truth_of_itself(&self) -> bool {
        let own_labels = self.labels.as_ref().is_some_and(|keys| keys.label == keys.prediction);
        let own_values = self.expression.as_ref().is_some_and(|keys| keys.original == keys.imputed);
        self.truth() == &self.predictions && (own_values || (own_labels && self.has_true_labels()))
    }
}

/// Where an expression lies that is called so: `X`, or a layer.
fn matrix_path(name: &str, key: Option<&str>) -> Result<Option<String>> {
    Ok(match key {
        None => None,
        Some("") => return Err(Error::param(name, "", "X, or the name of a layer")),
        Some("X") => Some("X".into()),
        Some(key) => Some(format!("layers/{}", key.strip_prefix("layers/").unwrap_or(key))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> EvaluateRequest {
        EvaluateRequest {
            mapped: Some("m".into()),
            truth: Some("q".into()),
            label: Some("type".into()),
            ..EvaluateRequest::default()
        }
    }

    #[test]
    fn defaults_are_cellmappers() {
        let resolved = EvaluateRequest { layer_key: Some("counts".into()), ..request() }.resolve().unwrap();
        let labels = resolved.labels.unwrap();
        assert_eq!((labels.prediction.as_str(), labels.cutoff), ("type_pred", 0.0));
        assert_eq!(
            (labels.confidence, labels.probabilities),
            (("type_conf".into(), false), Some("type_prob".to_owned()))
        );
        let expression = resolved.expression.unwrap();
        assert_eq!((expression.original.as_str(), expression.imputed.as_str()), ("layers/counts", "layers/counts"));
        assert_eq!(expression.methods, ["pearson"]);
        let snake: EvaluateRequest =
            serde_json::from_str(r#"{"mapped":"m","label_key":"a","confidence_cutoff":0.5}"#).unwrap();
        assert_eq!((snake.label.as_deref(), snake.confidence_cutoff), (Some("a"), Some(0.5)));
    }

    #[test]
    fn values_are_checked_by_name() {
        let none = EvaluateRequest { label: None, ..request() };
        let expression = EvaluateRequest { layer_key: Some("X".into()), ..none.clone() };
        let methods = |methods: &[&str]| Some(methods.iter().map(|&method| method.to_owned()).collect::<Vec<_>>());
        let wrong = [
            ("mapped", EvaluateRequest { mapped: None, ..request() }),
            ("predictions", EvaluateRequest { predictions: Some("p".into()), ..request() }),
            ("truth", EvaluateRequest { truth: Some(String::new()), ..request() }),
            ("label", none.clone()),
            ("label", EvaluateRequest { label: Some(String::new()), ..request() }),
            ("prediction", EvaluateRequest { prediction: Some("p".into()), ..none.clone() }),
            ("confidenceCutoff", EvaluateRequest { confidence_cutoff: Some(0.5), ..none.clone() }),
            ("confidenceCutoff", EvaluateRequest { confidence_cutoff: Some(f64::NAN), ..request() }),
            ("truth", EvaluateRequest { truth: None, prediction: Some("type".into()), ..request() }),
            ("truth", EvaluateRequest { truth: None, ..expression.clone() }),
            ("comparisonMethod", EvaluateRequest { comparison_method: methods(&["kendall"]), ..expression.clone() }),
            ("comparisonMethod", EvaluateRequest { comparison_method: methods(&["js", "js"]), ..expression.clone() }),
            ("groupby", EvaluateRequest { groupby: Some("g".into()), ..request() }),
            (
                "exact",
                EvaluateRequest { mapped: None, predictions: Some("p".into()), exact: Some("e".into()), ..request() },
            ),
            ("threads", EvaluateRequest { threads: Some(0), ..request() }),
        ];
        for (name, request) in wrong {
            let error = request.resolve().unwrap_err();
            assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some(name)), "{request:?}");
        }
        // Imputed expression may stand beside the original.
        let beside = EvaluateRequest { truth: None, imputed_key: Some("imputed".into()), ..expression };
        assert_eq!(beside.resolve().unwrap().expression.unwrap().imputed, "layers/imputed");
    }
}
