//! The joins on a device have the results of the joins without: the mock is as wrong as the bound allows and orders ties by chance, fails in the middle,
//! and lies.

use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::gpu::mock::Mock;
use crate::gpu::{Backend, Search, probe};
use crate::join::{DeviceSize, DeviceWork, OnDevice};
use crate::progress::Cancel;

/// Devices of the mock, which is told what to do.
pub(in crate::join) struct Told {
    pub(in crate::join) mock: Mock,
    backend: Backend,
}

impl Told {
    /// One that is `wrong` by chance from this seed, without a driver.
    pub(super) fn wrong(seed: i64) -> Self {
        Self::of(seed, 0)
    }

    /// As many as the driver has, or one without it, which are wrong by chance.
    pub(in crate::join) fn of(seed: i64, devices: i64) -> Self {
        let mock = Mock::new();
        mock.set("perturb", seed).set("devices", devices);
        let driver = (devices > 0).then(|| mock.driver());
        let search = Search { named: Some(mock.path()), memory: Some(1 << 30), driver, ..Search::default() };
        let backend = Backend::Cuda { devices: probe(&search).unwrap(), or_cpu: true };
        Self { mock, backend }
    }

    fn alone(mut self) -> Self {
        if let Backend::Cuda { or_cpu, .. } = &mut self.backend {
            *or_cpu = false;
        }
        self
    }

    /// At work for a join, with little memory, so that batches are small.
    pub(in crate::join) fn at_work(&self, metric: Metric, dim: usize, k: usize) -> crate::error::Result<OnDevice> {
        let Backend::Cuda { devices, .. } = &self.backend else { unreachable!() };
        let begun = OnDevice::begin(&self.backend, metric, DeviceSize::least(k, dim, devices.len()))?;
        Ok(begun.unwrap().asking_always())
    }

    pub(in crate::join) fn is_clean(&self) {
        assert_eq!((self.mock.live(), self.mock.faults()), (0, 0));
    }
}

/// The join with slabs of so many rows, on a device.
fn slabs(
    on: &mut OnDevice,
    metric: Metric,
    (queries, references): (&Tile, &Tile),
    (k, own): (usize, bool),
    (slab_rows, block): (usize, usize),
) -> crate::error::Result<NeighborBlock> {
    let (dim, lane, silent) = (queries.dim, Lane::best(), Progress::silent());
    let (mut whole, mut ordered) = (empty(0, k), Ordered::default());
    let mut slab: Option<Slab> = None;
    for first in (0..queries.rows()).step_by(block) {
        let last = (first + block).min(queries.rows());
        let values = queries.values[first * dim..last * dim].to_vec();
        let some = Tile { first_row: first as u64, dim, values };
        let mut nearest = empty(some.rows(), k);
        nearest.first_row = some.first_row;
        for from in (0..references.rows()).step_by(slab_rows) {
            let to = (from + slab_rows).min(references.rows());
            let rows = Tile { first_row: from as u64, dim, values: references.values[from * dim..to * dim].to_vec() };
            let slab = match &mut slab {
                // One slab that stays is not filled again.
                Some(slab) if slab_rows >= references.rows() => slab,
                Some(slab) => {
                    slab.refill(rows, &lane);
                    slab
                }
                none => none.insert(Slab::new(rows, Slab::mean(references), metric, &lane)),
            };
            on.join_slab(&some, slab, own, &lane, (&mut nearest, &mut ordered), &silent)?;
        }
        whole.ids.extend(nearest.ids);
        whole.distances.extend(nearest.distances);
    }
    Ok(whole)
}

fn metrics() -> impl Strategy<Value = Metric> {
    prop::sample::select(Metric::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn slabs_have_the_neighbours_of_the_processor(
        seed: u64, rows in 1usize..400, queries in 1usize..300, dim in prop::sample::select(vec![1usize, 3, 7, 17]),
        k in 1usize..35, offset in prop::sample::select(vec![0f32, 1e6, -3e4]), metric in metrics(), wrong in 0i64..4,
        slab_rows in 1usize..500, block in 1usize..400, devices in 0i64..4,
    ) {
        let references = prepared(metric, dim, awkward(seed, rows, dim, offset));
        let queries = prepared(metric, dim, awkward(seed ^ 1, queries, dim, offset));
        let told = Told::of(wrong, devices);
        let mut on = told.at_work(metric, dim, k).unwrap();
        let cross = exact(metric, &queries, &references, k, false);
        let found = slabs(&mut on, metric, (&queries, &references), (k, false), (slab_rows, block)).unwrap();
        assert_same(&found, &cross, "cross");
        let own = exact(metric, &references, &references, k, true);
        let found = slabs(&mut on, metric, (&references, &references), (k, true), (slab_rows, block)).unwrap();
        assert_same(&found, &own, "self");
        assert_eq!(on.failure(), None);
        drop(on);
        told.is_clean();
    }
}

#[test]
fn the_device_settles_most_and_the_processor_what_is_left() {
    for metric in Metric::ALL {
        let references = prepared(metric, 20, clumps(1, 4000, 20, 12));
        let queries = prepared(metric, 20, clumps(2, 3000, 20, 12));
        let told = Told::wrong(5);
        let mut on = told.at_work(metric, 20, 15).unwrap();
        let found = slabs(&mut on, metric, (&queries, &references), (15, false), (4000, 3000)).unwrap();
        assert_same(&found, &exact(metric, &queries, &references, 15, false), metric.name());
        let DeviceWork { spent, settled, left } = on.take_work();
        assert!(settled + left == 3000 && left < 60, "{metric:?}: {settled}, {left}");
        assert_eq!(spent.pairs, 3000 * 4000);
        assert!(spent.loading > 0.0 && spent.searching > 0.0);
        // Of cells that are all alike none can be settled.
        let alike = Tile { values: queries.values[..20].repeat(500), ..queries.clone() };
        let found = slabs(&mut on, metric, (&alike, &alike), (15, true), (500, 500)).unwrap();
        assert_same(&found, &exact(metric, &alike, &alike, 15, true), metric.name());
        let DeviceWork { spent, settled, left } = on.take_work();
        assert_eq!((spent.pairs, settled, left), (500 * 500, 0, 500));
        assert_eq!(on.take_work(), DeviceWork::default());
    }
}

#[test]
fn lists_are_searched_by_the_device() {
    let indexed = Indexed::by(Metric::Euclidean, clumps(1, 4000, 20, 12), 20, 24);
    let index = indexed.open(Io::Pread);
    let (lane, budget, silent) = (Lane::best(), MemoryBudget::new(1 << 30), Progress::silent());
    let search = ListJoin::new(&index, &lane, &budget);
    let ids: Vec<i64> = (0..4000).collect();
    let mut expected = empty(4000, 10);
    let own = Some(ids.as_slice());
    let probes = Probes::Nearest(5);
    search.join(&indexed.rows, probes, Barred::own(own), &mut expected, &mut Ordered::default(), &silent).unwrap();
    let told = Told::wrong(3);
    let mut on = told.at_work(Metric::Euclidean, 20, 10).unwrap();
    let mut found = empty(4000, 10);
    search.join_on(&mut on, &indexed.rows, probes, own, (&mut found, &mut Ordered::default()), &silent).unwrap();
    assert_same(&found, &expected, "lists");
    let DeviceWork { settled, left, .. } = on.take_work();
    assert_eq!(settled + left, 4000);
    assert!(left < 200, "{left}");
}

/// A join where the mock is told something, with what it failed with.
type Joining<'a> = &'a dyn Fn(&str, i64) -> (NeighborBlock, Option<String>);

#[test]
fn every_device_takes_part_in_a_join() {
    let references = prepared(Metric::Euclidean, 20, clumps(1, 3000, 20, 12));
    let queries = prepared(Metric::Euclidean, 20, clumps(2, 4100, 20, 12));
    let indexed = Indexed::by(Metric::Euclidean, references.values.clone(), 20, 24);
    let expected = exact(Metric::Euclidean, &queries, &references, 10, false);
    let by_lists = Way::default().join(&indexed, &queries, 10, Some(5), false);
    let (index, lane, silent) = (indexed.open(Io::Pread), Lane::best(), Progress::silent());
    for devices in 1..=3 {
        let told = Told::of(4, devices);
        let all: Vec<u32> = (0..devices as u32).collect();
        let mut on = told.at_work(Metric::Euclidean, 20, 10).unwrap();
        let found = slabs(&mut on, Metric::Euclidean, (&queries, &references), (10, false), (3000, 4100)).unwrap();
        assert_same(&found, &expected, "slabs");
        assert_eq!(told.mock.searched(), all);
        let budget = MemoryBudget::new(0);
        let (search, mut found) = (ListJoin::new(&index, &lane, &budget), empty(queries.rows(), 10));
        let results = (&mut found, &mut Ordered::default());
        search.join_on(&mut on, &queries, Probes::Nearest(5), None, results, &silent).unwrap();
        assert_same(&found, &by_lists, "lists");
        assert_eq!(told.mock.searched(), all);
        drop(on);
        told.is_clean();
    }
}

#[test]
fn where_a_device_fails_the_others_go_on() {
    let cells = prepared(Metric::Euclidean, 7, clumps(1, 3000, 7, 5));
    let indexed = Indexed::by(Metric::Euclidean, cells.values.clone(), 7, 12);
    let expected = exact(Metric::Euclidean, &cells, &cells, 9, true);
    let by_lists = Way::default().join(&indexed, &cells, 9, Some(4), false);
    let (index, lane, silent) = (indexed.open(Io::Resident), Lane::best(), Progress::silent());
    for broken in 0..3 {
        // Nothing but devices may compute, and two are left.
        let told = Told::of(1, 3).alone();
        told.mock.set("broken", broken);
        let others: Vec<u32> = (0..3).filter(|device| i64::from(*device) != broken).collect();
        let mut on = told.at_work(Metric::Euclidean, 7, 9).unwrap();
        let found = slabs(&mut on, Metric::Euclidean, (&cells, &cells), (9, true), (900, 3000)).unwrap();
        assert_same(&found, &expected, "slabs");
        assert_eq!(told.mock.searched(), others);
        let failure = on.failure().unwrap();
        assert!(failure.contains(&format!("the GPU {broken} failed in cuvsBruteForceSearch")), "{failure}");
        assert!(!failure.contains("processor went on"), "{failure}");
        drop(on);
        let mut on = told.at_work(Metric::Euclidean, 7, 9).unwrap();
        let budget = MemoryBudget::new(0);
        let (search, mut found) = (ListJoin::new(&index, &lane, &budget), empty(cells.rows(), 9));
        let results = (&mut found, &mut Ordered::default());
        search.join_on(&mut on, &cells, Probes::Nearest(4), None, results, &silent).unwrap();
        assert_same(&found, &by_lists, "lists");
        assert_eq!(told.mock.searched(), others);
        assert!(on.failure().is_some());
        drop(on);
        told.is_clean();
    }
}

#[test]
fn where_the_device_fails_the_processor_goes_on() {
    for devices in [0, 1] {
        every_call_fails(devices);
    }
}

#[test]
fn where_calls_of_several_devices_fail_nothing_changes() {
    every_call_fails(2);
}

/// Every call of a join fails in turn, with so many devices.
fn every_call_fails(devices: i64) {
    let references = prepared(Metric::Euclidean, 7, awkward(1, 900, 7, 0.0));
    let queries = prepared(Metric::Euclidean, 7, awkward(2, 2500, 7, 0.0));
    let expected = exact(Metric::Euclidean, &queries, &references, 9, false);
    let indexed = Indexed::by(Metric::Euclidean, clumps(1, 900, 7, 5), 7, 8);
    let by_lists = Way::default().join(&indexed, &queries, 9, Some(3), false);
    let told = Told::of(1, devices);
    let join = |how: &str, value: i64| {
        told.mock.set(how, value);
        let mut on = told.at_work(Metric::Euclidean, 7, 9).unwrap();
        let found = slabs(&mut on, Metric::Euclidean, (&queries, &references), (9, false), (500, 2000)).unwrap();
        let failure = on.failure();
        drop(on);
        told.is_clean();
        (found, failure)
    };
    let lists = |how: &str, value: i64| {
        told.mock.set(how, value);
        let index = indexed.open(Io::Resident);
        let (lane, budget, silent) = (Lane::best(), MemoryBudget::new(0), Progress::silent());
        let search = ListJoin::new(&index, &lane, &budget);
        let mut on = told.at_work(Metric::Euclidean, 7, 9).unwrap();
        let (mut found, mut ordered) = (empty(queries.rows(), 9), Ordered::default());
        search.join_on(&mut on, &queries, Probes::Nearest(3), None, (&mut found, &mut ordered), &silent).unwrap();
        let failure = on.failure();
        drop((on, search));
        told.is_clean();
        (found, failure)
    };
    let ways: [(Joining, &NeighborBlock); 2] = [(&join, &expected), (&lists, &by_lists)];
    for (way, expected) in ways {
        let before = told.mock.calls();
        let (found, failure) = way("fail_at", 0);
        assert_same(&found, expected, "without a fault");
        assert_eq!(failure, None);
        let calls = told.mock.calls() - before;
        assert!(calls > 30);
        for call in (1..=calls).filter(|call| *call < 40 || call % 7 == 0) {
            let (found, failure) = way("fail_at", call);
            assert_same(&found, expected, &format!("fault {call} of {calls}"));
            let failure = failure.unwrap();
            let failed = if devices < 2 { "the GPU failed in cu" } else { "failed in cu" };
            assert!(failure.contains(failed), "{failure}");
        }
        told.mock.set("fail_at", 0);
        for allocation in 1..4 {
            let (found, _) = way("fail_allocation", allocation);
            assert_same(&found, expected, &format!("allocation {allocation}"));
        }
        told.mock.set("fail_allocation", 0);
        for lie in 1..=5 {
            let (found, failure) = way("lie", lie);
            assert_same(&found, expected, &format!("lie {lie}"));
            assert!(failure.unwrap().contains("cannot be, or is less exact"), "{lie}");
        }
        told.mock.set("lie", 0);
    }
}

#[test]
fn where_nothing_else_may_compute_a_failure_is_an_error() {
    let cells = prepared(Metric::Cosine, 7, clumps(1, 900, 7, 5));
    let told = Told::wrong(1).alone();
    let before = told.mock.calls();
    let join = || {
        let mut on = told.at_work(Metric::Cosine, 7, 9)?;
        slabs(&mut on, Metric::Cosine, (&cells, &cells), (9, true), (500, 600))
    };
    join().unwrap();
    let calls = told.mock.calls() - before;
    for call in 1..=calls {
        told.mock.set("fail_at", call);
        let error = join().unwrap_err();
        assert!(matches!(&error, Error::Backend { backend, .. } if backend == "cuda"), "{error}");
        assert!(error.hint().unwrap().contains("resume"));
        told.is_clean();
    }
}

#[test]
fn a_join_that_is_cancelled_ends_as_such() {
    let cells = prepared(Metric::Euclidean, 7, clumps(1, 900, 7, 5));
    let told = Told::wrong(1);
    let mut on = told.at_work(Metric::Euclidean, 7, 9).unwrap();
    let slab = Slab::new(cells.clone(), Slab::mean(&cells), Metric::Euclidean, &Lane::best());
    let cancel = Cancel::default();
    cancel.cancel();
    let progress = Progress::new(cancel, None);
    let (mut nearest, mut ordered) = (empty(900, 9), Ordered::default());
    let error = on.join_slab(&cells, &slab, true, &Lane::best(), (&mut nearest, &mut ordered), &progress).unwrap_err();
    assert_eq!(error.code(), "GM_CANCELLED");
}
