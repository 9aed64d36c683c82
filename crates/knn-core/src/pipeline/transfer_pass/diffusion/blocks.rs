//! How lanes are cut into blocks, of which one is taken through all of its steps before the next.

use std::ops::Range;

/// How lanes are cut into blocks, and what their steps are called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    lanes: [u64; 2],
    widths: [u64; 2],
    /// Steps of each.
    pub(super) t: u64,
}

impl Blocks {
    /// Blocks of so many lanes, wide ones and narrow ones.
    pub(super) fn new(lanes: [u64; 2], widths: [u64; 2], t: u64) -> Self {
        Self { lanes, widths: widths.map(|width| width.max(1)), t }
    }

    /// Blocks of which a state of `bytes` bytes holds all rows where it can: with bands of rows, one lane costs as much as many.
    pub(super) fn that_fit(lanes: [u64; 2], n: u64, bytes: u64, t: u64) -> Self {
        let width = |size: u64, lanes: u64| (bytes / n.max(1).saturating_mul(size)).clamp(1, lanes.max(1));
        Self::new(lanes, [width(8, lanes[0]), width(4, lanes[1])], t)
    }

    pub(super) fn cut(&self, group: usize, first: u64) -> impl Iterator<Item = (u64, Range<u64>)> + use<> {
        let (lanes, width) = (self.lanes[group], self.widths[group]);
        let cut = move |block: u64| (first + block, block * width..((block + 1) * width).min(lanes));
        (0..lanes.div_ceil(width)).map(cut)
    }

    /// Number and lanes of each block of wide lanes.
    pub(super) fn wide(&self) -> impl Iterator<Item = (u64, Range<u64>)> + use<> {
        self.cut(0, 0)
    }

    /// The same of narrow ones, which come behind.
    pub(super) fn narrow(&self) -> impl Iterator<Item = (u64, Range<u64>)> + use<> {
        self.cut(1, self.lanes[0].div_ceil(self.widths[0]))
    }

    /// Lanes of a block.
    pub(super) fn widths(&self) -> [u64; 2] {
        self.widths
    }

    /// Bytes of a row of all lanes.
    pub(super) fn row_bytes(&self) -> u64 {
        self.lanes[0] * 8 + self.lanes[1] * 4
    }

    /// The range of what a block has become.
    pub(super) fn finished(&self, block: u64) -> [u64; 2] {
        [block * self.t, (block + 1) * self.t]
    }

    pub(super) fn steps(&self) -> u64 {
        (self.wide().count() + self.narrow().count()) as u64 * self.t
    }
}
