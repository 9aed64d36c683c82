//! Which instructions the tile uses on this machine: found out once.

use std::sync::OnceLock;

use super::exact::exact_distance;
use super::pack::{PackedReferences, QueryPanels};
use super::scan::{Visit, scan, values};
use super::survivors::{Resolve, Survivors};
use super::vector::Scalar;

/// The one seam where CPU lanes and other back ends meet: finds what may be among the k nearest.
pub trait DistanceTile: Send + Sync {
    /// Name for reports.
    fn name(&self) -> &'static str;
    /// Passes the queries over the references of `visit`; whatever may be among a query's k nearest ends in its buffer or with
    /// `resolve`.
    fn top_k(
        &self,
        queries: &QueryPanels,
        references: &PackedReferences,
        visit: Visit,
        survivors: &mut Survivors,
        resolve: &mut dyn Resolve,
    );
    /// The tile's value of every query (a row each) with every reference, padding included on both sides.
    fn values(&self, queries: &QueryPanels, references: &PackedReferences, out: &mut Vec<f32>);
    /// [`exact_distance`]: the same bits on every lane.
    fn distance(&self, query: &[f32], reference: &[f32]) -> f32;
}

/// A CPU lane that this machine can run: there is no other way to get one than [`Lane::best`] and [`Lane::available`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Lane {
    /// Plain Rust: the oracle, and the fallback everywhere.
    pub const SCALAR: Self = Self(Instructions::Scalar);

    /// The fastest lane of this machine, found out once.
    pub fn best() -> Self {
        static BEST: OnceLock<Lane> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().last().copied().unwrap_or(Self::SCALAR))
    }

    /// Every lane that this machine can run, the fastest last.
    pub fn available() -> Vec<Self> {
        let mut lanes = vec![Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            lanes.push(Self(Instructions::Avx2));
        }
        lanes
    }
}

impl DistanceTile for Lane {
    fn name(&self) -> &'static str {
        match self.0 {
            Instructions::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => "avx2",
        }
    }

    fn top_k(
        &self,
        queries: &QueryPanels,
        references: &PackedReferences,
        visit: Visit,
        survivors: &mut Survivors,
        resolve: &mut dyn Resolve,
    ) {
        match self.0 {
            // SAFETY: the scalar lane needs no particular instructions.
            Instructions::Scalar => unsafe { scan::<Scalar>(queries, references, visit, survivors, resolve) },
            // SAFETY: only `available` makes this lane, where the machine has AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe {
                super::x86_64::scan_avx2(queries, references, visit, survivors, resolve);
            },
        }
    }

    fn values(&self, queries: &QueryPanels, references: &PackedReferences, out: &mut Vec<f32>) {
        match self.0 {
            // SAFETY: the scalar lane needs no particular instructions.
            Instructions::Scalar => unsafe { values::<Scalar>(queries, references, out) },
            // SAFETY: only `available` makes this lane, where the machine has AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { super::x86_64::values_avx2(queries, references, out) },
        }
    }

    #[inline]
    fn distance(&self, query: &[f32], reference: &[f32]) -> f32 {
        match self.0 {
            Instructions::Scalar => exact_distance(query, reference),
            // SAFETY: only `available` makes this lane, where the machine has AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { super::x86_64::exact_distance_avx2(query, reference) },
        }
    }
}
