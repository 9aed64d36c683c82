//! The inverted-file index: rows of a reference in short lists of neighbours, on disk, found again through two levels of centroids, or three.
//!
//! An index is a folder that is written once (`train → add → seal`) and read by any number of threads. It grows by generations: an
//! append writes other files and replaces the manifest. Its bytes depend on the rows, the parameters and the seed alone: not on
//! threads, memory, chunks, or where a build was interrupted. Everything that is read from it is checked against its manifest, so a
//! list is either what was written or `GM_CORRUPT`.
//!
//! Not here: searching, which is the join's, and what the distance between two rows is.

mod ahead;
mod append;
mod around;
mod builder;
mod coarse;
mod codes;
mod content;
mod descent;
mod excluded;
mod format;
mod grouped;
mod grown;
mod ivf;
mod keeper;
mod kept;
mod kmeans;
mod levels;
mod lists;
mod manifest;
mod nearest;
mod offsets;
mod probes;
mod quantiser;
mod regions;
mod route;
mod rows;
mod sample;
mod seal;
mod spec;
mod split;
mod train;
mod work;
#[cfg(test)]
mod tests;

pub use ahead::ReadAhead;
pub use append::{check_growable, check_growth, nothing_to_append};
pub use around::{Around, RouteScratch};
pub use builder::{BuildReport, IndexBuilder};
pub use coarse::Coarse;
pub use format::{CELLS, ListType};
pub use ivf::IvfIndex;
pub use keeper::GraphKeeper;
pub use kept::{KeptBlock, KeptGraph, MOST_KEPT, kept_bytes};
pub use levels::Levels;
pub use lists::{Io, ListBuffer, ListIds, ListView};
pub use manifest::{CodeRecord, FileRecord, GraphRecord, Manifest, Training};
pub use probes::Probes;
pub use route::Router;
pub use rows::round_to_halves;
pub use sample::Sampler;
pub use spec::{IndexSpec, MOST_TRAINED, default_lists, stale_warning, training_warning};
pub use work::{Start, discard};
