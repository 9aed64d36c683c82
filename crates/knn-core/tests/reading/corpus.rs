//! The corpus of the fuzzer, read again without it, and each input changed a few times more: every one ends in what it says or
//! in a typed error, and takes no more memory than it may.

use std::path::{Path, PathBuf};

use super::allocated::measured;
use super::bundle::{Folder, decoded, encoded};
use super::mutate::mutate;
use super::seal;
use super::target::Target;

/// Bytes that reading any input may take.
const MOST_ALLOCATED: usize = 64 << 20;
/// Largest input of the corpus, and all of them together.
const LARGEST: usize = 64 << 10;
const LARGEST_CORPUS: usize = 2 << 20;
/// How often each input is changed.
const CHANGES: u32 = 3;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The inputs of a target, by name.
fn inputs(target: Target) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target.name());
    let mut inputs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{target:?}");
    inputs
}

/// Reads an input, and says what is wrong with that if anything is.
fn tried(target: Target, input: &[u8], folder: &mut Folder) -> Result<usize, String> {
    target.place(input, folder);
    // Tests beside this one make bombs of that size; what this input costs it costs every time.
    let found = (0..3).map(|_| measured(|| target.errors(folder.path()))).find(|(_, bytes)| *bytes <= MOST_ALLOCATED);
    let (errors, _) = found.ok_or_else(|| format!("more than {MOST_ALLOCATED} bytes were allocated"))?;
    match errors.iter().find(|error| !target.is_fine(error)) {
        Some(error) => Err(format!("{}: {error}", error.code())),
        None => Ok(errors.len()),
    }
}

/// Reads every input, and every input as `change` makes it.
fn replay(target: Target, mut change: impl FnMut(&[u8], u32) -> Vec<u8>) {
    let temporary = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(temporary.path());
    let (mut refused, mut read) = (0, 0);
    for (name, input) in inputs(target) {
        for number in 0..=CHANGES {
            let input = if number == 0 { input.clone() } else { change(&input, number) };
            let errors = tried(target, &input, &mut folder);
            let errors = errors.unwrap_or_else(|reason| panic!("{}/{name}, change {number}: {reason}", target.name()));
            *(if errors == 0 { &mut read } else { &mut refused }) += 1;
        }
    }
    assert!(refused > 0 && read > 0, "{target:?}: {refused} refused, {read} read");
}

/// In the place of the fuzzer's changes: one bit.
fn flipped(data: &mut [u8], size: usize, _: usize) -> usize {
    if let Some(byte) = data.get_mut(size / 2) {
        *byte ^= 1 << (size % 8);
    }
    size
}

fn changed(target: Target) -> impl FnMut(&[u8], u32) -> Vec<u8> {
    move |input, number| {
        let mut data = input.to_vec();
        data.resize(input.len() + 4096, 0);
        let seed = number.wrapping_mul(0x9e37_79b9).wrapping_add(input.len() as u32);
        let length = mutate(target, &mut data, input.len(), seed, flipped);
        data.truncate(length);
        data
    }
}

#[test]
fn the_corpus_of_zarr_metadata_is_read_or_refused() {
    replay(Target::Zarr, changed(Target::Zarr));
}

#[test]
fn the_corpus_of_shards_is_read_or_refused() {
    replay(Target::Shard, changed(Target::Shard));
}

#[test]
fn the_corpus_of_archives_is_read_or_refused() {
    replay(Target::Zip, changed(Target::Zip));
}

#[test]
fn the_corpus_of_flat_files_is_read_or_refused() {
    replay(Target::Flat, changed(Target::Flat));
}

#[test]
fn the_corpus_of_hdf5_is_read_or_refused() {
    replay(Target::H5ad, changed(Target::H5ad));
}

#[test]
fn the_corpus_of_tables_is_read_or_refused() {
    replay(Target::Table, changed(Target::Table));
}

#[test]
fn the_corpus_of_indexes_and_journals_is_read_or_refused() {
    replay(Target::Gmx, changed(Target::Gmx));
}

#[test]
fn the_corpus_is_small() {
    let all: Vec<usize> = Target::ALL.into_iter().flat_map(inputs).map(|(_, input)| input.len()).collect();
    assert!(all.iter().all(|&length| length <= LARGEST));
    assert!(all.iter().sum::<usize>() <= LARGEST_CORPUS);
}

#[test]
fn files_are_packed_as_they_are_unpacked() {
    let files = vec![("a/b".to_owned(), vec![1, 2, 3]), ("zarr.json".to_owned(), Vec::new())];
    assert_eq!(decoded(&encoded(&files)), files);
    let cut = &encoded(&files)[..5];
    assert_eq!(decoded(cut), vec![("a/b".to_owned(), Vec::new())]);
    let temporary = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(temporary.path());
    folder.hold(vec![("../x".into(), vec![1]), ("a".into(), vec![2]), ("a/b".into(), vec![3])]);
    assert!(!temporary.path().parent().unwrap().join("x").exists());
    folder.hold(vec![("a/b".into(), vec![3])]);
    assert_eq!(std::fs::read(temporary.path().join("a/b")).unwrap(), [3]);
}

/// Checksums that are right stay as they are, so what makes them right knows the formats.
#[test]
fn whole_files_are_sealed_already() {
    let fixtures = fuzz().join("../test/fixtures");
    for name in ["h5ad/latest.h5", "h5ad/anndata-v0.11.4-adata.h5ad"] {
        let whole = std::fs::read(fixtures.join(name)).unwrap();
        let mut sealed = whole.clone();
        seal::bytes(Target::H5ad, &mut sealed);
        assert!(sealed == whole, "{name}");
    }
    let whole = std::fs::read(fixtures.join("dialects/cells-v3.zarr.zip")).unwrap();
    let mut sealed = whole.clone();
    seal::bytes(Target::Zip, &mut sealed);
    assert!(sealed == whole);
}
