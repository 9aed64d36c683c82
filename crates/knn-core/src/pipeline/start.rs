//! What every verb begins with: its threads, the name of its worker, and the seed of the fingerprints of what it reads.

use rayon::ThreadPool;

use crate::error::{Error, Result};

/// Name of the one worker of a run in this process.
pub(super) const WORKER: &str = "worker-0";
/// Seed of the sample of chunks that a fingerprint looks into.
pub(super) const FINGERPRINT_SEED: u64 = 0;

/// The worker threads of one run.
pub(super) fn pool(threads: usize) -> Result<ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("gigamapper-{number}"))
        .build()
        .map_err(|error| Error::Backend {
            backend: "cpu".into(),
            reason: error.to_string(),
            remedy: "ask for fewer threads".into(),
        })
}
