//! Sealing: super-cell by super-cell, rows become lists, lists that are too long become several, and the files of a generation are
//! written.
//!
//! Super-cells are made ready in parallel and written in order. The manifest comes last: without it there is no index.

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::coarse::Coarse;
use super::excluded;
use super::format::{ALIGNMENT, COARSE, EXCLUDED, LISTS, ListLayout, OFFSETS, file_name};
use super::grouped::{CellRows, Grouped};
use super::manifest::Manifest;
use super::offsets::{Offsets, Place};
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
    pub(super) budget: &'a MemoryBudget,
    pub(super) tile: &'a dyn DistanceTile,
    pub(super) progress: &'a Progress,
}

/// The lists of a super-cell, ready to be written.
struct ReadyCell {
    rows: u64,
    centroids: Vec<f32>,
    /// Rows and checksum of each list.
    lists: Vec<(u64, u64)>,
    /// The bytes of the lists, one behind the other without gaps.
    bytes: Vec<u8>,
}

impl Sealer<'_> {
    /// Writes the index; its manifest.
    pub(super) fn seal(&self, grouped: &dyn Grouped) -> Result<Manifest> {
        let Work { vfs, path, .. } = self.work;
        let indexed = self.spec.rows - grouped.excluded();
        self.progress.begin("seal", indexed, 0);
        make_dirs(&**vfs, path)?;
        let [coarse_name, offsets_name, lists_name, excluded_name] =
            [COARSE, OFFSETS, LISTS, EXCLUDED].map(|name| file_name(name, self.spec.generation));
        let mut lists = AtomicFile::create(vfs, &path.join(&lists_name), WORKER)?;
        let (coarse, offsets) = self.write_lists(grouped, indexed, &mut lists)?;
        let excluded = self.write_excluded(grouped, &excluded_name)?;
        let (lists, excluded) = (lists.seal()?, excluded.seal()?);
        let mut manifest = self.spec.manifest(&coarse, grouped.excluded());
        let coarse = coarse.write(vfs, &path.join(&coarse_name), WORKER)?;
        let offsets = offsets.write(vfs, &path.join(&offsets_name), WORKER)?;
        let files = [
            (coarse_name, coarse),
            (offsets_name, offsets),
            (lists_name, lists.publish()?),
            (excluded_name, excluded.publish()?),
        ];
        vfs.sync_dir(path)?;
        manifest.files = files.into_iter().map(|(name, written)| (name, written.into())).collect();
        manifest.write(vfs, path, WORKER)?;
        self.progress.end();
        Ok(manifest)
    }

    /// Writes all lists; the levels and places of what they became.
    fn write_lists(&self, grouped: &dyn Grouped, indexed: u64, file: &mut AtomicFile) -> Result<(Coarse, Offsets)> {
        let cells = self.coarse.super_cells();
        let (most_rows, part_rows) = self.spec.split(indexed);
        let splitter =
            Splitter { tile: self.tile, progress: self.progress, dim: self.coarse.dim(), most_rows, part_rows };
        // While a super-cell is handed out; or its rows, those of a list that is split, and their lists.
        let made = self.spec.layout.dim as u64 * 8 + 8 + self.spec.layout.list_bytes(1).unwrap_or(0);
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
                write_cell(&cell, self.spec.layout, file, &mut offsets)?;
                first_list.push(offsets.places.len() as u32);
                centroids.extend_from_slice(&cell.centroids);
                self.progress.advance(cell.rows)?;
            }
        }
        let coarse = self.coarse;
        let centre = coarse.centre().to_vec();
        let super_centroids = coarse.super_centroids().to_vec();
        Ok((Coarse::new(centre, coarse.reach(), super_centroids, first_list, centroids), offsets))
    }

    /// Makes a super-cell's lists ready.
    fn ready(&self, cell: u32, rows: &CellRows, splitter: &Splitter) -> Result<ReadyCell> {
        let (dim, layout) = (self.coarse.dim(), self.spec.layout);
        let mut ready =
            ReadyCell { rows: rows.ids.len() as u64, centroids: Vec::new(), lists: Vec::new(), bytes: Vec::new() };
        for (list, bounds) in self.coarse.lists_of(cell).zip(rows.starts.windows(2)) {
            self.progress.check()?;
            let ids = &rows.ids[bounds[0]..bounds[1]];
            let values = &rows.values[bounds[0] * dim..bounds[1] * dim];
            let centroid = self.coarse.centroids(list..list + 1);
            if ids.len() as u64 <= splitter.most_rows {
                ready.push(layout, values, ids.iter().copied(), centroid);
                continue;
            }
            let seed = mix(self.spec.seed ^ u64::MAX, u64::from(list));
            for part in splitter.split(values, centroid, seed)? {
                let ids = part.rows.iter().map(|&row| ids[row as usize]);
                ready.push(layout, &gather(values, &part.rows, dim), ids, &part.centroid);
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
}

impl ReadyCell {
    fn push(&mut self, layout: ListLayout, values: &[f32], ids: impl ExactSizeIterator<Item = u64>, centroid: &[f32]) {
        let (rows, first) = (ids.len() as u64, self.bytes.len());
        layout.encode(values, ids, &mut self.bytes);
        self.lists.push((rows, xxh3_64(&self.bytes[first..])));
        self.centroids.extend_from_slice(centroid);
    }
}

/// Writes the lists of a super-cell, each at its alignment.
fn write_cell(cell: &ReadyCell, layout: ListLayout, file: &mut AtomicFile, offsets: &mut Offsets) -> Result<()> {
    const GAP: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];
    let mut rest = &cell.bytes[..];
    for &(rows, xxh3) in &cell.lists {
        let offset = file.length().next_multiple_of(ALIGNMENT);
        let length = layout.list_bytes(rows).ok_or_else(|| Error::internal("a list of impossible length"))?;
        // A list without rows writes nothing, not even the gap before it.
        if length > 0 {
            file.write_all(&GAP[..(offset - file.length()) as usize])?;
        }
        let (list, others) = rest.split_at(length as usize);
        file.write_all(list)?;
        rest = others;
        offsets.places.push(Place { offset, rows, xxh3 });
    }
    Ok(())
}
