//! The second pass: the bandwidth is known, so weights are made from the stored neighbours and applied to the reference's columns.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::diffusion::Diffused;
use super::passing::PassingMatrices;
use super::payload::{Payload, Piece, Results, payloads};
use super::weigher::Weigher;
use crate::error::{Error, Result};
use crate::graph::{StoredNeighbors, holder};
use crate::kernel::{CsrBlock, Weights};
use crate::operator::{Asked, LabelStatus, LabelVotes, Labels};
use crate::pipeline::agreement::{HeldOut, Kept};
use crate::pipeline::inputs::library_size::LibrarySizeReader;
use crate::pipeline::memory::sizes::TRANSFER_ROWS;
use crate::pipeline::prepared::Prepared;
use crate::pipeline::square::{self, SquareWriter};
use crate::progress::Progress;
use crate::sink::{MappingStore, Stage, UnitRange, UnitWriter};
use crate::source::ZarrStore;
use crate::store::Vfs;
use crate::types::{NeighborBlock, RowRange};

/// Query cells by the code of their status, for each label column in the order of the keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::pipeline) struct Transferred {
    pub(in crate::pipeline) labels: Vec<[u64; LabelStatus::NAMES.len()]>,
    /// Held-out cells by the label that their true neighbours give, for each of these columns; empty where none is held out.
    #[serde(default)]
    pub(in crate::pipeline) kept: Vec<Kept>,
    /// Entries of the matrices of cells × cells up to the end of the unit.
    #[serde(default)]
    pub(in crate::pipeline) entries: [u64; 2],
}

/// What weighs neighbours, and whose labels are looked at twice.
pub(in crate::pipeline) struct Weighing<'a> {
    pub(in crate::pipeline) weigher: Weigher,
    /// What took more than one step.
    pub(in crate::pipeline) diffused: Option<Diffused>,
    pub(in crate::pipeline) vfs: &'a Arc<dyn Vfs>,
    pub(in crate::pipeline) held_out: Option<&'a HeldOut>,
}

/// Transfers every unit that is not committed yet.
pub(in crate::pipeline) fn run(
    prepared: &Prepared,
    store: &MappingStore,
    Weighing { mut weigher, mut diffused, held_out, vfs }: Weighing,
    progress: &Progress,
) -> Result<Transferred> {
    let layout = prepared.spec.layout;
    let label_columns = prepared.inputs.columns.iter().filter(|input| input.labels().is_some()).count();
    let kept = vec![Kept::default(); if held_out.is_some() { label_columns } else { 0 }];
    let mut transferred = Transferred { labels: vec![Default::default(); label_columns], kept, entries: [0; 2] };
    let mut pass: Option<Pass> = None;
    for unit in 0..layout.units() {
        let counts = if let Some(record) = store.committed(Stage::Transferred, unit) {
            let counts: Transferred = serde_json::from_value(record.extra.clone()).unwrap_or_default();
            if counts.labels.len() != label_columns {
                return Err(Error::Corrupt {
                    file: store.path().display().to_string(),
                    block: format!("journal record of unit {unit}"),
                    reason: "it counts other label columns".into(),
                });
            }
            counts
        } else {
            let pass = match &mut pass {
                Some(pass) => pass,
                none => none.insert(Pass::start(prepared, store, (held_out, diffused.take()), progress)?),
            };
            let mut writer = store.begin(Stage::Transferred, unit)?;
            let counts = pass.unit(layout.unit(unit), (&mut weigher, transferred.entries), &mut writer)?;
            writer.commit(json!(counts))?;
            counts
        };
        for (all, unit) in transferred.labels.iter_mut().zip(&counts.labels) {
            all.iter_mut().zip(unit).for_each(|(all, unit)| *all += unit);
        }
        transferred.entries = counts.entries;
        transferred.kept.iter_mut().zip(&counts.kept).for_each(|(all, unit)| all.add(unit));
    }
    weigher.end(prepared, vfs)?;
    pass.and_then(|pass| pass.diffused).or(diffused).map_or(Ok(()), Diffused::end)?;
    Ok(transferred)
}

struct Pass<'a> {
    prepared: &'a Prepared,
    progress: &'a Progress,
    held_out: Option<&'a HeldOut>,
    store: ZarrStore,
    payloads: Vec<Payload>,
    diffused: Option<Diffused>,
    passing: Option<PassingMatrices<'a>>,
    neighbors: NeighborBlock,
    weights: Weights,
    second: SecondVote,
    square: Option<SquareWriter>,
    results: Results,
    sizes: Option<LibrarySizeReader<'a>>,
}

/// Cells of one piece of rows that vote with their true neighbours as well.
#[derive(Default)]
struct SecondVote {
    /// Their rows within the piece, as many as `weights` has.
    rows: Vec<usize>,
    weights: CsrBlock,
    truth: NeighborBlock,
    one: Weights,
    votes: LabelVotes,
}

impl SecondVote {
    /// Weighs the true neighbours of what is held out among these rows.
    fn weigh(
        &mut self,
        held_out: Option<&HeldOut>,
        rows: RowRange,
        neighbors: &NeighborBlock,
        weigher: &mut Weigher,
    ) -> Result<()> {
        self.rows.clear();
        self.weights = CsrBlock { starts: vec![0], ..CsrBlock::default() };
        self.truth.k = neighbors.k;
        for (held_out, place) in held_out.into_iter().flat_map(|held| held.among(rows).map(move |place| (held, place)))
        {
            let row = (held_out.row(place) - rows.start) as usize;
            held_out.truth(place, neighbors.row(row), &mut self.truth);
            weigher.weigh_again(&self.truth, row, &mut self.one)?;
            self.weights.columns.extend_from_slice(&self.one.block.columns);
            self.weights.weights.extend_from_slice(&self.one.block.weights);
            self.weights.starts.push(self.weights.columns.len());
            self.rows.push(row);
        }
        Ok(())
    }

    /// Compares the labels of true neighbours with those that were voted for, one for each row of the piece.
    fn compare(&mut self, labels: &Labels, stored: &[i32], kept: Option<&mut Kept>) {
        let Some(kept) = kept.filter(|_| !self.rows.is_empty()) else { return };
        labels.vote(&self.weights, Asked::default(), &mut self.votes);
        for (&row, &truth) in self.rows.iter().zip(&self.votes.codes) {
            kept.count(truth, stored[row]);
        }
    }
}

impl<'a> Pass<'a> {
    fn start(
        prepared: &'a Prepared,
        store: &MappingStore,
        (held_out, diffused): (Option<&'a HeldOut>, Option<Diffused>),
        progress: &'a Progress,
    ) -> Result<Self> {
        Ok(Self {
            prepared,
            progress,
            held_out,
            store: holder(store.path())?,
            payloads: payloads(prepared, diffused.as_ref().map(Diffused::keys), progress)?,
            diffused,
            passing: PassingMatrices::of(prepared, progress),
            neighbors: NeighborBlock::default(),
            weights: Weights::default(),
            second: SecondVote::default(),
            square: square::is_stored_in(&prepared.spec)
                .then(|| SquareWriter::new(prepared.spec.layout.n_obs(), prepared.spec.k)),
            results: Results::default(),
            sizes: prepared.inputs.library_sizes.as_ref().map(LibrarySizeReader::new),
        })
    }

    /// Whether anything is made of the weights of one step.
    fn needs_weights(&self) -> bool {
        self.diffused.is_none() || self.square.is_some()
    }

    /// The rows from `first` on that are taken together at most.
    fn rows(&self, first: u64, end: u64, weigher: &mut Weigher) -> Result<RowRange> {
        let whole = RowRange::new(first, end.min(first + TRANSFER_ROWS));
        let mut rows = if self.needs_weights() { weigher.rows(first, end, self.prepared.spec.k)? } else { whole };
        let most = self.diffused.as_ref().map_or(u64::MAX, Diffused::most_rows);
        rows.end = rows.end.min(first.saturating_add(most));
        Ok(rows)
    }

    fn unit(
        &mut self,
        unit: UnitRange,
        (weigher, before): (&mut Weigher, [u64; 2]),
        writer: &mut UnitWriter,
    ) -> Result<Transferred> {
        let prefix = self.prepared.spec.layout.prefix(unit.part);
        let mut stored = StoredNeighbors::open(&self.store, &prefix)?;
        let mut counts = Transferred::default();
        let labels = self.payloads.iter().filter(|payload| payload.labels().is_some()).count();
        counts.labels.resize(labels, Default::default());
        counts.kept.resize(if self.held_out.is_some() { labels } else { 0 }, Kept::default());
        if let Some(square) = &mut self.square {
            square.begin(unit.unit, before, writer)?;
        }
        let mut next = unit.rows.start;
        while next < unit.rows.end {
            let mut rows = self.rows(next, unit.rows.end, weigher)?;
            let first = unit.first_in_part + (rows.start - unit.rows.start);
            stored.read(RowRange::new(first, first + rows.len() as u64), rows.start, &mut self.neighbors)?;
            if self.needs_weights() {
                weigher.weigh(&mut self.neighbors, &mut self.weights, self.progress)?;
            }
            let neighbors = &self.neighbors;
            rows.end = rows.start + neighbors.rows() as u64;
            next = rows.end;
            if let Some(diffused) = &mut self.diffused {
                diffused.read(rows)?;
            }
            if let Some(square) = &mut self.square {
                square.append(neighbors, &self.weights, writer)?;
            }
            self.weights.normalize();
            self.second.weigh(self.held_out, rows, neighbors, weigher)?;
            let (mut label, mut kept) = (counts.labels.iter_mut(), counts.kept.iter_mut());
            for payload in &self.payloads {
                let piece = Piece { neighbors, weights: &self.weights.block, diffused: self.diffused.as_ref() };
                let results = (&mut self.results, &mut self.sizes);
                payload.apply(&piece, results, writer, &mut label)?;
                if let Some(labels) = payload.labels() {
                    self.second.compare(labels, &self.results.votes.codes, kept.next());
                }
            }
            if let Some(passing) = &mut self.passing {
                passing.add(&self.weights.block, writer)?;
            }
            self.progress.advance(rows.len() as u64)?;
        }
        if let Some(passing) = &mut self.passing {
            passing.flush(writer)?;
        }
        counts.entries = self.square.as_ref().map_or([0; 2], SquareWriter::ends);
        Ok(counts)
    }
}
