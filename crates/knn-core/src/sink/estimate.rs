//! What a store will cost, before it is begun.

use super::shard::{PADDING, Shard};
use super::spec::{Field, Kind, StoreSpec};
use super::tree::{document_bytes, part_nodes};
use crate::store::Status;

/// Bytes that a name takes in an estimate: barcodes with a sample in front have 20 to 40, and they compress.
const NAME_BYTES: u64 = 64;
/// What zstd level 1 holds for one frame, rounded up.
const ENCODER: u64 = 4 << 20;

/// Upper estimate of the bytes on disk, the spool files of one unit included.
pub fn planned_bytes(spec: &StoreSpec) -> u64 {
    let layout = &spec.layout;
    let rows = layout.n_obs();
    let (mut objects, mut spool) = (0_u64, 0_u64);
    for array in &spec.arrays {
        let row = array.row_bytes().unwrap_or(NAME_BYTES);
        objects += match array.kind {
            // Each unit may end in an inner chunk that is mostly padding.
            Kind::Matrix { .. } | Kind::Expression { .. } => {
                let (inner, shard) = array.grid(layout);
                (rows + layout.units() * inner) * row + layout.units() * (shard / inner * 16 + 4)
            }
            // In files of the units and in chunks.
            Kind::Ragged { dtype, most } => {
                let bytes = most.saturating_mul(dtype.size().unwrap_or(1) as u64);
                bytes.saturating_mul(2).saturating_add((bytes >> 8) + (1 << 16))
            }
            // What does not compress grows by a 256th; padding and frame headers are small.
            Kind::Column(_) => rows * row + ((rows * row) >> 8) + layout.units() * (1024 + layout.unit_rows() / 32),
        };
        if matches!(array.kind, Kind::Column(_)) {
            spool += layout.unit_rows().min(rows) * row;
        }
    }
    let nodes = part_nodes(spec, 0, Status::Running);
    // Metadata stands twice: by itself, where a file takes a block at least, and consolidated, indented deeper.
    let metadata: u64 = nodes
        .iter()
        .map(|node| {
            let document = document_bytes(&node.document).len() as u64;
            let chunk = node.chunk.as_ref().map_or(0, |(_, bytes)| bytes.len() as u64 + 4096);
            document * 4 + 4096 + chunk
        })
        .sum();
    objects + spool + layout.parts() * (metadata + (64 << 10))
}

/// Upper bound of the memory that one unit takes while it is written. Rows are not held: they go to files as they come.
pub fn writer_bytes(spec: &StoreSpec) -> u64 {
    // Writer and record of each array; its categories, which the specification itself holds.
    let arrays: u64 = spec
        .arrays
        .iter()
        .map(|array| {
            let categories = match &array.kind {
                Kind::Column(Field::Categorical { categories, .. }) => categories.bytes(),
                _ => 0,
            };
            let is_packed = spec.layout.is_compact() && array.width().is_some();
            let packed = if is_packed { Shard::packed_bytes(array, &spec.layout) } else { 0 };
            4096 + categories + packed + array.path.len() as u64
        })
        .sum();
    arrays + ENCODER + 4 * PADDING as u64 + spec.layout.inner_per_unit() * 16
}
