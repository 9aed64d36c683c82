//! The kernel of a run, once all distances are known: its bandwidth, and what the user should know of it.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::kernel::{Kernel, KernelMethod};
use crate::pipeline::join_pass::joined::Joined;
use crate::pipeline::prepared::Prepared;
use crate::pipeline::request::Parameters;

/// The bandwidth: pinned, or what the kernel takes from all valid distances. None where the kernel has none, and where there is no
/// distance at all, as between inner products.
pub(in crate::pipeline) fn sigma(parameters: &Parameters, joined: &Joined) -> Result<Option<f64>> {
    if parameters.metric.is_product() {
        return Ok(None);
    }
    let own = parameters.self_edges;
    let learnt = match method(parameters)? {
        KernelMethod::Gauss => joined.sums.mean(own),
        KernelMethod::Scarches => joined.sums.deviation(own),
        _ => None,
    };
    Ok(parameters.bandwidth.or(learnt))
}

/// The kernel with that bandwidth, or with those of all cells. Without any valid distance nobody has neighbours, and no weight is ever
/// computed.
pub(in crate::pipeline) fn kernel(parameters: &Parameters, sigma: Option<f64>, sigmas: Vec<f32>) -> Result<Kernel> {
    let sigma = sigma.unwrap_or(1.0);
    Ok(match method(parameters)? {
        KernelMethod::Gauss => Kernel::Gauss { sigma },
        KernelMethod::Scarches => Kernel::Scarches { sigma },
        KernelMethod::ScarchesLocal => Kernel::ScarchesLocal,
        KernelMethod::InverseDistance => Kernel::InverseDistance,
        KernelMethod::Equal => Kernel::Equal,
        KernelMethod::Umap => Kernel::Umap,
        KernelMethod::AdaptiveGauss => Kernel::AdaptiveGauss { sigmas: Arc::new(sigmas) },
        KernelMethod::Random => Kernel::Random { seed: parameters.kernel_seed.unwrap_or(0) },
        KernelMethod::Jaccard | KernelMethod::Hnoca | KernelMethod::HnocaKnn => {
            return Err(Error::internal("shared neighbors have no distances"));
        }
    })
}

/// What the user should know of the bandwidth.
pub(in crate::pipeline) fn warning(prepared: &Prepared, joined: &Joined, sigma: Option<f64>) -> Option<String> {
    if prepared.spec.layout.n_obs() == 0 {
        return None;
    }
    if !joined.has_neighbors() {
        return Some("no query cell has a neighbor: every prediction is missing".into());
    }
    let parameters = &prepared.resolved.parameters;
    let why = if parameters.kernel_method == KernelMethod::Scarches.name() { "the same" } else { "0" };
    (sigma == Some(0.0))
        .then(|| format!("all distances are {why}, so the bandwidth is 0: neighbors are weighted equally"))
}

/// The kernel that was asked for.
pub(in crate::pipeline) fn method(parameters: &Parameters) -> Result<KernelMethod> {
    let method = KernelMethod::from_name(&parameters.kernel_method);
    method.ok_or_else(|| Error::internal(format!("a kernel {:?}", parameters.kernel_method)))
}
