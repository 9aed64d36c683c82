//! The join by lists as a whole: what it finds, in whatever way it is carried out, and what is said of it.

mod barred;
mod calibration;
mod codes;
mod damage;
#[cfg(target_os = "linux")]
pub(super) mod device;
mod exactness;
mod invariance;
mod repair;
mod widening;

use std::sync::Arc;

use super::{Barred, ListJoin, Ordered, Slab, join_slab};
use crate::budget::MemoryBudget;
use crate::distance::{Lane, Metric};
use crate::index::{IndexBuilder, IndexSpec, Io, IvfIndex, ListType, Probes, Start};
use crate::progress::Progress;
use crate::source::MemoryRows;
use crate::store::FailingVfs;
use crate::types::{NeighborBlock, Tile};

/// Numbers from 0 to below 1, the same for the same seed.
fn uniform(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// Rows around `clumps` places, which are the same whatever the seed.
pub(in crate::join) fn clumps(seed: u64, rows: usize, dim: usize, clumps: usize) -> Vec<f32> {
    let (mut uniform, mut places) = (uniform(seed), uniform_places(clumps * dim));
    for place in &mut places {
        *place *= 8.0;
    }
    let mut values = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let clump = (uniform() * clumps as f32) as usize;
        values.extend(places[clump * dim..(clump + 1) * dim].iter().map(|place| {
            // Nearly a normal distribution.
            place + uniform() + uniform() + uniform() + uniform() - 2.0
        }));
    }
    values
}

fn uniform_places(count: usize) -> Vec<f32> {
    std::iter::repeat_with(uniform(77)).take(count).collect()
}

/// Rows of which many are equal or equally far apart, some are not finite or zero vectors, and some lie very far out.
fn awkward(seed: u64, rows: usize, dim: usize, offset: f32) -> Vec<f32> {
    let mut uniform = uniform(seed);
    let mut values: Vec<f32> = Vec::with_capacity(rows * dim);
    for row in 0..rows {
        match (uniform() * 100.0) as u32 {
            0..20 if row > 0 => {
                let twin = (uniform() * row as f32) as usize;
                values.extend_from_within(twin * dim..(twin + 1) * dim);
            }
            20..50 => values.extend((0..dim).map(|_| (uniform() * 7.0).floor() - 3.0 + offset)),
            50..53 => {
                values.extend((0..dim).map(|_| uniform()));
                values[row * dim + (uniform() * dim as f32) as usize] = f32::NAN;
            }
            53 => values.extend((0..dim).map(|_| f32::INFINITY)),
            54..58 => values.extend((0..dim).map(|_| (uniform() - 0.5) * 1e4 + offset)),
            58 => values.extend((0..dim).map(|_| (uniform() - 0.5) * 1e20)),
            60 => values.extend(std::iter::repeat_n(0.0, dim)),
            59 => values.extend((0..dim).map(|_| (uniform() * 2.0 - 1.0) * 3e38)),
            _ => values.extend((0..dim).map(|_| uniform() * 10.0 - 5.0 + offset)),
        }
    }
    values
}

/// Rows, prepared for a metric, and a sealed index of them.
pub(in crate::join) struct Indexed {
    folder: tempfile::TempDir,
    metric: Metric,
    pub(in crate::join) rows: Tile,
}

impl Indexed {
    fn new(values: Vec<f32>, dim: usize, nlist: u32) -> Self {
        Self::of(values, dim, IndexSpec { nlist: Some(nlist), ..IndexSpec::default() })
    }

    pub(in crate::join) fn by(metric: Metric, values: Vec<f32>, dim: usize, nlist: u32) -> Self {
        Self::of(values, dim, IndexSpec { nlist: Some(nlist), metric, ..IndexSpec::default() })
    }

    fn of(values: Vec<f32>, dim: usize, spec: IndexSpec) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = MemoryRows::new(values.clone(), dim).unwrap();
        let metric = spec.metric;
        let builder = IndexBuilder {
            vfs: Arc::new(FailingVfs::after(i64::MAX)),
            spec,
            start: Start::New,
            budget: MemoryBudget::new(1 << 30),
            tile: &Lane::best(),
            progress: &Progress::silent(),
        };
        builder.build(&folder.path().join("x.gmx"), &source).unwrap();
        Self { folder, metric, rows: prepared(metric, dim, values) }
    }

    /// With three levels of centroids, however few lists there are.
    fn in_three_levels(metric: Metric, values: Vec<f32>, dim: usize, nlist: u32) -> Self {
        let spec = IndexSpec { nlist: Some(nlist), metric, most_in_two_levels: 0, ..IndexSpec::default() };
        let indexed = Self::of(values, dim, spec);
        assert_eq!(indexed.open(Io::Resident).manifest().levels, 3);
        indexed
    }

    fn half(metric: Metric, values: Vec<f32>, dim: usize, nlist: u32) -> Self {
        Self::of(values, dim, IndexSpec { nlist: Some(nlist), metric, dtype: ListType::F16, ..IndexSpec::default() })
    }

    pub(in crate::join) fn open(&self, io: Io) -> IvfIndex {
        IvfIndex::open(&self.folder.path().join("x.gmx"), io, &MemoryBudget::new(1 << 30)).unwrap()
    }

    /// The rows as a block of queries.
    fn block(&self) -> Tile {
        self.rows.clone()
    }
}

/// Rows as they are read for a metric.
fn prepared(metric: Metric, dim: usize, mut values: Vec<f32>) -> Tile {
    if let Some(prepare) = metric.prepare() {
        values.chunks_exact_mut(dim).for_each(prepare);
    }
    Tile { first_row: 0, dim, values }
}

/// How a join is carried out.
#[derive(Debug, Clone, Copy)]
struct Way {
    io: Io,
    lane: Lane,
    threads: usize,
    /// Bytes for packed lists; with none they are packed at every visit.
    kept: u64,
    /// Queries of a block.
    block: usize,
    /// Whether devices select, which the mock is: from one to three of them.
    on_device: bool,
}

impl Default for Way {
    fn default() -> Self {
        Self { io: Io::Resident, lane: Lane::best(), threads: 2, kept: 1 << 30, block: usize::MAX, on_device: false }
    }
}

impl Way {
    /// The neighbours of `queries` in the `probes` nearest lists, or in all that there are.
    fn join(self, indexed: &Indexed, queries: &Tile, k: usize, probes: Option<usize>, own: bool) -> NeighborBlock {
        self.join_in(indexed, queries, k, probes.map(Probes::Nearest), own)
    }

    /// The neighbours of `queries` in the lists that they look in, or in all that there are. With `own` the queries are the rows of the index.
    fn join_in(self, indexed: &Indexed, queries: &Tile, k: usize, probes: Option<Probes>, own: bool) -> NeighborBlock {
        let index = indexed.open(self.io);
        // Lists without a row cannot be mapped, and need not be.
        let has_rows = index.manifest().excluded < index.rows();
        assert!(index.io() == self.io || !has_rows, "{:?}", index.io());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().unwrap();
        let budget = MemoryBudget::new(self.kept);
        let search = ListJoin::new(&index, &self.lane, &budget);
        let (mut ordered, mut whole) = (Ordered::default(), empty(0, k));
        let dim = queries.dim;
        #[cfg(target_os = "linux")]
        let told = self.on_device.then(|| device::Told::of(k as i64, 1 + k as i64 % 3));
        #[cfg(target_os = "linux")]
        let mut device = told.as_ref().map(|told| told.at_work(indexed.metric, queries.dim, k).unwrap());
        for first in (0..queries.rows()).step_by(self.block.min(queries.rows().max(1))) {
            let last = first.saturating_add(self.block).min(queries.rows());
            let values = queries.values[first * dim..last * dim].to_vec();
            let block = Tile { first_row: first as u64, dim, values };
            let ids: Vec<i64> = (first as i64..last as i64).collect();
            let own = own.then_some(ids.as_slice());
            let mut nearest = empty(block.rows(), k);
            let silent = Progress::silent();
            pool.install(|| match probes {
                #[cfg(target_os = "linux")]
                Some(probes) if self.on_device => {
                    let device = device.as_mut().unwrap();
                    search.join_on(device, &block, probes, own, (&mut nearest, &mut ordered), &silent)
                }
                Some(probes) => search.join(&block, probes, Barred::own(own), &mut nearest, &mut ordered, &silent),
                None => search.join_all(&block, Barred::own(own), &mut nearest, &silent),
            })
            .unwrap();
            whole.ids.extend(nearest.ids);
            whole.distances.extend(nearest.distances);
        }
        whole
    }
}

fn empty(rows: usize, k: usize) -> NeighborBlock {
    NeighborBlock { first_row: 0, k, ids: vec![-1; rows * k], distances: vec![f32::NAN; rows * k] }
}

/// The join without lists, which has an oracle of its own.
fn exact(metric: Metric, queries: &Tile, references: &Tile, k: usize, own: bool) -> NeighborBlock {
    let slab = Slab::new(references.clone(), Slab::mean(references), metric, &Lane::best());
    let mut nearest = empty(queries.rows(), k);
    let (mut ordered, silent) = (Ordered::default(), Progress::silent());
    join_slab(queries, &slab, (own, None), &Lane::best(), &mut nearest, &mut ordered, &silent).unwrap();
    nearest
}

#[track_caller]
fn assert_same(found: &NeighborBlock, expected: &NeighborBlock, what: &str) {
    let bits = |block: &NeighborBlock| block.distances.iter().map(|d| d.to_bits()).collect::<Vec<_>>();
    let (found_bits, expected_bits) = (bits(found), bits(expected));
    assert_eq!(found.ids.len(), expected.ids.len(), "{what}");
    for slot in 0..found.ids.len() {
        let (left, right) = ((found.ids[slot], found_bits[slot]), (expected.ids[slot], expected_bits[slot]));
        let (row, rank) = (slot / found.k, slot % found.k);
        assert_eq!(left, right, "{what}: neighbour {rank} of row {row} of {}", found.ids.len() / found.k);
    }
}
