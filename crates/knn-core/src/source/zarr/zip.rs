//! A store in a zip archive, as zarr-python's `ZipStore` writes it, or a zipped folder.
//!
//! A member that is stored is read in place like a file; a deflated one is decompressed into exactly the bytes asked for.
//! The directory is parsed here and not by a crate, because what it says must be checked before anything is allocated.

use std::fs::File;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::files::EntryKind;
use super::object::{Object, Packed};
use super::zip_directory::{Directory, LOCAL_HEADER, Member, Wrong};
use crate::error::{Error, Result};
use crate::source::key::is_node_document;

/// What the archivers of one system put beside the folder that they pack.
const FOREIGN: &str = "__MACOSX/";

/// An archive whose directory is in memory.
#[derive(Debug)]
pub(super) struct Zip {
    name: String,
    path: PathBuf,
    len: u64,
    directory: Directory,
    /// The folder inside that is the store; empty, or with a `/` at its end.
    root: String,
}

impl Zip {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        let len = file.metadata().map_err(|error| Error::io("read", path, error))?.len();
        let directory = Directory::read(&file, len).map_err(|wrong| match wrong {
            Wrong::Corrupt { block, reason } => Error::Corrupt { file: name.clone(), block, reason },
            Wrong::Unsupported(what) => Error::Unsupported {
                what: format!("{name}: {what}"),
                remedy: "unpack it, or write it again with zarr's ZipStore".into(),
            },
            Wrong::Io(error) => Error::io("read", path, error),
        })?;
        let root = root(&directory);
        Ok(Self { name, path: path.to_path_buf(), len, directory, root })
    }

    fn member(&self, path: &str) -> Option<Member> {
        self.directory.members.get(&format!("{}{path}", self.root)).copied()
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.member(path).is_some()
    }

    pub(super) fn len(&self, path: &str) -> u64 {
        self.member(path).map_or(0, |member| member.len)
    }

    pub(super) fn object(&self, path: &str) -> Result<Option<Object>> {
        let Some(member) = self.member(path) else { return Ok(None) };
        let file = File::open(&self.path).map_err(|error| Error::io("open", &self.path, error))?;
        let len = file.metadata().map_err(|error| Error::io("read", &self.path, error))?.len();
        let name = format!("{}/{path}", self.name);
        let corrupt =
            |reason: &str| Error::Corrupt { file: name.clone(), block: "local header".into(), reason: reason.into() };
        if len != self.len {
            return Err(corrupt("the archive changed while it was read"));
        }
        let archive = Object::new(file, name.clone(), len);
        let header = archive.read(member.header, LOCAL_HEADER)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(corrupt("does not begin as one"));
        }
        let length = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let start = member.header + LOCAL_HEADER + length(26) + length(28);
        if start.checked_add(member.packed).is_none_or(|end| end > self.directory.start) {
            return Err(corrupt("the member ends outside the archive"));
        }
        let packed = Packed { deflated: member.deflated.then_some(member.packed), crc: member.crc };
        Ok(Some(archive.into_member(start, member.len, packed)))
    }

    /// Entries directly below a folder: the names between it and the next `/`.
    pub(super) fn entries(&self, path: &str) -> Vec<(String, EntryKind)> {
        let prefix = if path.is_empty() { self.root.clone() } else { format!("{}{path}/", self.root) };
        let mut entries = Vec::new();
        let mut from = Bound::Included(prefix.clone());
        while let Some((key, _)) = self.directory.members.range((from, Bound::Unbounded)).next() {
            let Some(below) = key.strip_prefix(&prefix) else { break };
            from = match below.split_once('/') {
                None => {
                    entries.push((below.to_owned(), EntryKind::File));
                    Bound::Excluded(key.clone())
                }
                Some((folder, _)) => {
                    entries.push((folder.to_owned(), EntryKind::Folder));
                    // `0` follows `/`: everything in the folder is passed over.
                    Bound::Included(format!("{prefix}{folder}0"))
                }
            };
        }
        entries
    }
}

/// The folder in which the store lies: the root, or the only folder there, where somebody packed that.
fn root(directory: &Directory) -> String {
    let mut folder: Option<&str> = None;
    for name in directory.members.keys().filter(|name| !name.starts_with(FOREIGN)) {
        match name.split_once('/') {
            None if is_node_document(name) => return String::new(),
            None => {}
            Some((first, _)) if folder.is_none_or(|known| known == first) => folder = Some(first),
            Some(_) => return String::new(),
        }
    }
    folder.map_or_else(String::new, |folder| format!("{folder}/"))
}
