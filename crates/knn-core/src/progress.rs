//! How far a run is, and the wish to stop it. Stages count into a [`Progress`] and ask it between tiles whether to go on.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::budget;
use crate::error::{Error, Result};

/// At most ten events a second reach the listener.
const INTERVAL: Duration = Duration::from_millis(100);

/// One report of a running stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ProgressEvent {
    /// The stage: `preflight`, `join`, `repair`, `reverse`, `graphs`, `weigh`, `diffuse`, `transfer`, `finalise`; of an index `read`, `train`, `add`, `seal`, of an append
    /// `verify` first; of a recall `calibrate`; of a copy `rechunk`; of a representation that is computed `components`, `scores`; of an
    /// evaluation `cells`, `labels`, `neighbors`, `expression`, `divergence`, `ranks`.
    pub stage: String,
    /// Query rows done; of `diffuse` one for each step of a row.
    #[cfg_attr(test, ts(type = "number"))]
    pub done: u64,
    /// Query rows of the whole stage.
    #[cfg_attr(test, ts(type = "number"))]
    pub total: u64,
    /// Rows a second since the stage began.
    pub rows_per_second: f64,
    /// Seconds left at that speed; null until it is known.
    pub eta: Option<f64>,
    /// Anonymous memory of the process, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub memory: u64,
}

/// A flag that asks a run to stop at the next tile. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the run to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether that was asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

type Listener = Box<dyn Fn(ProgressEvent) + Send + Sync>;

/// Counts rows of the current stage and tells a listener, at most ten times a second.
pub struct Progress {
    cancel: Cancel,
    listener: Option<Listener>,
    done: AtomicU64,
    most_memory: AtomicU64,
    stage: Mutex<Stage>,
    laps: Mutex<Vec<(&'static str, Duration)>>,
}

struct Stage {
    name: &'static str,
    total: u64,
    resumed: u64,
    began: Duration,
    lapped: Duration,
    told: Option<Duration>,
}

/// The time since this was first asked; always none where the platform has no clock of its own, as in WebAssembly.
fn now() -> Duration {
    #[cfg(target_family = "wasm")]
    return Duration::ZERO;
    #[cfg(not(target_family = "wasm"))]
    {
        static FIRST: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
        FIRST.elapsed()
    }
}

impl Progress {
    /// Nobody listens and nobody cancels.
    pub fn silent() -> Self {
        Self::new(Cancel::default(), None)
    }

    /// Reports to `listener` and obeys `cancel`.
    pub fn new(cancel: Cancel, listener: Option<Listener>) -> Self {
        let now = now();
        let stage = Stage { name: "preflight", total: 0, resumed: 0, began: now, lapped: now, told: None };
        Self {
            cancel,
            listener,
            done: AtomicU64::new(0),
            most_memory: AtomicU64::new(0),
            stage: Mutex::new(stage),
            laps: Mutex::default(),
        }
    }

    /// Starts a stage of `total` rows, of which `resumed` were done in an earlier run.
    pub fn begin(&self, name: &'static str, total: u64, resumed: u64) {
        self.done.store(resumed, Ordering::Relaxed);
        self.lap();
        let now = now();
        *self.lock() = Stage { name, total, resumed, began: now, lapped: now, told: None };
        self.tell(true);
    }

    /// Counts `rows` more, and fails if the run was cancelled.
    pub fn advance(&self, rows: u64) -> Result<()> {
        self.done.fetch_add(rows, Ordering::Relaxed);
        self.tell(false);
        self.check()
    }

    /// Ends the stage with a last event.
    pub fn end(&self) {
        self.tell(true);
    }

    /// Every stage so far in the order of their begins, and how long it took; the one at work until now.
    pub fn laps(&self) -> Vec<(&'static str, Duration)> {
        self.lap();
        self.laps.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The most anonymous memory that the process was seen to have, at the beginnings and ends of stages and ten times a second, bytes.
    pub fn peak_memory(&self) -> u64 {
        self.most_memory.fetch_max(budget::resident(), Ordering::Relaxed);
        self.most_memory.load(Ordering::Relaxed)
    }

    /// Adds the time since the stage began, or since the last lap.
    fn lap(&self) {
        let mut stage = self.lock();
        let now = now();
        let passed = now.saturating_sub(std::mem::replace(&mut stage.lapped, now));
        let mut laps = self.laps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match laps.iter_mut().find(|(name, _)| *name == stage.name) {
            Some((_, time)) => *time += passed,
            None => laps.push((stage.name, passed)),
        }
    }

    /// Fails with `GM_CANCELLED` if the run was cancelled.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled { stage: self.lock().name.to_owned() });
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn tell(&self, always: bool) {
        let event = {
            let mut stage = self.lock();
            let now = now();
            if !always && stage.told.is_some_and(|told| now.saturating_sub(told) < INTERVAL) {
                return;
            }
            stage.told = Some(now);
            let memory = budget::resident();
            self.most_memory.fetch_max(memory, Ordering::Relaxed);
            let done = self.done.load(Ordering::Relaxed);
            let seconds = now.saturating_sub(stage.began).as_secs_f64();
            let rate = if seconds > 0.0 { (done - stage.resumed.min(done)) as f64 / seconds } else { 0.0 };
            ProgressEvent {
                stage: stage.name.to_owned(),
                done,
                total: stage.total,
                rows_per_second: rate,
                eta: (rate > 0.0).then(|| stage.total.saturating_sub(done) as f64 / rate),
                memory,
            }
        };
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_few_and_the_last_one_is_complete() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let progress = Progress::new(Cancel::default(), Some(Box::new(move |e| sink.lock().unwrap().push(e))));
        progress.begin("join", 1000, 0);
        for _ in 0..1000 {
            progress.advance(1).unwrap();
        }
        progress.end();
        let seen = seen.lock().unwrap();
        assert!(seen.len() < 100, "{} events", seen.len());
        assert_eq!(seen.last().map(|e| (e.done, e.total)), Some((1000, 1000)));
    }

    #[test]
    fn a_cancelled_run_stops_at_the_next_tile() {
        let cancel = Cancel::default();
        let progress = Progress::new(cancel.clone(), None);
        progress.begin("join", 10, 0);
        progress.advance(1).unwrap();
        cancel.cancel();
        assert_eq!(progress.advance(1).unwrap_err().code(), "GM_CANCELLED");
    }
}
