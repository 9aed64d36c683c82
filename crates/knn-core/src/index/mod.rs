//! The inverted-file index: rows of a reference in short lists of neighbours, on disk, found again through two levels of centroids, or three.
//!
//! An index is a folder that is written once (`train → add → seal`) and read by any number of threads. It grows by generations: an
//! append writes other files and replaces the manifest. Its bytes depend on the rows, the parameters and the seed alone: not on
//! threads, memory, chunks, or where a build was interrupted. Everything that is read from it is checked against its manifest, so a
//! list is either what was written or `GM_CORRUPT`.
//!
//! Not here: searching, which is the join's, and what the distance between two rows is.

mod ahead;
mod apart;
#[cfg(feature = "disk")]
mod append;
mod around;
#[cfg(feature = "disk")]
mod builder;
mod coarse;
mod codes;
#[cfg(feature = "disk")]
mod content;
mod descent;
mod excluded;
mod fetched;
mod format;
#[cfg(feature = "disk")]
mod grouped;
#[cfg(feature = "disk")]
mod grown;
mod ivf;
#[cfg(feature = "disk")]
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
#[cfg(feature = "disk")]
mod regions;
mod route;
#[cfg(feature = "disk")]
mod rounds;
#[cfg(feature = "disk")]
mod rows;
mod sample;
#[cfg(feature = "disk")]
mod seal;
#[cfg(feature = "disk")]
mod spec;
#[cfg(feature = "disk")]
mod split;
#[cfg(feature = "disk")]
mod train;
#[cfg(feature = "disk")]
mod work;
#[cfg(test)]
mod tests;

pub use ahead::ReadAhead;
#[cfg(feature = "disk")]
pub use append::{check_growable, check_growth, nothing_to_append};
pub use around::{Around, RouteScratch};
#[cfg(feature = "disk")]
pub use builder::{BuildReport, IndexBuilder};
pub use coarse::Coarse;
pub use fetched::{Part, PartOf};
#[cfg(feature = "disk")]
pub use format::CELLS;
pub use format::ListType;
pub use ivf::IvfIndex;
#[cfg(feature = "disk")]
pub use keeper::GraphKeeper;
pub use kept::{KeptBlock, KeptGraph, MOST_KEPT, kept_bytes};
pub use levels::Levels;
pub use lists::{Io, ListBuffer, ListIds, ListView};
pub use manifest::{CodeRecord, FileRecord, GraphRecord, Manifest, Training};
pub use probes::Probes;
pub use route::Router;
#[cfg(feature = "disk")]
pub use rows::round_to_halves;
#[cfg(feature = "disk")]
pub use sample::Sampler;
#[cfg(feature = "disk")]
pub use spec::{IndexSpec, MOST_TRAINED, default_lists, stale_warning, training_warning};
#[cfg(feature = "disk")]
pub use work::{Start, discard, is_cells};
