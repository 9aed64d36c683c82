//! Sealing: super-cell by super-cell, rows become lists, lists that are too long become several, and the files of a generation are
//! written.
//!
//! Super-cells are made ready in parallel and written in order. The manifest comes last: without it there is no index.

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::coarse::Coarse;
use super::codes::CodeLayout;
use super::excluded;
use super::format::{ALIGNMENT, COARSE, CODES, EXCLUDED, LISTS, OFFSETS, PQ, SHORT_ALIGNMENT, file_name};
use super::grouped::{CellRows, Grouped};
use super::manifest::Manifest;
use super::offsets::{Offsets, Place};
use super::quantiser::Quantiser;
use super::sample::mix;
use super::spec::Resolved;
use super::split::Splitter;
use super::train::gather;
use super::work::{WORKER, Work};
use crate::budget::MemoryBudget;
use crate::distance::DistanceTile;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::{AtomicFile, make_dirs};

/// What sealing needs beside the rows.
#[derive(Clone, Copy)]
pub(super) struct Sealer<'a> {
    pub(super) work: &'a Work,
    pub(super) spec: &'a Resolved,
    pub(super) coarse: &'a Coarse,
    /// What makes codes of rows, if anything does.
    pub(super) quantiser: Option<&'a Quantiser>,
    pub(super) budget: &'a MemoryBudget,
    pub(super) tile: &'a dyn DistanceTile,
    pub(super) progress: &'a Progress,
}

/// The lists of a super-cell, ready to be written.
#[derive(Default)]
struct ReadyCell {
    rows: u64,
    centroids: Vec<f32>,
    /// Rows and checksum of each list.
    lists: Vec<(u64, u64)>,
    /// The bytes of the lists, one behind the other without gaps.
    bytes: Vec<u8>,
    /// Their codes, in the same way.
    codes: Vec<u8>,
}

/// The files that lists are written to.
struct ListFiles {
    lists: AtomicFile,
    codes: Option<AtomicFile>,
}

impl Sealer<'_> {
    /// Writes the index; its manifest.
    pub(super) fn seal(&self, grouped: &dyn Grouped) -> Result<Manifest> {
        let Work { vfs, path, .. } = self.work;
        let indexed = self.spec.rows - grouped.excluded();
        self.progress.begin("seal", indexed, 0);
        make_dirs(&**vfs, path)?;
        let name = |name| file_name(name, self.spec.generation);
        let create = |file| AtomicFile::create(vfs, &path.join(name(file)), WORKER);
        let mut files = ListFiles { lists: create(LISTS)?, codes: self.quantiser.map(|_| create(CODES)).transpose()? };
        let (coarse, offsets) = self.write_lists(grouped, indexed, &mut files)?;
        let excluded = self.write_excluded(grouped, &name(EXCLUDED))?;
        let (lists, excluded) = (files.lists.seal()?, excluded.seal()?);
        let codes = files.codes.map(AtomicFile::seal).transpose()?;
        let mut manifest = self.spec.manifest(&coarse, grouped.excluded());
        let mut files = vec![
            (name(COARSE), coarse.write(vfs, &path.join(name(COARSE)), WORKER)?),
            (name(OFFSETS), offsets.write(vfs, &path.join(name(OFFSETS)), WORKER)?),
        ];
        if let Some(quantiser) = self.quantiser {
            files.push((name(PQ), quantiser.write(vfs, &path.join(name(PQ)), WORKER)?));
        }
        files.push((name(LISTS), lists.publish()?));
        if let Some(codes) = codes {
            files.push((name(CODES), codes.publish()?));
        }
        files.push((name(EXCLUDED), excluded.publish()?));
        vfs.sync_dir(path)?;
        manifest.files = files.into_iter().map(|(name, written)| (name, written.into())).collect();
        manifest.write(vfs, path, WORKER)?;
        self.progress.end();
        Ok(manifest)
    }

    /// Writes all lists; the levels and places of what they became.
    fn write_lists(&self, grouped: &dyn Grouped, indexed: u64, files: &mut ListFiles) -> Result<(Coarse, Offsets)> {
        let cells = self.coarse.super_cells();
        let (most_rows, part_rows) = self.spec.split(indexed);
        let splitter =
            Splitter { tile: self.tile, progress: self.progress, dim: self.coarse.dim(), most_rows, part_rows };
        // While a super-cell is handed out; or its rows, those of a list that is split, and their lists.
        let made = self.spec.layout.dim as u64 * 8 + 8 + self.spec.layout.list_bytes(1).unwrap_or(0);
        // Codes come in whole blocks, of a list that has a single row as well.
        let made = made + self.code_layout().and_then(|layout| layout.list_bytes(1)).unwrap_or(0);
        let row_bytes = grouped.row_bytes().max(made);
        let largest = (0..cells).map(|cell| grouped.rows(cell)).max().unwrap_or(0) * row_bytes;
        // As many at a time as keep all threads busy and fit; one must.
        let most = 2 * rayon::current_num_threads() as u64;
        let at_a_time = (self.budget.available() / largest.max(1)).clamp(1, most);
        let _lease = self.budget.take("the largest super-cells while they are written", largest * at_a_time)?;
        let (mut offsets, mut first_list, mut centroids) = (Offsets::default(), vec![0], Vec::new());
        for first in (0..cells).step_by(at_a_time as usize) {
            let some = first..cells.min(first + at_a_time as u32);
            let ready: Vec<ReadyCell> = some
                .into_par_iter()
                .map(|cell| self.ready(cell, &grouped.cell(cell)?, &splitter))
                .collect::<Result<_>>()?;
            for cell in ready {
                self.write_cell(&cell, files, &mut offsets)?;
                first_list.push(offsets.places.len() as u32);
                centroids.extend_from_slice(&cell.centroids);
                self.progress.advance(cell.rows)?;
            }
        }
        Ok((self.coarse.with_lists(first_list, centroids), offsets))
    }

    /// Makes a super-cell's lists ready.
    fn ready(&self, cell: u32, rows: &CellRows, splitter: &Splitter) -> Result<ReadyCell> {
        let dim = self.coarse.dim();
        let mut ready = ReadyCell { rows: rows.ids.len() as u64, ..ReadyCell::default() };
        for (list, bounds) in self.coarse.lists_of(cell).zip(rows.starts.windows(2)) {
            self.progress.check()?;
            let ids = &rows.ids[bounds[0]..bounds[1]];
            let values = &rows.values[bounds[0] * dim..bounds[1] * dim];
            let centroid = self.coarse.centroids(list..list + 1);
            if ids.len() as u64 <= splitter.most_rows {
                ready.push(self, values, ids.iter().copied(), centroid);
                continue;
            }
            let seed = mix(self.spec.seed ^ u64::MAX, u64::from(list));
            for part in splitter.split(values, centroid, seed)? {
                let ids = part.rows.iter().map(|&row| ids[row as usize]);
                ready.push(self, &gather(values, &part.rows, dim), ids, &part.centroid);
            }
        }
        Ok(ready)
    }

    fn write_excluded(&self, grouped: &dyn Grouped, name: &str) -> Result<AtomicFile> {
        let Work { vfs, path, .. } = self.work;
        let mut file = excluded::begin(vfs, &path.join(name), WORKER, grouped.excluded())?;
        let mut piece = Vec::new();
        grouped.each_excluded(&mut |row| {
            piece.extend_from_slice(&row.to_le_bytes());
            if piece.len() >= 1 << 16 {
                file.write_all(&piece)?;
                piece.clear();
            }
            Ok(())
        })?;
        file.write_all(&piece)?;
        Ok(file)
    }

    fn code_layout(&self) -> Option<CodeLayout> {
        self.quantiser.map(|quantiser| CodeLayout { spaces: quantiser.books.spaces() })
    }

    /// Writes the lists of a super-cell, each at its alignment.
    fn write_cell(&self, cell: &ReadyCell, files: &mut ListFiles, offsets: &mut Offsets) -> Result<()> {
        let (mut rest, mut codes_rest) = (&cell.bytes[..], &cell.codes[..]);
        let wrong = || Error::internal("a list of impossible length");
        for &(rows, xxh3) in &cell.lists {
            let length = self.spec.layout.list_bytes(rows).ok_or_else(wrong)?;
            let offset = write_aligned(&mut files.lists, self.spec.layout.alignment(), length, &mut rest)?;
            if let Some((file, layout)) = files.codes.as_mut().zip(self.code_layout()) {
                write_aligned(file, SHORT_ALIGNMENT, layout.list_bytes(rows).ok_or_else(wrong)?, &mut codes_rest)?;
            }
            offsets.places.push(Place { offset, rows, xxh3 });
        }
        Ok(())
    }
}

/// Writes the next `length` bytes at the next multiple of `alignment`, and returns where that is. Nothing writes nothing, not even the gap
/// before it.
fn write_aligned(file: &mut AtomicFile, alignment: u64, length: u64, rest: &mut &[u8]) -> Result<u64> {
    const GAP: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];
    let offset = file.length().next_multiple_of(alignment);
    if length > 0 {
        file.write_all(&GAP[..(offset - file.length()) as usize])?;
    }
    let (bytes, others) = rest.split_at(length as usize);
    file.write_all(bytes)?;
    *rest = others;
    Ok(offset)
}

impl ReadyCell {
    fn push(&mut self, sealer: &Sealer, values: &[f32], ids: impl ExactSizeIterator<Item = u64>, centroid: &[f32]) {
        let (rows, first) = (ids.len() as u64, self.bytes.len());
        sealer.spec.layout.encode(values, ids, &mut self.bytes);
        self.lists.push((rows, xxh3_64(&self.bytes[first..])));
        self.centroids.extend_from_slice(centroid);
        if let Some((quantiser, layout)) = sealer.quantiser.zip(sealer.code_layout()) {
            layout.encode(&quantiser.books, sealer.tile, values, centroid, &mut self.codes);
        }
    }
}
