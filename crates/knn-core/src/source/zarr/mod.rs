//! zarr stores of versions 2 and 3, in folders and zip archives, read defensively.
//!
//! We parse the metadata, find the inner chunks and bound every decode ourselves; the `zarrs` crate is kept behind
//! `codec.rs`. Its array reader decodes without bound, follows `..`, and decodes whole shards where we need one inner chunk.
//! Consolidated metadata are never looked at: they may disagree with the nodes they describe.
//!
//! Not read: remote stores, irregular grids, nested shards, arrays of more than two dimensions (those
//! can be described but not read).

mod array;
mod codec;
mod container;
mod files;
mod fill;
mod filter;
mod fingerprint;
mod folder;
mod grid;
mod json;
mod key_encoding;
mod metadata;
mod object;
mod objects;
mod preflight;
mod read;
mod scatter;
mod shard;
mod spare;
mod store;
mod text;
mod version2;
mod zip;
mod zip_directory;

pub use array::ZarrArray;
pub use store::ZarrStore;

pub(super) use codec::{Size, decode_blosc, decode_zstd, expanded};
pub(super) use grid::Grid;
pub(super) use read::{groups, in_flight, jobs};
pub(super) use scatter::scatter;
pub(super) use spare::Spare;

#[cfg(test)]
mod tests;
