//! Which class was predicted for which: counts, and the scores that follow from them (scikit-learn: `accuracy_score`,
//! `precision_recall_fscore_support` with `zero_division=0`, as CellMapper calls them).
//!
//! Scores need three counts for each class. Counts of all pairs of classes are kept beside them where there are few classes.

use serde::{Deserialize, Serialize};

/// Classes of which every pair is counted, at most: 8 MiB of counts.
pub const MOST_PAIRED: usize = 1024;

/// Cells of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Cells that are of it.
    pub truth: u64,
    /// Cells that are predicted to be.
    pub predicted: u64,
    /// Cells that are and are predicted to be.
    pub correct: u64,
}

impl ClassCounts {
    /// Correct / predicted; 0 where none is predicted.
    pub fn precision(&self) -> f64 {
        share(self.correct, self.predicted)
    }

    /// Correct / truth; 0 where no cell is of the class.
    pub fn recall(&self) -> f64 {
        share(self.correct, self.truth)
    }

    /// 2 · correct / (truth + predicted), the harmonic mean of both.
    pub fn f1(&self) -> f64 {
        share(2 * self.correct, self.truth + self.predicted)
    }

    /// Whether any cell is of the class or predicted to be.
    pub fn occurs(&self) -> bool {
        self.truth + self.predicted > 0
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Scores over all classes that occur.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabelScores {
    /// Share of cells with the right label.
    pub accuracy: f64,
    /// Mean of the classes' precisions, weighted by their true cells.
    pub precision: f64,
    /// Mean of the classes' recalls, weighted so: the same as accuracy.
    pub recall: f64,
    /// Mean of the classes' F1, weighted so.
    pub f1_weighted: f64,
    /// Plain mean of the classes' precisions.
    pub precision_macro: f64,
    /// Plain mean of the classes' recalls.
    pub recall_macro: f64,
    /// Plain mean of the classes' F1. Classes count that are true or predicted for any cell.
    pub f1_macro: f64,
}

/// Counts of true and predicted classes.
#[derive(Debug, Clone)]
pub struct Confusion {
    classes: Vec<ClassCounts>,
    /// Cells of each pair, by true class and then predicted; empty where there are too many classes.
    pairs: Vec<u64>,
}

impl Confusion {
    /// No cell yet, of so many classes.
    pub fn new(classes: usize) -> Self {
        let pairs = if classes <= MOST_PAIRED { classes * classes } else { 0 };
        Self { classes: vec![ClassCounts::default(); classes], pairs: vec![0; pairs] }
    }

    /// Bytes for so many classes.
    pub fn bytes(classes: usize) -> u64 {
        let pairs = if classes <= MOST_PAIRED { classes * classes } else { 0 };
        (classes * size_of::<ClassCounts>() + pairs * 8) as u64
    }

    /// Counts a cell.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        self.classes[truth].truth += 1;
        self.classes[predicted].predicted += 1;
        self.classes[truth].correct += u64::from(truth == predicted);
        if !self.pairs.is_empty() {
            self.pairs[truth * self.classes.len() + predicted] += 1;
        }
    }

    /// Cells that were counted.
    pub fn cells(&self) -> u64 {
        self.classes.iter().map(|class| class.truth).sum()
    }

    /// The counts of each class.
    pub fn classes(&self) -> &[ClassCounts] {
        &self.classes
    }

    /// Cells of a pair of classes; none where pairs are not counted.
    pub fn pair(&self, truth: usize, predicted: usize) -> Option<u64> {
        self.pairs.get(truth * self.classes.len() + predicted).copied()
    }

    /// The scores; none without a cell.
    pub fn scores(&self) -> Option<LabelScores> {
        let cells = self.cells();
        if cells == 0 {
            return None;
        }
        let occurring = self.classes.iter().filter(|class| class.occurs());
        let number = occurring.clone().count() as f64;
        let weighted = |score: fn(&ClassCounts) -> f64| {
            occurring.clone().map(|class| class.truth as f64 * score(class)).sum::<f64>() / cells as f64
        };
        let plain = |score: fn(&ClassCounts) -> f64| occurring.clone().map(score).sum::<f64>() / number;
        let correct: u64 = self.classes.iter().map(|class| class.correct).sum();
        Some(LabelScores {
            accuracy: share(correct, cells),
            precision: weighted(ClassCounts::precision),
            recall: weighted(ClassCounts::recall),
            f1_weighted: weighted(ClassCounts::f1),
            precision_macro: plain(ClassCounts::precision),
            recall_macro: plain(ClassCounts::recall),
            f1_macro: plain(ClassCounts::f1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_scikit_learn() {
        // scikit-learn 1.7 of truth [0, 0, 0, 1, 1, 2] and prediction [0, 0, 1, 1, 3, 0].
        let mut confusion = Confusion::new(5);
        for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 3), (2, 0)] {
            confusion.add(truth, predicted);
        }
        let scores = confusion.scores().unwrap();
        let expected = [0.5, 0.5, 0.5, 0.5, 7.0 / 24.0, 7.0 / 24.0, 7.0 / 24.0];
        let found = [
            scores.accuracy,
            scores.precision,
            scores.recall,
            scores.f1_weighted,
            scores.precision_macro,
            scores.recall_macro,
            scores.f1_macro,
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
        }
        assert_eq!((confusion.pair(2, 0), confusion.pair(3, 3), confusion.cells()), (Some(1), Some(0), 6));
        assert!(!confusion.classes()[4].occurs());
    }

    #[test]
    fn without_cells_there_are_no_scores_and_many_classes_have_no_pairs() {
        assert_eq!(Confusion::new(3).scores(), None);
        let mut many = Confusion::new(MOST_PAIRED + 1);
        many.add(MOST_PAIRED, 0);
        assert_eq!((many.pair(MOST_PAIRED, 0), many.scores().unwrap().accuracy), (None, 0.0));
    }
}
