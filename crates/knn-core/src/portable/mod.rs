//! A mapping without a file system: queries, neighbours and results are in memory, and so is the reference, or as much of its index as was
//! fetched. It is what a browser does.
//!
//! Nothing is computed here that other stages do not compute: rows are joined, weighed and transferred by the same code in the same order,
//! so neighbours, weights and results are those of a run from disk to disk, bit for bit. Not here: diffusion, expression, and where bytes come from.

mod exact;
mod fetched;
mod ranges;
mod run;
mod weighed;
mod within;
#[cfg(test)]
mod tests;

pub use exact::ExactReference;
pub use fetched::{Fetch, FetchRows, FetchedIndex};
pub use run::QueryRun;
pub use weighed::{OtherRuns, Weighed, Weighing};
