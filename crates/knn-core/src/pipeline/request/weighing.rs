//! What a mapping asks of neighbours and weights, checked against its kernel and stores.

use super::map::MapRequest;
use super::parameters::DiffusionParameters;
use super::values::{MOST_NEIGHBORS, one_of};
use crate::error::{Error, Result};
use crate::kernel::{KernelMethod, Symmetrize};

/// More steps than leave anything to tell cells apart by.
const MOST_STEPS: i64 = 10_000;

/// The number of neighbours, 30 unless given; in self-mapping with the cell itself.
pub(super) fn checked_neighbors(given: Option<i64>, self_mapping: bool) -> Result<u64> {
    let given = given.unwrap_or(30);
    if given < if self_mapping { 2 } else { 1 } {
        let why =
            if self_mapping { "at least 2 in self-mapping, where it counts the cell itself" } else { "at least 1" };
        return Err(Error::param("nNeighbors", given, why));
    }
    if given > MOST_NEIGHBORS {
        return Err(Error::param("nNeighbors", given, format!("at most {MOST_NEIGHBORS}")));
    }
    Ok(given as u64)
}

/// The kernel, and whether it is one for these stores.
pub(super) fn checked_kernel(given: Option<&str>, self_mapping: bool) -> Result<KernelMethod> {
    let default = if self_mapping { KernelMethod::Umap } else { KernelMethod::Gauss };
    let names = KernelMethod::ALL.map(KernelMethod::name);
    let name = one_of("kernelMethod", Some(given.unwrap_or(default.name())), &names, &[])?;
    let kernel = KernelMethod::from_name(&name).unwrap_or(default);
    if kernel.is_within() && !self_mapping {
        return Err(Error::param("kernelMethod", name, "only in self-mapping: between two stores take gauss"));
    }
    Ok(kernel)
}

/// Whether cells vote for themselves. A cell is of its own batch, so where that is excluded, so is it unless it is asked for.
pub(super) fn checked_self_edges(given: Option<bool>, self_mapping: bool, excludes_batch: bool) -> Result<bool> {
    if given == Some(true) && !self_mapping {
        let reason = "only in self-mapping does a cell have itself as a neighbor";
        return Err(Error::param("selfEdges", true, reason));
    }
    Ok(given.unwrap_or(self_mapping && !excludes_batch))
}

/// What expression is scaled to, where there is any.
pub(super) fn checked_library_size(given: Option<&str>, has_expression: bool) -> Result<Option<String>> {
    let path = match given {
        Some(column) if column.starts_with("obs/") => Some(column.to_owned()),
        given => layer_path("targetLibsize", given)?,
    };
    if let Some(path) = path.as_ref().filter(|_| !has_expression) {
        return Err(Error::param("targetLibsize", path, "scales an expression: name it as layerKey"));
    }
    Ok(path)
}

/// A pinned bandwidth must be one, of a kernel that has one.
pub(super) fn check_bandwidth(given: Option<f64>, kernel: KernelMethod) -> Result<()> {
    if let Some(bandwidth) = given.filter(|b| !(b.is_finite() && *b > 0.0)) {
        return Err(Error::param("bandwidth", bandwidth, "a finite number above 0"));
    }
    if let Some(bandwidth) = given.filter(|_| !kernel.has_bandwidth()) {
        let having = KernelMethod::ALL.into_iter().filter(|kernel| kernel.has_bandwidth()).map(KernelMethod::name);
        let having = having.collect::<Vec<_>>().join(" and ");
        let reason = format!("{} has none: only {having} have", kernel.name());
        return Err(Error::param("bandwidth", bandwidth, reason));
    }
    Ok(())
}

/// Steps of diffusion; none for one step.
pub(super) fn checked_diffusion(
    request: &MapRequest,
    kernel: KernelMethod,
    symmetrize: &str,
    self_mapping: bool,
) -> Result<Option<DiffusionParameters>> {
    let method = one_of("diffusionMethod", request.diffusion_method.as_deref(), &["iterative", "spectral"], &[])?;
    let t = request.t.unwrap_or(1);
    if !(1..=MOST_STEPS).contains(&t) {
        return Err(Error::param("t", t, format!("between 1 and {MOST_STEPS}: the mapping is applied so many times")));
    }
    if t > 1 && !self_mapping {
        let reason = "only in self-mapping: between two stores the mapping matrix is not square and cannot be applied to its own result";
        return Err(Error::param("t", t, reason));
    }
    if let Some(levels) = request.label_levels.as_ref().filter(|levels| t > 1 && !levels.is_empty()) {
        let reason = "are voted on in one step: leave t out, or diffuse each column as one of obsKeys";
        return Err(Error::param("labelLevels", levels.join(","), reason));
    }
    let is_symmetric =
        symmetrize != Symmetrize::None.name() || (kernel.is_shared() && kernel != KernelMethod::HnocaKnn);
    if method == "spectral" && !is_symmetric {
        let reason = "needs weights that are the same both ways: take symmetrize \"max\", or iterative";
        return Err(Error::param("diffusionMethod", method, reason));
    }
    Ok((t > 1).then_some(DiffusionParameters { t: t as u64, method }))
}

/// Where an expression lies that CellMapper calls so: `X`, or a layer.
pub(super) fn layer_path(parameter: &'static str, key: Option<&str>) -> Result<Option<String>> {
    Ok(match key {
        None => None,
        Some("") => return Err(Error::param(parameter, "", "X, or the name of a layer")),
        Some("X") => Some("X".into()),
        Some(key) => Some(format!("layers/{}", key.strip_prefix("layers/").unwrap_or(key))),
    })
}

/// How two directions become one: that of the kernel, or what was asked for.
pub(super) fn checked_symmetrize(given: Option<&str>, kernel: KernelMethod, self_mapping: bool) -> Result<String> {
    let default = if self_mapping && kernel != KernelMethod::HnocaKnn { Symmetrize::Max } else { Symmetrize::None };
    let names = [Symmetrize::Max, Symmetrize::Mean, Symmetrize::None].map(Symmetrize::name);
    let symmetrize = one_of("symmetrize", Some(given.unwrap_or(default.name())), &names, &[])?;
    if !self_mapping && symmetrize != Symmetrize::None.name() {
        let reason = "only in self-mapping do edges have two directions";
        return Err(Error::param("symmetrize", symmetrize, reason));
    }
    if kernel == KernelMethod::HnocaKnn && symmetrize != Symmetrize::None.name() {
        return Err(Error::param(
            "symmetrize",
            symmetrize,
            "hnoca_knn leaves out what is no neighbor of a cell: take hnoca",
        ));
    }
    Ok(match kernel {
        KernelMethod::Umap => Symmetrize::Union.name().into(),
        _ if kernel.is_shared() => Symmetrize::None.name().into(),
        _ => symmetrize,
    })
}

/// A column of batches. Kernels that count shared neighbours do so in graphs within both stores, where nothing is excluded.
pub(super) fn checked_batch(given: Option<&str>, kernel: KernelMethod) -> Result<Option<String>> {
    match given {
        Some("") => Err(Error::param("excludeBatch", "", "name a column of obs, or leave it out")),
        Some(_) if kernel.is_shared() => Err(Error::Unsupported {
            what: format!("kernel {} beside excludeBatch", kernel.name()),
            remedy: "take a kernel of distances, such as gauss".into(),
        }),
        given => Ok(given.map(str::to_owned)),
    }
}
