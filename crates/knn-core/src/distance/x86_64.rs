//! AVX2 and FMA: sixteen lanes in two registers. Six queries keep twelve accumulators; two loads and a broadcast fill the rest.

use core::arch::x86_64::{
    __m256, _CMP_NGT_UQ, _mm256_cmp_ps, _mm256_fmadd_ps, _mm256_load_ps, _mm256_movemask_ps, _mm256_or_ps,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_store_ps,
};

use super::exact::exact_distance;
use super::pack::{PANEL_ROWS, PackedReferences, QueryPanels, Sixteen};
use super::scan::{Visit, scan, values};
use super::survivors::{Resolve, Survivors};
use super::vector::Vector;

/// Sixteen f32 in two AVX registers.
#[derive(Clone, Copy)]
struct Avx2(__m256, __m256);

// SAFETY of every block here: `scan_avx2` and `values_avx2` are the only ways in, and their callers have checked that the machine has AVX2 and FMA;
// `Sixteen` is 64-byte aligned and holds sixteen f32, so aligned loads and stores of two registers stay inside it.
impl Vector for Avx2 {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        let register = unsafe { _mm256_set1_ps(value) };
        Self(register, register)
    }

    #[inline(always)]
    unsafe fn load(values: &Sixteen) -> Self {
        let start = values.0.as_ptr();
        // SAFETY: see above.
        unsafe { Self(_mm256_load_ps(start), _mm256_load_ps(start.add(8))) }
    }

    #[inline(always)]
    unsafe fn store(self, values: &mut Sixteen) {
        let start = values.0.as_mut_ptr();
        // SAFETY: see above.
        unsafe {
            _mm256_store_ps(start, self.0);
            _mm256_store_ps(start.add(8), self.1);
        }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
    }

    #[inline(always)]
    unsafe fn not_greater(self, limit: f32) -> u16 {
        // SAFETY: see above.
        let (low, high) = unsafe {
            let limit = _mm256_set1_ps(limit);
            (
                _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NGT_UQ>(self.0, limit)),
                _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NGT_UQ>(self.1, limit)),
            )
        };
        (low | (high << 8)) as u16
    }

    #[inline(always)]
    unsafe fn any_not_greater(six: &[Self; PANEL_ROWS], limits: &[f32; PANEL_ROWS]) -> bool {
        // SAFETY: see above.
        unsafe {
            let mut any = _mm256_setzero_ps();
            for (one, limit) in six.iter().zip(limits) {
                let limit = _mm256_set1_ps(*limit);
                let low = _mm256_cmp_ps::<_CMP_NGT_UQ>(one.0, limit);
                let high = _mm256_cmp_ps::<_CMP_NGT_UQ>(one.1, limit);
                any = _mm256_or_ps(any, _mm256_or_ps(low, high));
            }
            _mm256_movemask_ps(any) != 0
        }
    }
}

/// [`scan`] for machines with AVX2 and FMA.
///
/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn scan_avx2(
    queries: &QueryPanels,
    references: &PackedReferences,
    visit: Visit,
    survivors: &mut Survivors,
    resolve: &mut dyn Resolve,
) {
    // SAFETY: the caller vouches for the instructions.
    unsafe { scan::<Avx2>(queries, references, visit, survivors, resolve) }
}

/// [`values`] for machines with AVX2 and FMA.
///
/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn values_avx2(queries: &QueryPanels, references: &PackedReferences, out: &mut Vec<f32>) {
    // SAFETY: the caller vouches for the instructions.
    unsafe { values::<Avx2>(queries, references, out) }
}

/// [`exact_distance`] for machines with AVX2: only wider, never fused, so its bits are the same.
///
/// # Safety
/// The machine must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn exact_distance_avx2(query: &[f32], reference: &[f32]) -> f32 {
    exact_distance(query, reference)
}
