//! The first pass, unit by unit, however neighbours come about.

use serde_json::json;

use super::joined::{Joined, Measured, recorded};
use crate::error::Result;
use crate::pipeline::outputs::NAMES;
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::sink::{MappingStore, Stage, UnitWriter};
use crate::source::StringBlock;
use crate::types::RowRange;

/// How the neighbours of units come about, in their order.
pub(in crate::pipeline) trait Units {
    /// Writes the rows of a unit, and adds what they tell.
    fn unit(&mut self, writer: &mut UnitWriter, joined: &mut Joined) -> Result<()>;

    /// Passes over a unit that is committed: the next one does not follow the one before.
    fn skip(&mut self) {}
}

/// Stores every unit that is not committed yet.
pub(in crate::pipeline) fn store_units(
    prepared: &Prepared,
    store: &MappingStore,
    way: &mut dyn Units,
    measured: &Measured,
) -> Result<Joined> {
    let layout = prepared.spec.layout;
    let mut joined = Joined { recall: Some(measured.recall.clone()), ..Joined::default() };
    for unit in 0..layout.units() {
        let range = layout.unit(unit);
        if let Some(record) = store.committed(Stage::Joined, unit) {
            joined.restore(&recorded(store, &record)?);
            way.skip();
            continue;
        }
        let before = joined.statuses;
        let mut writer = store.begin(Stage::Joined, unit)?;
        way.unit(&mut writer, &mut joined)?;
        let statuses: Vec<u64> = joined.statuses.iter().zip(before).map(|(all, earlier)| all - earlier).collect();
        let (sums, excluded) = (joined.sums.since(range.rows.start), joined.excluded);
        let mut learned = json!({ "sums": sums, "statuses": statuses, "excluded": excluded, "recall": joined.recall });
        if let (0, Some(held_out)) = (unit, &measured.held_out) {
            learned["held_out"] = json!(held_out);
        }
        if let (0, Some(space)) = (unit, &measured.space) {
            learned["space"] = json!(space);
        }
        writer.commit(learned)?;
    }
    Ok(joined)
}

/// Copies the names of some rows to their unit, band by band.
pub(in crate::pipeline) fn copy_names(
    prepared: &Prepared,
    rows: RowRange,
    block: &mut StringBlock,
    writer: &mut UnitWriter,
    progress: &Progress,
) -> Result<()> {
    let names = &prepared.inputs.names;
    let mut next = rows.start;
    while next < rows.end {
        let last = names.band_end(next).min(rows.end);
        names.read(RowRange::new(next, last), block)?;
        writer.append_strings(NAMES, &block.bytes, &block.ends)?;
        progress.check()?;
        next = last;
    }
    Ok(())
}
