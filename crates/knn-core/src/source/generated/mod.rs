//! Cells that are computed and not stored: the data of the benchmarks, of any number, from a small file (`name.cells.json`).
//!
//! A billion rows need no download and no disk, because a row follows from the seed and its own number alone, by a generator that counts
//! (Philox). So rows may be read in any order, by any number of threads, and a longer data set begins with a shorter one. What is computed
//! with integers, with sums and products of f32 in one order, and with a libm of ourselves has the same bits on every machine.
//!
//! Cells lie in clusters of very different sizes, each a flat manifold of few dimensions with noise around it that decays from axis to axis;
//! how much and how fast makes the local intrinsic dimension, which is what an index finds hard. Planted among them are rare classes, cells
//! that repeat another, cells of clusters that a reference has not, and batches that are shifted. `docs/benchmark-1b.md` defines them.

mod array;
mod atlas;
mod cells;
mod fields;
mod normal;
mod parameters;
mod philox;
mod store;

pub(super) use store::GeneratedStore;

#[cfg(test)]
mod tests;
