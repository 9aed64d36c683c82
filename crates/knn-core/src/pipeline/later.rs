//! What can be asked for and planned, and is not carried out yet. Each function is the one place where its stage is called: it
//! refuses now, before anything is written, and loses the refusal when the stage arrives.

use super::request::Parameters;
use crate::error::{Error, Result};

/// Whether the join can search by inverted lists, so that `auto` may choose to.
pub(super) const IVF_RUNS: bool = true;

/// Refuses a search that the join cannot do.
pub(super) fn search(parameters: &Parameters) -> Result<()> {
    if parameters.metric != "euclidean" {
        return unsupported(&format!("metric {:?}", parameters.metric), "available now: euclidean");
    }
    Ok(())
}

fn unsupported<T>(what: &str, remedy: &str) -> Result<T> {
    Err(Error::Unsupported { what: format!("{what} in this version"), remedy: remedy.into() })
}
