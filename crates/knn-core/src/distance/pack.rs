//! References in the order in which the tile reads them: blocks of sixteen rows, a pair of coordinates at a time, so that one
//! step of the tile loads two full vectors (one where vectors are wider).

use super::grid::{Grid, Misfit};

/// References in a block.
pub const BLOCK_ROWS: usize = 16;

/// Sixteen i32, or sixteen pairs of i16; aligned so that no load straddles a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Sixteen(pub(super) [i32; BLOCK_ROWS]);

/// Reference rows packed for the tile.
#[derive(Debug, Clone, Default)]
pub struct PackedReferences {
    pairs: usize,
    rows: usize,
    values: Vec<Sixteen>,
    /// Half the squared norm of each row; zeros for inner products.
    pub(super) halves: Vec<Sixteen>,
    /// One bit per row of a block: whether it is a finite row and not padding.
    pub(super) valid: Vec<u16>,
    /// One bit per row of a block: whether the grid does not hold it, so that it always survives.
    pub(super) loose: Vec<u16>,
    invalid: u64,
}

impl PackedReferences {
    /// Packs `rows` (row-major) on `grid`. Rows with a NaN or infinite coordinate never survive.
    pub fn pack(rows: &[f32], grid: &Grid) -> Self {
        let mut packed = Self::default();
        packed.pack_all(rows, grid);
        packed
    }

    /// [`Self::pack`] into the buffers that are there.
    #[inline(always)]
    pub(super) fn pack_all(&mut self, rows: &[f32], grid: &Grid) {
        let dim = grid.dim();
        self.repack(rows.len().div_ceil(dim * BLOCK_ROWS), grid, rows.chunks_exact(dim).enumerate());
    }

    /// Packs other rows into the same buffers: `blocks` blocks, each row at the slot that comes with it. Slots that no row takes
    /// are padding.
    #[inline(always)]
    pub fn repack<'r>(&mut self, blocks: usize, grid: &Grid, rows: impl Iterator<Item = (usize, &'r [f32])>) {
        let pairs = grid.pairs();
        self.pairs = pairs;
        // Padding keeps what was there: it is not valid, whatever its value.
        self.values.resize(blocks * pairs, Sixteen([0; BLOCK_ROWS]));
        self.halves.resize(blocks, Sixteen([0; BLOCK_ROWS]));
        self.valid.clear();
        self.valid.resize(blocks, 0);
        self.loose.clear();
        self.loose.resize(blocks, 0);
        (self.rows, self.invalid) = (0, 0);
        // A row is made whole before it is spread: then its pairs are made in registers.
        let mut whole = vec![0; pairs];
        for (slot, row) in rows {
            self.rows += 1;
            let (block, lane) = (slot / BLOCK_ROWS, slot % BLOCK_ROWS);
            let values = &mut self.values[block * pairs..(block + 1) * pairs];
            match grid.reference(row, &mut whole) {
                Ok(norm) => {
                    spread(&whole, lane, values);
                    self.halves[block].0[lane] = grid.half(norm);
                    self.valid[block] |= 1 << lane;
                }
                Err(Misfit::Loose) => {
                    self.valid[block] |= 1 << lane;
                    self.loose[block] |= 1 << lane;
                }
                Err(Misfit::Invalid) => self.invalid += 1,
            }
        }
    }

    /// Takes rows from where they are packed, in this order. All are packed on the same grid.
    pub fn gather<'p>(&mut self, from: impl ExactSizeIterator<Item = (&'p Self, usize)>) {
        let blocks = from.len().div_ceil(BLOCK_ROWS);
        (self.pairs, self.rows, self.invalid) = (0, from.len(), 0);
        self.valid.clear();
        self.valid.resize(blocks, 0);
        self.loose.clear();
        self.loose.resize(blocks, 0);
        self.halves.resize(blocks, Sixteen([0; BLOCK_ROWS]));
        for (slot, (packed, at)) in from.enumerate() {
            let (block, lane, source, from) = (slot / BLOCK_ROWS, slot % BLOCK_ROWS, at / BLOCK_ROWS, at % BLOCK_ROWS);
            self.pairs = packed.pairs;
            self.values.resize(blocks * packed.pairs, Sixteen([0; BLOCK_ROWS]));
            let values = &mut self.values[block * packed.pairs..(block + 1) * packed.pairs];
            for (value, other) in values.iter_mut().zip(packed.block(source)) {
                value.0[lane] = other.0[from];
            }
            self.halves[block].0[lane] = packed.halves[source].0[from];
            self.valid[block] |= ((packed.valid[source] >> from) & 1) << lane;
            self.loose[block] |= ((packed.loose[source] >> from) & 1) << lane;
        }
    }

    /// Number of rows, padding not counted.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of blocks of sixteen.
    pub fn blocks(&self) -> usize {
        self.valid.len()
    }

    /// Rows left out because a coordinate is NaN or infinite.
    pub fn invalid_rows(&self) -> u64 {
        self.invalid
    }

    /// Bytes that `rows` rows take when packed.
    pub fn bytes(rows: u64, dim: u64) -> u64 {
        rows.div_ceil(BLOCK_ROWS as u64) * (BLOCK_ROWS as u64 * 4 * (dim.div_ceil(2) + 1) + 4)
    }

    /// The pairs of a block.
    #[inline(always)]
    pub(super) fn block(&self, block: usize) -> &[Sixteen] {
        &self.values[block * self.pairs..(block + 1) * self.pairs]
    }

    /// Pairs of coordinates of a row.
    #[inline(always)]
    pub(super) fn pairs(&self) -> usize {
        self.pairs
    }
}

/// Writes the pairs of a row where they are read sixteen rows at once. Not inlined into a lane: AVX-512 would scatter eight at a time, which takes
/// longer than eight stores.
#[inline(never)]
fn spread(whole: &[i32], lane: usize, values: &mut [Sixteen]) {
    for (value, &both) in values.iter_mut().zip(whole) {
        value.0[lane] = both;
    }
}
