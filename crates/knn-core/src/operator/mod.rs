//! Transfer: rows of the mapping matrix applied to the reference's columns. One file per kind of column.
//!
//! An operator sees a block of weights and a resident reference column, and fills rows of results. Sums run over a row's
//! neighbours in f64: of columns in their stored order, of embeddings and expression, which may pass by band after band
//! ([`WaitingRows`]), in the order of reference rows.

mod categorical;
mod dense;
mod diffusion;
mod evaluation;
mod expression;
mod levels;
mod numerical;
mod presence;
#[cfg(feature = "disk")]
mod spectral;
mod waiting;

pub use categorical::{Asked, LabelStatus, LabelVotes, Labels, MISSING, OTHER};
pub use dense::{Embedding, transfer_embedding};
pub use diffusion::{Band, StateNumber, diffuse};
pub use evaluation::{
    Calibration, CalibrationBin, Confusion, Divergence, LabelScores, MOST_PAIRED, PairMoments, RankScratch,
    RiskCoverage, RiskPoint, TotalExpression, spearman,
};
pub use expression::{Expression, transfer_expression};
pub use levels::{LabelTree, LevelVotes, ROOT};
pub use numerical::{NumberMeans, transfer_numbers};
pub use presence::{PresenceSums, Scaling};
#[cfg(feature = "disk")]
pub use spectral::{SPECTRAL_CELLS, Spectrum};
pub use waiting::WaitingRows;
