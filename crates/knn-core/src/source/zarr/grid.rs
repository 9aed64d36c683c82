//! Where the values of an array lie: chunk objects (files), and inner chunks in them.
//!
//! Without sharding an object is its own only inner chunk. Arithmetic here is unchecked where the metadata parser has
//! already bounded the factors: a shape's product is at most 2^48, as are the chunk's.

use crate::source::container::bands;
use crate::types::RowRange;

/// The regular grid of an array.
#[derive(Debug, Clone)]
pub(in crate::source) struct Grid {
    /// Shape of the array.
    pub(in crate::source) shape: Vec<u64>,
    /// Shape of one chunk object: the shard, or the chunk.
    pub(in crate::source) object: Vec<u64>,
    /// Shape of one inner chunk; divides `object`.
    pub(in crate::source) inner: Vec<u64>,
}

/// An inner chunk: the object that holds it, and its number there in C order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) object: Vec<u64>,
    pub(super) slot: usize,
}

impl Grid {
    /// Extent along the first axis.
    pub(in crate::source) fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Extent along the second axis, 1 where there is none.
    pub(in crate::source) fn columns(&self) -> u64 {
        self.shape.get(1).copied().unwrap_or(1)
    }

    /// Rows of a band: one inner chunk high, all columns wide. Never 0.
    pub(in crate::source) fn band_rows(&self) -> u64 {
        self.inner.first().copied().unwrap_or(1)
    }

    /// Columns of an inner chunk. Never 0.
    pub(in crate::source) fn inner_columns(&self) -> u64 {
        self.inner.get(1).copied().unwrap_or(1)
    }

    /// Inner chunks side by side in a band.
    pub(in crate::source) fn band_width(&self) -> u64 {
        self.columns().div_ceil(self.inner_columns())
    }

    /// Elements of an inner chunk; those at the edge are padded to it.
    pub(in crate::source) fn inner_elements(&self) -> u64 {
        self.inner.iter().product()
    }

    /// Objects along each axis.
    pub(in crate::source) fn objects(&self) -> Vec<u64> {
        self.shape.iter().zip(&self.object).map(|(shape, object)| shape.div_ceil(*object)).collect()
    }

    /// Inner chunks of an object.
    pub(super) fn slots(&self) -> u64 {
        self.object.iter().zip(&self.inner).map(|(object, inner)| object / inner).product()
    }

    /// Finds the inner chunk `column` of a band.
    pub(super) fn place(&self, band: u64, column: u64) -> Place {
        let mut place = Place { object: Vec::with_capacity(self.shape.len()), slot: 0 };
        for (axis, number) in [band, column].into_iter().take(self.shape.len()).enumerate() {
            let per_object = self.object[axis] / self.inner[axis];
            place.object.push(number / per_object);
            place.slot = place.slot * per_object as usize + (number % per_object) as usize;
        }
        place
    }

    /// Cuts a range of rows at the bands.
    pub(in crate::source) fn bands(&self, rows: RowRange) -> impl Iterator<Item = RowRange> + use<> {
        bands(rows, self.band_rows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_c_order_inside_the_shard() {
        let grid = Grid { shape: vec![100, 7], object: vec![20, 4], inner: vec![5, 2] };
        assert_eq!(grid.objects(), [5, 2]);
        assert_eq!((grid.slots(), grid.band_width()), (8, 4));
        assert_eq!(grid.place(5, 3), Place { object: vec![1, 1], slot: 3 });
        assert_eq!(grid.place(3, 0), Place { object: vec![0, 0], slot: 6 });
    }
}
