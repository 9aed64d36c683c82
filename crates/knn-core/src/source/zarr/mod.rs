//! zarr v3 directory stores, read defensively.
//!
//! We parse the metadata, find the inner chunks and bound every decode ourselves; the `zarrs` crate is kept behind
//! `codec.rs`. Its array reader decodes without bound, follows `..`, and decodes whole shards where we need one inner chunk.
//! Consolidated metadata are never looked at: they may disagree with the nodes they describe.
//!
//! Not read: zarr v2, `.zip` and remote stores, irregular grids, nested shards, arrays of more than two dimensions (those
//! can be described but not read).

mod array;
mod codec;
mod container;
mod fill;
mod fingerprint;
mod grid;
mod json;
mod key_encoding;
mod metadata;
mod objects;
mod preflight;
mod read;
mod scatter;
mod shard;
mod spare;
mod store;

pub use array::ZarrArray;
pub use store::ZarrStore;

pub(super) use codec::{Size, decode_blosc, decode_zstd, expanded};
pub(super) use grid::Grid;
pub(super) use read::{groups, in_flight, jobs};
pub(super) use scatter::scatter;
pub(super) use spare::Spare;

#[cfg(test)]
mod tests;
