//! The true neighbours of a sample of cells, among all reference rows.

use super::reference::Reference;
use crate::distance::DistanceTile;
use crate::error::Result;
use crate::join::{Barred, Ordered, join_slab};
use crate::pipeline::memory::sizes::TRUTH_ROWS;
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// The true neighbours of a sample among the reference's own rows, where the index has none of them.
pub(in crate::pipeline) fn true_neighbors(
    prepared: &Prepared,
    queries: &Tile,
    Barred { own, batches }: Barred,
    tile: &dyn DistanceTile,
    progress: &Progress,
) -> Result<NeighborBlock> {
    let (source, metric) = (&prepared.inputs.reference_rows, prepared.resolved.parameters.metric);
    let k = prepared.spec.k as usize;
    // One more, because a query may find itself; a slab knows rows by their place alone.
    let sought = k + usize::from(own.is_some());
    let mut found = NeighborBlock::empty(queries.rows(), sought);
    let mut ordered = Ordered::default();
    let mut reference = Reference::open(source, metric, TRUTH_ROWS, tile)?;
    reference.visit(|slab| join_slab(queries, slab, (false, batches), tile, &mut found, &mut ordered, progress))?;
    let mut truth = NeighborBlock::empty(queries.rows(), k);
    for row in 0..queries.rows() {
        let slots = row * sought..(row + 1) * sought;
        let own = own.map_or(-1, |own| own[row]);
        let others = found.ids[slots.clone()].iter().zip(&found.distances[slots]).filter(|(id, _)| **id != own);
        let places = truth.ids[row * k..].iter_mut().zip(&mut truth.distances[row * k..]).take(k);
        places.zip(others).for_each(|(place, (id, distance))| (*place.0, *place.1) = (*id, *distance));
    }
    Ok(truth)
}
