//! The graphs of a mapping besides that from the query to the reference: what they are called, and where they are kept.

use std::path::{Path, PathBuf};

/// A graph within one of the stores, or from the reference to the query. x is the reference and y the query, as in CellMapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherGraph {
    /// Within the reference.
    Xx,
    /// Within the query.
    Yy,
    /// From the reference to the query.
    Xy,
}

impl OtherGraph {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Xx, Self::Yy, Self::Xy];

    /// `xx`, `yy` or `xy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xx => "xx",
            Self::Yy => "yy",
            Self::Xy => "xy",
        }
    }

    /// The option that names where it was found before.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Xx => "neighborsXx",
            Self::Yy => "neighborsYy",
            Self::Xy => "neighborsXy",
        }
    }

    /// Where it is kept beside a graph from query to reference: `graph-xx.zarr` beside `graph.zarr`.
    pub fn beside(self, graph: &Path) -> PathBuf {
        let name = graph.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.strip_suffix(".zarr").unwrap_or(&name);
        graph.with_file_name(format!("{stem}-{}.zarr", self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_lie_beside_the_one_that_they_belong_to() {
        let beside = |path: &str| OtherGraph::Xx.beside(Path::new(path)).to_str().unwrap().to_owned();
        assert_eq!(beside("a/graph.zarr"), "a/graph-xx.zarr");
        assert_eq!(beside("graph"), "graph-xx.zarr");
    }
}
