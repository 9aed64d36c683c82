//! The two sides of a mapping: which stores, and which of their cells.

use std::path::{Path, PathBuf};

use super::map::MapRequest;
use crate::error::{Error, Result};
use crate::index::CELLS;
use crate::source::filtered_path;

impl MapRequest {
    /// The cells of the index, where no reference is named beside it.
    pub(super) fn bundle(&self) -> Option<PathBuf> {
        let is_alone = self.reference.is_none() && self.reference_where.is_none();
        self.index.as_deref().filter(|_| is_alone).and_then(|index| bundled_cells(Path::new(index)))
    }

    /// The stores, of which only those cells are seen that are asked for.
    pub(super) fn sides(&self) -> Result<(PathBuf, PathBuf)> {
        let query = filtered_path(Path::new(&self.query), "where", self.query_where.as_deref())?;
        let chosen = self.reference_where.as_deref();
        if self.reference.as_deref() == Some("") {
            return Err(Error::param("reference", "", "name the reference store, or leave it out for self-mapping"));
        }
        let reference = match &self.reference {
            None if chosen.is_none() => self.bundle().unwrap_or_else(|| query.clone()),
            reference => filtered_path(Path::new(reference.as_ref().unwrap_or(&self.query)), "referenceWhere", chosen)?,
        };
        Ok((query, reference))
    }
}

/// Where the cells of an index are, if it has them.
pub(in crate::pipeline) fn bundled_cells(index: &Path) -> Option<PathBuf> {
    let cells = index.join(CELLS);
    cells.is_dir().then_some(cells)
}
