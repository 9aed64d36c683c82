//! Repair against a plain double loop, in every way that it is carried out.

use super::*;
use crate::join::{Calibration, HOPS, Hop, Links, Recall, Repair, RepairCost, Repairs, Target, Theirs};
use proptest::prelude::*;

/// The graph of an approximate search, some of its rows short of neighbours.
fn graph(metric: Metric, rows: &Tile, k: usize, seed: u64) -> NeighborBlock {
    let mut uniform = uniform(seed);
    let n = rows.rows();
    let mut found = empty(n, k);
    for row in (0..n).filter(|&row| metric.flaw(rows.row(row)).is_none()) {
        // Any rows will do, as long as each is there once, comparable and not the row itself.
        let wanted = if uniform() < 0.2 { (uniform() * k as f32) as usize } else { k };
        let mut some: Vec<i64> = (0..wanted * 2).map(|_| (uniform() * n as f32) as i64).collect();
        some.retain(|&id| id != row as i64 && metric.flaw(rows.row(id as usize)).is_none());
        some.sort_unstable();
        some.dedup();
        some.truncate(wanted);
        put(metric, rows, rows.row(row), some, &mut found, row);
    }
    found
}

/// Puts the k best of some ids in their places.
fn put(metric: Metric, rows: &Tile, query: &[f32], ids: Vec<i64>, to: &mut NeighborBlock, row: usize) {
    let exact = |id: i64| {
        let other = rows.row(id as usize);
        if metric.is_product() {
            -crate::distance::exact_product(query, other)
        } else {
            crate::distance::exact_squared(query, other)
        }
    };
    let mut all: Vec<(f32, i64)> = ids.into_iter().map(|id| (metric.reported(exact(id)), id)).collect();
    all.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap().then(a.1.cmp(&b.1)));
    for (rank, (distance, id)) in all.into_iter().take(to.k).enumerate() {
        (to.ids[row * to.k + rank], to.distances[row * to.k + rank]) = (id, distance);
    }
}

/// What the definition says, of queries that are references themselves if `own`.
fn plain(
    metric: Metric,
    queries: &Tile,
    rows: &Tile,
    found: &NeighborBlock,
    xx: &NeighborBlock,
    hop: Hop,
    own: bool,
) -> NeighborBlock {
    let mut repaired = empty(queries.rows(), found.k);
    for row in 0..queries.rows() {
        let known = found.row(row).0;
        let theirs = known.iter().take(hop.r2).flat_map(|&id| xx.row(id as usize).0.iter().take(hop.r1));
        let mut all: Vec<i64> = known.iter().chain(theirs).copied().collect();
        all.retain(|&id| !own || id != row as i64);
        all.sort_unstable();
        all.dedup();
        put(metric, rows, queries.row(row), all, &mut repaired, row);
    }
    repaired
}

/// The same by the code, in blocks of so many queries and slabs of so many references; without slabs at once.
fn repaired(
    (metric, lane, threads): (Metric, Lane, usize),
    (queries, rows): (&Tile, &Tile),
    (found, xx): (&NeighborBlock, &NeighborBlock),
    hop: Hop,
    own: bool,
    (block, slab): (usize, Option<usize>),
) -> NeighborBlock {
    let (k, dim, n) = (found.k, rows.dim, rows.rows());
    let links_of = |from: usize, to: usize| {
        let mut links = Links::new(hop.r1, n as u64);
        links.begin(from as u64);
        let ids = xx.ids[from * xx.k..to * xx.k].to_vec();
        links.push(&NeighborBlock { first_row: from as u64, k: xx.k, distances: Vec::new(), ids });
        links
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (mut repair, silent, mut all) = (Repair::new(hop, metric, &lane), Progress::silent(), empty(0, k));
    for first in (0..queries.rows()).step_by(block) {
        let last = (first + block).min(queries.rows());
        let slots = first * k..last * k;
        let (ids, distances) = (found.ids[slots.clone()].to_vec(), found.distances[slots].to_vec());
        let mut nearest = NeighborBlock { first_row: first as u64, k, ids, distances };
        let numbers: Vec<i64> = (first as i64..last as i64).collect();
        pool.install(|| {
            repair.begin(&queries.values[first * dim..last * dim], dim, own.then_some(&numbers), &nearest);
            let slabs = (0..n).step_by(slab.unwrap_or(n)).map(|at| (at, (at + slab.unwrap_or(n)).min(n)));
            if slab.is_none() {
                repair.at_once(&links_of(0, n), rows, &silent).unwrap();
            } else {
                slabs.clone().for_each(|(from, to)| repair.look(&links_of(from, to), &silent).unwrap());
                repair.settle();
                for (from, to) in slabs {
                    let values = rows.values[from * dim..to * dim].to_vec();
                    repair.decide(&Tile { first_row: from as u64, dim, values }, &silent).unwrap();
                }
            }
            repair.end(&mut nearest);
        });
        all.ids.extend(nearest.ids);
        all.distances.extend(nearest.distances);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn it_is_what_the_definition_says_however_it_is_carried_out(
        seed in any::<u64>(), n in 1usize..180, dim in 1usize..12, k in 1usize..9,
        (r1, r2) in (1usize..9, 1usize..9), metric in prop::sample::select(Metric::ALL.to_vec()),
        block in 1usize..200, slab in 1usize..200, own in any::<bool>(),
    ) {
        let rows = prepared(metric, dim, awkward(seed, n, dim, 0.0));
        let hop = Hop { r1, r2 }.within(k);
        let xx = graph(metric, &rows, k, seed ^ 1);
        // Of other cells the queries are some references' twins, so that ties are many.
        let (queries, found) = (rows.clone(), if own { xx.clone() } else { graph(metric, &rows, k, seed ^ 2) });
        let expected = plain(metric, &queries, &rows, &found, &xx, hop, own);
        for lane in Lane::available() {
            for (threads, slab) in [(1, None), (3, None), (2, Some(slab))] {
                let way = (metric, lane, threads);
                let got = repaired(way, (&queries, &rows), (&found, &xx), hop, own, (block, slab));
                assert_same(&got, &expected, &format!("{lane:?}, {threads} threads, slabs {slab:?}"));
            }
        }
    }
}

#[test]
fn a_repaired_graph_is_nearer_to_the_true_one() {
    let indexed = Indexed::new(clumps(1, 4000, 12, 3), 12, 64);
    let (k, rows) = (10, indexed.block());
    let truth = exact(indexed.metric, &rows, &rows, k, true);
    let found = Way::default().join(&indexed, &rows, k, Some(2), true);
    let recall = |block: &NeighborBlock| {
        let rows =
            (0..rows.rows()).map(|row| truth.row(row).0.iter().filter(|id| block.row(row).0.contains(id)).count());
        rows.sum::<usize>() as f64 / truth.ids.len() as f64
    };
    let mut before = recall(&found);
    let way = (indexed.metric, Lane::best(), 2);
    for hop in [Hop { r1: 3, r2: 3 }, Hop { r1: 6, r2: 6 }, Hop { r1: 10, r2: 10 }] {
        let after = recall(&repaired(way, (&rows, &rows), (&found, &found), hop, true, (1000, None)));
        assert!(after > before, "{hop:?}: {after} after {before}");
        before = after;
    }
    assert!(before > recall(&found) + 0.05, "{before}");
}

const DIM: usize = 24;
const K: usize = 15;

/// The choice for the first 800 of 3 000 rows, and what it would be without a repair.
fn chosen(indexed: &Indexed, target: Target, always: bool, cost: RepairCost) -> (Recall, Recall) {
    let index = indexed.open(Io::Resident);
    let (lane, budget, silent) = (Lane::best(), MemoryBudget::new(1 << 30), Progress::silent());
    let search = ListJoin::new(&index, &lane, &budget);
    let sample = Tile { first_row: 0, dim: DIM, values: indexed.rows.values[..800 * DIM].to_vec() };
    let calibration = Calibration::new(&search, sample, Some((0..800).collect()), K, &silent).unwrap();
    let mut fetch = |ids: &[i64]| {
        assert!(ids.is_sorted_by(|a, b| a < b));
        let values = ids.iter().flat_map(|&id| indexed.rows.row(id as usize).iter().copied()).collect();
        Ok(Tile { first_row: 0, dim: DIM, values })
    };
    let repairs = Repairs { always, cost, theirs: Theirs::Found(&mut fetch) };
    let repaired = calibration.measure_repaired(target, repairs, &silent).unwrap();
    (repaired, calibration.measure(target, &silent).unwrap())
}

/// The share of true neighbours that the 400 reporting queries find with lists and a hop, by the definitions.
fn brute(indexed: &Indexed, recall: &Recall) -> f64 {
    let rows = indexed.block();
    let truth = exact(indexed.metric, &rows, &rows, K, true);
    let found = Way::default().join_in(indexed, &rows, K, Some(recall.probes), true);
    let found = match recall.repair {
        Some(hop) => plain(indexed.metric, &rows, &rows, &found, &found, hop, true),
        None => found,
    };
    let shared = (400..800).map(|row| truth.row(row).0.iter().filter(|id| found.row(row).0.contains(id)).count());
    shared.sum::<usize>() as f64 / (400 * K) as f64
}

#[test]
fn a_repair_is_chosen_where_it_costs_less_and_its_recall_is_what_brute_force_says() {
    let indexed = Indexed::new(clumps(3, 3000, DIM, 3), DIM, 48);
    let cheap = RepairCost { candidate: 0.01, query: 0.0 };
    for wanted in [0.6, 0.8, 0.95] {
        let (recall, without) = chosen(&indexed, Target::Recall(wanted), false, cheap);
        assert!(recall.repair.is_some_and(|hop| HOPS.map(|hop| hop.within(K)).contains(&hop)), "{recall:?}");
        assert!(recall.probes.most() < without.probes.most() && recall.lists < without.lists, "{recall:?}");
        assert!((recall.measured - brute(&indexed, &recall)).abs() < 1e-9, "{recall:?}");
        assert!(recall.measured > wanted - 0.01, "{recall:?}");
        assert!((without.measured - brute(&indexed, &without)).abs() < 1e-9, "{without:?}");
    }
    for dear in [RepairCost { candidate: 1e6, query: 0.0 }, RepairCost { candidate: 0.0, query: 1e6 }] {
        let (recall, without) = chosen(&indexed, Target::Recall(0.95), false, dear);
        assert_eq!(recall, without);
        let (recall, _) = chosen(&indexed, Target::Recall(0.95), true, dear);
        assert!(recall.repair.is_some() && recall.measured > 0.94, "{recall:?}");
        assert!((recall.measured - brute(&indexed, &recall)).abs() < 1e-9, "{recall:?}");
    }
}

#[test]
fn with_given_lists_nothing_is_chosen() {
    let indexed = Indexed::new(clumps(3, 3000, DIM, 3), DIM, 48);
    let cost = RepairCost { candidate: 1.0, query: 1.0 };
    let (recall, without) = chosen(&indexed, Target::Probes(2), true, cost);
    assert_eq!((recall.probes, without.probes), (Probes::Nearest(2), Probes::Nearest(2)));
    assert!(recall.repair == Some(Hop { r1: 12, r2: 12 }) && recall.measured > without.measured, "{recall:?}");
    assert!((recall.measured - brute(&indexed, &recall)).abs() < 1e-9, "{recall:?}");
}
