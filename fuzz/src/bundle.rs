//! Several files as one input: for each its name, its length and its bytes. A fuzzer cuts and glues inputs, so whatever
//! bytes there are stand for some files, and a name that leaves the folder for none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest name of a file, with those of its folders.
const LONGEST_NAME: usize = 120;
/// Folders within each other.
const DEEPEST: usize = 8;

/// Files by name, in their order.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// The files that an input stands for.
pub(crate) fn decoded(mut input: &[u8]) -> Files {
    let mut files = Vec::new();
    while let Some((&length, rest)) = input.split_first() {
        let (name, rest) = rest.split_at(rest.len().min(usize::from(length)));
        let (length, rest) = rest.split_at(rest.len().min(2));
        let length = length.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
        let (bytes, rest) = rest.split_at(rest.len().min(length));
        files.push((String::from_utf8_lossy(name).into_owned(), bytes.to_vec()));
        input = rest;
    }
    files
}

/// The input that stands for these files. Longer names and files are cut.
pub(crate) fn encoded(files: &Files) -> Vec<u8> {
    let mut input = Vec::new();
    for (name, bytes) in files {
        let name = &name.as_bytes()[..name.len().min(usize::from(u8::MAX))];
        let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
        input.push(name.len() as u8);
        input.extend_from_slice(name);
        input.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        input.extend_from_slice(bytes);
    }
    input
}

fn is_plain(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let fine = |part: &&str| !part.is_empty() && *part != "." && *part != ".." && !part.contains('\0');
    name.len() <= LONGEST_NAME && parts.len() <= DEEPEST && parts.iter().all(fine)
}

/// A folder that holds the files of one input at a time. What two inputs have in common is not written twice.
pub(crate) struct Folder {
    path: PathBuf,
    held: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), held: BTreeMap::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder hold these files and no others. Of two files where one lies in the other, one is left out.
    pub(crate) fn hold(&mut self, files: Files) {
        let mut wanted: BTreeMap<String, Vec<u8>> = files.into_iter().filter(|(name, _)| is_plain(name)).collect();
        let mut fine = true;
        for name in self.held.keys().filter(|name| !wanted.contains_key(*name)) {
            fine &= std::fs::remove_file(self.path.join(name)).is_ok();
        }
        for (name, bytes) in wanted.iter().filter(|(name, bytes)| self.held.get(*name) != Some(*bytes)) {
            fine &= self.write(name, bytes).is_ok();
        }
        if !fine {
            // A folder is where a file should be, or the other way round.
            let _ = std::fs::remove_dir_all(&self.path);
            wanted.retain(|name, bytes| self.write(name, bytes).is_ok());
        }
        self.held = wanted;
    }

    fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.path.join(name);
        if std::fs::write(&path, bytes).is_ok() {
            return Ok(());
        }
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(&path, bytes)
    }
}
