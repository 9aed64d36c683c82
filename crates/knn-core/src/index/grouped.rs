//! All rows by the list they were assigned to: in memory, or in runs by super-cell.
//!
//! Both hand out a super-cell's rows by list, those of a list by row id, so whatever is made of them does not know where they were.

use super::coarse::Coarse;
use super::format::{ListLayout, ListType};
use super::kmeans::Groups;
use super::train::gather;
use crate::error::{Error, Result};
use crate::store::{Run, RunShape};
use half::f16;

/// The rows of one super-cell.
#[derive(Debug, Default)]
pub(super) struct CellRows {
    /// Where each of its lists begins, and where the last ends.
    pub(super) starts: Vec<usize>,
    pub(super) ids: Vec<u64>,
    pub(super) values: Vec<f32>,
}

/// Rows by super-cell and list. Threads share it.
pub(super) trait Grouped: Sync {
    /// Rows of a super-cell.
    fn rows(&self, cell: u32) -> u64;
    /// Bytes that a super-cell takes while it is handed out, per row.
    fn row_bytes(&self) -> u64;
    /// The rows of a super-cell.
    fn cell(&self, cell: u32) -> Result<CellRows>;
    /// Number of rows in no list.
    fn excluded(&self) -> u64;
    /// Their numbers, ascending.
    fn each_excluded(&self, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<()>;
}

/// All rows in memory.
pub(super) struct Held<'a> {
    coarse: &'a Coarse,
    /// The number of the first of them.
    first: u64,
    values: &'a [f32],
    groups: Groups,
    excluded: Vec<u32>,
}

impl<'a> Held<'a> {
    /// Rows from `first` on, and the list of each.
    pub(super) fn new(coarse: &'a Coarse, first: u64, values: &'a [f32], assigned: &[u32]) -> Self {
        let excluded = (0..assigned.len() as u32).filter(|&row| assigned[row as usize] == u32::MAX).collect();
        Self { coarse, first, values, groups: Groups::new(assigned, coarse.nlist() as usize), excluded }
    }

    fn places(&self, cell: u32) -> &[u32] {
        let lists = self.coarse.lists_of(cell);
        self.groups.range(lists.start as usize..lists.end as usize)
    }
}

impl Grouped for Held<'_> {
    fn rows(&self, cell: u32) -> u64 {
        self.places(cell).len() as u64
    }

    fn row_bytes(&self) -> u64 {
        self.coarse.dim() as u64 * 4 + 8
    }

    fn cell(&self, cell: u32) -> Result<CellRows> {
        let mut starts = vec![0];
        for list in self.coarse.lists_of(cell) {
            starts.push(starts[starts.len() - 1] + self.groups.members(list as usize).len());
        }
        let places = self.places(cell);
        let ids = places.iter().map(|&row| self.first + u64::from(row)).collect();
        Ok(CellRows { starts, ids, values: gather(self.values, places, self.coarse.dim()) })
    }

    fn excluded(&self) -> u64 {
        self.excluded.len() as u64
    }

    fn each_excluded(&self, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<()> {
        self.excluded.iter().try_for_each(|&row| each(self.first + u64::from(row)))
    }
}

/// All rows in runs. The key is the super-cell, one more stands for no list; a record is list, row id and values.
pub(super) struct Spilled<'a> {
    coarse: &'a Coarse,
    layout: ListLayout,
    runs: Vec<Run>,
}

/// Bytes of list and row id in a record.
const LABEL: usize = 12;

impl<'a> Spilled<'a> {
    /// The shape of the runs.
    pub(super) fn shape(layout: ListLayout, super_cells: u32) -> RunShape {
        RunShape { keys: super_cells + 1, width: LABEL as u32 + layout.dim as u32 * layout.dtype.size() as u32 }
    }

    /// The record of a row; `u32::MAX` is no list.
    pub(super) fn record(layout: ListLayout, list: u32, row: u64, values: &[f32], record: &mut Vec<u8>) {
        record.clear();
        record.extend_from_slice(&list.to_le_bytes());
        record.extend_from_slice(&row.to_le_bytes());
        match layout.dtype {
            ListType::F32 | ListType::None => record.extend_from_slice(bytemuck::cast_slice(values)),
            ListType::F16 => values.iter().for_each(|&v| record.extend_from_slice(&f16::from_f32(v).to_le_bytes())),
        }
    }

    /// Rows that lie in runs, in their order.
    pub(super) fn new(coarse: &'a Coarse, layout: ListLayout, runs: Vec<Run>) -> Self {
        Self { coarse, layout, runs }
    }

    fn records(&self, key: u32) -> u64 {
        self.runs.iter().map(|run| run.records(key..key + 1)).sum()
    }

    /// List and row id of a record.
    fn label(record: &[u8]) -> (u32, u64) {
        let number = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        (number(0), u64::from(number(4)) | u64::from(number(8)) << 32)
    }
}

impl Grouped for Spilled<'_> {
    fn rows(&self, cell: u32) -> u64 {
        self.records(cell)
    }

    fn row_bytes(&self) -> u64 {
        // Records, their order, and what they become.
        u64::from(Self::shape(self.layout, 0).width) + 4 + self.layout.dim as u64 * 4 + 8
    }

    fn cell(&self, cell: u32) -> Result<CellRows> {
        let mut bytes = Vec::new();
        self.runs.iter().try_for_each(|run| run.read(cell..cell + 1, &mut bytes))?;
        let width = Self::shape(self.layout, 0).width as usize;
        let lists = self.coarse.lists_of(cell);
        let record = |place: u32| &bytes[place as usize * width..(place as usize + 1) * width];
        let mut order: Vec<u32> = (0..(bytes.len() / width) as u32).collect();
        let mut starts = vec![0; lists.len() + 1];
        for &place in &order {
            let (list, _) = Self::label(record(place));
            if !lists.contains(&list) {
                return Err(Error::internal(format!("list {list} in super-cell {cell}")));
            }
            starts[(list - lists.start) as usize + 1] += 1;
        }
        (0..lists.len()).for_each(|list| starts[list + 1] += starts[list]);
        order.sort_unstable_by_key(|&place| Self::label(record(place)));
        let mut values = Vec::with_capacity(order.len() * self.layout.dim);
        for &place in &order {
            let stored = &record(place)[LABEL..];
            match self.layout.dtype {
                ListType::F32 | ListType::None => {
                    values.extend(stored.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)));
                }
                ListType::F16 => values.extend(stored.as_chunks().0.iter().map(|v| f16::from_le_bytes(*v).to_f32())),
            }
        }
        Ok(CellRows { starts, ids: order.iter().map(|&place| Self::label(record(place)).1).collect(), values })
    }

    fn excluded(&self) -> u64 {
        self.records(self.coarse.super_cells())
    }

    fn each_excluded(&self, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<()> {
        let key = self.coarse.super_cells();
        let mut bytes = Vec::new();
        for run in &self.runs {
            bytes.clear();
            run.read(key..key + 1, &mut bytes)?;
            bytes.chunks_exact(run.shape().width as usize).try_for_each(|record| each(Self::label(record).1))?;
        }
        Ok(())
    }
}
