//! Power cuts: whatever a machine that stops at any moment leaves of a run, all that was committed is there, nothing unfinished
//! is called finished, and the run that is resumed ends in the same bytes.
//!
//! A run is recorded call by call, the states that a power cut may leave behind are made of every beginning of the record, each
//! is looked at in memory, and a share of them is written to a disk and resumed. `GIGAMAPPER_CRASH_STATES` says how many states
//! there are to be in all, and `GIGAMAPPER_CRASH_RESUME` of how many one is resumed. Beside it, every call of a run fails once
//! (`faults`); `GIGAMAPPER_FAULT_STEP=1` makes that every single one.

mod faults;
mod indexes;
mod look;
mod model;
mod recorder;
mod state;
mod stores;
mod verbs;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use gigamapper_core::store::Vfs;

use model::{Cut, Model};
use recorder::{Op, Recorder};
use state::State;

/// How many scenarios share the states.
const SCENARIOS: usize = 31;

/// One recorded run, and what must hold of whatever is left of it.
struct Scenario<'a> {
    name: &'a str,
    /// What was on the disk before, durably.
    base: State,
    log: Vec<Op>,
    /// Looks at a state.
    look: &'a dyn Fn(&Model, &State),
    /// Goes on with the run in a folder until it has ended.
    resume: &'a dyn Fn(&Path),
    /// Looks at what a resumed run has left.
    ended: &'a dyn Fn(&State),
}

impl Scenario<'_> {
    /// Looks at this scenario's share of the states.
    fn explore(&self) {
        let states = asked("GIGAMAPPER_CRASH_STATES", 1_500).div_ceil(SCENARIOS);
        let every = asked("GIGAMAPPER_CRASH_RESUME", 10);
        let (began, mut distinct, mut resumed) = (Instant::now(), BTreeSet::new(), 0);
        let mut model = Model::new(&self.base);
        let (mut done, mut looked) = (0, 0);
        let calls = self.log.len();
        // Everywhere, and again and again where it ends.
        let points = (0..states).map(|number| (calls + 1) * number / states);
        let ends = (calls.saturating_sub(11)..=calls).flat_map(|point| [point; 5]);
        for (number, point) in points.chain(ends).enumerate() {
            if point < done {
                model = Model::new(&self.base);
                done = 0;
            }
            self.log[done..point].iter().for_each(|op| model.apply(op));
            done = point;
            let cut = match number % 5 {
                0 => Cut::Kept,
                1 => Cut::Lost,
                2 => Cut::Empty,
                _ => Cut::Mixed(number as u64),
            };
            looked += 1;
            let state = model.cut(cut);
            let new = distinct.insert(state.digest());
            let _told = Told(format!("{}, state {number}: {cut:?} after {point} of {calls} calls", self.name));
            (self.look)(&model, &state);
            // A step that meets every kind of cut.
            if new && number % every == (number / every) % every.min(5) {
                let folder = folder();
                state.write(folder.path());
                (self.resume)(folder.path());
                (self.ended)(&State::of(folder.path()));
                resumed += 1;
            }
        }
        println!(
            "{}: {looked} states ({} distinct), {resumed} resumed, of {calls} calls, in {:.1?}",
            self.name,
            distinct.len(),
            began.elapsed()
        );
    }
}

/// A number that the environment may say.
fn asked(name: &str, or: usize) -> usize {
    std::env::var(name).map_or(or, |text| text.parse().unwrap())
}

/// Says which state it was when a test fails.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// A folder in memory where there is such a thing.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

/// Records `run` in a new folder that holds `base`.
fn record(base: &State, run: impl FnOnce(Arc<dyn Vfs>, &Path)) -> Vec<Op> {
    let folder = folder();
    base.write(folder.path());
    let recorder = Recorder::new(folder.path());
    run(Arc::new(recorder.clone()), folder.path());
    recorder.log()
}

/// The same with a process that is killed after the call of which `dies_after` says so, and another that goes on.
fn killed(
    base: &State,
    dies_after: impl Fn(usize, &Op) -> bool + Send + Sync + 'static,
    mut run: impl FnMut(Arc<dyn Vfs>, &Path, bool),
) -> Vec<Op> {
    let folder = folder();
    base.write(folder.path());
    let recorder = Recorder::dying(folder.path(), dies_after);
    run(Arc::new(recorder.clone()), folder.path(), false);
    recorder.revive();
    run(Arc::new(recorder.clone()), folder.path(), true);
    recorder.log()
}

/// What a power cut at `share` of a log leaves on the disk.
fn power_cut(base: &State, log: &[Op], share: f64, seed: u64) -> State {
    let mut model = Model::new(base);
    log[..(log.len() as f64 * share) as usize].iter().for_each(|op| model.apply(op));
    model.cut(Cut::Mixed(seed))
}
