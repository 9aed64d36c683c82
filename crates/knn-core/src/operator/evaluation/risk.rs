//! How the share of wrong labels falls as fewer, surer cells are looked at: the risk–coverage curve, and the area below it (Geifman and
//! El-Yaniv 2017).
//!
//! Cells are counted by their confidence in 65 536 steps, 1 a step of its own, and those of one step count as equally sure: the area is its
//! mean over all orders of them. So the order of the cells changes nothing, and what is held does not grow with them.

use serde::{Deserialize, Serialize};

const STEPS: usize = 1 << 16;
/// Points of the curve: one for each hundredth of the coverage at most.
const POINTS: u64 = 100;
/// Below this harmonic numbers are summed.
const SMALL: u64 = 64;
/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// A point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RiskPoint {
    /// Share of cells that are at least so sure.
    pub coverage: f64,
    /// Share of them with a wrong label.
    pub risk: f64,
    /// The confidence, to 1/65 536.
    pub confidence: f64,
}

/// Cells by their confidence from 0 to 1, and how many of them have the wrong label.
#[derive(Debug, Clone)]
pub struct RiskCoverage {
    steps: Vec<[u64; 2]>,
}

impl Default for RiskCoverage {
    fn default() -> Self {
        Self { steps: vec![[0; 2]; STEPS + 1] }
    }
}

impl RiskCoverage {
    /// Bytes of it.
    pub const BYTES: u64 = (STEPS as u64 + 1) * 16;

    /// Counts a cell.
    pub fn add(&mut self, confidence: f64, correct: bool) {
        let [cells, wrong] = &mut self.steps[((confidence * STEPS as f64) as usize).min(STEPS)];
        *cells += 1;
        *wrong += u64::from(!correct);
    }

    /// The curve, from the surest cells to all of them.
    pub fn points(&self) -> Vec<RiskPoint> {
        let all: u64 = self.steps.iter().map(|[cells, _]| cells).sum();
        let (mut cells, mut wrong, mut told) = (0, 0, 0);
        let mut points = Vec::new();
        for (step, [here, wrong_here]) in self.steps.iter().enumerate().rev().filter(|(_, [here, _])| *here > 0) {
            (cells, wrong) = (cells + here, wrong + wrong_here);
            let share = (u128::from(cells) * u128::from(POINTS) / u128::from(all)) as u64;
            if share > told || points.is_empty() {
                told = share;
                points.push(RiskPoint {
                    coverage: cells as f64 / all as f64,
                    risk: wrong as f64 / cells as f64,
                    confidence: step as f64 / STEPS as f64,
                });
            }
        }
        points
    }

    /// The mean over i of the share of wrong labels among the i surest cells; none without a cell.
    pub fn area(&self) -> Option<f64> {
        let (mut cells, mut wrong, mut sum) = (0u64, 0u64, 0.0);
        for &[here, wrong_here] in self.steps.iter().rev().filter(|[here, _]| *here > 0) {
            // Of i cells of this step, i · wrong_here / here are wrong in the mean of all orders: Σ (wrong + i w) / (cells + i), w their share.
            let share = wrong_here as f64 / here as f64;
            let rest = wrong as f64 - share * cells as f64;
            sum += share * here as f64 + rest * (harmonic(cells + here) - harmonic(cells));
            (cells, wrong) = (cells + here, wrong + wrong_here);
        }
        (cells > 0).then(|| (sum / cells as f64).clamp(0.0, 1.0))
    }
}

/// Σ 1/i for i from 1 to n; the constant of large ones drops out of differences, so it is Euler's own.
fn harmonic(n: u64) -> f64 {
    if n <= SMALL {
        return (1..=n).map(|i| 1.0 / i as f64).sum();
    }
    let n = n as f64;
    let square = 1.0 / (n * n);
    libm::log(n) + EULER + 0.5 / n - square / 12.0 + square * square / 120.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, of cells of which no two are equally sure.
    fn naive(cells: &[(f64, bool)]) -> f64 {
        let mut cells = cells.to_vec();
        cells.sort_by(|left, right| right.0.total_cmp(&left.0));
        let mut wrong = 0.0;
        let risks = cells.iter().zip(1..).map(|((_, correct), i)| {
            wrong += f64::from(u8::from(!correct));
            wrong / f64::from(i)
        });
        risks.sum::<f64>() / cells.len() as f64
    }

    #[test]
    fn the_area_is_that_of_the_definition() {
        let cells: Vec<_> = (0..500u32).map(|i| (f64::from(i) / 500.0, (i * 7919) % 11 > 3)).collect();
        let mut curve = RiskCoverage::default();
        for &(confidence, correct) in &cells {
            curve.add(confidence, correct);
        }
        assert!((curve.area().unwrap() - naive(&cells)).abs() < 1e-12);
        let points = curve.points();
        assert_eq!(points.len(), 101);
        assert!(points.windows(2).all(|pair| pair[0].coverage < pair[1].coverage));
        let wrong = cells.iter().filter(|(_, correct)| !correct).count();
        assert_eq!(points.last().map(|last| (last.coverage, last.risk)), Some((1.0, wrong as f64 / 500.0)));
    }

    #[test]
    fn cells_that_are_equally_sure_count_as_the_mean_of_their_orders() {
        let mut curve = RiskCoverage::default();
        curve.add(1.0, true);
        curve.add(0.5, true);
        curve.add(0.5, false);
        // Orders right, right, wrong: 0, 0, 1/3; and right, wrong, right: 0, 1/2, 1/3.
        assert!((curve.area().unwrap() - (0.25 + 1.0 / 3.0) / 3.0).abs() < 1e-12);
        assert_eq!(RiskCoverage::default().area(), None);
        assert!(RiskCoverage::default().points().is_empty());
    }

    #[test]
    fn harmonic_numbers_are_continued_where_they_are_no_longer_summed() {
        let summed: f64 = (1..=1000).map(|i| 1.0 / f64::from(i)).sum();
        assert!((harmonic(1000) - summed).abs() < 1e-12);
        assert!((harmonic(SMALL + 1) - harmonic(SMALL) - 1.0 / (SMALL + 1) as f64).abs() < 1e-12);
    }
}
