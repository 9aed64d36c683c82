//! Neighbours that are found but not in the order of rows: the records of runs, and how a unit is put together from them.
//!
//! The key of a record is a bucket, some consecutive rows of one unit. Buckets are fixed by the grid of the output, never by memory, because a
//! process with other memory reads the runs of one before it. They are small enough to be in memory beside everything else, and few enough that
//! the tables of all runs are.

use super::finished::Finished;
use super::outputs::ids_dtype;
use crate::error::{Error, Result};
use crate::sink::{Layout, StoreSpec};
use crate::store::{FAN_IN, Run, RunBuffer, RunShape};
use crate::types::{DType, RowRange};

/// Rows of a bucket at least, and buckets at most where units are as large as that.
const BUCKET_ROWS: u64 = 8192;
const MOST_BUCKETS: u64 = 1 << 14;
/// Bytes of row and status before ids and distances.
const LABEL: usize = 5;
/// No status: the row was not found yet.
const NOT_FOUND: u8 = u8::MAX;

/// The form of the records of one output.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundRows {
    layout: Layout,
    k: usize,
    narrow: bool,
    bucket_rows: u64,
    shape: RunShape,
}

impl FoundRows {
    /// For the output that `spec` describes.
    pub(super) fn new(spec: &StoreSpec) -> Result<Self> {
        let (layout, k) = (spec.layout, spec.k as usize);
        let bucket_rows =
            (BUCKET_ROWS * layout.n_obs().div_ceil(BUCKET_ROWS * MOST_BUCKETS).max(1)).min(layout.unit_rows());
        let keys = layout.units() * layout.unit_rows().div_ceil(bucket_rows);
        let narrow = ids_dtype(spec.n_ref) == DType::Int32;
        let width = LABEL + k * (if narrow { 4 } else { 8 } + 4);
        let too_many =
            |_| Error::param("layout", layout.unit_rows(), "more units than can be sorted into: larger ones do");
        let shape = RunShape { keys: u32::try_from(keys).map_err(too_many)?, width: width as u32 };
        Ok(Self { layout, k, narrow, bucket_rows, shape })
    }

    /// The shape of the runs.
    pub(super) fn shape(&self) -> RunShape {
        self.shape
    }

    /// Rows of a bucket at most.
    pub(super) fn bucket_rows(&self) -> u64 {
        self.bucket_rows
    }

    /// Bytes that gathering takes: the tables of as many runs as are read side by side, and a bucket twice.
    pub(super) fn gather_bytes(&self) -> u64 {
        let row = u64::from(self.shape.width) + Finished::row_bytes(self.k as u64);
        FAN_IN as u64 * Run::bytes(self.shape) + self.bucket_rows * row
    }

    fn buckets_of_unit(&self) -> u64 {
        self.layout.unit_rows().div_ceil(self.bucket_rows)
    }

    /// The buckets of a unit, in the order of rows.
    pub(super) fn buckets(&self, unit: u64) -> impl Iterator<Item = (u32, RowRange)> + use<> {
        let first = unit * self.buckets_of_unit();
        (first..).map(|key| key as u32).zip(self.layout.unit(unit).rows.pieces(self.bucket_rows))
    }

    /// Adds a block of queries, `rows` of the output, to a run.
    pub(super) fn push(
        &self,
        rows: &[i64],
        found: &Finished,
        buffer: &mut RunBuffer,
        record: &mut Vec<u8>,
    ) -> Result<()> {
        let neighbors = found.nearest.ids.chunks_exact(self.k).zip(found.nearest.distances.chunks_exact(self.k));
        for ((&row, &status), (ids, distances)) in rows.iter().zip(&found.statuses).zip(neighbors) {
            let (unit, within) = (row as u64 / self.layout.unit_rows(), row as u64 % self.layout.unit_rows());
            let key = unit * self.buckets_of_unit() + within / self.bucket_rows;
            record.clear();
            record.extend_from_slice(&((within % self.bucket_rows) as u32).to_le_bytes());
            record.push(status);
            if self.narrow {
                record.extend(ids.iter().flat_map(|&id| (id as i32).to_le_bytes()));
            } else {
                record.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
            }
            record.extend(distances.iter().flat_map(|distance| distance.to_le_bytes()));
            buffer.push(key as u32, record)?;
        }
        Ok(())
    }

    /// Puts the records of a bucket in the order of its rows, of which each must be there once; `of` names where queries came from.
    pub(super) fn order(&self, rows: RowRange, records: &[u8], found: &mut Finished, of: &str) -> Result<()> {
        let Finished { nearest, statuses, .. } = found;
        (nearest.first_row, nearest.k) = (rows.start, self.k);
        statuses.clear();
        statuses.resize(rows.len(), NOT_FOUND);
        nearest.ids.resize(rows.len() * self.k, -1);
        nearest.distances.resize(rows.len() * self.k, f32::NAN);
        let wrong = |row: u64, reason: &str| Error::Corrupt {
            file: of.to_owned(),
            block: format!("row {row}"),
            reason: reason.into(),
        };
        let distances_at = LABEL + self.k * if self.narrow { 4 } else { 8 };
        for record in records.chunks_exact(self.shape.width as usize) {
            let row = u32::from_le_bytes([record[0], record[1], record[2], record[3]]) as usize;
            match statuses.get_mut(row) {
                Some(status) if *status == NOT_FOUND => *status = record[4],
                Some(_) => return Err(wrong(rows.start + row as u64, "it is there twice")),
                None => return Err(wrong(rows.start + row as u64, "it is none of the output")),
            }
            let slots = row * self.k..(row + 1) * self.k;
            let (ids, distances) = (&mut nearest.ids[slots.clone()], &mut nearest.distances[slots]);
            let stored = &record[LABEL..distances_at];
            if self.narrow {
                let stored = stored.as_chunks().0.iter().map(|id| i64::from(i32::from_le_bytes(*id)));
                ids.iter_mut().zip(stored).for_each(|(id, stored)| *id = stored);
            } else {
                let stored = stored.as_chunks().0.iter().map(|id| i64::from_le_bytes(*id));
                ids.iter_mut().zip(stored).for_each(|(id, stored)| *id = stored);
            }
            let stored = record[distances_at..].as_chunks().0.iter().map(|distance| f32::from_le_bytes(*distance));
            distances.iter_mut().zip(stored).for_each(|(distance, stored)| *distance = stored);
        }
        match statuses.iter().position(|&status| status == NOT_FOUND) {
            Some(row) => Err(wrong(rows.start + row as u64, "it is missing")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::NeighborBlock;

    const K: usize = 2;

    fn of(n_obs: u64, n_ref: u64) -> FoundRows {
        let layout = Layout::new(n_obs, 10, 3, 60).unwrap();
        FoundRows::new(&StoreSpec {
            layout,
            n_ref,
            k: K as u64,
            holder: None,
            run: String::new(),
            plan: serde_json::Value::Null,
            arrays: Vec::new(),
        })
        .unwrap()
    }

    fn finished(rows: &[i64]) -> Finished {
        let ids = rows.iter().flat_map(|&row| [row * 5, -1]).collect();
        let distances = rows.iter().flat_map(|&row| [row as f32 / 3.0, f32::NAN]).collect();
        Finished {
            nearest: NeighborBlock { first_row: 0, k: K, ids, distances },
            statuses: rows.iter().map(|&row| (row % 4) as u8).collect(),
            ..Finished::default()
        }
    }

    /// The records of each bucket.
    fn buckets(form: &FoundRows, rows: &[i64]) -> Vec<(RowRange, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let mut buffer = RunBuffer::new(form.shape());
        form.push(rows, &finished(rows), &mut buffer, &mut Vec::new()).unwrap();
        let vfs: std::sync::Arc<dyn crate::store::Vfs> = std::sync::Arc::new(crate::store::OsVfs);
        buffer.commit(&vfs, &folder.path().join("run"), "w").unwrap();
        let run = Run::open(&folder.path().join("run"), form.shape()).unwrap();
        let read = |(key, rows)| {
            let mut bytes = Vec::new();
            run.read(key..key + 1, &mut bytes).unwrap();
            (rows, bytes)
        };
        (0..form.layout.units()).flat_map(|unit| form.buckets(unit)).map(read).collect()
    }

    #[test]
    fn rows_come_back_in_their_order() {
        for n_ref in [1000, 1 << 40] {
            let form = of(97, n_ref);
            let shuffled: Vec<i64> = (0..97).map(|row| row * 31 % 97).collect();
            let mut next = 0;
            for (rows, bytes) in buckets(&form, &shuffled) {
                let mut found = Finished::default();
                form.order(rows, &bytes, &mut found, "x").unwrap();
                let expected = finished(&(rows.start as i64..rows.end as i64).collect::<Vec<_>>());
                assert_eq!((rows.start, found.nearest.first_row), (next, next));
                assert_eq!((&found.nearest.ids, &found.statuses), (&expected.nearest.ids, &expected.statuses));
                let bits = |found: &Finished| found.nearest.distances.iter().map(|d| d.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&found), bits(&expected));
                next = rows.end;
            }
            assert_eq!(next, 97);
        }
    }

    #[test]
    fn a_row_that_is_missing_or_there_twice_is_found() {
        let form = of(20, 1000);
        let all: Vec<i64> = (0..20).collect();
        for wrong in [[&all[..7], &all[8..]].concat(), [&all[..], &[7]].concat()] {
            let (rows, bytes) = buckets(&form, &wrong).remove(0);
            let error = form.order(rows, &bytes, &mut Finished::default(), "the lists").unwrap_err();
            assert!(
                matches!(&error, Error::Corrupt { file, block, .. } if file == "the lists" && block == "row 7"),
                "{error}"
            );
        }
    }

    #[test]
    fn buckets_do_not_grow_in_number_with_the_query() {
        for n in [1, 1_000_000, 1_000_000_000, 100_000_000_000] {
            let layout = Layout::new(n, 65_536, 16, 1 << 24).unwrap();
            let spec = StoreSpec {
                layout,
                ..StoreSpec {
                    layout,
                    n_ref: 1,
                    k: 30,
                    holder: None,
                    run: String::new(),
                    plan: serde_json::Value::Null,
                    arrays: Vec::new(),
                }
            };
            let form = FoundRows::new(&spec).unwrap();
            assert!(u64::from(form.shape().keys) <= MOST_BUCKETS.max(2 * layout.units()), "{n}: {:?}", form.shape());
            assert!(form.gather_bytes() < n * 100 + (64 << 20) || n < 100_000, "{n}");
        }
    }
}
