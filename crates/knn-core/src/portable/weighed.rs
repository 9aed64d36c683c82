//! The weights of a run whose neighbours are all found, and what they transfer.

use std::sync::Arc;

use super::run::QueryRun;
use super::within::{entering, shared};
use crate::budget::{Lease, MemoryBudget};
use crate::error::{Error, Result};
use crate::kernel::{Entering, Kernel, KernelMethod, Symmetrize, Weights, adaptive_sigma};
use crate::operator::{Asked, Embedding, LabelVotes, Labels, NumberMeans, OTHER, transfer_embedding, transfer_numbers};
use crate::types::NeighborBlock;

/// How neighbours are weighed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weighing {
    /// The kernel, by its name; `umap` in self-mapping and else `gauss` if none is given.
    pub kernel_method: Option<String>,
    /// The bandwidth σ of a kernel that has one; from all distances if none is given.
    pub bandwidth: Option<f64>,
    /// Seed of the kernel `random`.
    pub seed: u64,
    /// How the directions of an edge become one in self-mapping: `max` unless it is given, `mean` or `none`.
    pub symmetrize: Option<String>,
    /// Whether cells vote for themselves in self-mapping, which they do unless it is given.
    pub self_edges: Option<bool>,
}

/// The other three graphs of two sets of cells, for kernels that count shared neighbours.
#[derive(Clone, Copy)]
pub struct OtherRuns<'a> {
    /// Within the reference.
    pub xx: &'a QueryRun,
    /// Within the query.
    pub yy: &'a QueryRun,
    /// From the reference to the query.
    pub xy: &'a QueryRun,
}

/// Row-normalised weights of all queries of a run.
pub struct Weighed {
    weights: Weights,
    sigma: Option<f64>,
    reference_rows: u64,
    budget: MemoryBudget,
    _lease: Lease,
}

impl Weighed {
    /// Weighs the neighbours of a run, all of whose queries were joined, among `reference_rows` cells. Kernels that count shared neighbours need
    /// the other graphs too, unless the run is a self-mapping.
    pub fn new(
        run: &QueryRun,
        asked: &Weighing,
        others: Option<OtherRuns>,
        reference_rows: u64,
        budget: &MemoryBudget,
    ) -> Result<Self> {
        let Checked { method, symmetrize, self_edges } = checked(asked, run)?;
        let (sigma, (mut weights, lease)) = if method.is_shared() {
            (None, shared(method, run, others, reference_rows, budget)?)
        } else {
            let learnt = match method {
                _ if run.metric.is_product() => None,
                KernelMethod::Gauss => run.sums().mean(self_edges),
                KernelMethod::Scarches => run.sums().deviation(self_edges),
                _ => None,
            };
            let sigma = asked.bandwidth.or(learnt);
            let kernel = kernel(method, sigma, asked.seed, run.found())?;
            (sigma, by_distances(&kernel, run, symmetrize, self_edges, budget)?)
        };
        weights.normalize();
        Ok(Self { weights, sigma, reference_rows, budget: budget.clone(), _lease: lease })
    }

    /// The bandwidth σ, in units of distance; none where the kernel has none.
    pub fn sigma(&self) -> Option<f64> {
        self.sigma
    }

    /// Votes over a categorical column of the reference: a code for each cell, −1 where there is no label.
    pub fn labels(&self, codes: Vec<i32>, categories: usize) -> Result<LabelVotes> {
        self.check_rows("codes", codes.len())?;
        // Codes and categories, and of each row a code and its share, which leave in copies.
        let _lease = self.column(codes.len() as u64 * 4 + categories as u64 * 32, 2 * (4 + 4))?;
        if let Some(code) = codes.iter().find(|code| **code < OTHER || i64::from(**code) >= categories as i64) {
            return Err(Error::param("codes", code, format!("-1, or below the {categories} categories")));
        }
        let mut votes = LabelVotes::default();
        let labels = Labels { codes, categories, missing_votes: false };
        labels.vote(&self.weights.block, Asked::default(), &mut votes);
        Ok(votes)
    }

    /// Weighted means and deviations of a numeric column of the reference, NaN where a value is missing.
    pub fn numbers(&self, numbers: &[f64]) -> Result<NumberMeans> {
        self.check_rows("numbers", numbers.len())?;
        let _lease = self.column(size_of_val(numbers) as u64, 2 * (8 + 8))?;
        let mut means = NumberMeans::default();
        transfer_numbers(numbers, &self.weights.block, &mut means);
        Ok(means)
    }

    /// Weighted means of an embedding of the reference (row-major).
    pub fn embedding(&self, values: Vec<f32>, dim: usize) -> Result<Vec<f32>> {
        self.check_rows("embedding", values.len().checked_div(dim).unwrap_or(0))?;
        let _lease = self.column(values.len() as u64 * 4, dim as u64 * 4)?;
        let mut results = Vec::new();
        transfer_embedding(&Embedding { values, dim }, &self.weights.block, &mut results);
        Ok(results)
    }

    /// Takes the bytes of a column of the reference, and so many for each query that it is transferred to.
    fn column(&self, bytes: u64, each: u64) -> Result<Lease> {
        let results = (self.weights.block.rows() as u64).saturating_mul(each);
        self.budget.take("a column and what it transfers", bytes.saturating_add(results))
    }

    fn check_rows(&self, name: &str, rows: usize) -> Result<()> {
        if rows as u64 == self.reference_rows {
            return Ok(());
        }
        Err(Error::Shape {
            left: name.into(),
            left_shape: vec![rows as u64],
            right: "reference".into(),
            right_shape: vec![self.reference_rows],
            reason: "there is one for each reference cell".into(),
        })
    }
}

/// Weighs the edges that leave each cell, and those that enter it where the two are made one.
fn by_distances(
    kernel: &Kernel,
    run: &QueryRun,
    symmetrize: Symmetrize,
    self_edges: bool,
    budget: &MemoryBudget,
) -> Result<(Weights, Lease)> {
    let found = run.found();
    let edges = match symmetrize {
        Symmetrize::None => None,
        _ => Some(entering(found, kernel, self_edges, budget)?),
    };
    let entering = edges.as_ref().map(|(edges, _)| Entering { edges, symmetrize });
    let (rows, each) = (run.done() as u64, run.k() as u64 + u64::from(self_edges));
    let all = edges.as_ref().map_or(0, |(edges, _)| edges.sources.len() as u64);
    let most =
        edges.as_ref().map_or(0, |(edges, _)| edges.starts.windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(0));
    let lease = budget.take("the weights", Weights::bytes(rows, rows * each + all, each + most as u64))?;
    let mut weights = Weights::default();
    kernel.weigh(found, entering, self_edges, |row| found.ids[row * found.k] >= 0, &mut weights);
    Ok((weights, lease))
}

/// How neighbours are weighed, once it was checked.
struct Checked {
    method: KernelMethod,
    symmetrize: Symmetrize,
    self_edges: bool,
}

/// What was asked for, if it is for such a run; the same that `map` takes.
fn checked(asked: &Weighing, run: &QueryRun) -> Result<Checked> {
    let (own, metric) = (run.within, run.metric);
    let default = if own { KernelMethod::Umap } else { KernelMethod::Gauss };
    let name = asked.kernel_method.as_deref().unwrap_or(default.name());
    let Some(kernel) = KernelMethod::from_name(name) else {
        let names = KernelMethod::ALL.map(KernelMethod::name).join(", ");
        return Err(Error::param("kernelMethod", name, format!("one of {names}")));
    };
    if kernel.is_within() && !own {
        return Err(Error::param("kernelMethod", name, "only in self-mapping: between two stores take gauss"));
    }
    let given = asked.symmetrize.as_deref();
    let ways = [Symmetrize::Max, Symmetrize::Mean, Symmetrize::None];
    let way = given.map(|given| ways.into_iter().find(|way| way.name() == given).ok_or(given)).transpose();
    let way = way.map_err(|given| {
        Error::param("symmetrize", given, format!("one of {}", ways.map(Symmetrize::name).join(", ")))
    })?;
    let default = if own && kernel != KernelMethod::HnocaKnn { Symmetrize::Max } else { Symmetrize::None };
    let symmetrize = way.unwrap_or(default);
    if !own && symmetrize != Symmetrize::None {
        return Err(Error::param("symmetrize", symmetrize.name(), "only in self-mapping do edges have two directions"));
    }
    if kernel == KernelMethod::HnocaKnn && symmetrize != Symmetrize::None {
        let reason = "hnoca_knn leaves out what is no neighbor of a cell: take hnoca";
        return Err(Error::param("symmetrize", symmetrize.name(), reason));
    }
    let symmetrize = match kernel {
        KernelMethod::Umap => Symmetrize::Union,
        _ if kernel.is_shared() => Symmetrize::None,
        _ => symmetrize,
    };
    if asked.self_edges == Some(true) && !own {
        let reason = "only in self-mapping does a cell have itself as a neighbor";
        return Err(Error::param("selfEdges", true, reason));
    }
    if metric.is_product() && kernel.weighs_distances() {
        let reason = "weighs distances, which inner products are not: take equal or random";
        return Err(Error::param("kernelMethod", name, reason));
    }
    if let Some(bandwidth) =
        asked.bandwidth.filter(|width| !(kernel.has_bandwidth() && width.is_finite() && *width > 0.0))
    {
        return Err(Error::param("bandwidth", bandwidth, "a finite number above 0, of gauss and scarches only"));
    }
    Ok(Checked { method: kernel, symmetrize, self_edges: asked.self_edges.unwrap_or(own) })
}

fn kernel(method: KernelMethod, sigma: Option<f64>, seed: u64, found: &NeighborBlock) -> Result<Kernel> {
    // Without any valid distance nobody has neighbours, and no weight is ever computed.
    let sigma = sigma.unwrap_or(1.0);
    Ok(match method {
        KernelMethod::Gauss => Kernel::Gauss { sigma },
        KernelMethod::Scarches => Kernel::Scarches { sigma },
        KernelMethod::ScarchesLocal => Kernel::ScarchesLocal,
        KernelMethod::InverseDistance => Kernel::InverseDistance,
        KernelMethod::Equal => Kernel::Equal,
        KernelMethod::Random => Kernel::Random { seed },
        KernelMethod::Umap => Kernel::Umap,
        KernelMethod::AdaptiveGauss => {
            let sigmas = (0..found.rows()).map(|row| adaptive_sigma(found.row(row).1)).collect();
            Kernel::AdaptiveGauss { sigmas: Arc::new(sigmas) }
        }
        method => return Err(Error::internal(format!("{} needs more than neighbors", method.name()))),
    })
}
