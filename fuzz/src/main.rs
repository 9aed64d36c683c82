//! The fuzzer: libFuzzer around one reader. `GIGAMAPPER_FUZZ` names the target and `GIGAMAPPER_FUZZ_FOLDER` the folder where
//! inputs are put; `scripts/fuzz.mjs` sets both.
//!
//! An input fails if it panics, hangs, takes more than 64 MiB, or ends in an error that does not say what is wrong with it.

#![no_main]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

use crate::bundle::Folder;
use crate::target::Target;

#[path = "../../crates/knn-core/tests/reading/allocated.rs"]
mod allocated;
mod bundle;
#[path = "../../crates/knn-core/tests/reading/everything.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod everything;
mod mutate;
mod seal;
mod target;

/// Bytes that reading any input may take.
const MOST_ALLOCATED: usize = 64 << 20;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let wanted = std::env::var("GIGAMAPPER_FUZZ").unwrap_or_default();
    let found = Target::ALL.into_iter().find(|target| target.name() == wanted);
    found.unwrap_or_else(|| panic!("GIGAMAPPER_FUZZ is {wanted:?} and none of the targets"))
});

static FOLDER: LazyLock<Mutex<Folder>> = LazyLock::new(|| {
    let parent = std::env::var_os("GIGAMAPPER_FUZZ_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    // Each process has its own: a merge starts several.
    let path = parent.join(format!("gigamapper-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder for inputs");
    Mutex::new(Folder::new(&path))
});

/// What the last panic said, and where: tables are decoded by libraries whose panics are caught, and are no finding.
static PANIC: Mutex<String> = Mutex::new(String::new());

fuzz_target!(
    init: {
        // In the place of libFuzzer's, which ends the process at a panic that would be caught.
        std::panic::set_hook(Box::new(|panic| *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string()));
    },
    |input: &[u8]| {
        told(|| tried(input));
    }
);

/// Does `work`; a panic in it ends the process with what it said.
fn told<T>(work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        eprintln!("{}", PANIC.lock().unwrap_or_else(PoisonError::into_inner));
        std::process::abort()
    })
}

fn tried(input: &[u8]) {
    let mut folder = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    TARGET.place(input, &mut folder);
    // As a run does: what readers share out stays on this thread, which saves handing every piece to another one.
    let (errors, bytes) = allocated::measured(|| rayon::scope(|_| TARGET.errors(folder.path())));
    assert!(bytes <= MOST_ALLOCATED, "{bytes} bytes were allocated");
    for error in errors {
        assert!(TARGET.is_fine(&error), "{}: {error}", error.code());
    }
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let room = max_size.min(data.len());
    told(|| mutate::mutate(*TARGET, &mut data[..room], size.min(room), seed, fuzzer_mutate))
});
