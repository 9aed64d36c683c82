//! Time and bytes of the stages of a run.

use std::time::Instant;

use super::figures::StageReport;
use crate::progress::Progress;

/// Time and bytes of each stage.
pub(super) struct Clock {
    began: Instant,
    lapped: Instant,
    bytes: u64,
    pub(super) stages: Vec<StageReport>,
}

impl Clock {
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self { began: now, lapped: now, bytes: 0, stages: Vec::new() }
    }

    /// Ends a stage, at the end of which so many bytes of the store are written.
    pub(super) fn lap(&mut self, stage: &str, bytes: u64) {
        let now = Instant::now();
        let seconds = (now - self.lapped).as_secs_f64();
        self.stages.push(StageReport { stage: stage.into(), seconds, bytes_written: bytes - self.bytes });
        (self.lapped, self.bytes) = (now, bytes);
    }

    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

/// The stages that a listener was told of, with the bytes that some of them wrote.
pub(super) fn laps(progress: &Progress, written: &[(&str, u64)]) -> Vec<StageReport> {
    let bytes_of = |stage: &str| written.iter().find(|(name, _)| *name == stage).map_or(0, |(_, bytes)| *bytes);
    let laps = progress.laps().into_iter();
    laps.map(|(stage, time)| StageReport {
        stage: stage.into(),
        seconds: time.as_secs_f64(),
        bytes_written: bytes_of(stage),
    })
    .collect()
}
