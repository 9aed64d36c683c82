//! Disks of which one call fails, or all from one on: with EIO, with ENOSPC, and after half of a write.

use std::path::Path;
use std::sync::Arc;

use gigamapper_core::error::{Error, Result};
use gigamapper_core::index::Start;
use gigamapper_core::store::Vfs;

use super::super::disk::{Disk, Fault};
use super::super::sample::{Place, quick};
use super::state::{State, is_lock};
use super::{asked, indexes, stores};

/// Fails the calls of `run` one after another, as often as is asked for; after each `resume` goes on, and `ended` looks at what is left.
fn fail_anywhere(
    name: &str,
    base: &State,
    run: impl Fn(Arc<dyn Vfs>, &Path) -> Result<()>,
    resume: impl Fn(&Path),
    ended: impl Fn(&State),
) {
    // A prime step meets all kinds of calls.
    let step = asked("GIGAMAPPER_FAULT_STEP", 97);
    let mut failed = 0;
    for (number, fault) in [Fault::Full, Fault::Short, Fault::Io].into_iter().enumerate() {
        for lasts in [true, false] {
            let mut calls = number * 7 % step;
            loop {
                let folder = super::folder();
                base.write(folder.path());
                let disk = Disk::faulty(calls as i64, fault, lasts);
                match run(Arc::new(disk.clone()), folder.path()) {
                    Ok(()) if disk.left() >= 0 => break,
                    // What cannot be removed at the end of a run may stay.
                    Ok(()) => {}
                    Err(error) => {
                        let Error::Io { source, .. } = &error else { panic!("{name}, {fault:?} at {calls}: {error}") };
                        assert_eq!(source.raw_os_error() == Some(5), fault == Fault::Io, "{error}");
                        failed += 1;
                    }
                }
                // The lock of a process that could not remove it: the next one is another.
                for path in State::of(folder.path()).files.keys().filter(|path| is_lock(path)) {
                    std::fs::remove_file(folder.path().join(path)).unwrap();
                }
                let _told = super::Told(format!("{name}, {fault:?} at call {calls}, lasting: {lasts}"));
                resume(folder.path());
                ended(&State::of(folder.path()));
                calls += step;
            }
        }
    }
    println!("{name}: {failed} failed calls");
    assert!(failed > 6, "{failed}");
}

#[test]
fn an_exact_map_of_which_any_call_fails_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let request = stores::exact(&place, false);
    let whole = stores::whole(&request);
    let run = |vfs, root: &Path| stores::run(&request, vfs, root);
    let resume = |root: &Path| stores::again(&request, &quick().vfs, root);
    fail_anywhere("exact map", &State::default(), run, resume, |state| stores::ended(state, &whole));
}

#[test]
fn a_diffusion_of_which_any_call_fails_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let request = stores::diffused(&place);
    let whole = stores::whole(&request);
    let run = |vfs, root: &Path| stores::run(&request, vfs, root);
    let resume = |root: &Path| stores::again(&request, &quick().vfs, root);
    fail_anywhere("diffusion", &State::default(), run, resume, |state| stores::ended(state, &whole));
}

#[test]
fn a_map_by_lists_of_which_any_call_fails_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    for order in ["rows", "lists"] {
        let request = stores::lists(&place, order, false);
        let whole = stores::whole(&request);
        let run = |vfs, root: &Path| stores::run(&request, vfs, root);
        let resume = |root: &Path| stores::again(&request, &quick().vfs, root);
        let name = format!("map in the order of {order}");
        fail_anywhere(&name, &State::default(), run, resume, |state| stores::ended(state, &whole));
    }
}

#[test]
fn a_build_and_an_append_of_which_any_call_fails_are_resumed_to_the_same_bytes() {
    let place = Place::new();
    let (some, all) = (indexes::rows(&place, 6000), indexes::rows(&place, 6200));
    let memory = indexes::scant(&some);
    let whole = indexes::whole(&some);
    let run = |vfs, root: &Path| indexes::build(&some, vfs, root, Start::New, memory).map(|_| ());
    let resume = |root: &Path| drop(indexes::build(&some, quick().vfs, root, Start::Resume, memory).unwrap());
    fail_anywhere("build", &State::default(), run, resume, |state| indexes::ended(state, &whole));

    let folder = super::folder();
    indexes::build(&some, quick().vfs, folder.path(), Start::New, indexes::AMPLE).unwrap();
    let base = State::of(folder.path());
    let append = |vfs, root: &Path| indexes::append(&all, vfs, root, indexes::AMPLE).map(|_| ());
    append(quick().vfs, folder.path()).unwrap();
    let whole = State::of(folder.path()).below("x.gmx");
    let resume = |root: &Path| append(quick().vfs, root).unwrap();
    fail_anywhere("append", &base, append, resume, |state| indexes::ended(state, &whole));
}
