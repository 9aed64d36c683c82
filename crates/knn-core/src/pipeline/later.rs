//! What can be asked for and planned, and is not carried out yet. It is refused here, before anything is written, and nowhere else;
//! a refusal goes when its stage arrives.

use std::path::Path;

use super::request::{IndexParameters, Parameters};
use crate::error::{Error, Result};
use crate::index::MOST_TRAINED;

/// Refuses a search that the join cannot do.
pub(super) fn search(parameters: &Parameters) -> Result<()> {
    if let Some(ivf) = parameters.ivf.as_ref().filter(|ivf| ivf.index.is_none()) {
        nlist(ivf.nlist)?;
    }
    Ok(())
}

/// Refuses an index that cannot be built.
pub(super) fn index(parameters: &IndexParameters, work_dir: Option<&Path>) -> Result<()> {
    if work_dir.is_some() {
        return unsupported("workDir of an index", "leave it out: intermediate files lie beside the index");
    }
    nlist(parameters.nlist)
}

fn nlist(nlist: u64) -> Result<()> {
    if nlist > u64::from(MOST_TRAINED) {
        return unsupported(&format!("nlist {nlist}"), &format!("ask for at most {MOST_TRAINED} lists"));
    }
    Ok(())
}

fn unsupported<T>(what: &str, remedy: &str) -> Result<T> {
    Err(Error::Unsupported { what: format!("{what} in this version"), remedy: remedy.into() })
}
