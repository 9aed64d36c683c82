//! Order-preserving tiles of f32 rows: whatever the chunks of a source are, its reader hands out batches of the size that the
//! caller wants, in row order, and no chunk is decoded twice in a pass. And representations that are computed of genes, where a store has none.

pub mod joint;
mod reader;
mod symmetric;

pub use reader::TileReader;
pub use symmetric::{Eigen, eigen, eigen_while};
