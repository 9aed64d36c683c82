//! Neighbours that lie in runs brought back into the order of rows, unit by unit.

use super::joined::{Joined, Measured};
use super::list_order;
use super::units::{Units, copy_names, store_units};
use crate::error::{Error, Result};
use crate::pipeline::finished::Finished;
use crate::pipeline::found::FoundRows;
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::sink::{MappingStore, UnitWriter};
use crate::source::StringBlock;
use crate::store::{Run, RunLedger, Stage};
use crate::types::{MappingStatus, RowRange};

/// Stores the units that are not committed yet, and removes the runs.
pub(in crate::pipeline) fn run(
    prepared: &Prepared,
    store: &MappingStore,
    mut ledger: RunLedger,
    measured: &Measured,
    progress: &Progress,
) -> Result<Joined> {
    let mut gather = Gather::open(prepared, &mut ledger, progress)?;
    let joined = store_units(prepared, store, &mut gather, measured)?;
    progress.end();
    ledger.end()?;
    Ok(joined)
}

/// What was found for a whole query, as it lies in runs.
pub(in crate::pipeline) struct Buckets {
    pub(in crate::pipeline) form: FoundRows,
    runs: Vec<Run>,
    /// Reference rows that cannot be compared, as the search knew.
    pub(in crate::pipeline) excluded: u64,
    /// What is damaged if rows are missing.
    of: String,
    records: Vec<u8>,
}

impl Buckets {
    /// Opens the runs, merged until they can be read side by side.
    pub(in crate::pipeline) fn open(prepared: &Prepared, ledger: &mut RunLedger, progress: &Progress) -> Result<Self> {
        let searched = list_order::searched(ledger)?.ok_or_else(|| Error::internal("nothing was found to gather"))?;
        let form = FoundRows::new(&prepared.spec)?;
        let runs = ledger.runs(Stage::Found, form.shape(), progress)?;
        // Runs are checked against their checksums, so what is missing from them was never in the lists that queries came from.
        let own = prepared.resolved.search.index.as_ref().filter(|_| prepared.resolved.self_mapping);
        let of = own.map_or_else(|| ledger.path(), |index| index.as_path()).display().to_string();
        Ok(Self { form, runs, excluded: searched.excluded, of, records: Vec::new() })
    }

    /// Reads a bucket, with its rows in order.
    pub(in crate::pipeline) fn read(&mut self, key: u32, rows: RowRange, found: &mut Finished) -> Result<()> {
        self.records.clear();
        self.runs.iter().try_for_each(|run| run.read(key..key + 1, &mut self.records))?;
        self.form.order(rows, &self.records, found, &self.of)
    }
}

/// The runs, and buffers that serve unit after unit.
pub(in crate::pipeline) struct Gather<'a> {
    prepared: &'a Prepared,
    progress: &'a Progress,
    buckets: Buckets,
    found: Finished,
    names: StringBlock,
}

impl<'a> Gather<'a> {
    /// Opens the runs.
    pub(in crate::pipeline) fn open(
        prepared: &'a Prepared,
        ledger: &mut RunLedger,
        progress: &'a Progress,
    ) -> Result<Self> {
        let buckets = Buckets::open(prepared, ledger, progress)?;
        Ok(Self { prepared, progress, buckets, found: Finished::default(), names: StringBlock::default() })
    }
}

impl Units for Gather<'_> {
    fn unit(&mut self, writer: &mut UnitWriter, joined: &mut Joined) -> Result<()> {
        let Self { prepared, progress, buckets, found, .. } = self;
        let range = writer.range();
        joined.excluded = buckets.excluded;
        for (key, rows) in buckets.form.buckets(range.unit) {
            buckets.read(key, rows, found)?;
            for &status in &found.statuses {
                joined.statuses[usize::from(status)] += 1;
            }
            let statuses = &found.statuses;
            joined.sums.add(&found.nearest, |row| statuses[row] == MappingStatus::Ok as u8);
            found.store(writer, prepared.spec.n_ref)?;
            progress.advance(rows.len() as u64)?;
        }
        copy_names(prepared, range.rows, &mut self.names, writer, progress)
    }
}
