//! NEON: sixteen lanes in four registers. Products are summed eight lanes at a time, first coordinates and second ones apart.

use core::arch::aarch64::{
    int32x4_t, uint8x16_t, vaddq_s32, vaddv_u8, vandq_u8, vcgtq_s32, vcleq_u8, vdupq_n_s32, vdupq_n_u8, vdupq_n_u32,
    vget_high_u8, vget_low_s16, vget_low_u8, vld1q_s32, vld1q_u8, vmaxq_s32, vmaxvq_u32, vmlal_high_laneq_s16,
    vmlal_laneq_s16, vnegq_s32, vorrq_u32, vqaddq_u8, vqtbl1q_u8, vreinterpretq_s16_s32, vreinterpretq_s32_u8,
    vreinterpretq_u8_s32, vreinterpretq_u8_u16, vreinterpretq_u16_u32, vshlq_s32, vst1q_s32, vuzp1q_s16, vuzp1q_u8,
    vuzp1q_u16, vuzp2q_s16,
};

use super::codebook::CODEWORDS;
use super::codes::{Lookup, SixtyFour};
use super::pack::{BLOCK_ROWS, Sixteen};
use super::quarters::PICKED;
use super::query::PANEL_ROWS;
use super::survivors::{keep_greater, kth_or_a_little_less};
use super::vector::{Vector, six};

/// The bit of each lane within its half of a mask.
static BITS: [u8; BLOCK_ROWS] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

/// Sixteen i32 in four registers. They are written out, because what is done to an array by a function that it is given is not inlined into
/// the tile.
#[derive(Clone, Copy)]
pub(super) struct Neon([int32x4_t; 4]);

/// The sums in eight lanes from `FIRST` on: twelve accumulators, and no register has to be spared.
#[inline(always)]
unsafe fn eight<const FIRST: usize>(
    queries: [&[i32]; PANEL_ROWS],
    block: &[Sixteen],
    start: [int32x4_t; 2],
) -> [[int32x4_t; 2]; PANEL_ROWS] {
    // SAFETY: as for the trait; `FIRST` is 0 or 8.
    unsafe {
        six!(queries, block, start, |sum, query, pair| {
            // What is done to the pair is done once for six queries: the compiler sees that it is the same for all.
            let pair = pair.0.as_ptr().add(FIRST);
            let (low, high) = (vreinterpretq_s16_s32(vld1q_s32(pair)), vreinterpretq_s16_s32(vld1q_s32(pair.add(4))));
            let (first, second) = (vuzp1q_s16(low, high), vuzp2q_s16(low, high));
            let ([a, b], query) = (sum, vreinterpretq_s16_s32(vdupq_n_s32(query)));
            let a = vmlal_laneq_s16::<0>(a, vget_low_s16(first), query);
            let b = vmlal_high_laneq_s16::<0>(b, first, query);
            [vmlal_laneq_s16::<1>(a, vget_low_s16(second), query), vmlal_high_laneq_s16::<1>(b, second, query)]
        })
    }
}

// SAFETY of every block here: `lane` calls what is generic over `Vector` with this lane only where the machine has NEON;
// `Sixteen`, `BITS` and a row of `PICKED` hold as many as are read or written of them.
impl Vector for Neon {
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: see above.
        Self([unsafe { vdupq_n_s32(value) }; 4])
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
            unsafe { vst1q_s32(four.as_mut_ptr(), quarter) };
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
                let picked = vqtbl1q_u8(vreinterpretq_u8_s32(values), vld1q_u8(PICKED[mask].as_ptr()));
                vst1q_s32(out.as_mut_ptr().add(place), vreinterpretq_s32_u8(picked));
            }
            place += mask.count_ones() as usize;
        }
    }

    #[inline(always)]
    unsafe fn shifted_negative(self, shift: u32) -> Self {
        // A shift to the left by less than nothing is one to the right.
        let left = -(shift.min(31) as i32);
        // SAFETY: see above.
        unsafe {
            let ([a, b, c, d], left) = (self.0, vdupq_n_s32(left));
            Self([
                vnegq_s32(vshlq_s32(a, left)),
                vnegq_s32(vshlq_s32(b, left)),
                vnegq_s32(vshlq_s32(c, left)),
                vnegq_s32(vshlq_s32(d, left)),
            ])
        }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
            Self([vaddq_s32(a, e), vaddq_s32(b, f), vaddq_s32(c, g), vaddq_s32(d, h)])
        }
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
        // SAFETY: see above.
        unsafe {
            let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
            let (a, b) = (vreinterpretq_u16_u32(vcgtq_s32(a, e)), vreinterpretq_u16_u32(vcgtq_s32(b, f)));
            let (c, d) = (vreinterpretq_u16_u32(vcgtq_s32(c, g)), vreinterpretq_u16_u32(vcgtq_s32(d, h)));
            let (low, high) = (vreinterpretq_u8_u16(vuzp1q_u16(a, b)), vreinterpretq_u8_u16(vuzp1q_u16(c, d)));
            let bits = vandq_u8(vuzp1q_u8(low, high), vld1q_u8(BITS.as_ptr()));
            u16::from(vaddv_u8(vget_low_u8(bits))) | (u16::from(vaddv_u8(vget_high_u8(bits))) << 8)
        }
    }

    #[inline(always)]
    unsafe fn any_above(six: &[Self; PANEL_ROWS], limits: &[Self; PANEL_ROWS]) -> bool {
        // SAFETY: see above.
        unsafe {
            let mut any = vdupq_n_u32(0);
            for (Self([a, b, c, d]), limit) in six.iter().zip(limits) {
                // One comparison serves four registers: the largest of four is greater, or none is.
                let most = vmaxq_s32(vmaxq_s32(*a, *b), vmaxq_s32(*c, *d));
                any = vorrq_u32(any, vcgtq_s32(most, limit.0[0]));
            }
            vmaxvq_u32(any) != 0
        }
    }

    #[inline(always)]
    unsafe fn read(values: &[i32; BLOCK_ROWS]) -> Self {
        let start = values.as_ptr();
        // SAFETY: see above.
        unsafe { Self([vld1q_s32(start), vld1q_s32(start.add(4)), vld1q_s32(start.add(8)), vld1q_s32(start.add(12))]) }
    }

    #[inline(always)]
    unsafe fn keep(values: &mut [i32], references: &mut [i32], length: usize, limit: i32) -> usize {
        // SAFETY: see above.
        unsafe { keep_neon(values, references, length, limit) }
    }

    #[inline(always)]
    unsafe fn kth(values: &[i32], length: usize, k: usize) -> Option<i32> {
        // SAFETY: see above.
        unsafe { kth_neon(values, length, k) }
    }
}

#[target_feature(enable = "neon")]
unsafe fn kth_neon(values: &[i32], length: usize, k: usize) -> Option<i32> {
    // SAFETY: the instructions are enabled here.
    unsafe { kth_or_a_little_less::<Neon>(values, length, k) }
}

#[target_feature(enable = "neon")]
unsafe fn keep_neon(values: &mut [i32], references: &mut [i32], length: usize, limit: i32) -> usize {
    // SAFETY: the instructions are enabled here.
    unsafe { keep_greater::<Neon>(values, references, length, limit) }
}

// SAFETY of every block here: as above; a table entry and each quarter of `SixtyFour` hold sixteen bytes.
impl Lookup for Neon {
    type Sums = [uint8x16_t; 4];

    #[inline(always)]
    unsafe fn none() -> Self::Sums {
        // SAFETY: see above.
        [unsafe { vdupq_n_u8(0) }; 4]
    }

    #[inline(always)]
    unsafe fn plus_entries(sums: Self::Sums, codes: &SixtyFour, table: &[u8; CODEWORDS]) -> Self::Sums {
        let ([a, b, c, d], start) = (sums, codes.0.as_ptr());
        // SAFETY: see above.
        unsafe {
            let table = vld1q_u8(table.as_ptr());
            [
                vqaddq_u8(a, vqtbl1q_u8(table, vld1q_u8(start))),
                vqaddq_u8(b, vqtbl1q_u8(table, vld1q_u8(start.add(16)))),
                vqaddq_u8(c, vqtbl1q_u8(table, vld1q_u8(start.add(32)))),
                vqaddq_u8(d, vqtbl1q_u8(table, vld1q_u8(start.add(48)))),
            ]
        }
    }

    #[inline(always)]
    unsafe fn at_most(sums: Self::Sums, limit: u8) -> u64 {
        sums.into_iter().rev().fold(0, |mask, sums| {
            // SAFETY: see above.
            let (low, high) = unsafe {
                let bits = vandq_u8(vcleq_u8(sums, vdupq_n_u8(limit)), vld1q_u8(BITS.as_ptr()));
                (vaddv_u8(vget_low_u8(bits)), vaddv_u8(vget_high_u8(bits)))
            };
            mask << 16 | u64::from(low) | u64::from(high) << 8
        })
    }
}
