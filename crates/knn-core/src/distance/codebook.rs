//! Codebooks of a product quantiser: sixteen codewords for each few columns, so that a row is four bits for each of those sub-spaces.
//!
//! What is coded is a residual, the row less the centroid of its list. Everything is plain f32 arithmetic in the order of the columns, never
//! fused, so every lane gives the same codes and the same tables (H. Jégou, M. Douze, C. Schmid: Product quantization for nearest
//! neighbor search, IEEE TPAMI 33, 2011).

/// Codewords of a sub-space: what four bits can tell apart.
pub const CODEWORDS: usize = 16;

/// Added to an f32 from 0 to 255 it leaves the nearest integer, ties to even, in the low byte.
const ROUNDER: f32 = 8_388_608.0;

/// Codewords by column: those of sub-space `s` are in columns `s · width` to before `(s + 1) · width`.
#[derive(Debug, Clone, PartialEq)]
pub struct Codebooks {
    width: usize,
    columns: Vec<[f32; CODEWORDS]>,
}

impl Codebooks {
    /// Codebooks of sub-spaces of `width` columns, the last of which may have fewer.
    pub fn new(width: usize, columns: Vec<[f32; CODEWORDS]>) -> Self {
        Self { width, columns }
    }

    /// The codewords, column by column.
    pub fn columns(&self) -> &[[f32; CODEWORDS]] {
        &self.columns
    }

    /// Columns of a row.
    pub fn dim(&self) -> usize {
        self.columns.len()
    }

    /// Columns of a sub-space.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of sub-spaces, and of codes of a row.
    pub fn spaces(&self) -> usize {
        self.columns.len().div_ceil(self.width)
    }

    /// The code of each sub-space of a residual: the nearest codeword, the lowest of equally near ones.
    #[inline(always)]
    pub fn encode(&self, residual: &[f32], codes: &mut [u8]) {
        for (code, part) in codes.iter_mut().zip(self.parts(residual)) {
            let squared = squared(part);
            let mut nearest = 0;
            for word in 1..CODEWORDS {
                if squared[word] < squared[nearest] {
                    nearest = word;
                }
            }
            *code = nearest as u8;
        }
    }

    /// The row that codes stand for: the centroid and the codeword of each sub-space.
    pub fn decode(&self, code: impl Fn(usize) -> u8, centroid: &[f32], row: &mut [f32]) {
        for (column, value) in row.iter_mut().enumerate() {
            let word = usize::from(code(column / self.width)) % CODEWORDS;
            *value = centroid[column] + self.columns[column][word];
        }
    }

    /// The squared distance of a residual to every codeword times `scale`, rounded; 255 is that much or more. Infinite products and those that
    /// are no number are 255.
    #[inline(always)]
    pub(super) fn tabulate(&self, residual: &[f32], scale: f32, table: &mut Vec<[u8; CODEWORDS]>) {
        table.clear();
        for part in self.parts(residual) {
            let squared = squared(part);
            let mut entries = [0; CODEWORDS];
            for word in 0..CODEWORDS {
                entries[word] = ((squared[word] * scale).min(255.0) + ROUNDER).to_bits() as u8;
            }
            table.push(entries);
        }
    }

    /// The codewords of each sub-space beside the residual's coordinates in it.
    #[inline(always)]
    fn parts<'a>(&'a self, residual: &'a [f32]) -> impl Iterator<Item = (&'a [[f32; CODEWORDS]], &'a [f32])> {
        self.columns.chunks(self.width).zip(residual.chunks(self.width))
    }
}

/// Squared distances of a part of a residual to the codewords of its sub-space.
#[inline(always)]
fn squared((columns, values): (&[[f32; CODEWORDS]], &[f32])) -> [f32; CODEWORDS] {
    let mut squared = [0.0; CODEWORDS];
    for (words, value) in columns.iter().zip(values) {
        for word in 0..CODEWORDS {
            let difference = value - words[word];
            squared[word] += difference * difference;
        }
    }
    squared
}
