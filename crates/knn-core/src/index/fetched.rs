//! An index that is elsewhere: its small files were fetched whole, and parts of its lists are handed over before they are visited.
//!
//! What is fetched is checked as what is read from a disk is: small files against the manifest, lists against their checksums at every
//! visit, and rows of a list that came one by one as `apart.rs` says. A list that was not handed over is `GM_IO` when it is visited, never another neighbour. `excluded.bin` is not asked for, because
//! no search reads it, nor is `graph.bin`.

use std::ops::Range;
use std::path::Path;

use super::apart::Apart;
use super::coarse::Coarse;
use super::codes::Codes;
use super::format::{COARSE, CODES, LISTS, ListType, OFFSETS, PQ, corrupt};
use super::ivf::{IvfIndex, record};
use super::lists::{Io, Lists};
use super::manifest::Manifest;
use super::offsets::Offsets;
use super::quantiser::Quantiser;
use crate::budget::MemoryBudget;
use crate::error::Result;
use crate::store::{PositionedFile, hash_bytes};

/// A file that lists are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartOf {
    /// Rows and their numbers.
    Lists,
    /// Codes of rows.
    Codes,
}

/// Some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which file.
    pub of: PartOf,
    /// Where in the file.
    pub bytes: Range<u64>,
}

impl IvfIndex {
    /// Names of the files that are needed whole, by the manifest.
    pub fn small_files(manifest: &Manifest) -> Vec<String> {
        let quantiser = manifest.codes.map(|_| PQ);
        [COARSE, OFFSETS].into_iter().chain(quantiser).map(|name| manifest.file_name(name)).collect()
    }

    /// Name and length of a file that lists are in; `GM_CORRUPT` if the manifest has none.
    pub fn large_file(manifest: &Manifest, place: &str, of: PartOf) -> Result<(String, u64)> {
        let name = if of == PartOf::Lists { LISTS } else { CODES };
        Ok((manifest.file_name(name), record(manifest, Path::new(place), name)?.length))
    }

    /// An index at `place`, which is a name for messages, from its manifest and the bytes of its small files.
    pub fn fetched<'f>(
        place: &str,
        manifest: Manifest,
        file: impl Fn(&str) -> Option<&'f [u8]>,
        budget: &MemoryBudget,
    ) -> Result<Self> {
        let folder = Path::new(place);
        let (layout, centroids, dim) = (manifest.layout(), manifest.centroids(), u64::from(manifest.dim));
        let levels = Coarse::bytes(centroids, dim).saturating_add(u64::from(manifest.nlist) * 32);
        let lease = budget.take("the levels of the index", levels)?;
        let small = |name: &str, length: Option<u64>| {
            let (path, record) = (folder.join(manifest.file_name(name)), record(&manifest, folder, name)?);
            let wrong = |reason: String| corrupt(&path.display().to_string(), "file", reason);
            let bytes = file(&manifest.file_name(name)).unwrap_or_default();
            if Some(record.length) != length || bytes.len() as u64 != record.length {
                return Err(wrong(format!("{} bytes instead of {}", bytes.len(), record.length)));
            }
            if hash_bytes(bytes) != record.xxh3 {
                return Err(wrong("its checksum is wrong".into()));
            }
            Ok((bytes, path.display().to_string()))
        };
        let (bytes, name) = small(COARSE, Coarse::file_length(centroids, dim))?;
        let coarse = Coarse::parse(bytes, &name, manifest.dim as usize)?;
        if coarse.levels() != centroids {
            return Err(corrupt(&name, "header", "it has other levels than the manifest"));
        }
        let large = |of| Self::large_file(&manifest, place, of).map(|(name, length)| (folder.join(name), length));
        let (lists_path, lists_length) = large(PartOf::Lists)?;
        let (bytes, name) = small(OFFSETS, Some(Offsets::file_length(manifest.nlist)))?;
        let indexed = manifest.rows - manifest.excluded;
        let offsets = Offsets::parse(bytes, &name, manifest.nlist, indexed, lists_length, layout)?;
        let lists = PositionedFile::of_parts(&lists_path, lists_length);
        let lists = Lists::open(lists, layout, manifest.nlist as usize, Io::Pread)?;
        let coded = match manifest.code_layout() {
            None => None,
            Some(layout) => {
                let (bytes, name) = small(PQ, Quantiser::file_length(dim))?;
                let quantiser = Quantiser::parse(bytes, &name, manifest.dim as usize)?;
                let (path, length) = large(PartOf::Codes)?;
                let (starts, expected) = Codes::places(&offsets, layout).unzip();
                if expected != Some(length) {
                    let reason = format!("the manifest gives it {length} bytes, and its lists others");
                    return Err(corrupt(&path.display().to_string(), "file", reason));
                }
                let file = PositionedFile::of_parts(&path, length);
                Some((quantiser, Codes::open(file, layout, starts.unwrap_or_default(), Io::Pread)?))
            }
        };
        let path = folder.to_path_buf();
        let apart = (manifest.codes.is_some() && manifest.dtype != ListType::None).then(Apart::default);
        Ok(Self { path, manifest, coarse, offsets, lists, coded, graph: None, apart, _leases: vec![lease] })
    }

    /// Where the bytes of a list lie; nothing of one without rows.
    pub fn parts(&self, list: u32) -> impl Iterator<Item = Part> {
        let place = self.offsets.places[list as usize];
        let length = self.manifest.layout().list_bytes(place.rows).unwrap_or(0);
        let rows = Part { of: PartOf::Lists, bytes: place.offset..place.offset.saturating_add(length) };
        let codes = self.coded.as_ref();
        let codes = codes.map(|(_, codes)| Part { of: PartOf::Codes, bytes: codes.place(list, place.rows) });
        [Some(rows), codes].into_iter().flatten().filter(|part| !part.bytes.is_empty())
    }

    /// Takes over bytes of a file that lists are in.
    pub fn give(&mut self, of: PartOf, offset: u64, bytes: Vec<u8>) {
        let part = Some((offset, bytes));
        match (of, &mut self.coded) {
            (PartOf::Lists, _) => self.lists.give(part),
            (PartOf::Codes, Some((_, codes))) => codes.give(part),
            (PartOf::Codes, None) => {}
        }
    }

    /// Gives back all that was taken over.
    pub fn forget(&mut self) {
        self.lists.give(None);
        if let Some((_, codes)) = &mut self.coded {
            codes.give(None);
        }
        if let Some(apart) = &mut self.apart {
            *apart = Apart::default();
        }
    }
}
