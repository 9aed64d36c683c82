//! What an evaluation found, as data for people and programs.

use serde::{Deserialize, Serialize};

use crate::operator::{CalibrationBin, LabelScores, RiskPoint};
use crate::pipeline::figures::StageReport;
use crate::pipeline::memory_plan::MemoryPlan;

/// Metrics of predictions. What was not asked for is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct EvaluationReport {
    /// The store of the predictions.
    pub predictions: String,
    /// The store of the truth.
    pub truth: String,
    /// Cells.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_obs: u64,
    /// Labels against true ones.
    pub labels: Option<LabelEvaluation>,
    /// Expression against the original.
    pub expression: Option<ExpressionEvaluation>,
    /// The mapping against an exact one.
    pub approximation: Option<Approximation>,
    /// Bytes of memory: the limit and what takes them.
    pub memory: MemoryPlan,
    /// Worker threads.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: u64,
    /// Seconds by stage; nothing is written.
    pub stages: Vec<StageReport>,
    /// Most anonymous memory of the process seen, bytes: mapped files are not in it.
    #[cfg_attr(test, ts(type = "number"))]
    pub peak_memory: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Predicted labels against true ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabelEvaluation {
    /// Column of the true labels.
    pub label: String,
    /// Column of the predicted ones.
    pub prediction: String,
    /// Column of the confidences; null where there is none, and then all predictions are evaluated.
    pub confidence: Option<String>,
    /// Least confidence of a cell that is evaluated.
    pub confidence_cutoff: f64,
    /// Cells of the store.
    #[cfg_attr(test, ts(type = "number"))]
    pub cells: u64,
    /// Cells without a true label, which no metric is of.
    #[cfg_attr(test, ts(type = "number"))]
    pub without_truth: u64,
    /// Cells with a true label and no prediction.
    #[cfg_attr(test, ts(type = "number"))]
    pub without_prediction: u64,
    /// Cells with both whose confidence is below the cutoff, or missing.
    #[cfg_attr(test, ts(type = "number"))]
    pub below_cutoff: u64,
    /// All others.
    #[cfg_attr(test, ts(type = "number"))]
    pub evaluated: u64,
    /// (withoutPrediction + belowCutoff) / cells with a true label; null where there are none.
    pub excluded_fraction: Option<f64>,
    /// Scores of the cells that were evaluated; null where there are none.
    pub scores: Option<LabelScores>,
    /// Every class that occurs among them, in the order of the truth's categories, then of the predictions'.
    pub classes: Vec<ClassEvaluation>,
    /// Cells by true and predicted class; null where both columns have more than 1 024 categories together.
    pub confusion: Option<ConfusionMatrix>,
    /// Whether confidences are what they say, of the cells that were evaluated; null without confidences from 0 to 1.
    pub calibration: Option<CalibrationReport>,
    /// How the share of wrong labels falls with surer cells, of all cells with both labels and a confidence, whatever the cutoff; null as above.
    pub risk_coverage: Option<RiskCoverageReport>,
}

/// Scores of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ClassEvaluation {
    /// The class.
    pub category: String,
    /// Share of the cells predicted to be of it that are; 0 where none is predicted.
    pub precision: f64,
    /// Share of its cells that are predicted to be of it; 0 where there are none.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Cells that are of it.
    #[cfg_attr(test, ts(type = "number"))]
    pub support: u64,
    /// Cells that are predicted to be.
    #[cfg_attr(test, ts(type = "number"))]
    pub predicted: u64,
}

/// Cells by true and predicted class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConfusionMatrix {
    /// The classes that occur.
    pub categories: Vec<String>,
    /// A row for each true class, a column for each predicted one.
    #[cfg_attr(test, ts(type = "number[][]"))]
    pub counts: Vec<Vec<u64>>,
}

/// Whether confidences are what they say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CalibrationReport {
    /// Expected calibration error over 15 bins of equal width (Guo et al. 2017).
    pub expected_error: Option<f64>,
    /// Brier score of the labels that were given: mean of (confidence − right)², right 1 or 0.
    pub brier: Option<f64>,
    /// Brier's own score, the mean of Σ (p − y)² over all categories, 0 to 2; null unless the mapping stored all weights (`probabilities`).
    pub brier_of_all: Option<f64>,
    /// The bins.
    pub bins: Vec<CalibrationBin>,
}

/// The risk–coverage curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RiskCoverageReport {
    /// Area below it: the mean over i of the share of wrong labels among the i surest cells.
    pub area: Option<f64>,
    /// At most 101 points of it, from the surest cells to all.
    pub points: Vec<RiskPoint>,
}

/// Predicted expression against the original, gene by gene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ExpressionEvaluation {
    /// The original: `X` or `layers/<name>` of the truth.
    pub original: String,
    /// The prediction.
    pub imputed: String,
    /// Cells.
    #[cfg_attr(test, ts(type = "number"))]
    pub cells: u64,
    /// Genes that both have and that were compared, in the order of the predictions.
    pub genes: Vec<String>,
    /// Pairs of values of which one is not finite, such as those of cells that were not mapped: they are left out.
    #[cfg_attr(test, ts(type = "number"))]
    pub left_out: u64,
    /// One for each way to compare.
    pub metrics: Vec<ExpressionMetric>,
}

/// One way to compare expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ExpressionMetric {
    /// `pearson`, `spearman`, `js` or `rmse`.
    pub method: String,
    /// Mean over the test genes that have a value; null where none has.
    pub average: Option<f64>,
    /// How many these are.
    #[cfg_attr(test, ts(type = "number"))]
    pub test_genes: u64,
    /// Each gene's value; null where it has none, as where it does not vary.
    pub values: Vec<Option<f64>>,
    /// The same within each group that has cells.
    pub groups: Vec<GroupMetric>,
}

/// One way to compare expression within one group of cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct GroupMetric {
    /// The group.
    pub group: String,
    /// Its cells.
    #[cfg_attr(test, ts(type = "number"))]
    pub cells: u64,
    /// Mean over the test genes that have a value; null where none has.
    pub average: Option<f64>,
    /// Each gene's value; null where it has none.
    pub values: Vec<Option<f64>>,
}

/// An approximate mapping against an exact one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Approximation {
    /// The exact store.
    pub exact: String,
    /// The recall of its neighbours.
    pub neighbors: NeighborAgreement,
    /// Labels of the approximate store against those of the exact one, as if these were true; null where no label was named.
    pub agreement: Option<LabelEvaluation>,
    /// Labels of the exact store against true ones; null where no truth was named.
    pub exact_labels: Option<LabelEvaluation>,
    /// What classes lose; null where no label was named.
    pub loss: Option<LabelLoss>,
}

/// How many of the exact neighbours an approximate mapping found, by their ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct NeighborAgreement {
    /// Cells that have any exact neighbour.
    #[cfg_attr(test, ts(type = "number"))]
    pub cells: u64,
    /// Neighbours compared: the smaller of both widths.
    #[cfg_attr(test, ts(type = "number"))]
    pub k: u64,
    /// Share of the first k exact neighbours that are among the first k found; null without any.
    pub recall: Option<f64>,
    /// The same of the first neighbour alone.
    pub first: Option<f64>,
    /// Share of these cells of which all k were found.
    pub complete: Option<f64>,
}

/// What an approximate mapping loses by class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabelLoss {
    /// What labels are compared with: `truth`, or `exact` where no truth was named.
    pub by: String,
    /// Macro F1 of the exact mapping less that of the approximate one; null without a cell.
    pub f1_macro: Option<f64>,
    /// Accuracy of the exact mapping less that of the approximate one; null without a cell.
    pub accuracy: Option<f64>,
    /// Every class that occurs, the one that loses most first.
    pub classes: Vec<ClassLoss>,
}

/// What one class loses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ClassLoss {
    /// The class.
    pub category: String,
    /// Cells that are of it.
    #[cfg_attr(test, ts(type = "number"))]
    pub support: u64,
    /// F1 by the exact mapping.
    pub exact_f1: f64,
    /// F1 by the approximate one.
    pub f1: f64,
    /// The difference: below 0 where the approximate mapping is better.
    pub loss: f64,
}
