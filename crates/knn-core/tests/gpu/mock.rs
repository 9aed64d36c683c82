//! The mock of cuVS, compiled once and opened as often as a test wants one of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A copy of the mock, which no other test sees.
pub(crate) struct Mock {
    folder: tempfile::TempDir,
    library: std::mem::ManuallyDrop<libloading::Library>,
}

impl Mock {
    /// One that does what it is asked.
    pub(crate) fn new() -> Self {
        static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
        Self::of(WHOLE.get_or_init(|| compiled(&[])))
    }

    /// One that lacks `cuvsBruteForceSearch`.
    pub(crate) fn without_search() -> Self {
        static PART: OnceLock<Vec<u8>> = OnceLock::new();
        Self::of(PART.get_or_init(|| compiled(&["-DMOCK_WITHOUT_SEARCH"])))
    }

    fn of(bytes: &[u8]) -> Self {
        // Beside the program that runs: a library can be opened where a program can, which temporary folders may forbid.
        let folder = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let path = folder.path().join("libcuvs_c.so");
        std::fs::write(&path, bytes).unwrap();
        // CUDA's driver is the same library by another name, and is not opened twice.
        std::os::unix::fs::symlink(&path, folder.path().join("libcuda.so.1")).unwrap();
        // SAFETY: opening the mock runs nothing. It stays open, because the code under test never closes what it calls.
        let library = unsafe { libloading::Library::new(&path) }.unwrap();
        Self { folder, library: std::mem::ManuallyDrop::new(library) }
    }

    /// Its file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("libcuvs_c.so")
    }

    /// The file of the driver, which knows as many devices as it was told.
    pub(crate) fn driver(&self) -> PathBuf {
        self.folder.path().join("libcuda.so.1")
    }

    /// Lets it do something, as `mock.c` says: `fail_at`, `fail_allocation`, `device_memory`, `without_device`, `perturb`, `lie`, `major`, `broken`; or as
    /// `driver.h` does: `devices`, `without_driver`, `deaf`.
    pub(crate) fn set(&self, what: &str, value: i64) -> &Self {
        // SAFETY: all of these functions take one number and return nothing.
        unsafe { self.library.get::<unsafe extern "C" fn(i64)>(format!("mock_{what}")).unwrap()(value) };
        self
    }

    fn ask(&self, what: &str) -> i64 {
        // SAFETY: all of these functions take nothing and return a number.
        unsafe { self.library.get::<unsafe extern "C" fn() -> i64>(format!("mock_{what}")).unwrap()() }
    }

    /// What was taken and not given back.
    pub(crate) fn live(&self) -> i64 {
        self.ask("live")
    }

    /// Contexts that are held.
    pub(crate) fn contexts(&self) -> i64 {
        self.ask("contexts")
    }

    /// The devices that have searched since this was last asked.
    pub(crate) fn searched(&self) -> Vec<u32> {
        let bits = self.ask("searched");
        (0..8).filter(|device| bits >> device & 1 == 1).collect()
    }

    /// Searches that have begun so far.
    pub(crate) fn begun(&self) -> i64 {
        self.ask("begun")
    }

    /// Calls so far that may fail.
    pub(crate) fn calls(&self) -> i64 {
        self.ask("calls")
    }

    /// What was asked for that cuVS would not survive.
    pub(crate) fn faults(&self) -> i64 {
        self.ask("faults")
    }
}

/// The bytes of the library.
fn compiled(flags: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (here, library) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu"), folder.path().join("mock.so"));
    let mut compile = Command::new("cc");
    compile.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]).args(flags);
    compile.arg("-I").arg(here.join("include")).arg(here.join("mock.c")).arg("-o").arg(&library).arg("-lm");
    let output = compile.output().expect("the tests of the GPU need a C compiler: install gcc, so that `cc` is found");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(library).unwrap()
}
