//! A sample of both sides and the neighbours of its cells, from which it is told whether the query lies in another space.
//!
//! It is taken from all over the stores; of a bundle, whose rows are in its lists alone, from these.

use super::truth::true_neighbors;
use crate::distance::DistanceTile;
use crate::error::Result;
use crate::index::{ListBuffer, Probes};
use crate::join::{Barred, ListJoin, Ordered};
use crate::pipeline::prepared::Prepared;
use crate::pipeline::space_report::SpaceReport;
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::RowSource;
use crate::types::{NeighborBlock, RowRange, Tile};

/// Places of a store that a sample is from, and rows of each that follow each other.
const PLACES: u64 = 64;
const ROWS: u64 = 8;
/// An exact search goes through a larger reference once more only for so many query cells.
const SMALL_REFERENCE: u64 = 1 << 20;
const MANY_QUERIES: u64 = 8192;

/// Compares both sides by the search that a run takes: in lists, or among all references.
pub(in crate::pipeline) fn compare(
    prepared: &Prepared,
    lists: Option<(&ListJoin, Probes)>,
    tile: &dyn DistanceTile,
    progress: &Progress,
) -> Result<Option<SpaceReport>> {
    let (resolved, inputs) = (&prepared.resolved, &prepared.inputs);
    let k = prepared.spec.k as usize;
    let is_known = !resolved.self_mapping && resolved.imported.is_none() && k > 0;
    let is_cheap =
        lists.is_some() || inputs.reference.n_obs() <= SMALL_REFERENCE || inputs.query.n_obs() >= MANY_QUERIES;
    if !is_known || !is_cheap || resolved.parameters.metric.is_product() {
        return Ok(None);
    }
    let (mut rows, mut own) = (Tile { first_row: 0, dim: inputs.query_rows.dim(), values: Vec::new() }, Vec::new());
    sample(prepared, &inputs.query_rows, |_| -1, &mut rows, &mut own, progress)?;
    let queries = own.len();
    match lists {
        Some((search, _)) if resolved.bundled => sample_lists(search, &mut rows, &mut own, progress)?,
        _ => sample(prepared, &inputs.reference_rows, |row| row as i64, &mut rows, &mut own, progress)?,
    }
    let barred = Barred::own(Some(&own));
    let found = match lists {
        Some((search, probes)) => {
            let mut found = NeighborBlock::empty(own.len(), k);
            search.join(&rows, probes, barred, &mut found, &mut Ordered::default(), progress)?;
            found
        }
        None => true_neighbors(prepared, &rows, barred, tile, progress)?,
    };
    let last = |row: usize| found.row(row).1.last().map(|distance| f64::from(*distance));
    Ok(SpaceReport::of((0..queries).filter_map(last).collect(), (queries..own.len()).filter_map(last).collect()))
}

/// Adds rows from all over a store, and the id of each.
fn sample(
    prepared: &Prepared,
    source: &dyn RowSource,
    id: impl Fn(u64) -> i64,
    rows: &mut Tile,
    ids: &mut Vec<i64>,
    progress: &Progress,
) -> Result<()> {
    let mut piece = Tile::default();
    for some in places(source.rows()) {
        progress.check()?;
        let mut reader = TileReader::new(source, some, prepared.resolved.parameters.metric);
        reader.next(ROWS, &mut piece)?;
        rows.values.extend_from_slice(&piece.values);
        ids.extend((some.start..some.end).map(&id));
    }
    Ok(())
}

/// The same of the lists of an index, whose rows are taken in the order of lists.
fn sample_lists(search: &ListJoin, rows: &mut Tile, ids: &mut Vec<i64>, progress: &Progress) -> Result<()> {
    let (index, mut buffer) = (search.index(), ListBuffer::default());
    // The list at hand, and rows in the lists before it.
    let (mut list, mut before) = (0, 0);
    for some in places(index.listed_rows()) {
        progress.check()?;
        let mut next = some.start;
        while next < some.end {
            while before + index.list_rows(list) <= next {
                before += index.list_rows(list);
                list += 1;
            }
            let view = index.list(list, &mut buffer)?;
            let within = (next - before) as usize..(some.end.min(before + index.list_rows(list)) - before) as usize;
            next = before + within.end as u64;
            rows.values.extend_from_slice(&view.rows[within.start * rows.dim..within.end * rows.dim]);
            ids.extend(within.map(|row| view.ids.get(row) as i64));
        }
    }
    Ok(())
}

/// Rows all over `n`, as many at each place as follow each other; of few rows all.
fn places(n: u64) -> impl Iterator<Item = RowRange> {
    let mut next = 0;
    (0..PLACES).filter_map(move |place| {
        let first = (u128::from(place) * u128::from(n) / u128::from(PLACES)) as u64;
        let some = RowRange { start: first.max(next), end: (first + ROWS).min(n) };
        next = next.max(some.end);
        (some.start < some.end).then_some(some)
    })
}
