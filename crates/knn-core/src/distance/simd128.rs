//! Vectors of WebAssembly: sixteen lanes in four values of 128 bits. A module has them or has not, when it is compiled; there is nothing to find
//! out where it runs.

use core::arch::wasm32::{
    i8x16_bitmask, i8x16_swizzle, i32x4_add, i32x4_bitmask, i32x4_dot_i16x8, i32x4_gt, i32x4_max, i32x4_neg, i32x4_shr,
    i32x4_splat, u8x16_add_sat, u8x16_le, u8x16_splat, v128, v128_any_true, v128_load, v128_or, v128_store,
};

use super::codebook::CODEWORDS;
use super::codes::{Lookup, SixtyFour};
use super::pack::{BLOCK_ROWS, Sixteen};
use super::quarters::PICKED;
use super::query::PANEL_ROWS;
use super::survivors::{keep_greater, kth_or_a_little_less};
use super::vector::{Vector, six};

/// Sixteen i32 in four values. They are written out, because what is done to an array by a function that it is given is not inlined into
/// the tile.
#[derive(Clone, Copy)]
pub(super) struct Simd128([v128; 4]);

/// The sums in eight lanes from `FIRST` on: twelve accumulators, which is what the sixteen registers of most machines have room for.
#[inline(always)]
unsafe fn eight<const FIRST: usize>(
    queries: [&[i32]; PANEL_ROWS],
    block: &[Sixteen],
    start: [v128; 2],
) -> [[v128; 2]; PANEL_ROWS] {
    // SAFETY: `FIRST` is 0 or 8, so that what is read lies within the sixteen.
    unsafe {
        six!(queries, block, start, |sum, query, pair| {
            let pair: *const v128 = pair.0.as_ptr().add(FIRST).cast();
            let ([a, b], query) = (sum, i32x4_splat(query));
            [
                i32x4_add(a, i32x4_dot_i16x8(query, v128_load(pair))),
                i32x4_add(b, i32x4_dot_i16x8(query, v128_load(pair.add(1)))),
            ]
        })
    }
}

// SAFETY of every block here: this module is compiled only with these instructions; `Sixteen` and a row of `PICKED` hold as many
// as are read or written of them.
impl Vector for Simd128 {
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Self([i32x4_splat(value); 4])
    }

    #[inline(always)]
    unsafe fn load(values: &Sixteen) -> Self {
        // SAFETY: see above.
        unsafe { Self::read(&values.0) }
    }

    #[inline(always)]
    unsafe fn stored(self) -> Sixteen {
        let mut values = Sixteen([0; BLOCK_ROWS]);
        for (four, quarter) in values.0.as_chunks_mut::<4>().0.iter_mut().zip(self.0) {
            // SAFETY: see above.
            unsafe { v128_store(four.as_mut_ptr().cast(), quarter) };
        }
        values
    }

    #[inline(always)]
    unsafe fn pick(self, mask: u16, out: &mut [i32; BLOCK_ROWS]) {
        let mut place = 0;
        for (quarter, values) in self.0.into_iter().enumerate() {
            let mask = usize::from(mask >> (4 * quarter)) & 15;
            // SAFETY: see above; before the last quarter at most twelve of the sixteen places are taken.
            unsafe {
                let picked = i8x16_swizzle(values, v128_load(PICKED[mask].as_ptr().cast()));
                v128_store(out.as_mut_ptr().add(place).cast(), picked);
            }
            place += mask.count_ones() as usize;
        }
    }

    #[inline(always)]
    unsafe fn shifted_negative(self, shift: u32) -> Self {
        // The instruction takes the shift modulo 32.
        let ([a, b, c, d], shift) = (self.0, shift.min(31));
        Self([
            i32x4_neg(i32x4_shr(a, shift)),
            i32x4_neg(i32x4_shr(b, shift)),
            i32x4_neg(i32x4_shr(c, shift)),
            i32x4_neg(i32x4_shr(d, shift)),
        ])
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([i32x4_add(a, e), i32x4_add(b, f), i32x4_add(c, g), i32x4_add(d, h)])
    }

    #[inline(always)]
    unsafe fn six_sums(queries: [&[i32]; PANEL_ROWS], block: &[Sixteen], start: Self) -> [Self; PANEL_ROWS] {
        let [a, b, c, d] = start.0;
        // SAFETY: see above.
        let (low, high) = unsafe { (eight::<0>(queries, block, [a, b]), eight::<8>(queries, block, [c, d])) };
        let mut sums = [start; PANEL_ROWS];
        for (sum, ([a, b], [c, d])) in sums.iter_mut().zip(low.into_iter().zip(high)) {
            *sum = Self([a, b, c, d]);
        }
        sums
    }

    #[inline(always)]
    unsafe fn above(self, other: Self) -> u16 {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        let (a, b) = (i32x4_bitmask(i32x4_gt(a, e)), i32x4_bitmask(i32x4_gt(b, f)));
        let (c, d) = (i32x4_bitmask(i32x4_gt(c, g)), i32x4_bitmask(i32x4_gt(d, h)));
        u16::from(a | (b << 4)) | (u16::from(c | (d << 4)) << 8)
    }

    #[inline(always)]
    unsafe fn any_above(six: &[Self; PANEL_ROWS], limits: &[Self; PANEL_ROWS]) -> bool {
        let mut any = i32x4_splat(0);
        for (Self([a, b, c, d]), limit) in six.iter().zip(limits) {
            // One comparison serves all four: the largest of four is greater, or none is.
            let most = i32x4_max(i32x4_max(*a, *b), i32x4_max(*c, *d));
            any = v128_or(any, i32x4_gt(most, limit.0[0]));
        }
        v128_any_true(any)
    }

    #[inline(always)]
    unsafe fn read(values: &[i32; BLOCK_ROWS]) -> Self {
        let start: *const v128 = values.as_ptr().cast();
        // SAFETY: see above; these loads want no alignment.
        unsafe { Self([v128_load(start), v128_load(start.add(1)), v128_load(start.add(2)), v128_load(start.add(3))]) }
    }

    unsafe fn keep(values: &mut [i32], references: &mut [i32], length: usize, limit: i32) -> usize {
        // SAFETY: see above.
        unsafe { keep_greater::<Self>(values, references, length, limit) }
    }

    unsafe fn kth(values: &[i32], length: usize, k: usize) -> Option<i32> {
        // SAFETY: see above.
        unsafe { kth_or_a_little_less::<Self>(values, length, k) }
    }
}

// SAFETY of every block here: as above; a table entry and each quarter of `SixtyFour` hold sixteen bytes.
impl Lookup for Simd128 {
    type Sums = [v128; 4];

    #[inline(always)]
    unsafe fn none() -> Self::Sums {
        [u8x16_splat(0); 4]
    }

    #[inline(always)]
    unsafe fn plus_entries(sums: Self::Sums, codes: &SixtyFour, table: &[u8; CODEWORDS]) -> Self::Sums {
        let ([a, b, c, d], start) = (sums, codes.0.as_ptr().cast::<v128>());
        // SAFETY: see above.
        unsafe {
            let table = v128_load(table.as_ptr().cast());
            [
                u8x16_add_sat(a, i8x16_swizzle(table, v128_load(start))),
                u8x16_add_sat(b, i8x16_swizzle(table, v128_load(start.add(1)))),
                u8x16_add_sat(c, i8x16_swizzle(table, v128_load(start.add(2)))),
                u8x16_add_sat(d, i8x16_swizzle(table, v128_load(start.add(3)))),
            ]
        }
    }

    #[inline(always)]
    unsafe fn at_most(sums: Self::Sums, limit: u8) -> u64 {
        let limit = u8x16_splat(limit);
        sums.into_iter().rev().fold(0, |mask, sums| mask << 16 | u64::from(i8x16_bitmask(u8x16_le(sums, limit))))
    }
}
