//! Predicted labels against true ones: one pass over both columns, in blocks of rows.

use std::sync::Arc;

use super::classes::{Classes, LabelColumn, NumberColumn};
use super::report::{CalibrationReport, ClassEvaluation, ConfusionMatrix, LabelEvaluation, RiskCoverageReport};
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::operator::{Calibration, Confusion, MOST_PAIRED, RiskCoverage};
use crate::pipeline::request::LabelKeys;
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::{AnnDataStore, RowSource};
use crate::types::{RowRange, Tile};

/// Rows that are looked at together.
const BLOCK_ROWS: u64 = 65_536;

/// Columns that are compared.
pub(super) struct Labels {
    names: [String; 2],
    confidence_name: Option<String>,
    classes: Classes,
    truth: LabelColumn,
    predicted: LabelColumn,
    confidence: Option<NumberColumn>,
    probabilities: Option<Probabilities>,
    cutoff: f64,
    rows: u64,
}

/// The weights of all categories, as a mapping stores them.
struct Probabilities {
    rows: Arc<dyn RowSource>,
    /// The class of each column.
    classes: Vec<i32>,
}

/// What labels are told by besides their columns.
pub(super) struct Confidences<'a> {
    /// The column, and whether it must be there.
    pub(super) key: Option<(&'a str, bool)>,
    /// Key in `obsm`.
    pub(super) probabilities: Option<&'a str>,
    /// Least confidence.
    pub(super) cutoff: f64,
}

impl Confidences<'_> {
    /// None.
    pub(super) const NONE: Self = Self { key: None, probabilities: None, cutoff: 0.0 };
}

impl<'a> From<&'a LabelKeys> for Confidences<'a> {
    fn from(keys: &'a LabelKeys) -> Self {
        let (key, is_named) = &keys.confidence;
        Self { key: Some((key, *is_named)), probabilities: keys.probabilities.as_deref(), cutoff: keys.cutoff }
    }
}

impl Labels {
    /// Opens the columns, each a store and a key, and unites their classes.
    pub(super) fn open(
        (truth_store, truth): (&AnnDataStore, &str),
        (store, predicted): (&AnnDataStore, &str),
        confidences: &Confidences,
        warnings: &mut Vec<String>,
        progress: &Progress,
    ) -> Result<Self> {
        let names = [truth.to_owned(), predicted.to_owned()];
        let mut classes = Classes::default();
        let mut truth = LabelColumn::open(truth_store, truth)?;
        let mut predicted = LabelColumn::open(store, predicted)?;
        truth.enter(&mut classes, progress)?;
        predicted.enter(&mut classes, progress)?;
        let wanted =
            confidences.key.filter(|(key, is_named)| *is_named || store.obs_keys().iter().any(|known| known == key));
        let confidence = wanted.map(|(key, _)| NumberColumn::open(store, key)).transpose()?;
        if confidence.is_none() {
            if confidences.cutoff > 0.0 {
                let key = confidences.key.map_or("", |(key, _)| key);
                return Err(Error::NotFound {
                    store: store.name().into(),
                    kind: "obs column".into(),
                    key: key.into(),
                    available: store.obs_keys(),
                });
            }
            if let Some((key, _)) = confidences.key {
                warnings.push(format!("{} has no obs column {key:?}: nothing is told of confidences", store.name()));
            }
        }
        let probabilities = Probabilities::open(store, confidences.probabilities, &predicted)?;
        Ok(Self {
            confidence_name: wanted.map(|(key, _)| key.to_owned()),
            names,
            classes,
            truth,
            predicted,
            cutoff: confidence.as_ref().map_or(confidences.cutoff, |column| column.rounded(confidences.cutoff)),
            confidence,
            probabilities,
            rows: store.n_obs(),
        })
    }

    /// Bytes of the pass.
    pub(super) fn bytes(&self) -> u64 {
        let rows = BLOCK_ROWS.min(self.rows);
        let columns = [self.truth.bytes(), self.predicted.bytes()].iter().sum::<u64>()
            + self.confidence.as_ref().map_or(0, NumberColumn::bytes);
        let probabilities = self.probabilities.as_ref().map_or(0, |probabilities| {
            TileReader::bytes(&probabilities.rows) + rows * probabilities.rows.dim() as u64 * 4
        });
        // Counts, names, and the same once more as a report.
        let counted = Confusion::bytes(self.classes.len()) * 2 + self.classes.bytes() * 2 + RiskCoverage::BYTES;
        columns + probabilities + counted + rows * (4 + 4 + 8)
    }

    /// Compares the labels of all cells.
    pub(super) fn evaluate(&mut self, warnings: &mut Vec<String>, progress: &Progress) -> Result<LabelEvaluation> {
        let Self { classes, truth, predicted, confidence, probabilities, cutoff, rows, .. } = self;
        let mut seen = Seen::new(classes.len());
        let (mut true_labels, mut labels, mut confidences) = (Vec::new(), Vec::new(), Vec::new());
        let all = RowRange::new(0, *rows);
        let mut weights = probabilities.as_ref().map(|found| TileReader::new(&found.rows, all, Metric::Euclidean));
        let mut tile = Tile::default();
        for block in all.pieces(BLOCK_ROWS) {
            truth.read(block, classes, &mut true_labels)?;
            predicted.read(block, classes, &mut labels)?;
            if let Some(column) = confidence {
                column.read(block, &mut confidences)?;
            }
            if let Some(reader) = &mut weights {
                reader.next(block.len() as u64, &mut tile)?;
            }
            for row in 0..block.len() {
                let confidence = confidence.is_some().then(|| confidences[row]);
                let is_evaluated = seen.add((true_labels[row], labels[row]), confidence, *cutoff);
                if let Some(probabilities) = probabilities.as_ref().filter(|_| is_evaluated) {
                    seen.squares += probabilities.squares(tile.row(row), true_labels[row]);
                }
            }
            progress.advance(block.len() as u64)?;
        }
        Ok(self.report(&seen, warnings))
    }

    fn report(&self, seen: &Seen, warnings: &mut Vec<String>) -> LabelEvaluation {
        let Self { classes, names: [label, prediction], .. } = self;
        let counts = seen.confusion.classes();
        let occurring: Vec<_> = (0..counts.len()).filter(|&class| counts[class].occurs()).collect();
        let evaluated = seen.confusion.cells();
        let excluded = seen.without_prediction + seen.below_cutoff;
        let is_share = seen.beyond == 0;
        if !is_share {
            warnings.push(format!(
                "{} of {} confidences in {:?} are below 0 or above 1: nothing is told of calibration and risk",
                seen.beyond,
                evaluated + excluded,
                self.confidence_name.as_deref().unwrap_or_default()
            ));
        }
        if counts.len() > MOST_PAIRED {
            warnings.push(format!("more than {MOST_PAIRED} classes: no matrix of confusions"));
        }
        let told = self.confidence.is_some() && is_share;
        let with_truth = evaluated + excluded;
        LabelEvaluation {
            label: label.clone(),
            prediction: prediction.clone(),
            confidence: self.confidence_name.clone(),
            confidence_cutoff: self.cutoff,
            cells: self.rows,
            without_truth: seen.without_truth,
            without_prediction: seen.without_prediction,
            below_cutoff: seen.below_cutoff,
            evaluated,
            excluded_fraction: (with_truth > 0).then(|| excluded as f64 / with_truth as f64),
            scores: seen.confusion.scores(),
            classes: occurring
                .iter()
                .map(|&class| ClassEvaluation {
                    category: classes.name(class).to_owned(),
                    precision: counts[class].precision(),
                    recall: counts[class].recall(),
                    f1: counts[class].f1(),
                    support: counts[class].truth,
                    predicted: counts[class].predicted,
                })
                .collect(),
            confusion: (counts.len() <= MOST_PAIRED).then(|| ConfusionMatrix {
                categories: occurring.iter().map(|&class| classes.name(class).to_owned()).collect(),
                counts: occurring
                    .iter()
                    .map(|&truth| {
                        occurring.iter().filter_map(|&predicted| seen.confusion.pair(truth, predicted)).collect()
                    })
                    .collect(),
            }),
            calibration: told.then(|| CalibrationReport {
                expected_error: seen.calibration.error(),
                brier: seen.calibration.brier(),
                brier_of_all: (self.probabilities.is_some() && evaluated > 0).then(|| seen.squares / evaluated as f64),
                bins: seen.calibration.bins(),
            }),
            risk_coverage: told.then(|| RiskCoverageReport { area: seen.risk.area(), points: seen.risk.points() }),
        }
    }
}

/// What the rows so far have told.
struct Seen {
    confusion: Confusion,
    calibration: Calibration,
    risk: RiskCoverage,
    /// Σ (p − y)² over all categories of the cells that were evaluated.
    squares: f64,
    without_truth: u64,
    without_prediction: u64,
    below_cutoff: u64,
    /// Confidences that are no share.
    beyond: u64,
}

impl Seen {
    fn new(classes: usize) -> Self {
        Self {
            confusion: Confusion::new(classes),
            calibration: Calibration::default(),
            risk: RiskCoverage::default(),
            squares: 0.0,
            without_truth: 0,
            without_prediction: 0,
            below_cutoff: 0,
            beyond: 0,
        }
    }

    /// Counts a cell, and says whether it is evaluated: it has both labels and, where there are confidences, one that reaches the cutoff.
    fn add(&mut self, (truth, predicted): (i32, i32), confidence: Option<f64>, cutoff: f64) -> bool {
        if truth < 0 {
            self.without_truth += 1;
            return false;
        }
        if predicted < 0 {
            self.without_prediction += 1;
            return false;
        }
        let correct = truth == predicted;
        let share = confidence.filter(|confidence| (0.0..=1.0).contains(confidence));
        if let Some(share) = share {
            self.risk.add(share, correct);
        } else if confidence.is_some_and(|confidence| !confidence.is_nan()) {
            self.beyond += 1;
        }
        // Not a number is not as large as the cutoff.
        if confidence.is_some_and(|confidence| confidence.is_nan() || confidence < cutoff) {
            self.below_cutoff += 1;
            return false;
        }
        if let Some(share) = share {
            self.calibration.add(share, correct);
        }
        self.confusion.add(truth as usize, predicted as usize);
        true
    }
}

impl Probabilities {
    /// Opens the weights, if there are any: a column for each category of the predictions.
    fn open(store: &AnnDataStore, key: Option<&str>, predicted: &LabelColumn) -> Result<Option<Self>> {
        let Some(key) = key.filter(|key| store.obsm_keys().iter().any(|known| known == key)) else { return Ok(None) };
        let rows = store.embedding(key)?;
        let classes = predicted.category_classes().to_vec();
        if rows.dim() != classes.len() {
            return Ok(None);
        }
        rows.preflight()?;
        Ok(Some(Self { rows, classes }))
    }

    /// Σ (p − y)² of a cell.
    fn squares(&self, weights: &[f32], truth: i32) -> f64 {
        let of = |(&weight, &class): (&f32, &i32)| {
            let missed = f64::from(weight) - if class == truth { 1.0 } else { 0.0 };
            missed * missed
        };
        let sum: f64 = weights.iter().zip(&self.classes).map(of).sum();
        // A class that has no column is one that nobody would have predicted.
        sum + if self.classes.contains(&truth) { 0.0 } else { 1.0 }
    }
}
