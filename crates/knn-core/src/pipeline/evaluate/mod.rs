//! Metrics of predictions that are stored: labels and expression against the truth, and an approximate mapping against an exact one. Reads
//! alone, in blocks of rows; nothing is written, and the report is all there is.

mod report;
mod band;
mod classes;
mod labels;
mod gene_cells;
mod gene_ranks;
mod gene_sums;
mod expression;
mod approximation;

pub use report::{
    Approximation, CalibrationReport, ClassEvaluation, ClassLoss, ConfusionMatrix, EvaluationReport,
    ExpressionEvaluation, ExpressionMetric, GroupMetric, LabelEvaluation, LabelLoss, NeighborAgreement,
    RiskCoverageReport,
};

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use self::approximation::{Graphs, loss};
use self::expression::Expressions;
use self::labels::{Confidences, Labels};
use super::clock::laps;
use super::memory_plan::{MemoryPlan, PROCESS};
use super::request::{EvaluateRequest, ResolvedEvaluation};
use super::same_cells::{self, same_names};
use super::start::pool;
use crate::budget::{MIB, MemoryBudget};
use crate::error::{Error, Result};
use crate::graph::GraphStore;
use crate::progress::Progress;
use crate::source::{AnnDataStore, ZarrStore};
use crate::store::{MARK, Status};

/// Tells how good stored predictions are. Writes nothing.
pub fn evaluate(request: &EvaluateRequest, progress: &Progress) -> Result<EvaluationReport> {
    progress.begin("preflight", 0, 0);
    progress.check()?;
    let resolved = request.resolve()?;
    let pool = pool(resolved.threads)?;
    pool.install(|| Evaluation::open(&resolved, progress)?.run(&resolved, progress))
}

/// Everything that is compared, opened and checked against each other.
struct Evaluation {
    predictions: AnnDataStore,
    truth: AnnDataStore,
    /// Whether the truth is a store of its own, whose cells must be the same.
    is_apart: bool,
    labels: Option<Labels>,
    expression: Option<Expressions>,
    graphs: Option<Graphs>,
    /// Approximate labels against exact ones, and exact ones against true ones.
    exact_labels: [Option<Labels>; 2],
    exact: Option<AnnDataStore>,
    warnings: Vec<String>,
}

impl Evaluation {
    fn open(resolved: &ResolvedEvaluation, progress: &Progress) -> Result<Self> {
        let graph = if resolved.is_mapped {
            Some(GraphStore::open(&resolved.predictions)?)
        } else {
            refuse_unfinished(&resolved.predictions)?;
            None
        };
        let open = |path: &Path| AnnDataStore::open_while(path, progress);
        let predictions = open(&resolved.predictions)?;
        let is_apart = resolved.truth.as_ref().is_some_and(|truth| *truth != resolved.predictions);
        let truth = if is_apart { open(resolved.truth())? } else { predictions.clone() };
        same_cells::as_many(&predictions, &truth)?;
        let mut warnings = Vec::new();
        let labels = resolved.labels.as_ref().filter(|_| resolved.has_true_labels());
        let labels = labels
            .map(|keys| {
                let (left, right) = ((&truth, keys.label.as_str()), (&predictions, keys.prediction.as_str()));
                Labels::open(left, right, &Confidences::from(keys), &mut warnings, progress)
            })
            .transpose()?;
        let expression = resolved.expression.as_ref();
        let expression = expression.map(|keys| Expressions::open(&truth, &predictions, keys, progress)).transpose()?;
        let mut evaluation = Self {
            predictions,
            truth,
            is_apart,
            labels,
            expression,
            graphs: None,
            exact_labels: [None, None],
            exact: None,
            warnings,
        };
        if let (Some(exact), Some(graph)) = (&resolved.exact, graph) {
            evaluation.open_exact(resolved, exact, graph, progress)?;
        }
        Ok(evaluation)
    }

    fn open_exact(
        &mut self,
        resolved: &ResolvedEvaluation,
        path: &Path,
        graph: GraphStore,
        progress: &Progress,
    ) -> Result<()> {
        self.graphs = Some(Graphs::new(graph, GraphStore::open(path)?)?);
        let exact = AnnDataStore::open_while(path, progress)?;
        same_cells::as_many(&self.predictions, &exact)?;
        if let Some(keys) = &resolved.labels {
            let key = keys.prediction.as_str();
            let Self { predictions, truth, warnings, .. } = self;
            let ours = Labels::open((&exact, key), (&*predictions, key), &Confidences::NONE, warnings, progress)?;
            let with_truth = resolved.has_true_labels();
            let theirs = with_truth.then(|| {
                let truth = (&*truth, keys.label.as_str());
                Labels::open(truth, (&exact, key), &Confidences::from(keys), warnings, progress)
            });
            self.exact_labels = [Some(ours), theirs.transpose()?];
        }
        self.exact = Some(exact);
        Ok(())
    }

    /// What it takes at its highest: the comparisons come one after the other.
    /// Also what of it is for the comparison that takes most.
    fn memory(&self, resolved: &ResolvedEvaluation) -> Result<(MemoryPlan, u64)> {
        let held = self.predictions.container().held_bytes()
            + if self.is_apart { self.truth.container().held_bytes() } else { 0 };
        let mut names = if self.is_apart { same_cells::bytes(&self.predictions, &self.truth)? } else { 0 };
        if let Some(exact) = &self.exact {
            names = names.max(same_cells::bytes(&self.predictions, exact)?);
        }
        let labels = [self.labels.as_ref(), self.exact_labels[0].as_ref(), self.exact_labels[1].as_ref()];
        // All names of classes are in memory from the beginning.
        let labels = labels.into_iter().flatten().map(Labels::bytes).fold(0, u64::saturating_add);
        let expression = self.expression.as_ref().map_or(0, |found| found.bytes().saturating_add(found.least_ranked()));
        let graphs = self.graphs.as_ref().map_or(0, Graphs::bytes);
        let least = [("labels", labels), ("expression", expression), ("neighbors", graphs), ("names", names)];
        let (largest, bytes) = least.into_iter().max_by_key(|(_, bytes)| *bytes).unwrap_or(("names", 0));
        let fixed = PROCESS + held;
        if fixed.saturating_add(bytes) > resolved.memory {
            let ranked = self.expression.as_ref().is_some_and(|found| found.least_ranked() > 0);
            let hint = match largest {
                "expression" if ranked => ", or another method than spearman, which ranks all cells of a gene",
                "expression" => ", or fewer genes or groups",
                _ => "",
            };
            return Err(Error::Budget {
                what: format!("the evaluation (most of it: {largest})"),
                needed: fixed.saturating_add(bytes),
                available: resolved.memory,
                remedy: format!("memory of {} MiB would do{hint}", fixed.saturating_add(bytes).div_ceil(MIB)),
            });
        }
        let mut parts = BTreeMap::from([("process".to_owned(), PROCESS)]);
        if held > 0 {
            parts.insert("cells in memory".to_owned(), held);
        }
        // Ranking takes what is there, if it can be quicker with more.
        let most = self.expression.as_ref().map_or(0, |found| {
            found.bytes().saturating_add(found.most_ranked(resolved.threads as u64)).min(resolved.memory - fixed)
        });
        let part = if most > bytes { ("expression", most) } else { (largest, bytes) };
        parts.insert(part.0.to_owned(), part.1);
        Ok((MemoryPlan { limit: resolved.memory, planned: fixed + part.1, parts }, part.1))
    }

    fn run(mut self, resolved: &ResolvedEvaluation, progress: &Progress) -> Result<EvaluationReport> {
        let (memory, shared) = self.memory(resolved)?;
        let budget = MemoryBudget::new(resolved.memory);
        let _lease = budget.take("the evaluation", memory.planned)?;
        let Self { predictions, truth, is_apart, labels, expression, graphs, exact_labels, exact, warnings } =
            &mut self;
        let n_obs = predictions.n_obs();
        for other in is_apart.then_some(&*truth).into_iter().chain(exact.as_ref()) {
            progress.begin("cells", n_obs, 0);
            same_names(predictions, other, warnings, progress)?;
            progress.end();
        }
        let mut told = |labels: &mut Option<Labels>| -> Result<Option<LabelEvaluation>> {
            let Some(labels) = labels else { return Ok(None) };
            progress.begin("labels", n_obs, 0);
            let evaluation = labels.evaluate(warnings, progress)?;
            progress.end();
            Ok(Some(evaluation))
        };
        let labels = told(labels)?;
        let [against, exactly] = exact_labels;
        let (agreement, exact_labels) = (told(against)?, told(exactly)?);
        let approximation = match (graphs, &resolved.exact) {
            (Some(graphs), Some(exact)) => {
                progress.begin("neighbors", n_obs, 0);
                let neighbors = graphs.compare(progress)?;
                progress.end();
                let loss = match (&labels, &exact_labels, &agreement) {
                    (Some(ours), Some(exactly), _) => Some(loss(ours, Some(exactly))),
                    (_, _, Some(agreement)) => Some(loss(agreement, None)),
                    _ => None,
                };
                let exact = exact.display().to_string();
                Some(Approximation { exact, neighbors, agreement, exact_labels, loss })
            }
            _ => None,
        };
        let threads = resolved.threads as u64;
        let expression = match expression {
            Some(found) => {
                let ranked = shared.saturating_sub(found.bytes());
                Some(found.evaluate((ranked, threads), warnings, progress)?)
            }
            None => None,
        };
        warnings.dedup();
        Ok(EvaluationReport {
            predictions: predictions.name().to_owned(),
            truth: truth.name().to_owned(),
            n_obs,
            labels,
            expression,
            approximation,
            memory,
            threads,
            stages: laps(progress, &[]),
            peak_memory: progress.peak_memory(),
            warnings: std::mem::take(warnings),
        })
    }
}

/// A store of ours that is not finished reads as cells without predictions, and is refused.
fn refuse_unfinished(path: &Path) -> Result<()> {
    let Ok(store) = ZarrStore::open(path) else { return Ok(()) };
    let attributes = store.root_attributes()?;
    let status = attributes.get(MARK).and_then(|mark| mark.get("status")).and_then(Value::as_str);
    if status.is_some_and(|status| status != Status::Complete.name()) {
        let reason = "is not complete: a run is writing it or was interrupted; continue that run with resume";
        return Err(Error::schema(store.name(), "", format!("{MARK}.status"), reason));
    }
    Ok(())
}
