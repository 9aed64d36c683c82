//! What can be asked for and planned, and is not carried out yet. It is refused here, before anything is written, and nowhere else;
//! a refusal goes when its stage arrives.

use std::path::Path;

use crate::error::{Error, Result};

/// Refuses an index that cannot be built.
pub(super) fn index(work_dir: Option<&Path>) -> Result<()> {
    if work_dir.is_some() {
        return Err(Error::Unsupported {
            what: "workDir of an index in this version".into(),
            remedy: "leave it out: intermediate files lie beside the index".into(),
        });
    }
    Ok(())
}
