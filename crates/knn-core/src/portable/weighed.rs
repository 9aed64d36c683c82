//! The weights of a run whose neighbours are all found, and what they transfer.

use super::run::QueryRun;
use crate::budget::{Lease, MemoryBudget};
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::kernel::{Kernel, KernelMethod, Weights};
use crate::operator::{Asked, Embedding, LabelVotes, Labels, NumberMeans, OTHER, transfer_embedding, transfer_numbers};

/// How neighbours are weighed.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighing {
    /// The kernel, by its name.
    pub kernel_method: String,
    /// The bandwidth σ of a kernel that has one; from all distances if none is given.
    pub bandwidth: Option<f64>,
    /// Seed of the kernel `random`.
    pub seed: u64,
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
    /// Weighs the neighbours of a run, all of whose queries were joined, among `reference_rows` cells.
    pub fn new(run: &QueryRun, asked: &Weighing, reference_rows: u64, budget: &MemoryBudget) -> Result<Self> {
        let method = checked(asked, run.metric)?;
        let learnt = match method {
            _ if run.metric.is_product() => None,
            KernelMethod::Gauss => run.sums().mean(false),
            KernelMethod::Scarches => run.sums().deviation(false),
            _ => None,
        };
        let sigma = asked.bandwidth.or(learnt);
        let (rows, k) = (run.done() as u64, run.k() as u64);
        let lease = budget.take("the weights", Weights::bytes(rows, rows * k, k))?;
        let mut weights = Weights::default();
        kernel(method, sigma, asked.seed)?.weigh(run.found(), None, false, |_| false, &mut weights);
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

/// The kernel that was asked for, if it can weigh the neighbours of another store in memory.
fn checked(asked: &Weighing, metric: Metric) -> Result<KernelMethod> {
    let name = &asked.kernel_method;
    let here = |kernel: &KernelMethod| !kernel.is_shared() && !kernel.is_within();
    let Some(kernel) = KernelMethod::from_name(name).filter(here) else {
        let names: Vec<_> = KernelMethod::ALL.into_iter().filter(here).map(KernelMethod::name).collect();
        return Err(Error::param("kernelMethod", name, format!("one of {}", names.join(", "))));
    };
    if metric.is_product() && kernel.weighs_distances() {
        let reason = "weighs distances, which inner products are not: take equal or random";
        return Err(Error::param("kernelMethod", name, reason));
    }
    if let Some(bandwidth) =
        asked.bandwidth.filter(|width| !(kernel.has_bandwidth() && width.is_finite() && *width > 0.0))
    {
        return Err(Error::param("bandwidth", bandwidth, "a finite number above 0, of gauss and scarches only"));
    }
    Ok(kernel)
}

fn kernel(method: KernelMethod, sigma: Option<f64>, seed: u64) -> Result<Kernel> {
    // Without any valid distance nobody has neighbours, and no weight is ever computed.
    let sigma = sigma.unwrap_or(1.0);
    Ok(match method {
        KernelMethod::Gauss => Kernel::Gauss { sigma },
        KernelMethod::Scarches => Kernel::Scarches { sigma },
        KernelMethod::ScarchesLocal => Kernel::ScarchesLocal,
        KernelMethod::InverseDistance => Kernel::InverseDistance,
        KernelMethod::Equal => Kernel::Equal,
        KernelMethod::Random => Kernel::Random { seed },
        method => return Err(Error::internal(format!("{} needs more than neighbors", method.name()))),
    })
}
