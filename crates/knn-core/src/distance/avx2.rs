//! AVX2: sixteen lanes in two registers. Six queries keep twelve accumulators; two loads, a broadcast and a product fill the rest.

use core::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_cvtsi32_si128, _mm_loadl_epi64, _mm_loadu_si128, _mm_prefetch, _mm256_add_epi32,
    _mm256_adds_epu8, _mm256_broadcastsi128_si256, _mm256_castsi256_ps, _mm256_cmpeq_epi8, _mm256_cmpgt_epi32,
    _mm256_cvtepu8_epi32, _mm256_load_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_max_epi32, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_movemask_ps, _mm256_or_si256, _mm256_permutevar8x32_epi32, _mm256_set1_epi8,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_sra_epi32, _mm256_store_si256,
    _mm256_storeu_si256, _mm256_sub_epi32, _mm256_testz_si256,
};

use super::codebook::CODEWORDS;
use super::codes::{Lookup, SixtyFour};
use super::pack::{BLOCK_ROWS, Sixteen};
use super::query::PANEL_ROWS;
use super::survivors::{keep_greater, kth_or_a_little_less};
use super::vector::{Vector, six};

/// The lanes of each mask, one after the other.
static PICKED: [[u8; 8]; 256] = picked();

const fn picked() -> [[u8; 8]; 256] {
    let mut picked = [[0; 8]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut place) = (0, 0);
        while lane < 8 {
            if (mask >> lane) & 1 == 1 {
                picked[mask][place] = lane;
                place += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    picked
}

/// Sixteen i32 in two AVX registers.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256i, __m256i);

// SAFETY of every block here: `lane` calls what is generic over `Vector` with this lane only where the machine has AVX2;
// `Sixteen` is 64-byte aligned and holds sixteen i32, so aligned loads and stores of two registers stay inside it.
impl Vector for Avx2 {
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: see above.
        let register = unsafe { _mm256_set1_epi32(value) };
        Self(register, register)
    }

    #[inline(always)]
    unsafe fn load(values: &Sixteen) -> Self {
        let start = std::ptr::from_ref(values).cast::<__m256i>();
        // SAFETY: see above.
        unsafe { Self(_mm256_load_si256(start), _mm256_load_si256(start.add(1))) }
    }

    #[inline(always)]
    unsafe fn stored(self) -> Sixteen {
        let mut values = Sixteen([0; BLOCK_ROWS]);
        let start = std::ptr::from_mut(&mut values).cast::<__m256i>();
        // SAFETY: see above.
        unsafe {
            _mm256_store_si256(start, self.0);
            _mm256_store_si256(start.add(1), self.1);
        }
        values
    }

    #[inline(always)]
    unsafe fn pick(self, mask: u16, out: &mut [i32; BLOCK_ROWS]) {
        let (low, high) = (usize::from(mask & 0xff), usize::from(mask >> 8));
        let first = low.count_ones() as usize;
        // SAFETY: see above; eight bytes are read of an array of eight; `out` has room for sixteen and `first` is at most eight.
        unsafe {
            let start = out.as_mut_ptr();
            let order = |mask: usize| _mm256_cvtepu8_epi32(_mm_loadl_epi64(PICKED[mask].as_ptr().cast()));
            _mm256_storeu_si256(start.cast(), _mm256_permutevar8x32_epi32(self.0, order(low)));
            _mm256_storeu_si256(start.add(first).cast(), _mm256_permutevar8x32_epi32(self.1, order(high)));
        }
    }

    #[inline(always)]
    unsafe fn shifted_negative(self, shift: u32) -> Self {
        // SAFETY: see above.
        unsafe {
            let (zero, count) = (_mm256_setzero_si256(), _mm_cvtsi32_si128(shift as i32));
            Self(
                _mm256_sub_epi32(zero, _mm256_sra_epi32(self.0, count)),
                _mm256_sub_epi32(zero, _mm256_sra_epi32(self.1, count)),
            )
        }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_add_epi32(self.0, other.0), _mm256_add_epi32(self.1, other.1)) }
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
        let (low, high) = unsafe {
            (
                _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(self.0, other.0))),
                _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(self.1, other.1))),
            )
        };
        (low | (high << 8)) as u16
    }

    #[inline(always)]
    unsafe fn any_above(six: &[Self; PANEL_ROWS], limits: &[Self; PANEL_ROWS]) -> bool {
        // SAFETY: see above.
        unsafe {
            let mut any = _mm256_setzero_si256();
            for (one, limit) in six.iter().zip(limits) {
                // One comparison serves both halves: the larger of two is greater, or none is.
                any = _mm256_or_si256(any, _mm256_cmpgt_epi32(_mm256_max_epi32(one.0, one.1), limit.0));
            }
            _mm256_testz_si256(any, any) == 0
        }
    }

    #[inline(always)]
    unsafe fn read(values: &[i32; BLOCK_ROWS]) -> Self {
        let start = values.as_ptr();
        // SAFETY: see above; `values` are sixteen, wherever they lie.
        unsafe { Self(_mm256_loadu_si256(start.cast()), _mm256_loadu_si256(start.add(8).cast())) }
    }

    #[inline(always)]
    unsafe fn keep(values: &mut [i32], references: &mut [i32], length: usize, limit: i32) -> usize {
        // SAFETY: see above.
        unsafe { keep_avx2(values, references, length, limit) }
    }

    #[inline(always)]
    unsafe fn fetch(row: &[f32]) {
        fetch_lines(row);
    }

    #[inline(always)]
    unsafe fn kth(values: &[i32], length: usize, k: usize) -> Option<i32> {
        // SAFETY: see above.
        unsafe { kth_avx2(values, length, k) }
    }
}

impl Avx2 {
    /// `self + a₀·b₀ + a₁·b₁` of the i16 pairs in each lane of `a` and `b`.
    #[inline(always)]
    unsafe fn add_products(self, a: Self, b: Self) -> Self {
        // SAFETY: as for the trait.
        unsafe {
            Self(
                _mm256_add_epi32(self.0, _mm256_madd_epi16(a.0, b.0)),
                _mm256_add_epi32(self.1, _mm256_madd_epi16(a.1, b.1)),
            )
        }
    }
}

// SAFETY of every block here: as above; `SixtyFour` is 64-byte aligned and holds two registers, and a table entry holds sixteen bytes.
impl Lookup for Avx2 {
    type Sums = (__m256i, __m256i);

    #[inline(always)]
    unsafe fn none() -> Self::Sums {
        // SAFETY: see above.
        let zero = unsafe { _mm256_setzero_si256() };
        (zero, zero)
    }

    #[inline(always)]
    unsafe fn plus_entries(sums: Self::Sums, codes: &SixtyFour, table: &[u8; CODEWORDS]) -> Self::Sums {
        let start = std::ptr::from_ref(codes).cast::<__m256i>();
        // SAFETY: see above.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            (
                _mm256_adds_epu8(sums.0, _mm256_shuffle_epi8(table, _mm256_load_si256(start))),
                _mm256_adds_epu8(sums.1, _mm256_shuffle_epi8(table, _mm256_load_si256(start.add(1)))),
            )
        }
    }

    #[inline(always)]
    unsafe fn at_most(sums: Self::Sums, limit: u8) -> u64 {
        // SAFETY: see above.
        let half = |sums: __m256i| unsafe {
            let limit = _mm256_set1_epi8(limit.cast_signed());
            u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(sums, limit), sums)).cast_unsigned())
        };
        half(sums.0) | half(sums.1) << 32
    }
}

/// Numbers of a line of the processor's cache.
const LINE: usize = 16;

/// Asks for the lines that a row lies in. It needs no more than SSE, which every x86-64 has.
#[inline(always)]
pub(super) fn fetch_lines(row: &[f32]) {
    for number in row.iter().step_by(LINE).chain(row.last()) {
        // SAFETY: SSE is part of x86-64, and asking for memory reads none of it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(number).cast()) };
    }
}

#[target_feature(enable = "avx2,popcnt,bmi1")]
unsafe fn kth_avx2(values: &[i32], length: usize, k: usize) -> Option<i32> {
    // SAFETY: the instructions are enabled here.
    unsafe { kth_or_a_little_less::<Avx2>(values, length, k) }
}

#[target_feature(enable = "avx2,popcnt,bmi1")]
unsafe fn keep_avx2(values: &mut [i32], references: &mut [i32], length: usize, limit: i32) -> usize {
    // SAFETY: the instructions are enabled here.
    unsafe { keep_greater::<Avx2>(values, references, length, limit) }
}
