//! What the tile needs of a machine: sixteen i32 at once.

use super::pack::{BLOCK_ROWS, Sixteen};
use super::query::PANEL_ROWS;

/// Sixteen i32 lanes, however many registers they take.
///
/// Functions are unsafe because a lane's instructions may be called only where the machine has them.
pub(super) trait Vector: Copy {
    /// All lanes equal.
    unsafe fn splat(value: i32) -> Self;
    /// The sixteen values.
    unsafe fn load(values: &Sixteen) -> Self;
    /// The sixteen values, in memory.
    unsafe fn stored(self) -> Sixteen;
    /// The lanes of `mask` one after the other from the start of `out`; what lies behind them there is overwritten with anything.
    unsafe fn pick(self, mask: u16, out: &mut [i32; BLOCK_ROWS]);
    /// `−(self >> shift)`; a shift of 31 or more leaves nothing of what is not negative.
    unsafe fn shifted_negative(self, shift: u32) -> Self;
    /// Lane by lane.
    unsafe fn plus(self, other: Self) -> Self;
    /// `start + Σ a₀·b₀ + a₁·b₁` for each of six queries, over the i16 pairs a of the query and b in each lane of a block of references.
    unsafe fn six_sums(queries: [&[i32]; PANEL_ROWS], block: &[Sixteen], start: Self) -> [Self; PANEL_ROWS];
    /// One bit per lane: greater than that of the other.
    unsafe fn above(self, other: Self) -> u16;
    /// Whether any lane of any of the six is greater than its limit, of which all lanes are equal.
    unsafe fn any_above(six: &[Self; PANEL_ROWS], limits: &[Self; PANEL_ROWS]) -> bool;
    /// Sixteen values from anywhere.
    unsafe fn read(values: &[i32; BLOCK_ROWS]) -> Self;
    /// A value that at least k and not many more of the first `length` values reach: see `survivors`. A function of its own, so that it is compiled once.
    unsafe fn kth(values: &[i32], length: usize, k: usize) -> Option<i32>;
    /// Drops what is not greater than `limit` from the first `length` entries, and returns how many are left: see `survivors`.
    unsafe fn keep(values: &mut [i32], references: &mut [i32], length: usize, limit: i32) -> usize;
    /// Asks for a row that will be read soon, where a lane can.
    #[inline(always)]
    unsafe fn fetch(_row: &[f32]) {}
}

/// Six sums over the pairs of a block, where `$add` adds the products of a query's pair and a block's to a sum. Written out, because an
/// index that varies would keep the six in memory, and a function that is given would not be inlined.
macro_rules! six {
    ($queries:expr, $block:expr, $start:expr, |$sum:ident, $query:ident, $pair:ident| $add:expr) => {{
        let (block, start) = ($block, $start);
        let (mut a, mut b, mut c, mut d, mut e, mut f) = (start, start, start, start, start, start);
        // Of one known length, so that the loop checks none.
        let [q0, q1, q2, q3, q4, q5] = $queries.map(|query| &query[..block.len()]);
        for (at, $pair) in block.iter().enumerate() {
            a = {
                let ($sum, $query) = (a, q0[at]);
                $add
            };
            b = {
                let ($sum, $query) = (b, q1[at]);
                $add
            };
            c = {
                let ($sum, $query) = (c, q2[at]);
                $add
            };
            d = {
                let ($sum, $query) = (d, q3[at]);
                $add
            };
            e = {
                let ($sum, $query) = (e, q4[at]);
                $add
            };
            f = {
                let ($sum, $query) = (f, q5[at]);
                $add
            };
        }
        [a, b, c, d, e, f]
    }};
}
pub(super) use six;

/// The oracle: plain Rust, for every machine, compiled as the compiler likes.
#[derive(Clone, Copy)]
pub(super) struct Scalar([i32; BLOCK_ROWS]);

impl Vector for Scalar {
    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Self([value; BLOCK_ROWS])
    }

    #[inline(always)]
    unsafe fn load(values: &Sixteen) -> Self {
        Self(values.0)
    }

    #[inline(always)]
    unsafe fn stored(self) -> Sixteen {
        Sixteen(self.0)
    }

    #[inline(always)]
    unsafe fn pick(self, mask: u16, out: &mut [i32; BLOCK_ROWS]) {
        let lanes = (0..BLOCK_ROWS).filter(|lane| (mask >> lane) & 1 == 1);
        lanes.zip(out).for_each(|(lane, out)| *out = self.0[lane]);
    }

    #[inline(always)]
    unsafe fn shifted_negative(self, shift: u32) -> Self {
        Self(self.0.map(|value| -(value >> shift.min(31))))
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }

    #[inline(always)]
    unsafe fn six_sums(queries: [&[i32]; PANEL_ROWS], block: &[Sixteen], start: Self) -> [Self; PANEL_ROWS] {
        six!(queries, block, start, |sum, query, pair| sum.add_products(query, pair))
    }

    #[inline(always)]
    unsafe fn above(self, other: Self) -> u16 {
        let pairs = self.0.iter().zip(&other.0);
        pairs.enumerate().fold(0, |mask, (lane, (value, other))| mask | (u16::from(value > other) << lane))
    }

    #[inline(always)]
    unsafe fn any_above(six: &[Self; PANEL_ROWS], limits: &[Self; PANEL_ROWS]) -> bool {
        // SAFETY: plain Rust.
        six.iter().zip(limits).any(|(one, limit)| unsafe { one.above(*limit) } != 0)
    }

    #[inline(always)]
    unsafe fn read(values: &[i32; BLOCK_ROWS]) -> Self {
        Self(*values)
    }

    unsafe fn kth(values: &[i32], length: usize, k: usize) -> Option<i32> {
        // SAFETY: plain Rust.
        unsafe { super::survivors::kth_or_a_little_less::<Self>(values, length, k) }
    }

    unsafe fn keep(values: &mut [i32], references: &mut [i32], length: usize, limit: i32) -> usize {
        // SAFETY: plain Rust.
        unsafe { super::survivors::keep_greater::<Self>(values, references, length, limit) }
    }
}

impl Scalar {
    #[inline(always)]
    fn add_products(self, a: i32, pair: &Sixteen) -> Self {
        let low = |value: i32| i32::from(value as i16);
        Self(std::array::from_fn(|i| self.0[i] + low(a) * low(pair.0[i]) + (a >> 16) * (pair.0[i] >> 16)))
    }
}
