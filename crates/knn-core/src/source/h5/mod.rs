//! HDF5 files (`.h5ad`), read defensively.
//!
//! `hdf5-reader` parses metadata and nothing else: it sees the file through `bounded.rs`, which gives one question a fixed
//! allowance of bytes, and it is asked through `ask.rs`, which turns whatever goes wrong into our errors. Data are read and
//! decoded here: contiguous ones by pread, chunks by `filter.rs` into exactly the size that the metadata justify.
//!
//! Tables of before AnnData 0.7 (`obs` as one compound dataset) look like the groups of columns that they became.
//!
//! Not read: external files and links, virtual datasets, szip, n-bit and scale-offset filters, arrays of more than two
//! dimensions (those are described but not read).

mod array;
mod ask;
mod attribute;
mod bounded;
mod chunks;
mod element;
mod file;
mod filter;
mod fingerprint;
mod heap;
mod lzf;
mod place;
mod read;
mod strings;
mod table;

pub use file::H5File;

#[cfg(test)]
mod tests;
