//! Building an index: train, add, seal. An append is the same but for the training, and for the rows that are in lists already.
//!
//! Where all rows fit the budget they are read once and stay in memory. Otherwise they are read to train, read again to be added
//! to runs by super-cell, and the runs are sealed; each run is a step that an interrupted build does not repeat. The bytes of the
//! sealed index are the same.

use std::path::Path;
use std::sync::Arc;

use super::coarse::Coarse;
use super::grouped::{Grouped, Held, Spilled};
use super::grown::Grown;
use super::ivf::IvfIndex;
use super::levels::Levels;
use super::manifest::Manifest;
use super::quantiser::{Quantiser, TRAINING_BYTES, TRAINING_ROWS};
use super::rounds;
use super::route::Router;
use super::rows::PreparedRows;
use super::seal::Sealer;
use super::spec::{IndexSpec, Resolved};
use super::train::Trainer;
use super::work::{Begun, Start, Work};
use crate::budget::MemoryBudget;
use crate::distance::DistanceTile;
use crate::error::Result;
use crate::progress::Progress;
use crate::source::RowSource;
use crate::store::{FAN_IN, Run, RunBuffer, RunShape, Vfs};
use crate::types::{RowRange, Tile};

/// Rows that are assigned at a time where all of them are in memory.
const ASSIGNED_ROWS: usize = 1 << 17;
/// Share of the free budget that a batch of rows may take, and the fewest rows of one.
const BATCH_SHARE: u64 = 16;
const LEAST_BATCH: u64 = 256;
/// More rows than this in a batch keep no more threads busy, for each thread.
const BATCH_PER_THREAD: u64 = 8192;

/// Builds indexes.
#[derive(Clone)]
pub struct IndexBuilder<'a> {
    /// Where the index goes.
    pub vfs: Arc<dyn Vfs>,
    /// What decides its bytes.
    pub spec: IndexSpec,
    /// What to do with what is there.
    pub start: Start,
    /// The memory of the build. It decides whether rows stay in memory, and nothing else.
    pub budget: MemoryBudget,
    /// The lane.
    pub tile: &'a dyn DistanceTile,
    /// Who listens, and may cancel.
    pub progress: &'a Progress,
}

/// What was built.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildReport {
    /// What is written down of the index.
    pub manifest: Manifest,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Whether rows went through runs, because they did not fit the budget.
    pub spilled: bool,
    /// Whether the index was there already, finished.
    pub found: bool,
    /// Rows that were added to it.
    pub added: u64,
}

/// One build, or append.
pub(super) struct Build<'a> {
    builder: &'a IndexBuilder<'a>,
    source: &'a dyn RowSource,
    spec: &'a Resolved,
    batch: u64,
    work: &'a Work,
    /// The index that the first rows of the source are in already.
    old: Option<&'a IvfIndex>,
}

/// The levels twice while they are trained, and what finds the list of a row.
pub(super) fn levels_bytes(levels: Levels, dim: u64, threads: u64) -> u64 {
    2 * Coarse::bytes(levels, dim) + Router::bytes(levels, dim) + Router::scratch_bytes(dim, threads)
}

/// Bytes for the tables of the runs that are read side by side, whatever the width of their records.
fn run_tables(super_cells: u32) -> u64 {
    Run::bytes(RunShape { keys: super_cells + 1, width: 0 }) * FAN_IN as u64
}

/// Rows of a batch.
pub(super) fn batch_rows(budget: &MemoryBudget, dim: u64) -> u64 {
    let most = BATCH_PER_THREAD * rayon::current_num_threads() as u64;
    (budget.available() / BATCH_SHARE / (dim * 4)).clamp(LEAST_BATCH, most)
}

impl IndexBuilder<'_> {
    /// Bytes that building the levels takes whatever the rows are. With three levels there are too many super-cells to leave out what knows where
    /// each lies in every run.
    pub fn least_bytes(levels: Levels, dim: u64, threads: u64, thorough: bool) -> u64 {
        let tables = if levels.regions == 0 { 0 } else { run_tables(levels.super_cells) };
        let sums = if thorough { rounds::bytes(u64::from(levels.lists), dim) } else { 0 };
        levels_bytes(levels, dim, threads) + tables + sums
    }

    /// Bytes that training codes takes beside that.
    pub fn codes_bytes(dim: u64) -> u64 {
        (TRAINING_ROWS as u64).saturating_mul(dim).saturating_mul(TRAINING_BYTES)
    }

    /// Builds the index of all rows of `source` at `path`, on the threads of the pool that it is called in.
    pub fn build(&self, path: &Path, source: &dyn RowSource) -> Result<BuildReport> {
        self.build_in((path, None), source)
    }

    /// The same with a folder for intermediate files, where that is not the one that the index lies in. It changes no byte, and a build that goes on
    /// names it again.
    pub fn build_in(&self, places: (&Path, Option<&Path>), source: &dyn RowSource) -> Result<BuildReport> {
        self.progress.begin("preflight", 0, 0);
        let spec = self.spec.resolve(source)?;
        let work = match Work::begin(&self.vfs, places, self.start, &spec)? {
            Begun::Sealed(manifest) => {
                let (manifest, warnings) = (*manifest, spec.warnings);
                return Ok(BuildReport { manifest, warnings, spilled: false, found: true, added: 0 });
            }
            Begun::Work(work) => work,
        };
        source.preflight()?;
        let (manifest, spilled) = Build::new(self, source, &spec, &work, None).run()?;
        work.end()?;
        let mut warnings = spec.warnings;
        if manifest.excluded > 0 {
            let why = manifest.metric.flaws();
            warnings.push(format!("{} rows have {why} and are in no list", manifest.excluded));
        }
        let added = manifest.rows;
        Ok(BuildReport { manifest, warnings, spilled, found: false, added })
    }
}

impl<'a> Build<'a> {
    pub(super) fn new(
        builder: &'a IndexBuilder<'a>,
        source: &'a dyn RowSource,
        spec: &'a Resolved,
        work: &'a Work,
        old: Option<&'a IvfIndex>,
    ) -> Self {
        Self { builder, source, spec, batch: 0, work, old }
    }

    /// The first row that is added.
    fn first(&self) -> u64 {
        self.old.map_or(0, IvfIndex::rows)
    }

    /// What is sealed, and whether rows went through runs.
    pub(super) fn run(mut self) -> Result<(Manifest, bool)> {
        let IndexBuilder { budget, .. } = self.builder;
        let (rows, dim) = (self.spec.rows - self.first(), self.spec.layout.dim as u64);
        let levels = self.old.map_or(self.spec.levels, |old| old.coarse().levels());
        let threads = rayon::current_num_threads() as u64;
        let _levels = budget.take("the levels of the index", levels_bytes(levels, dim, threads))?;
        self.batch = batch_rows(budget, dim);
        // Values, list and order of each row; a quarter more for what is trained on and written at a time.
        let held_bytes = rows.saturating_mul(dim * 4 + 16);
        let reading = PreparedRows::bytes(self.source, self.batch);
        let old = self.old.map_or(0, Grown::least_bytes);
        let sums = if self.spec.rounds() > 0 { rounds::bytes(u64::from(levels.lists), dim) } else { 0 };
        let room =
            held_bytes.saturating_add(held_bytes / 4).saturating_add(reading).saturating_add(old).saturating_add(sums);
        let fits = rows < u64::from(u32::MAX) && room <= budget.available();
        if fits && self.work.added() == self.first() {
            let _lease = budget.take("all rows", held_bytes)?;
            return Ok((self.build_held(reading)?, false));
        }
        Ok((self.build_spilled(reading)?, true))
    }

    /// All rows in memory: one pass.
    fn build_held(&self, reading: u64) -> Result<Manifest> {
        let IndexBuilder { budget, progress, tile, .. } = self.builder;
        let lease = budget.take("reading rows", reading)?;
        let (first, rows) = (self.first(), self.spec.rows - self.first());
        progress.begin("read", rows, 0);
        let mut values = Vec::with_capacity(rows as usize * self.spec.layout.dim);
        let mut reader = PreparedRows::new(self.source, RowRange::new(first, self.spec.rows), self.spec);
        let mut batch = Tile::default();
        loop {
            reader.next(self.batch, &mut batch)?;
            if batch.rows() == 0 {
                break;
            }
            values.extend_from_slice(&batch.values);
            progress.advance(batch.rows() as u64)?;
        }
        drop((reader, batch, lease));
        let (coarse, quantiser) = self.trained(Some(&values))?;
        progress.begin("add", rows, 0);
        let router = Router::new(&coarse, *tile);
        let mut assigned = Vec::with_capacity(rows as usize);
        for some in values.chunks(ASSIGNED_ROWS * self.spec.layout.dim) {
            assigned.extend(router.assign(some, *tile));
            progress.advance((some.len() / self.spec.layout.dim) as u64)?;
        }
        progress.end();
        let held = Held::new(&coarse, first, &values, &assigned);
        drop(assigned);
        self.seal(&coarse, quantiser.as_ref(), &held)
    }

    /// Rows through runs.
    fn build_spilled(&self, reading: u64) -> Result<Manifest> {
        let IndexBuilder { budget, progress, .. } = self.builder;
        let (coarse, quantiser) = self.trained(None)?;
        let shape = Spilled::shape(self.spec.run_layout(), self.spec.levels.super_cells);
        let lease = budget.take("reading rows", reading)?;
        self.add(&coarse)?;
        drop(lease);
        let _runs = budget.take("tables of runs", run_tables(self.spec.levels.super_cells))?;
        let runs = self.work.runs(shape, progress)?;
        self.seal(&coarse, quantiser.as_ref(), &Spilled::new(&coarse, self.spec.run_layout(), runs))
    }

    /// Assigns rows that no run has yet, and commits a run whenever the budget is used.
    fn add(&self, coarse: &Coarse) -> Result<()> {
        let IndexBuilder { budget, progress, tile, .. } = self.builder;
        let (rows, layout) = (self.spec.rows, self.spec.run_layout());
        let shape = Spilled::shape(layout, self.spec.levels.super_cells);
        let fixed = RunBuffer::bytes(shape, 0);
        // Half of what is left, because sealing and merging must find room when runs are as long as that.
        let room = (budget.available() / 2).saturating_sub(fixed) / (RunBuffer::bytes(shape, 1) - fixed);
        let run_rows = room.clamp(self.batch, rows.max(self.batch)).min(u64::from(u32::MAX));
        let _lease = budget.take("sorting rows", RunBuffer::bytes(shape, run_rows))?;
        let mut buffer = RunBuffer::new(shape);
        buffer.reserve(run_rows as usize);
        let router = Router::new(coarse, self.builder.tile);
        let cells = cells_of_lists(coarse);
        let begun = self.work.added();
        progress.begin("add", rows - self.first(), begun - self.first());
        let mut reader = PreparedRows::new(self.source, RowRange::new(begun, rows), self.spec);
        let (mut tile_rows, mut record, mut first) = (Tile::default(), Vec::new(), begun);
        while first < rows {
            reader.next(self.batch.min(run_rows - buffer.len() as u64), &mut tile_rows)?;
            for (row, list) in router.assign(&tile_rows.values, *tile).into_iter().enumerate() {
                let cell = cells.get(list as usize).copied().unwrap_or(self.spec.levels.super_cells);
                let number = tile_rows.first_row + row as u64;
                Spilled::record(layout, list, number, tile_rows.row(row), &mut record);
                buffer.push(cell, &record)?;
            }
            progress.advance(tile_rows.rows() as u64)?;
            let end = tile_rows.first_row + tile_rows.rows() as u64;
            if buffer.len() as u64 == run_rows || end == rows {
                self.work.commit_added([first, end], &mut buffer)?;
                first = end;
            }
        }
        progress.end();
        Ok(())
    }

    /// The levels and the quantiser: those of the index, of an earlier process, or trained now.
    fn trained(&self, held: Option<&[f32]>) -> Result<(Coarse, Option<Quantiser>)> {
        if let Some(old) = self.old {
            return Ok((old.coarse().clone(), old.quantiser().cloned()));
        }
        if let Some(trained) = self.work.trained(self.spec.layout.dim, self.spec.codes.is_some())? {
            return Ok(trained);
        }
        let IndexBuilder { budget, tile, progress, .. } = self.builder;
        let trainer = Trainer {
            source: self.source,
            spec: self.spec,
            batch: self.batch,
            work: self.work,
            budget,
            tile: *tile,
            progress,
        };
        let (coarse, quantiser) = trainer.train(held)?;
        self.work.commit_trained(&coarse, quantiser.as_ref())?;
        Ok((coarse, quantiser))
    }

    fn seal(&self, coarse: &Coarse, quantiser: Option<&Quantiser>, grouped: &dyn Grouped) -> Result<Manifest> {
        let IndexBuilder { budget, tile, progress, .. } = self.builder;
        let sealer = Sealer { work: self.work, spec: self.spec, coarse, quantiser, budget, tile: *tile, progress };
        match self.old {
            Some(old) => sealer.seal(&Grown::new(old, grouped, budget)?),
            None => sealer.seal(grouped),
        }
    }
}

/// The super-cell of every list.
fn cells_of_lists(coarse: &Coarse) -> Vec<u32> {
    (0..coarse.super_cells()).flat_map(|cell| coarse.lists_of(cell).map(move |_| cell)).collect()
}
