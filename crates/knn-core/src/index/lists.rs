//! Where the bytes of lists come from: memory, a map of the file, or reads at offsets.
//!
//! A map is made only of the lists of a sealed index, after its length was checked. Whoever shortens the file under a running
//! process ends that process (the system sends a signal); who cannot rule that out reads instead. A list's checksum is compared
//! every time it is read from the file, and once where its bytes stay in memory.

#![allow(unsafe_code, reason = "mapping a file needs it; the one block says why it is sound")]

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use half::f16;
use half::slice::HalfFloatSliceExt;
use memmap2::Mmap;
use xxhash_rust::xxh3::xxh3_64;

use super::format::{ListLayout, ListType};
use super::offsets::Place;
use crate::error::{Error, Result};
use crate::store::PositionedFile;

/// How lists are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// All in memory if the budget allows, else read at every visit.
    #[default]
    Auto,
    /// All in memory; `GM_BUDGET` if they do not fit.
    Resident,
    /// From a map of the file: the page cache decides what is in memory. The file must not be changed while it is open.
    Mmap,
    /// Read at every visit.
    Pread,
}

/// A file of blocks with checksums, open in one of the ways.
pub(super) struct Blocks {
    source: Source,
    file: PositionedFile,
    /// One bit per block: whether its checksum was compared.
    verified: Vec<AtomicU64>,
}

/// The file of lists.
pub(super) struct Lists {
    blocks: Blocks,
    layout: ListLayout,
}

enum Source {
    /// In words, so that rows and ids are aligned.
    Resident(Vec<u64>),
    Mmap(Mmap),
    Pread,
}

/// Room for the list that a thread is visiting; one serves any number of visits.
#[derive(Debug, Default)]
pub struct ListBuffer {
    pub(super) words: Vec<u64>,
    pub(super) widened: Vec<f32>,
    pub(super) codes: Vec<u64>,
    pub(super) there: Vec<u64>,
}

/// A list: its rows and their ids.
#[derive(Debug, Clone, Copy)]
pub struct ListView<'a> {
    /// Row-major values, widened if they are stored as f16; where none are stored, what codes stand for.
    pub rows: &'a [f32],
    /// The number of each row in the source, ascending.
    pub ids: ListIds<'a>,
    /// The codes of the rows as they are stored; none in an index without.
    pub codes: &'a [u8],
    /// A bit for each row that is there with its number, where others are not; none where all are.
    pub there: Option<&'a [u64]>,
}

/// Row numbers as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListIds<'a> {
    /// Where all rows can be counted with 32 bits.
    Narrow(&'a [u32]),
    /// Otherwise.
    Wide(&'a [u64]),
}

impl ListIds<'_> {
    /// Number of rows.
    pub fn len(self) -> usize {
        match self {
            Self::Narrow(ids) => ids.len(),
            Self::Wide(ids) => ids.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The number of a row of the list.
    #[inline]
    pub fn get(self, row: usize) -> u64 {
        match self {
            Self::Narrow(ids) => u64::from(ids[row]),
            Self::Wide(ids) => ids[row],
        }
    }
}

impl ListView<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl Blocks {
    /// Opens a file of so many blocks whose length is right. `io` is not `Auto` any more.
    pub(super) fn open(file: PositionedFile, blocks: usize, io: Io) -> Result<Self> {
        let source = match io {
            Io::Resident => {
                let mut words = vec![0; file.length().div_ceil(8) as usize];
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
                file.read_exact_at(&mut bytes[..file.length() as usize], 0)?;
                Source::Resident(words)
            }
            // An empty file cannot be mapped, and needs not be.
            Io::Mmap if file.length() > 0 => {
                let on_disk = file.file().ok_or_else(|| Error::internal("a map of bytes that are in memory"))?;
                // SAFETY: the map is read-only and of a file that its writer renamed into place and never changes again; that nobody
                // else does is the condition of `Io::Mmap`.
                let map = unsafe { Mmap::map(on_disk) }.map_err(|e| Error::io("map", file.path(), e))?;
                if map.len() as u64 != file.length() {
                    return Err(file.corrupt("end", "its length changed while it was opened"));
                }
                Source::Mmap(map)
            }
            Io::Auto | Io::Mmap | Io::Pread => Source::Pread,
        };
        let verified = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { source, file, verified })
    }

    /// Some bytes of the file; they lie in `words` unless they are in memory already.
    pub(super) fn read<'a>(&'a self, offset: u64, length: u64, words: &'a mut Vec<u64>) -> Result<&'a [u8]> {
        let (start, length) = (offset as usize, length as usize);
        if let Some(all) = self.held() {
            return Ok(&all[start..start + length]);
        }
        words.resize(length.div_ceil(8), 0);
        let bytes = &mut bytemuck::cast_slice_mut(words)[..length];
        self.file.read_exact_at(bytes, offset)?;
        Ok(bytes)
    }

    /// Takes over a part of a file that is elsewhere; without one gives back what was taken.
    pub(super) fn give(&mut self, part: Option<(u64, Vec<u8>)>) {
        match part {
            Some((offset, bytes)) => self.file.give(offset, bytes),
            None => self.file.forget(),
        }
    }

    /// What was not taken over of these bytes of a file that is elsewhere.
    pub(super) fn lacking(&self, bytes: Range<u64>) -> Vec<Range<u64>> {
        self.file.lacking(bytes)
    }

    /// Fills `bytes` with what was taken over of those from `offset` on; `see` is told what of them it is.
    fn read_parts(&self, offset: u64, bytes: &mut [u8], mut see: impl FnMut(Range<usize>)) {
        for (start, part) in self.file.parts_in(offset..offset + bytes.len() as u64) {
            let first = (start - offset) as usize;
            let held = first..first + part.len();
            bytes[held.clone()].copy_from_slice(part);
            see(held);
        }
    }

    /// `GM_CORRUPT` of a block, which is called a list.
    pub(super) fn corrupt(&self, list: u32, reason: &str) -> Error {
        self.file.corrupt(format!("list {list}"), reason)
    }

    /// These bytes of the file are read soon.
    pub(super) fn will_read(&self, bytes: Range<u64>) {
        self.file.will_read(bytes.start, bytes.end - bytes.start);
    }

    /// The bytes of the file, where they stay in memory.
    fn held(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Resident(all) => Some(bytemuck::cast_slice(all)),
            Source::Mmap(map) => Some(map),
            Source::Pread => None,
        }
    }

    /// Compares the checksum of a block, which is called a list.
    pub(super) fn verify(&self, list: u32, bytes: &[u8], xxh3: u64) -> Result<()> {
        let (word, bit) = (&self.verified[list as usize / 64], 1 << (list % 64));
        let stays = !matches!(self.source, Source::Pread);
        if stays && word.load(Ordering::Relaxed) & bit != 0 {
            return Ok(());
        }
        if xxh3_64(bytes) != xxh3 {
            return Err(self.corrupt(list, "its checksum is wrong"));
        }
        if stays {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Lists {
    /// Opens lists of a file whose length is right. `io` is not `Auto` any more.
    pub(super) fn open(file: PositionedFile, layout: ListLayout, lists: usize, io: Io) -> Result<Self> {
        Ok(Self { blocks: Blocks::open(file, lists, io)?, layout })
    }

    /// As [`Blocks::give`].
    pub(super) fn give(&mut self, part: Option<(u64, Vec<u8>)>) {
        self.blocks.give(part);
    }

    /// The file.
    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// How it is read.
    pub(super) fn io(&self) -> Io {
        match self.blocks.source {
            Source::Resident(_) => Io::Resident,
            Source::Mmap(_) => Io::Mmap,
            Source::Pread => Io::Pread,
        }
    }

    /// Lists that lie side by side in the file are read soon, from the first of these places to the last.
    pub(super) fn will_read(&self, first: Place, last: Place) {
        let length = self.layout.list_bytes(last.rows).unwrap_or(0);
        self.blocks.will_read(first.offset..last.offset.saturating_add(length).max(first.offset));
    }

    /// A list, checked: the bytes of its values, and the numbers of its rows.
    pub(super) fn stored<'a>(
        &'a self,
        list: u32,
        place: Place,
        words: &'a mut Vec<u64>,
    ) -> Result<(&'a [u8], ListIds<'a>)> {
        if place.rows == 0 {
            // It has no bytes, and its offset may lie behind the end of the file.
            return Ok((&[], ListIds::Narrow(&[])));
        }
        let bytes = self.blocks.read(place.offset, self.length(list, place)?, words)?;
        self.blocks.verify(list, bytes, place.xxh3)?;
        self.split(list, place, bytes)
    }

    /// Bytes of a list with rows.
    fn length(&self, list: u32, place: Place) -> Result<u64> {
        self.layout.list_bytes(place.rows).ok_or_else(|| Error::internal(format!("list {list} was not checked")))
    }

    /// A list's bytes: those of its values, and the numbers of its rows.
    fn split<'a>(&self, list: u32, place: Place, bytes: &'a [u8]) -> Result<(&'a [u8], ListIds<'a>)> {
        let overflow = || Error::internal(format!("list {list} was not checked"));
        let ids_at = self.layout.ids_at(place.rows).ok_or_else(overflow)? as usize;
        let value_bytes = self.layout.value_bytes(place.rows).ok_or_else(overflow)? as usize;
        Ok((&bytes[..value_bytes], self.ids(&bytes[ids_at..])))
    }

    fn ids<'a>(&self, bytes: &'a [u8]) -> ListIds<'a> {
        match self.layout.id_width {
            4 => ListIds::Narrow(bytemuck::cast_slice(bytes)),
            _ => ListIds::Wide(bytemuck::cast_slice(bytes)),
        }
    }

    /// What was taken over of a list with rows, zeros for the rest, as [`Self::stored`] has it, and not checked. `there` becomes a bit for each row
    /// that is there; without the numbers of all rows none is.
    pub(super) fn some_stored<'a>(
        &'a self,
        place: Place,
        words: &'a mut Vec<u64>,
        there: &mut Vec<u64>,
    ) -> Option<(&'a [u8], ListIds<'a>)> {
        let (length, ids_at) = (self.layout.list_bytes(place.rows)? as usize, self.layout.ids_at(place.rows)? as usize);
        let (values, rows) = (self.layout.value_bytes(place.rows)? as usize, place.rows as usize);
        words.clear();
        words.resize(length.div_ceil(8), 0);
        there.clear();
        there.resize(rows.div_ceil(64), 0);
        let (width, bytes) = (values / rows.max(1), &mut bytemuck::cast_slice_mut(words)[..length]);
        let mut numbered = 0;
        self.blocks.read_parts(place.offset, bytes, |held| {
            for row in held.start.div_ceil(width)..(held.end / width).min(rows) {
                there[row / 64] |= 1 << (row % 64);
            }
            numbered += held.end.saturating_sub(held.start.max(ids_at));
        });
        if numbered < length - ids_at {
            there.fill(0);
        }
        Some((&bytes[..values], self.ids(&bytes[ids_at..])))
    }

    /// The rows of a list, of the bytes of their values; none where none are stored.
    pub(super) fn rows<'a>(&self, values: &'a [u8], widened: &'a mut Vec<f32>) -> &'a [f32] {
        if values.is_empty() {
            return &[]; // Nothing has no alignment.
        }
        match self.layout.dtype {
            ListType::F32 => bytemuck::cast_slice(values),
            ListType::None => &[],
            ListType::F16 => {
                let narrow: &[u16] = bytemuck::cast_slice(values);
                widened.resize(narrow.len(), 0.0);
                half::slice::HalfBitsSliceExt::reinterpret_cast::<f16>(narrow).convert_to_f32_slice(widened);
                widened
            }
        }
    }

    /// All numbers of the file, where they stay in memory and are f32; the rows of a list begin at [`Self::first_number`].
    #[inline]
    pub(super) fn numbers(&self) -> Option<&[f32]> {
        let bytes = self.blocks.held().filter(|_| self.layout.dtype == ListType::F32)?;
        Some(bytemuck::cast_slice(&bytes[..bytes.len() / size_of::<f32>() * size_of::<f32>()]))
    }

    /// Where the rows of a list begin among the numbers of the file.
    #[inline]
    pub(super) fn first_number(place: Place) -> usize {
        place.offset as usize / size_of::<f32>()
    }

    /// The number of a row of a list that stays in memory and was checked before.
    #[inline]
    pub(super) fn visited_id(&self, place: Place, row: usize) -> u64 {
        let all = self.blocks.held().unwrap_or_default();
        let ids = place.offset as usize + self.layout.ids_at(place.rows).unwrap_or(0) as usize;
        match self.layout.id_width {
            4 => u64::from(bytemuck::cast_slice::<_, u32>(&all[ids + row * 4..ids + (row + 1) * 4])[0]),
            _ => bytemuck::cast_slice::<_, u64>(&all[ids + row * 8..ids + (row + 1) * 8])[0],
        }
    }

    /// A row of a list of f16 that stays in memory and was checked before.
    #[inline]
    pub(super) fn visited_half(&self, place: Place, row: usize, values: &mut [f32]) {
        let width = self.layout.dim * size_of::<f16>();
        let start = place.offset as usize + row * width;
        let narrow: &[u16] = bytemuck::cast_slice(&self.blocks.held().unwrap_or_default()[start..start + width]);
        half::slice::HalfBitsSliceExt::reinterpret_cast::<f16>(narrow).convert_to_f32_slice(values);
    }
}
