//! What the first pass learns: by its units, and before the first of them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::DistanceSums;
use crate::pipeline::agreement::HeldOut;
use crate::pipeline::report::RecallReport;
use crate::pipeline::space_report::SpaceReport;
use crate::sink::{MappingStore, Stage};
use crate::store::Record;
use crate::types::MappingStatus;

/// What the pass learned; each unit's journal record holds its share, so that a resumed run learns the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::pipeline) struct Joined {
    pub(in crate::pipeline) sums: DistanceSums,
    /// Query cells by the code of their status.
    pub(in crate::pipeline) statuses: [u64; MappingStatus::NAMES.len()],
    /// Reference rows that cannot be compared.
    pub(in crate::pipeline) excluded: u64,
    /// Recall of the search, measured before its first unit.
    pub(in crate::pipeline) recall: Option<RecallReport>,
    /// The queries that told it; in the record of the first unit only.
    #[serde(default)]
    pub(in crate::pipeline) held_out: Option<HeldOut>,
    /// How far the query lies from the reference; in the record of the first unit only.
    #[serde(default)]
    pub(in crate::pipeline) space: Option<SpaceReport>,
}

impl Joined {
    /// Whether any query cell has a neighbour.
    pub(in crate::pipeline) fn has_neighbors(&self) -> bool {
        self.statuses[MappingStatus::Ok as usize] > 0
    }

    pub(in crate::pipeline) fn restore(&mut self, record: &Self) {
        self.sums.restore(&record.sums);
        self.statuses.iter_mut().zip(record.statuses).for_each(|(all, unit)| *all += unit);
        self.excluded = record.excluded;
    }
}

/// The recall of a search, and the queries that told it.
pub(in crate::pipeline) struct Measured {
    pub(in crate::pipeline) recall: RecallReport,
    /// None where no label is asked for.
    pub(in crate::pipeline) held_out: Option<HeldOut>,
    /// How far the query lies from the reference, where that is known.
    pub(in crate::pipeline) space: Option<SpaceReport>,
}

/// The recall that was measured before the first unit, if that one is committed. It is measured again where it is not: what told it stands there
/// only.
pub(in crate::pipeline) fn measured(store: &MappingStore) -> Result<Option<Measured>> {
    let record = store.committed(Stage::Joined, 0);
    let Some(Joined { recall: Some(recall), held_out, space, .. }) =
        record.map(|record| recorded(store, &record)).transpose()?
    else {
        return Ok(None);
    };
    Ok(Some(Measured { recall, held_out, space }))
}

pub(in crate::pipeline) fn recorded(store: &MappingStore, record: &Record) -> Result<Joined> {
    serde_json::from_value(record.extra.clone()).map_err(|error| Error::Corrupt {
        file: store.path().display().to_string(),
        block: format!("journal record of unit {}", record.unit),
        reason: error.to_string(),
    })
}
