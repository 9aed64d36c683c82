//! What can be asked for and planned, and is not carried out yet. It is refused here, before anything is written, and nowhere else;
//! a refusal goes when its stage arrives.

use std::path::Path;

use super::request::{IndexParameters, Parameters};
use crate::error::{Error, Result};

/// Whether the join can search by inverted lists, so that `auto` may choose to.
pub(super) const IVF_RUNS: bool = true;

/// Refuses a search that the join cannot do.
pub(super) fn search(parameters: &Parameters) -> Result<()> {
    metric(&parameters.metric)
}

/// Refuses an index that cannot be built.
pub(super) fn index(parameters: &IndexParameters, work_dir: Option<&Path>) -> Result<()> {
    if work_dir.is_some() {
        return unsupported("workDir of an index", "leave it out: intermediate files lie beside the index");
    }
    metric(&parameters.metric)
}

fn metric(metric: &str) -> Result<()> {
    if metric != "euclidean" {
        return unsupported(&format!("metric {metric:?}"), "available now: euclidean");
    }
    Ok(())
}

fn unsupported<T>(what: &str, remedy: &str) -> Result<T> {
    Err(Error::Unsupported { what: format!("{what} in this version"), remedy: remedy.into() })
}
