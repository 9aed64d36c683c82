//! Neighbours that were found before, taken over in the place of the join: unit by unit, so that all behind it is the same.

use super::joined::Joined;
use super::units::{Units, copy_names};
use crate::error::{Error, Result};
use crate::graph::ImportedGraph;
use crate::pipeline::finished::Finished;
use crate::pipeline::inputs::imported;
use crate::pipeline::outputs::INDICES;
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::sink::UnitWriter;
use crate::source::StringBlock;
use crate::types::{MappingStatus, RowRange};

/// The neighbours, and buffers that serve unit after unit.
pub(in crate::pipeline) struct Import<'a> {
    prepared: &'a Prepared,
    progress: &'a Progress,
    graph: ImportedGraph,
    /// Whether they are looked at, and stay where they are.
    stay: bool,
    found: Finished,
    /// The piece of rows behind, read while one is written.
    ahead: Finished,
    names: StringBlock,
}

impl<'a> Import<'a> {
    /// Opens them once more, to be read.
    pub(in crate::pipeline) fn open(prepared: &'a Prepared, progress: &'a Progress) -> Result<Self> {
        let graph = imported::open(&prepared.resolved, &prepared.inputs.query, &prepared.inputs.reference)?;
        let graph = graph.ok_or_else(|| Error::internal("no neighbors to take over"))?.with_width(prepared.spec.k);
        let stay = prepared.spec.arrays.iter().all(|array| array.path != INDICES);
        let graph = graph.staying(stay);
        let (found, ahead) = (Finished::default(), Finished::default());
        Ok(Self { prepared, progress, graph, stay, found, ahead, names: StringBlock::default() })
    }
}

impl Units for Import<'_> {
    fn unit(&mut self, writer: &mut UnitWriter, joined: &mut Joined) -> Result<()> {
        let Self { prepared, progress, graph, stay, found, ahead, names } = self;
        let rows = writer.range().rows;
        let mut piece = next_piece(graph, RowRange::new(rows.start, rows.end), ahead)?;
        while !piece.is_empty() {
            std::mem::swap(found, ahead);
            for &status in &found.statuses {
                joined.statuses[usize::from(status)] += 1;
                // Within one store, cells that cannot be mapped are nobody's neighbours.
                let is_excluded = prepared.resolved.self_mapping && status >= MappingStatus::InvalidInput as u8;
                joined.excluded += u64::from(is_excluded);
            }
            let behind = RowRange::new(piece.end, rows.end);
            let sums = &mut joined.sums;
            let store = || {
                let statuses = &found.statuses;
                sums.add(&found.nearest, |row| statuses[row] == MappingStatus::Ok as u8);
                if *stay { found.store_statuses(writer) } else { found.store(writer, prepared.spec.n_ref) }
            };
            let (stored, read) = rayon::join(store, || next_piece(graph, behind, ahead));
            stored?;
            progress.advance(piece.len() as u64)?;
            piece = read?;
        }
        copy_names(prepared, RowRange::new(rows.start, rows.end), names, writer, progress)
    }
}

/// Reads the first of these rows, as many as may be read together; none of none.
fn next_piece(graph: &mut ImportedGraph, rows: RowRange, into: &mut Finished) -> Result<RowRange> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let piece = graph.piece(rows.start, rows.end)?;
    graph.read(piece, &mut into.nearest, &mut into.statuses)?;
    Ok(piece)
}
