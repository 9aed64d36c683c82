//! What the tile needs of a machine: sixteen f32 at once.

use super::pack::{BLOCK_ROWS, PANEL_ROWS, Sixteen};

/// Sixteen f32 lanes, however many registers they take.
///
/// Functions are unsafe because a lane's instructions may be called only where the machine has them.
pub(super) trait Vector: Copy {
    /// All lanes equal.
    unsafe fn splat(value: f32) -> Self;
    /// The sixteen values.
    unsafe fn load(values: &Sixteen) -> Self;
    /// Writes the sixteen values.
    unsafe fn store(self, values: &mut Sixteen);
    /// `self + a·b`, fused or not.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// One bit per lane: not greater than `limit`. NaN counts as not greater, so nothing is lost by it.
    unsafe fn not_greater(self, limit: f32) -> u16;
    /// Whether any lane of any of the six is not greater than its limit: what decides most tiles.
    unsafe fn any_not_greater(six: &[Self; PANEL_ROWS], limits: &[f32; PANEL_ROWS]) -> bool;
}

/// The oracle: plain Rust, for every machine, compiled as the compiler likes.
#[derive(Clone, Copy)]
pub(super) struct Scalar([f32; BLOCK_ROWS]);

impl Vector for Scalar {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; BLOCK_ROWS])
    }

    #[inline(always)]
    unsafe fn load(values: &Sixteen) -> Self {
        Self(values.0)
    }

    #[inline(always)]
    unsafe fn store(self, values: &mut Sixteen) {
        values.0 = self.0;
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] + a.0[lane] * b.0[lane]))
    }

    #[inline(always)]
    #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN must count as not greater")]
    unsafe fn not_greater(self, limit: f32) -> u16 {
        self.0.iter().enumerate().fold(0, |mask, (lane, &value)| mask | (u16::from(!(value > limit)) << lane))
    }

    #[inline(always)]
    unsafe fn any_not_greater(six: &[Self; PANEL_ROWS], limits: &[f32; PANEL_ROWS]) -> bool {
        // SAFETY: plain Rust.
        six.iter().zip(limits).any(|(one, limit)| unsafe { one.not_greater(*limit) } != 0)
    }
}
