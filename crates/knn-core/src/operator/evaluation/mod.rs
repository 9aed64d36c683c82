//! Metrics: how near predictions come to the truth. Streamed: each holds counts, sums or histograms, and is shown rows in order.
//!
//! Nothing here reads a store or knows a name; classes are numbers. Ranks alone need all values of a gene at once.

mod calibration;
mod confusion;
mod divergence;
mod moments;
mod ranks;
mod risk;

pub use calibration::{Calibration, CalibrationBin};
pub use confusion::{Confusion, LabelScores, MOST_PAIRED};
pub use divergence::{Divergence, TotalExpression};
pub use moments::PairMoments;
pub use ranks::{RankScratch, spearman};
pub use risk::{RiskCoverage, RiskPoint};
