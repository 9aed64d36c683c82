//! Rows on a device, and the search for what may be among the nearest of queries, as whoever decides sees them.
//!
//! Rows are centred by their middle and copied once; queries come in batches through pinned memory. The device has a thread of its own, so that
//! the processor decides one batch while the device works on the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rayon::prelude::*;

use super::batch::{Batch, BatchSize};
use super::block::Block;
use super::bound::{Bound, LONGEST};
use super::centre;
use super::device::Device;
use super::library::Fault;
use super::spent::{Account, Spent};
use super::worker::{BATCHES, Done, Job, work};
use crate::distance::Metric;

/// Rows that are too long for a device are compared with every query by the processor; with more of them a block is not fit for a device.
const MOST_LONG: usize = 32;
/// Rows that a thread centres at a time.
const CENTRED_ROWS: usize = 512;

/// The search on a device.
#[derive(Debug)]
pub struct Selector {
    /// None at the end, when the thread has nothing more to wait for.
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    /// Batches at hand, and answers that nobody has waited for yet; and how many the thread has.
    resting: Vec<Batch>,
    answers: VecDeque<Batch>,
    away: usize,
    metric: Metric,
    size: BatchSize,
    most_rows: usize,
    /// What the rows on the device are centred by.
    middle: Vec<f32>,
    block: Arc<Block>,
    account: Account,
}

impl Selector {
    /// Batches that a search takes; no more may be read at a time than leaves two.
    pub const BATCHES: usize = BATCHES;

    /// Takes what a search takes on the device, and its batches.
    pub fn new(device: &Device, metric: Metric, size: BatchSize) -> Result<Self, Fault> {
        let (jobs, asked) = channel();
        let (finished, done) = channel();
        let (begin, begun) = channel();
        let most_rows = size.most_rows(device.memory()) as usize;
        let device = device.clone();
        let account = Account::default();
        let asked_of = (metric, size, account.clone());
        let named = std::thread::Builder::new().name(format!("gpu {}", device.id()));
        let thread = named.spawn(move || work(&device, asked_of, &begin, &asked, &finished));
        let thread = thread.map_err(|error| Fault { call: "spawn", text: error.to_string() })?;
        let mut selector = Self {
            jobs: Some(jobs),
            done,
            thread: Some(thread),
            resting: Vec::new(),
            answers: VecDeque::new(),
            away: 0,
            metric,
            size,
            most_rows,
            middle: vec![0.0; size.dim],
            block: Arc::default(),
            account,
        };
        selector.resting.extend(begun.recv().map_err(|_| ended())??);
        Ok(selector)
    }

    /// The block that was loaded.
    pub fn block(&self) -> Arc<Block> {
        Arc::clone(&self.block)
    }

    /// What the device was busy with since this was asked last.
    pub fn take_spent(&self) -> Spent {
        self.account.take()
    }

    /// Rows that the device holds beside a batch.
    pub fn most_rows(&self) -> usize {
        self.most_rows
    }

    /// The size of a batch.
    pub fn size(&self) -> BatchSize {
        self.size
    }

    /// Lets rows (row-major, prepared for the metric) go to the device, in the place of those before. False where they are not fit for one: too many
    /// are too long, none can be compared, or there are more than it holds. What it fails with may be told later.
    pub fn load(&mut self, rows: &[f32]) -> Result<bool, Fault> {
        let dim = self.size.dim;
        if !self.metric.is_product() {
            centre::middle(rows, &mut self.middle);
        }
        let lengths: Vec<f64> = rows.par_chunks_exact(dim).map(|row| centre::length(row, &self.middle)).collect();
        let mut block = Block::default();
        let all = 0..lengths.len() as u32;
        block.long = all.clone().filter(|&row| lengths[row as usize] > LONGEST).collect();
        block.kept = all.filter(|&row| lengths[row as usize] <= LONGEST).collect();
        block.rows = block.kept.len();
        let longest = block.kept.iter().map(|&row| lengths[row as usize]).fold(0.0, f64::max);
        block.bound = Bound { metric: self.metric, dim, longest };
        let is_whole = block.rows == lengths.len();
        drop(lengths);
        if block.rows == 0 || block.rows > self.most_rows || block.long.len() > MOST_LONG {
            return Ok(false);
        }
        self.ask_for(Job::Room(block.rows))?;
        for (number, kept) in block.kept.chunks(self.size.queries).enumerate() {
            // One batch is filled while the other is on its way.
            let mut batch = self.take()?;
            let staged = &mut batch.rows.get_mut()[..kept.len() * dim];
            let places = staged.par_chunks_mut(CENTRED_ROWS * dim).zip(kept.par_chunks(CENTRED_ROWS));
            places.for_each(|(staged, kept)| {
                for (place, &row) in staged.chunks_exact_mut(dim).zip(kept) {
                    centre::less(&rows[row as usize * dim..(row as usize + 1) * dim], &self.middle, place);
                }
            });
            self.away += 1;
            self.ask_for(Job::Copy { batch, rows: kept.len(), behind: number * self.size.queries })?;
        }
        self.ask_for(Job::Build(block.rows))?;
        if is_whole {
            block.kept = Vec::new();
        }
        self.block = Arc::new(block);
        Ok(true)
    }

    /// Asks for the nearest of the rows that were loaded, as many as are sought or as there are, of queries (prepared, one after another, no more than a
    /// batch has). Answers come in the order of what was asked for.
    pub fn ask<'q>(&mut self, count: usize, query: impl Fn(usize) -> &'q [f32] + Sync) -> Result<(), Fault> {
        let mut batch = self.take()?;
        batch.fill(count, query, &self.middle, self.size.sought.min(self.block.rows));
        self.away += 1;
        self.ask_for(Job::Search(batch))
    }

    /// Waits for what was asked for. The batch is to be given back when it was read.
    pub fn answer(&mut self) -> Result<Batch, Fault> {
        while self.answers.is_empty() {
            self.wait()?;
        }
        self.answers.pop_front().ok_or_else(ended)
    }

    /// Takes a batch back.
    pub fn rest(&mut self, batch: Batch) {
        self.resting.push(batch);
    }

    /// A batch that nobody reads and that is not on its way.
    fn take(&mut self) -> Result<Batch, Fault> {
        while self.resting.is_empty() {
            self.wait()?;
        }
        self.resting.pop().ok_or_else(ended)
    }

    /// Waits for the next batch that comes back.
    fn wait(&mut self) -> Result<(), Fault> {
        let Some(away) = self.away.checked_sub(1) else { return Err(ended()) };
        let Done { batch, is_answer, ended } = self.done.recv().map_err(|_| ended())?;
        self.away = away;
        match ended {
            Ok(()) if is_answer => {
                self.answers.push_back(batch);
                Ok(())
            }
            Ok(()) => {
                self.resting.push(batch);
                Ok(())
            }
            Err(fault) => {
                self.resting.push(batch);
                Err(fault)
            }
        }
    }

    fn ask_for(&self, job: Job) -> Result<(), Fault> {
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(ended)
    }
}

impl Drop for Selector {
    fn drop(&mut self) {
        self.resting.extend(self.answers.drain(..));
        self.resting.extend(self.done.iter().take(self.away).map(|done| done.batch));
        for batch in std::mem::take(&mut self.resting) {
            let _ = self.ask_for(Job::Free(batch));
        }
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// That the thread is gone, which it never is of its own accord.
fn ended() -> Fault {
    Fault { call: "the thread of the device", text: "it ended".into() }
}
