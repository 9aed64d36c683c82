//! Lists of an index that is elsewhere of which only some rows were fetched: those that codes select.
//!
//! The numbers of all rows come with the first of them. A checksum is of a whole list, so it says nothing of a few rows; what is checked of each is
//! that its codes are those that `codes.bin` has for it, which has a checksum, and of the numbers that they ascend and are below the rows of the index.
//! So a row of another place, of another index or with a value that was damaged as far as codes tell is `GM_CORRUPT`; a smaller change of a
//! value or a number is not seen. Whoever needs every bit checked fetches lists whole.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::codes::{CodeLayout, subtract};
use super::fetched::PartOf;
use super::ivf::IvfIndex;
use super::lists::{ListBuffer, ListIds, ListView};
use crate::distance::{Codebooks, DistanceTile, Lane};
use crate::error::{Error, Result};

/// Rows of lists, a bit each.
type Rows = BTreeMap<u32, Vec<u64>>;

/// Which rows were asked for and are not there, and which were compared with their codes.
#[derive(Debug, Default)]
pub(super) struct Apart {
    asked: Mutex<Rows>,
    checked: Mutex<Rows>,
}

impl IvfIndex {
    /// Whether some of a list's bytes are elsewhere, and codes may ask for those that are needed.
    pub fn is_apart(&self, list: u32) -> bool {
        self.apart.is_some() && !self.lacking_of(list).is_empty()
    }

    /// What is there of such a list, checked; its codes are. Rows that are not there are zeros.
    pub fn list_apart<'a>(&'a self, list: u32, buffer: &'a mut ListBuffer) -> Result<ListView<'a>> {
        let (Some((quantiser, coded)), Some(apart)) = (&self.coded, &self.apart) else {
            return Err(Error::internal(format!("list {list} has no codes to ask for its rows")));
        };
        let place = self.offsets.places[list as usize];
        let ListBuffer { words, widened, codes, there } = buffer;
        let codes = coded.list(list, place.rows, codes)?;
        let overflow = || Error::internal(format!("list {list} was not checked"));
        let (values, ids) = self.lists.some_stored(place, words, there).ok_or_else(overflow)?;
        let rows = self.lists.rows(values, widened);
        let mut checked = locked(&apart.checked);
        let checked = checked.entry(list).or_insert_with(|| vec![0; there.len()]);
        if there.iter().zip(checked.iter()).any(|(there, checked)| there & !checked != 0) {
            check_ids(ids, self.manifest.rows).map_err(|reason| self.lists.blocks().corrupt(list, reason))?;
            let centroid = self.coarse.centroids(list..list + 1);
            let mut compared = Compared::new(&quantiser.books, coded.layout(), centroid);
            for row in set(there).filter(|row| checked[row / 64] >> (row % 64) & 1 == 0) {
                if !compared.has_codes(codes, row, &rows[row * self.dim()..(row + 1) * self.dim()]) {
                    let reason = format!("row {row} is not the one whose codes are stored");
                    return Err(self.lists.blocks().corrupt(list, &reason));
                }
            }
            checked.copy_from_slice(there);
        }
        Ok(ListView { rows, ids, codes, there: Some(there) })
    }

    /// Leaves the rows that are there; the others are asked for.
    pub fn ask(&self, list: u32, there: &[u64], rows: &mut Vec<u32>) {
        let Some(apart) = &self.apart else { return };
        let is_there = |row: u32| there[row as usize / 64] >> (row % 64) & 1 == 1;
        if rows.iter().all(|row| is_there(*row)) {
            return;
        }
        let mut asked = locked(&apart.asked);
        let asked = asked.entry(list).or_insert_with(|| vec![0; there.len()]);
        rows.retain(|&row| {
            asked[row as usize / 64] |= u64::from(!is_there(row)) << (row % 64);
            is_there(row)
        });
    }

    /// Whether rows were asked for that are not there.
    pub fn asks(&self) -> bool {
        self.apart.as_ref().is_some_and(|apart| !locked(&apart.asked).is_empty())
    }

    /// Rows that were asked for, by list, ascending; they are not asked for any more.
    pub fn take_asked(&mut self) -> Vec<(u32, Vec<u64>)> {
        let Some(apart) = &self.apart else { return Vec::new() };
        let asked = std::mem::take(&mut *locked(&apart.asked));
        asked.into_iter().map(|(list, rows)| (list, set(&rows).map(|row| row as u64).collect())).collect()
    }

    /// Where these rows of a list lie in the file of lists, and the numbers of all its rows; what is there already is left out.
    pub fn rows_of(&self, list: u32, rows: &[u64]) -> Vec<Range<u64>> {
        let (place, layout) = (self.offsets.places[list as usize], self.manifest.layout());
        let at = |bytes: Option<u64>| place.offset.saturating_add(bytes.unwrap_or(0));
        let of_row = |&row: &u64| at(layout.value_bytes(row))..at(layout.value_bytes(row + 1));
        let numbers = at(layout.ids_at(place.rows))..at(layout.list_bytes(place.rows));
        let blocks = self.lists.blocks();
        rows.iter().map(of_row).chain([numbers]).flat_map(|bytes| blocks.lacking(bytes)).collect()
    }

    /// What is not there of a list's rows and numbers.
    pub fn lacking_of(&self, list: u32) -> Vec<Range<u64>> {
        let parts = self.parts(list).filter(|part| part.of == PartOf::Lists);
        parts.flat_map(|part| self.lists.blocks().lacking(part.bytes)).collect()
    }

    /// Whether nothing is there of these bytes of the file of lists.
    pub fn lacks(&self, bytes: &Range<u64>) -> bool {
        self.lists.blocks().lacking(bytes.clone()) == [bytes.clone()]
    }
}

/// Compares rows of a list with their codes.
struct Compared<'a> {
    books: &'a Codebooks,
    layout: CodeLayout,
    centroid: &'a [f32],
    residual: Vec<f32>,
    codes: Vec<u8>,
}

impl<'a> Compared<'a> {
    fn new(books: &'a Codebooks, layout: CodeLayout, centroid: &'a [f32]) -> Self {
        Self { books, layout, centroid, residual: vec![0.0; centroid.len()], codes: vec![0; layout.spaces] }
    }

    /// Whether the codes of these values are those of a row.
    fn has_codes(&mut self, stored: &[u8], row: usize, values: &[f32]) -> bool {
        subtract(values, self.centroid, &mut self.residual);
        // Every lane makes the same codes.
        Lane::SCALAR.encode(self.books, &self.residual, &mut self.codes);
        self.codes.iter().enumerate().all(|(space, code)| self.layout.code(stored, row, space) == *code)
    }
}

fn check_ids(ids: ListIds, rows: u64) -> std::result::Result<(), &'static str> {
    let ascend = (1..ids.len()).all(|row| ids.get(row - 1) < ids.get(row));
    if !ascend {
        return Err("the numbers of its rows do not ascend");
    }
    let last = ids.len().checked_sub(1).map(|last| ids.get(last));
    if last.is_some_and(|last| last >= rows) { Err("it has a row that the reference has not") } else { Ok(()) }
}

/// The places of the bits that are set, ascending.
fn set(bits: &[u64]) -> impl Iterator<Item = usize> {
    bits.iter().enumerate().flat_map(|(word, &bits)| {
        (0..u64::BITS as usize).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
    })
}

fn locked(rows: &Mutex<Rows>) -> MutexGuard<'_, Rows> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}
