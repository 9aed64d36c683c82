//! Where the chunks of an array lie in the file: all of them, checked against the file and the grid when the array is
//! opened, in the order of their numbers.

use hdf5_reader::btree_v1::{BTreeV1Key, collect_btree_v1_leaves_storage};
use hdf5_reader::chunk_index::{
    ChunkEntry, collect_implicit_chunk_entries, collect_v2_chunk_entries_storage, single_chunk_entry,
};
use hdf5_reader::error::Error as H5Error;
use hdf5_reader::extensible_array::collect_extensible_array_chunk_entries_storage;
use hdf5_reader::fixed_array::collect_fixed_array_chunk_entries_storage;
use hdf5_reader::messages::layout::ChunkIndexing;
use hdf5_reader::{Dataset, Hdf5File};

use crate::source::zarr::Grid;

/// A chunk as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Where it begins, in bytes from the beginning of the file.
    pub(super) offset: u64,
    /// Bytes of it.
    pub(super) length: u64,
    /// Filters that were left out for it, one bit each.
    pub(super) mask: u32,
}

/// What a chunk of the array must be like.
pub(super) struct Expected<'a> {
    /// The grid of records, as the dataset has it.
    pub(super) grid: &'a Grid,
    /// Bytes of a chunk before its filters.
    pub(super) decoded: u64,
    /// Most bytes of it after them.
    pub(super) most: u64,
    /// Whether there are filters.
    pub(super) filtered: bool,
    /// Bytes of the file.
    pub(super) file: u64,
    /// Where addresses count from.
    pub(super) base: u64,
}

/// Entries of the index of a chunked dataset.
pub(super) fn entries(
    file: &Hdf5File,
    dataset: &Dataset,
    address: u64,
    chunk: &[u32],
    indexing: Option<&ChunkIndexing>,
    record: usize,
) -> hdf5_reader::error::Result<Vec<ChunkEntry>> {
    let (storage, superblock) = (file.storage(), file.superblock());
    let (offsets, lengths) = (superblock.offset_size, superblock.length_size);
    let shape = dataset.shape();
    match indexing {
        None => {
            let rank = shape.len();
            let leaves =
                collect_btree_v1_leaves_storage(storage, address, offsets, lengths, Some(rank as u32), chunk, None)?;
            leaves
                .into_iter()
                .map(|(key, address)| match key {
                    BTreeV1Key::RawData { chunk_size, filter_mask, mut offsets } => {
                        offsets.truncate(rank);
                        Ok(ChunkEntry { address, size: u64::from(chunk_size), filter_mask, offsets })
                    }
                    BTreeV1Key::Group { .. } => Err(H5Error::InvalidData("a tree of groups as chunk index".into())),
                })
                .collect()
        }
        Some(ChunkIndexing::SingleChunk { filtered_size, filters }) => {
            Ok(vec![single_chunk_entry(address, *filtered_size, *filters, shape.len())])
        }
        Some(ChunkIndexing::BTreeV2) => {
            collect_v2_chunk_entries_storage(storage, address, offsets, lengths, shape.len() as u32, chunk, None)
        }
        Some(ChunkIndexing::Implicit) => {
            collect_implicit_chunk_entries(address, shape, chunk, record, None, storage.len())
        }
        Some(ChunkIndexing::FixedArray { .. }) => {
            collect_fixed_array_chunk_entries_storage(storage, address, offsets, lengths, shape, chunk, None)
        }
        Some(ChunkIndexing::ExtensibleArray { .. }) => collect_extensible_array_chunk_entries_storage(
            storage,
            address,
            offsets,
            lengths,
            shape,
            dataset.max_dims(),
            chunk,
            None,
        ),
    }
}

/// Entries as spans by number, or what is wrong with which chunk.
pub(super) fn spans(entries: Vec<ChunkEntry>, expected: &Expected<'_>) -> Result<Vec<(u64, Span)>, (String, String)> {
    let grid = expected.grid;
    let mut spans = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = || format!("chunk at {:?}", entry.offsets);
        let wrong = |reason: String| Err((name(), reason));
        if entry.offsets.len() != grid.shape.len() {
            return wrong("has another number of dimensions than its array".into());
        }
        let places = entry.offsets.iter().zip(&grid.inner);
        if places.clone().any(|(offset, extent)| !offset.is_multiple_of(*extent)) {
            return wrong("lies beside the grid".into());
        }
        // Arrays that were made smaller keep chunks that nobody sees any more.
        if entry.offsets.iter().zip(&grid.shape).any(|(offset, extent)| offset >= extent) {
            continue;
        }
        let number =
            places.zip(grid.objects()).fold(0, |number, ((offset, extent), count)| number * count + offset / extent);
        let length = if entry.size == 0 && !expected.filtered { expected.decoded } else { entry.size };
        if !expected.filtered && length != expected.decoded {
            return wrong(format!("has {length} bytes where {} are stored unfiltered", expected.decoded));
        }
        if length == 0 || length > expected.most {
            return wrong(format!("has {length} bytes, but 1 to {} are possible", expected.most));
        }
        let offset = entry
            .address
            .checked_add(expected.base)
            .filter(|offset| offset.checked_add(length).is_some_and(|end| end <= expected.file));
        let Some(offset) = offset else { return wrong("ends behind the end of the file".into()) };
        spans.push((number, Span { offset, length, mask: entry.filter_mask }));
    }
    spans.sort_unstable_by_key(|(number, _)| *number);
    if let Some(pair) = spans.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err((format!("chunk {}", pair[0].0), "is stored twice".into()));
    }
    Ok(spans)
}
