//! Flat files: one matrix and nothing else, as `.npy`, `.fbin`, `.u8bin`, `.i8bin`, `.fvecs` or raw rows (`name.50.f32`).
//!
//! Such a file is seen as an AnnData without columns: its matrix is the representation, whatever that is called, and cells
//! are named by their numbers. The suffix of a file says what it is, because half of the formats have no signature.

mod file;
mod layout;
mod matrix;
mod npy;
mod row_numbers;

pub(super) use file::FlatFile;
#[cfg(test)]
pub(super) use layout::SUFFIXES;
pub(super) use row_numbers::RowNumbers;

#[cfg(test)]
mod tests;
