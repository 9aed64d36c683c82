//! The index as a whole: what is built is the same however it is built, is read as it was built, and is never taken for something
//! else.

mod append;
mod codes;
mod damage;
mod edges;
mod generations;
mod graph;
mod invariance;
mod resume;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::route::Router;
use super::{BuildReport, IndexBuilder, IndexSpec, Io, IvfIndex, ListBuffer, ListType, Start};
use crate::budget::MemoryBudget;
use crate::distance::Lane;
use crate::error::Result;
use crate::progress::Progress;
use crate::source::MemoryRows;
use crate::store::{FailingVfs, Vfs};

/// Rows in clumps of very different sizes, the same for the same numbers.
fn clumps(rows: usize, dim: usize) -> Vec<f32> {
    let mut state = 88_172_645_463_325_252u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut values = Vec::with_capacity(rows * dim);
    for row in 0..rows {
        // Half of the rows lie in the first clump, a quarter in the second, and so on.
        let clump = ((row as u32).wrapping_mul(2_654_435_761) | 1 << 20).trailing_zeros();
        for d in 0..dim as u32 {
            let middle = ((clump * 7 + d * 3) % 11) as f32;
            values.push(middle + uniform() + uniform() - 1.0);
        }
    }
    values
}

/// Rows in clumps of equal size.
fn even(rows: usize, dim: usize) -> Vec<f32> {
    let mut values = clumps(rows, dim);
    for (row, values) in values.chunks_exact_mut(dim).enumerate() {
        values.iter_mut().enumerate().for_each(|(d, value)| *value = *value % 1.0 + ((row % 61) * (d + 3) % 23) as f32);
    }
    values
}

/// How an index is built.
#[derive(Clone)]
struct How {
    spec: IndexSpec,
    /// Bytes beside the scratch of the threads, which are many for so few rows.
    memory: u64,
    threads: usize,
    start: Start,
    lane: Lane,
    /// Rows that the source reads at a time.
    band: u64,
}

impl Default for How {
    fn default() -> Self {
        let spec = IndexSpec { nlist: Some(64), ..IndexSpec::default() };
        How { spec, memory: 1 << 30, threads: 2, start: Start::New, lane: Lane::best(), band: 500 }
    }
}

/// Lists up to which an index has two levels: as many as these tests have or none, so that it has three.
const MOST_IN_TWO_LEVELS: [u32; 2] = [1 << 18, 0];

impl How {
    fn of_lists(nlist: u32) -> Self {
        Self { spec: IndexSpec { nlist: Some(nlist), ..IndexSpec::default() }, ..Self::default() }
    }

    /// The same with two levels for so many lists.
    fn in_two_levels_to(mut self, most: u32) -> Self {
        self.spec.most_in_two_levels = most;
        self
    }

    /// Works on the index of some rows, in a pool of threads.
    fn work_on(
        &self,
        vfs: Arc<dyn Vfs>,
        values: &[f32],
        dim: usize,
        work: impl FnOnce(&IndexBuilder, &MemoryRows) -> Result<BuildReport> + Send,
    ) -> Result<BuildReport> {
        let source = MemoryRows::new(values.to_vec(), dim)?.with_natural_tile_rows(self.band);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().unwrap();
        let memory = self.memory + Router::scratch_bytes(dim as u64, self.threads as u64);
        let progress = Progress::silent();
        let builder = IndexBuilder {
            vfs,
            spec: self.spec.clone(),
            start: self.start,
            budget: MemoryBudget::new(memory),
            tile: &self.lane,
            progress: &progress,
        };
        pool.install(|| work(&builder, &source))
    }

    fn build_on(&self, vfs: Arc<dyn Vfs>, path: &Path, values: &[f32], dim: usize) -> Result<BuildReport> {
        self.work_on(vfs, values, dim, |builder, source| builder.build(path, source))
    }

    fn append_on(&self, vfs: Arc<dyn Vfs>, path: &Path, values: &[f32], dim: usize) -> Result<BuildReport> {
        self.work_on(vfs, values, dim, |builder, source| builder.append(path, source))
    }

    /// The same on a disk that never fails.
    fn append(&self, path: &Path, values: &[f32], dim: usize) -> Result<BuildReport> {
        self.append_on(Arc::new(FailingVfs::after(i64::MAX)), path, values, dim)
    }

    fn build(&self, path: &Path, values: &[f32], dim: usize) -> Result<BuildReport> {
        // It never fails, and it does not sync, which tests need not wait for.
        self.build_on(Arc::new(FailingVfs::after(i64::MAX)), path, values, dim)
    }
}

/// Every file of a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
    });
    files.collect()
}

fn open(path: &Path, io: Io) -> Result<IvfIndex> {
    IvfIndex::open(path, io, &MemoryBudget::new(1 << 30))
}

/// Rows of an index, list by list: id and values.
type Read = Vec<Vec<(u64, Vec<f32>)>>;

/// All lists as they are read.
fn read(path: &Path, io: Io) -> Result<Read> {
    let index = open(path, io)?;
    let mut buffer = ListBuffer::default();
    (0..index.nlist())
        .map(|list| {
            let view = index.list(list, &mut buffer)?;
            let rows = view.rows.chunks_exact(index.dim()).map(<[f32]>::to_vec);
            Ok(rows.enumerate().map(|(row, values)| (view.ids.get(row), values)).collect())
        })
        .collect()
}

/// Checks that the lists hold every finite row once, as it was (or rounded), in order.
fn check_rows(path: &Path, values: &[f32], dim: usize) {
    let index = open(path, Io::Pread).unwrap();
    let mut seen: BTreeMap<u64, Vec<f32>> = BTreeMap::new();
    for list in read(path, Io::Pread).unwrap() {
        assert!(list.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (id, values) in list {
            assert_eq!(seen.insert(id, values), None);
        }
    }
    let mut excluded = Vec::new();
    for (row, values) in values.chunks_exact(dim).enumerate() {
        let row = row as u64;
        if !values.iter().all(|value| value.is_finite()) {
            excluded.push(row);
            continue;
        }
        let expected: Vec<f32> = match index.manifest().dtype {
            ListType::F32 | ListType::None => values.to_vec(),
            ListType::F16 => values.iter().map(|&value| half::f16::from_f32(value).to_f32()).collect(),
        };
        assert_eq!(seen.remove(&row), Some(expected), "row {row}");
    }
    assert!(seen.is_empty());
    assert_eq!(index.excluded().unwrap(), excluded);
    assert_eq!(index.manifest().excluded, excluded.len() as u64);
}
