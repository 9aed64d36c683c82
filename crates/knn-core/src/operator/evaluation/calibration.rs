//! Whether confidences are what they say: the expected calibration error and the Brier score.
//!
//! Guo and others 2017: confidences fall into 15 bins of equal width, (i/15, (i + 1)/15], 0 into the first; the error is the sum over bins of
//! their share of cells × |accuracy − mean confidence|. The Brier score is of the label that was given alone: the mean of
//! (confidence − 1)² where it is right and of confidence² where it is not; with the weights of all categories it is Brier's own (1950), the
//! mean of Σ (p − y)², 0 to 2.

use serde::{Deserialize, Serialize};

/// Bins of equal width.
const CALIBRATION_BINS: usize = 15;

/// Cells whose confidences lie in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CalibrationBin {
    /// Where the bin begins; confidences of the first may be that, those of the others are above.
    pub low: f64,
    /// Where it ends, itself included.
    pub high: f64,
    /// Cells in it.
    #[cfg_attr(test, ts(type = "number"))]
    pub cells: u64,
    /// Their mean confidence; null where there are none.
    pub confidence: Option<f64>,
    /// The share of them with the right label; null where there are none.
    pub accuracy: Option<f64>,
}

/// Sums over cells with a confidence from 0 to 1.
#[derive(Debug, Clone, Default)]
pub struct Calibration {
    bins: [(u64, u64, f64); CALIBRATION_BINS],
    squares: f64,
}

impl Calibration {
    /// Counts a cell.
    pub fn add(&mut self, confidence: f64, correct: bool) {
        let bin = (confidence * CALIBRATION_BINS as f64).ceil() as usize;
        let (cells, right, sum) = &mut self.bins[bin.clamp(1, CALIBRATION_BINS) - 1];
        *cells += 1;
        *right += u64::from(correct);
        *sum += confidence;
        let missed = confidence - if correct { 1.0 } else { 0.0 };
        self.squares += missed * missed;
    }

    fn cells(&self) -> u64 {
        self.bins.iter().map(|(cells, ..)| cells).sum()
    }

    /// The expected calibration error; none without a cell.
    pub fn error(&self) -> Option<f64> {
        let all = self.cells() as f64;
        let gaps = self.bins.iter().map(|&(_, right, sum)| (right as f64 - sum).abs());
        (all > 0.0).then(|| gaps.sum::<f64>() / all)
    }

    /// The Brier score of the labels that were given; none without a cell.
    pub fn brier(&self) -> Option<f64> {
        let all = self.cells();
        (all > 0).then(|| self.squares / all as f64)
    }

    /// All bins.
    pub fn bins(&self) -> Vec<CalibrationBin> {
        let edge = |bin: usize| bin as f64 / CALIBRATION_BINS as f64;
        let describe = |(bin, &(cells, right, sum)): (usize, &(u64, u64, f64))| CalibrationBin {
            low: edge(bin),
            high: edge(bin + 1),
            cells,
            confidence: (cells > 0).then(|| sum / cells as f64),
            accuracy: (cells > 0).then(|| right as f64 / cells as f64),
        };
        self.bins.iter().enumerate().map(describe).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_gaps_between_confidence_and_accuracy() {
        let mut calibration = Calibration::default();
        for (confidence, correct) in [(0.9, true), (0.92, false), (0.0, false), (1.0, true)] {
            calibration.add(confidence, correct);
        }
        let bins = calibration.bins();
        assert_eq!(bins.iter().map(|bin| bin.cells).sum::<u64>(), 4);
        assert_eq!((bins[13].cells, bins[14].cells, bins[0].cells), (2, 1, 1));
        // The bin of 0.9 and 0.92 is right once, by 1.82: 0.82 of 4 cells. The others are as sure as they are right.
        assert!((calibration.error().unwrap() - 0.82 / 4.0).abs() < 1e-12);
        assert!((calibration.brier().unwrap() - (0.01 + 0.92 * 0.92) / 4.0).abs() < 1e-12);
        assert_eq!(Calibration::default().error(), None);
    }
}
