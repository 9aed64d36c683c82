//! Counts what the process allocates, so that a test can say how much a foreign file made us ask for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator cannot be written otherwise")]
// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.alloc_zeroed(layout) }
    }
}

/// Names a file that gets a line for every call of [`measured`]: seconds, bytes and the name of the test. `bench/hostile.mjs` reads it.
const TIMES: &str = "GIGAMAPPER_HOSTILE_TIMES";

/// Runs `work` and returns what it returns, and the most bytes that were allocated at a time meanwhile beyond those
/// before. Other tests of the binary may add theirs, which are small.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let began = Instant::now();
    let result = work();
    let (seconds, bytes) = (began.elapsed().as_secs_f64(), PEAK.load(Ordering::Relaxed).saturating_sub(before));
    if let Some(times) = std::env::var_os(TIMES) {
        let name = std::thread::current().name().unwrap_or("").to_owned();
        let mut file = std::fs::File::options().create(true).append(true).open(times).unwrap();
        writeln!(file, "{seconds}\t{bytes}\t{name}").unwrap();
    }
    (result, bytes)
}

#[test]
fn what_is_allocated_is_seen() {
    let ((), bytes) = measured(|| drop(std::hint::black_box(vec![1u8; 5 << 20])));
    assert!((5 << 20..64 << 20).contains(&bytes), "{bytes}");
}
