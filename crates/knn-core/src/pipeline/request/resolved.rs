//! A request with its defaults: what a plan works on.

use std::path::PathBuf;

use super::backend::AskedBackend;
use super::computed::Computed;
use super::labels::LearntDistance;
use super::layout::LayoutRequest;
use super::other_graphs::OtherGraph;
use super::parameters::Parameters;
use super::search::Search;
use crate::kernel::KernelMethod;

/// Neighbours that were found before, in the place of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedNeighbors {
    /// The store, or ids and distances with a comma between.
    pub path: PathBuf,
    /// Key in `obsp`, where one was named.
    pub key: Option<String>,
    /// Neighbours that are kept of each cell at most.
    pub most: Option<u64>,
    /// Whether distances of a store of ours may be negative: where weights do not depend on them.
    pub signed: bool,
    /// Whether it was said if cells vote for themselves; else it is as the neighbours were sought.
    pub says_self_edges: bool,
    /// Whether the request says by which metric they were found.
    pub says_metric: bool,
    /// Whether the output has them too, where that is said; else where they do not stand in a store of ours as they are used.
    pub stored: Option<bool>,
}

/// A request with paths and limits resolved: what `plan` works on.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a yes or no of the request, and they do not exclude each other"
)]
pub struct Resolved {
    /// The query store.
    pub query: PathBuf,
    /// The reference store; the query's path in self-mapping.
    pub reference: PathBuf,
    /// Whether query and reference are one store.
    pub self_mapping: bool,
    /// Whether the reference is the cells of an index, whose rows are in its lists alone.
    pub bundled: bool,
    /// Where its representation comes from.
    pub representation: Representation,
    /// The output store, where one was named.
    pub output: Option<PathBuf>,
    /// What changes results. `method` is as asked for, and `ivf` open, until a plan knows the reference's size.
    pub parameters: Parameters,
    /// How neighbours are to be sought.
    pub search: Search,
    /// Where the largest distance of a label is learnt, where that was asked for.
    pub learnt_distance: Option<LearntDistance>,
    /// Where the neighbours come from, where none are sought.
    pub imported: Option<ImportedNeighbors>,
    /// Where the other graphs come from, in the order of `OtherGraph::ALL`, where they are not sought either.
    pub other_graphs: Option<[PathBuf; 3]>,
    /// The other graphs that are kept beside the output.
    pub kept_graphs: Vec<OtherGraph>,
    /// Whether only the graph was asked for, so that transferring nothing is no surprise.
    pub graph_only: bool,
    /// The budget, bytes.
    pub memory: u64,
    /// Worker threads.
    pub threads: usize,
    /// What cells are to be compared by.
    pub backend: AskedBackend,
    /// Continue an interrupted run.
    pub resume: bool,
    /// Replace an earlier mapped store.
    pub overwrite: bool,
    /// Grid of the output.
    pub layout: LayoutRequest,
    /// Whether matrices of the output are compressed.
    pub compact: bool,
}

/// Where the representation of a run comes from.
#[derive(Debug, Clone)]
pub enum Representation {
    /// Both stores have it.
    Stored,
    /// It was not named: the usual one, and where neither store has that, one that is computed.
    Usual {
        /// Whether that is by canonical correlations.
        is_canonical: bool,
        /// Seed of its computation.
        seed: u64,
    },
    /// It is computed for the run.
    Computed(Box<Computed>),
}

impl Representation {
    /// The same for the other runs that a run needs.
    pub(in crate::pipeline) fn lent(&self) -> Self {
        let mut lent = self.clone();
        if let Self::Computed(computed) = &mut lent {
            computed.lent = true;
        }
        lent
    }
}

impl Resolved {
    /// Whether the representation of a run is computed for it.
    pub(in crate::pipeline) fn is_computed(&self) -> bool {
        matches!(self.representation, Representation::Computed(_))
    }

    /// Takes neighbours from a place instead of seeking them.
    pub(in crate::pipeline) fn take_over(&mut self, path: PathBuf, key: Option<String>, most: Option<u64>) {
        let kernel = KernelMethod::from_name(&self.parameters.kernel_method);
        "imported".clone_into(&mut self.parameters.method);
        self.parameters.use_rep.clear();
        self.representation = Representation::Stored;
        let signed = kernel.is_some_and(|kernel| !kernel.weighs_distances());
        self.imported = Some(ImportedNeighbors {
            path,
            key,
            most,
            signed,
            says_self_edges: false,
            says_metric: false,
            stored: None,
        });
    }

    /// Whether queries are rounded to f16: where they are the rows of lists that are.
    pub(in crate::pipeline) fn rounds_queries(&self) -> bool {
        self.self_mapping && self.rounds_references()
    }

    /// Whether references are compared as rows of f16 lists have them.
    pub(in crate::pipeline) fn rounds_references(&self) -> bool {
        self.parameters.ivf.as_ref().is_some_and(|ivf| ivf.list_dtype == "f16")
    }
}
