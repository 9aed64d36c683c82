//! Transfer: rows of the mapping matrix applied to the reference's columns. One file per kind of column.
//!
//! An operator sees a block of weights and a resident reference column, and fills rows of results. Sums run over a row's
//! neighbours in their stored order, in f64.

mod categorical;
mod dense;
mod evaluation;
mod expression;
mod numerical;
mod presence;

pub use categorical::{Asked, LabelStatus, LabelVotes, Labels, MISSING, OTHER};
pub use dense::{Embedding, transfer_embedding};
pub use evaluation::{
    Calibration, CalibrationBin, Confusion, Divergence, LabelScores, MOST_PAIRED, PairMoments, RankScratch,
    RiskCoverage, RiskPoint, TotalExpression, spearman,
};
pub use expression::{Expression, transfer_expression};
pub use numerical::{NumberMeans, transfer_numbers};
pub use presence::{PresenceSums, Scaling};
