//! What can be asked for and planned, and is not carried out yet. Each function is the one place where its stage is called: it
//! refuses now, before anything is written, and loses the refusal when the stage arrives.

use std::path::Path;

use super::index::{IndexDescription, IndexReport, PreparedIndex};
use super::request::Parameters;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Whether the join can search by inverted lists, so that `auto` may choose to.
pub(super) const IVF_RUNS: bool = false;

/// Refuses a search that the join cannot do.
pub(super) fn search(parameters: &Parameters) -> Result<()> {
    if parameters.method != "exact" {
        return unsupported("method \"ivf\"", "method exact finds all true neighbors");
    }
    if parameters.metric != "euclidean" {
        return unsupported(&format!("metric {:?}", parameters.metric), "available now: euclidean");
    }
    Ok(())
}

/// Builds the index: samples, trains, adds and seals.
pub(super) fn build_index(prepared: &PreparedIndex, _progress: &Progress) -> Result<IndexReport> {
    unsupported(&format!("building {}", prepared.output.display()), "a search by method exact needs no index")
}

/// Opens a sealed index that is there, and tells what its manifest says.
pub(super) fn describe_index(path: &Path) -> Result<IndexDescription> {
    unsupported(&format!("reading {}", path.display()), "a search by method exact needs no index")
}

fn unsupported<T>(what: &str, remedy: &str) -> Result<T> {
    Err(Error::Unsupported { what: format!("{what} in this version"), remedy: remedy.into() })
}
