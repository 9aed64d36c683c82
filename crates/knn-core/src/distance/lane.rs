//! Which instructions the tile uses on this machine: found out once.

use std::sync::OnceLock;

use super::codebook::{CODEWORDS, Codebooks};
use super::codes::{PackedCodes, at_most};
use super::exact::{exact_product, exact_squared};
use super::grid::Grid;
use super::metric::Metric;
#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
use super::pack::PackedReferences;
use super::query::{QueryPanels, QueryRows};
use super::scan::{Visit, few, nearest, scan, values};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::simd128::Simd128;
use super::survivors::{Resolve, Survivors};
use super::vector::{Scalar, Vector};
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512};

/// The one seam where CPU lanes and other back ends meet: finds what may be among the k nearest.
pub trait DistanceTile: Send + Sync {
    /// Name for reports.
    fn name(&self) -> &'static str;
    /// Passes the queries over the references of `visit`; whatever may be among a query's k nearest ends in its buffer or with
    /// `resolve`.
    fn top_k(&self, references: &PackedReferences, visit: Visit, survivors: &mut Survivors, resolve: &mut dyn Resolve);
    /// Cuts the buffer of every query, so that its limit follows from all that it has met.
    fn tighten(&self, rows: &QueryRows, survivors: &mut Survivors, resolve: &mut dyn Resolve);
    /// Settles every query at the end, after a last cut of its buffer.
    fn finish(&self, rows: &QueryRows, survivors: &mut Survivors, resolve: &mut dyn Resolve);
    /// The tile's value of every query (a row each, in their order) with every reference, padding included; larger is nearer,
    /// and values compare within a row only.
    fn values(&self, rows: &QueryRows, queries: &QueryPanels, references: &PackedReferences, out: &mut Vec<i32>);
    /// The reference of the largest value for each query, the lowest of equal ones.
    fn nearest(
        &self,
        rows: &QueryRows,
        queries: &QueryPanels,
        references: &PackedReferences,
        scratch: &mut Vec<i32>,
        out: &mut [u32],
    );
    /// The references of the `count` largest values for each query, and a few more: the largest first, in `count` + [`FEW_MORE`](super::FEW_MORE) places of `out` for
    /// each query. The same on every lane.
    fn few(
        &self,
        rows: &QueryRows,
        queries: &QueryPanels,
        references: &PackedReferences,
        count: usize,
        scratch: &mut Vec<i32>,
        out: &mut [u32],
    );
    /// [`QueryRows::fill`]: the same integers on every lane.
    fn fill(&self, queries: &mut QueryRows, rows: &[f32], grid: &Grid);
    /// [`PackedReferences::repack`] of rows one after the other: the same integers on every lane.
    fn pack(&self, references: &mut PackedReferences, rows: &[f32], grid: &Grid);
    /// The exact values of a query with the rows that begin at these places of `numbers`, [`exact_squared`] or the negated
    /// [`exact_product`]: the same bits on every lane.
    fn exact(&self, metric: Metric, query: &[f32], numbers: &[f32], starts: &[usize], out: &mut Vec<f64>);
    /// [`Codebooks::encode`]: the same codes on every lane.
    fn encode(&self, books: &Codebooks, residual: &[f32], codes: &mut [u8]);
    /// The squared distances of a residual to all codewords, a byte each: times `scale`, rounded, and 255 where they are as much or more. The
    /// same on every lane.
    fn tabulate(&self, books: &Codebooks, residual: &[f32], scale: f32, table: &mut Vec<[u8; CODEWORDS]>);
    /// One bit for each row, sixty-four to a mask: whether the entries of its codes sum up to at most `limit`. The same on every lane.
    fn at_most(&self, codes: &PackedCodes, table: &[[u8; CODEWORDS]], limit: u8, masks: &mut Vec<u64>);
}

/// A CPU lane that this machine can run: there is no other way to get one than [`Lane::best`] and [`Lane::available`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
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
        {
            // Bits of masks are counted and searched in every loop; without these two that takes a dozen instructions each.
            let has_avx2 = std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("popcnt")
                && std::arch::is_x86_feature_detected!("bmi1");
            if has_avx2 {
                lanes.push(Self(Instructions::Avx2));
            }
            if has_avx2
                && std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vnni")
            {
                lanes.push(Self(Instructions::Avx512));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            lanes.push(Self(Instructions::Neon));
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        lanes.push(Self(Instructions::Simd128));
        lanes
    }
}

/// Calls a function that is generic over the lane's vector, within a function that enables the lane's instructions.
macro_rules! in_lane {
    ($lane:expr, |$vector:ident| $body:expr, ($($name:ident: $type:ty),*) -> $result:ty) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,popcnt,bmi1")]
        fn avx2($($name: $type),*) -> $result {
            type $vector = Avx2;
            $body
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,popcnt,bmi1,avx512f,avx512bw,avx512vnni")]
        fn avx512($($name: $type),*) -> $result {
            type $vector = Avx512;
            $body
        }
        #[cfg(target_arch = "aarch64")]
        #[target_feature(enable = "neon")]
        fn neon($($name: $type),*) -> $result {
            type $vector = Neon;
            $body
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        fn simd128($($name: $type),*) -> $result {
            type $vector = Simd128;
            $body
        }
        fn scalar($($name: $type),*) -> $result {
            type $vector = Scalar;
            $body
        }
        match $lane.0 {
            Instructions::Scalar => scalar($($name),*),
            // SAFETY: only `available` makes this lane, where the machine has AVX2, POPCNT and BMI1.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { avx2($($name),*) },
            // SAFETY: only `available` makes this lane, where the machine has those and AVX-512 F, BW and VNNI.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { avx512($($name),*) },
            // SAFETY: only `available` makes this lane, where the machine has NEON.
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon => unsafe { neon($($name),*) },
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Instructions::Simd128 => simd128($($name),*),
        }
    }};
}

impl DistanceTile for Lane {
    fn name(&self) -> &'static str {
        match self.0 {
            Instructions::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => "avx512-vnni",
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Instructions::Simd128 => "simd128",
        }
    }

    fn top_k(&self, references: &PackedReferences, visit: Visit, survivors: &mut Survivors, resolve: &mut dyn Resolve) {
        in_lane!(
            self,
            // SAFETY: called only in the lane's own function.
            |V| unsafe { scan::<V>(references, visit, survivors, resolve) },
            (references: &PackedReferences, visit: Visit, survivors: &mut Survivors, resolve: &mut dyn Resolve) -> ()
        );
    }

    fn tighten(&self, rows: &QueryRows, survivors: &mut Survivors, resolve: &mut dyn Resolve) {
        in_lane!(
            self,
            // SAFETY: called only in the lane's own function.
            |V| unsafe { survivors.tighten::<V>(rows, resolve) },
            (rows: &QueryRows, survivors: &mut Survivors, resolve: &mut dyn Resolve) -> ()
        );
    }

    fn finish(&self, rows: &QueryRows, survivors: &mut Survivors, resolve: &mut dyn Resolve) {
        in_lane!(
            self,
            // SAFETY: called only in the lane's own function.
            |V| unsafe { survivors.finish::<V>(rows, resolve) },
            (rows: &QueryRows, survivors: &mut Survivors, resolve: &mut dyn Resolve) -> ()
        );
    }

    fn values(&self, rows: &QueryRows, queries: &QueryPanels, references: &PackedReferences, out: &mut Vec<i32>) {
        in_lane!(
            self,
            // SAFETY: called only in the lane's own function.
            |V| unsafe { values::<V>(rows, queries, references, out) },
            (rows: &QueryRows, queries: &QueryPanels, references: &PackedReferences, out: &mut Vec<i32>) -> ()
        );
    }

    fn nearest(
        &self,
        rows: &QueryRows,
        queries: &QueryPanels,
        references: &PackedReferences,
        scratch: &mut Vec<i32>,
        out: &mut [u32],
    ) {
        in_lane!(
            self,
            // SAFETY: called only in the lane's own function.
            |V| unsafe { nearest::<V>(rows, queries, references, scratch, out) },
            (rows: &QueryRows, queries: &QueryPanels, references: &PackedReferences, scratch: &mut Vec<i32>, out: &mut [u32]) -> ()
        );
    }

    fn few(
        &self,
        rows: &QueryRows,
        queries: &QueryPanels,
        references: &PackedReferences,
        count: usize,
        scratch: &mut Vec<i32>,
        out: &mut [u32],
    ) {
        in_lane!(
            self,
            // SAFETY: called only in the lane's own function.
            |V| unsafe { few::<V>(rows, queries, references, count, scratch, out) },
            (rows: &QueryRows, queries: &QueryPanels, references: &PackedReferences, count: usize, scratch: &mut Vec<i32>, out: &mut [u32]) -> ()
        );
    }

    fn fill(&self, queries: &mut QueryRows, rows: &[f32], grid: &Grid) {
        in_lane!(
            self,
            |_V| queries.fill(rows, grid),
            (queries: &mut QueryRows, rows: &[f32], grid: &Grid) -> ()
        );
    }

    fn pack(&self, references: &mut PackedReferences, rows: &[f32], grid: &Grid) {
        in_lane!(
            self,
            |_V| references.pack_all(rows, grid),
            (references: &mut PackedReferences, rows: &[f32], grid: &Grid) -> ()
        );
    }

    fn encode(&self, books: &Codebooks, residual: &[f32], codes: &mut [u8]) {
        in_lane!(
            self,
            |_V| books.encode(residual, codes),
            (books: &Codebooks, residual: &[f32], codes: &mut [u8]) -> ()
        );
    }

    fn tabulate(&self, books: &Codebooks, residual: &[f32], scale: f32, table: &mut Vec<[u8; CODEWORDS]>) {
        in_lane!(
            self,
            |_V| books.tabulate(residual, scale, table),
            (books: &Codebooks, residual: &[f32], scale: f32, table: &mut Vec<[u8; CODEWORDS]>) -> ()
        );
    }

    fn at_most(&self, codes: &PackedCodes, table: &[[u8; CODEWORDS]], limit: u8, masks: &mut Vec<u64>) {
        in_lane!(
            self,
            // SAFETY: called only in the lane's own function.
            |V| unsafe { at_most::<V>(codes, table, limit, masks) },
            (codes: &PackedCodes, table: &[[u8; CODEWORDS]], limit: u8, masks: &mut Vec<u64>) -> ()
        );
    }

    fn exact(&self, metric: Metric, query: &[f32], numbers: &[f32], starts: &[usize], out: &mut Vec<f64>) {
        if metric.is_product() {
            in_lane!(
                self,
                // SAFETY: called only in the lane's own function.
                |V| unsafe { exact_values::<V, true>(query, numbers, starts, out) },
                (query: &[f32], numbers: &[f32], starts: &[usize], out: &mut Vec<f64>) -> ()
            );
        } else {
            in_lane!(
                self,
                // SAFETY: called only in the lane's own function.
                |V| unsafe { exact_values::<V, false>(query, numbers, starts, out) },
                (query: &[f32], numbers: &[f32], starts: &[usize], out: &mut Vec<f64>) -> ()
            );
        }
    }
}

/// Rows that are on their way while one is compared. They lie anywhere in the lists, so most of the time was spent waiting for them: 36 rows of 50
/// columns, anywhere among 60 000, take 70 ns each without, 30 with 4 and 26 with 8 of them on their way.
const ROWS_AHEAD: usize = 8;

/// [`DistanceTile::exact`], inlined into each lane.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
unsafe fn exact_values<V: Vector, const PRODUCT: bool>(
    query: &[f32],
    numbers: &[f32],
    starts: &[usize],
    out: &mut Vec<f64>,
) {
    let row = |start: usize| &numbers[start..start + query.len()];
    out.resize(starts.len(), 0.0);
    for &start in starts.iter().take(ROWS_AHEAD) {
        // SAFETY: the caller vouches for the instructions of `V`.
        unsafe { V::fetch(row(start)) };
    }
    // A plain loop: an iterator's own functions would be compiled without the lane's instructions.
    for (at, (out, &start)) in out.iter_mut().zip(starts).enumerate() {
        if let Some(&start) = starts.get(at + ROWS_AHEAD) {
            // SAFETY: as above.
            unsafe { V::fetch(row(start)) };
        }
        *out = if PRODUCT { -exact_product(query, row(start)) } else { exact_squared(query, row(start)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{BLOCK_ROWS, FEW_MORE};
    use proptest::prelude::*;

    /// Whole coordinates of a row on the grid, and the exponent; none if it is not finite or does not fit.
    fn whole(grid: &Grid, row: &[f32], is_query: bool) -> Option<(u32, Vec<i64>)> {
        let mut pairs = vec![0i32; grid.pairs()];
        let exponent = match (is_query, grid.metric().is_product()) {
            (false, _) => grid.reference(row, &mut pairs).map(|_| 0).ok()?,
            (true, false) => grid.query(row, &mut pairs).ok()?.0,
            (true, true) => grid.product_query(row, &mut pairs).map(|_| 0)?,
        };
        Some((exponent, pairs.iter().flat_map(|both| [i64::from(*both as i16), i64::from(both >> 16)]).collect()))
    }

    proptest! {
        #[test]
        fn every_lane_computes_the_same_integers(
            (dim, queries, references) in (1usize..40, 1usize..30, 1usize..60).prop_flat_map(|(dim, nq, nr)| {
                let value = prop_oneof![30 => -3f32..3.0, 3 => -1e4f32..1e4, 1 => Just(f32::NAN)];
                (Just(dim), prop::collection::vec(value.clone(), nq * dim), prop::collection::vec(value, nr * dim))
            }),
            metric in prop::sample::select(vec![Metric::Euclidean, Metric::InnerProduct]),
        ) {
            let grid = Grid::by(metric, vec![0.25; dim], 10.0);
            for lane in Lane::available() {
                let (mut rows, mut panels) = (QueryRows::default(), QueryPanels::default());
                let (mut packed, mut values, mut nearest) = (PackedReferences::default(), Vec::new(), Vec::new());
                lane.fill(&mut rows, &queries, &grid);
                panels.all(&rows);
                lane.pack(&mut packed, &references, &grid);
                lane.values(&rows, &panels, &packed, &mut values);
                nearest.resize(rows.rows(), 0);
                lane.nearest(&rows, &panels, &packed, &mut Vec::new(), &mut nearest);
                let width = packed.blocks() * BLOCK_ROWS;
                let (count, places) = (5, 5 + FEW_MORE);
                let mut few = vec![u32::MAX; rows.rows() * places];
                lane.few(&rows, &panels, &packed, count, &mut Vec::new(), &mut few);
                for (q, query) in queries.chunks_exact(dim).enumerate() {
                    let Some((exponent, query)) = whole(&grid, query, true) else { continue };
                    let mut best = (i64::from(i32::MIN), 0);
                    for (r, reference) in references.chunks_exact(dim).enumerate() {
                        let value = match whole(&grid, reference, false) {
                            Some((_, reference)) => {
                                let product: i64 = query.iter().zip(&reference).map(|(a, b)| a * b).sum();
                                let counts = !metric.is_product();
                                let norm: i64 = reference.iter().map(|a| if counts { a * a } else { 0 }).sum();
                                let value = product - (norm >> (exponent + 1));
                                if value > best.0 {
                                    best = (value, r as u32);
                                }
                                value
                            }
                            None if reference.iter().all(|value| value.is_finite()) => i64::from(i32::MAX),
                            None => i64::from(i32::MIN),
                        };
                        prop_assert_eq!(i64::from(values[q * width + r]), value, "{}", lane.name());
                    }
                    prop_assert_eq!(nearest[q], best.1);
                    let value = |r: usize| values[q * width + r];
                    let on_grid = |r: &usize| value(*r) != i32::MIN && value(*r) != i32::MAX;
                    let (mut others, mut found) = (Vec::new(), Vec::new());
                    for r in (0..width).filter(on_grid) {
                        if few[q * places..][..places].contains(&(r as u32)) { &mut found } else { &mut others }.push(r);
                    }
                    prop_assert!(found.is_empty() || few[q * places] == best.1, "{}", lane.name());
                    let least = found.iter().map(|&r| value(r)).min().unwrap_or(i32::MAX);
                    prop_assert!(others.iter().all(|&r| value(r) <= least || found.is_empty()), "{}", lane.name());
                    let loose = (0..width).filter(|&r| value(r) == i32::MAX).count();
                    prop_assert!(found.len() + loose >= count.min(found.len() + others.len()), "{}", lane.name());
                }
            }
        }
    }
}
