//! AVX-512 with VNNI: sixteen lanes in one register, and two products and their sum in one instruction.

use core::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm512_add_epi32, _mm512_adds_epu8, _mm512_broadcast_i32x4,
    _mm512_cmpgt_epi32_mask, _mm512_cmple_epu8_mask, _mm512_dpwssd_epi32, _mm512_load_si512, _mm512_loadu_si512,
    _mm512_maskz_compress_epi32, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_sra_epi32, _mm512_store_si512, _mm512_storeu_si512, _mm512_sub_epi32,
};

use super::avx2::fetch_lines;
use super::codebook::CODEWORDS;
use super::codes::{Lookup, SixtyFour};
use super::pack::{BLOCK_ROWS, Sixteen};
use super::query::PANEL_ROWS;
use super::survivors::{keep_greater, kth_or_a_little_less};
use super::vector::{Vector, six};

/// Sixteen i32 in one register.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512i);

// SAFETY of every block here: `lane` calls what is generic over `Vector` with this lane only where the machine has AVX2, POPCNT, BMI1, AVX-512 F,
// BW and VNNI; `Sixteen` is 64-byte aligned and holds sixteen i32, so an aligned load or store stays inside it.
impl Vector for Avx512 {
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_epi32(value) })
    }

    #[inline(always)]
    unsafe fn load(values: &Sixteen) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_load_si512(std::ptr::from_ref(values).cast()) })
    }

    #[inline(always)]
    unsafe fn stored(self) -> Sixteen {
        let mut values = Sixteen([0; BLOCK_ROWS]);
        // SAFETY: see above.
        unsafe { _mm512_store_si512(std::ptr::from_mut(&mut values).cast(), self.0) };
        values
    }

    #[inline(always)]
    unsafe fn pick(self, mask: u16, out: &mut [i32; BLOCK_ROWS]) {
        // SAFETY: see above; `out` has room for sixteen, wherever it lies.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_maskz_compress_epi32(mask, self.0)) }
    }

    #[inline(always)]
    unsafe fn shifted_negative(self, shift: u32) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_sra_epi32(self.0, _mm_cvtsi32_si128(shift as i32)))
        })
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn six_sums(queries: [&[i32]; PANEL_ROWS], block: &[Sixteen], start: Self) -> [Self; PANEL_ROWS] {
        // SAFETY: see above.
        unsafe {
            six!(queries, block, start, |sum, query, pair| sum.add_products(Self::splat(query), Self::load(pair)))
        }
    }

    #[inline(always)]
    unsafe fn above(self, other: Self) -> u16 {
        // SAFETY: see above.
        unsafe { _mm512_cmpgt_epi32_mask(self.0, other.0) }
    }

    #[inline(always)]
    unsafe fn any_above(six: &[Self; PANEL_ROWS], limits: &[Self; PANEL_ROWS]) -> bool {
        // SAFETY: see above.
        six.iter().zip(limits).fold(0, |any, (one, limit)| any | unsafe { one.above(*limit) }) != 0
    }

    #[inline(always)]
    unsafe fn read(values: &[i32; BLOCK_ROWS]) -> Self {
        // SAFETY: see above; `values` are sixteen, wherever they lie.
        Self(unsafe { _mm512_loadu_si512(values.as_ptr().cast()) })
    }

    #[inline(always)]
    unsafe fn keep(values: &mut [i32], references: &mut [i32], length: usize, limit: i32) -> usize {
        // SAFETY: see above.
        unsafe { keep_avx512(values, references, length, limit) }
    }

    #[inline(always)]
    unsafe fn fetch(row: &[f32]) {
        fetch_lines(row);
    }

    #[inline(always)]
    unsafe fn kth(values: &[i32], length: usize, k: usize) -> Option<i32> {
        // SAFETY: see above.
        unsafe { kth_avx512(values, length, k) }
    }
}

impl Avx512 {
    /// `self + a₀·b₀ + a₁·b₁` of the i16 pairs in each lane of `a` and `b`.
    #[inline(always)]
    unsafe fn add_products(self, a: Self, b: Self) -> Self {
        // SAFETY: as for the trait.
        Self(unsafe { _mm512_dpwssd_epi32(self.0, a.0, b.0) })
    }
}

// SAFETY of every block here: as above; `SixtyFour` is 64-byte aligned and holds one register, and a table entry holds sixteen bytes.
impl Lookup for Avx512 {
    type Sums = __m512i;

    #[inline(always)]
    unsafe fn none() -> Self::Sums {
        // SAFETY: see above.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn plus_entries(sums: Self::Sums, codes: &SixtyFour, table: &[u8; CODEWORDS]) -> Self::Sums {
        // SAFETY: see above.
        unsafe {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast()));
            let codes = _mm512_load_si512(std::ptr::from_ref(codes).cast());
            _mm512_adds_epu8(sums, _mm512_shuffle_epi8(table, codes))
        }
    }

    #[inline(always)]
    unsafe fn at_most(sums: Self::Sums, limit: u8) -> u64 {
        // SAFETY: see above.
        unsafe { _mm512_cmple_epu8_mask(sums, _mm512_set1_epi8(limit.cast_signed())) }
    }
}

#[target_feature(enable = "avx2,popcnt,bmi1,avx512f,avx512bw")]
unsafe fn kth_avx512(values: &[i32], length: usize, k: usize) -> Option<i32> {
    // SAFETY: the instructions are enabled here.
    unsafe { kth_or_a_little_less::<Avx512>(values, length, k) }
}

#[target_feature(enable = "avx2,popcnt,bmi1,avx512f,avx512bw")]
unsafe fn keep_avx512(values: &mut [i32], references: &mut [i32], length: usize, limit: i32) -> usize {
    // SAFETY: the instructions are enabled here.
    unsafe { keep_greater::<Avx512>(values, references, length, limit) }
}
