//! The recall contract: the choice is the smallest that does, and what is reported is what brute force says.

use super::*;
use crate::join::{Calibration, Recall, Target};

const DIM: usize = 24;
const K: usize = 15;

/// The share of its true neighbours that each query finds.
fn shares(indexed: &Indexed, queries: &Tile, probes: Probes, own: bool) -> Vec<f64> {
    let truth = exact(indexed.metric, queries, &indexed.rows, K, own);
    let found = Way::default().join_in(indexed, queries, K, Some(probes), own);
    let shares = truth.ids.chunks(K).zip(found.ids.chunks(K)).filter_map(|(truth, found)| {
        let truth: Vec<i64> = truth.iter().copied().filter(|id| *id >= 0).collect();
        let shared = truth.iter().filter(|id| found.contains(id)).count();
        (!truth.is_empty()).then(|| shared as f64 / truth.len() as f64)
    });
    shares.collect()
}

/// Their mean.
fn brute(indexed: &Indexed, queries: &Tile, probes: Probes, own: bool) -> f64 {
    let shares = shares(indexed, queries, probes, own);
    shares.iter().sum::<f64>() / shares.len() as f64
}

/// Their mean, less its standard deviation.
fn sure(indexed: &Indexed, queries: &Tile, probes: Probes) -> f64 {
    let shares = shares(indexed, queries, probes, false);
    let (count, mean) = (shares.len() as f64, shares.iter().sum::<f64>() / shares.len() as f64);
    mean - (shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (count - 1.0) / count).sqrt()
}

fn part(queries: &Tile, rows: std::ops::Range<usize>) -> Tile {
    let values = queries.values[rows.start * DIM..rows.end * DIM].to_vec();
    Tile { first_row: 0, dim: DIM, values }
}

fn measured(indexed: &Indexed, queries: &Tile, own: Option<Vec<i64>>, targets: &[Target]) -> Vec<Recall> {
    let index = indexed.open(Io::Resident);
    let (lane, budget, silent) = (Lane::best(), MemoryBudget::new(1 << 30), Progress::silent());
    let search = ListJoin::new(&index, &lane, &budget);
    let calibration = Calibration::new(&search, queries.clone(), own, K, &silent).unwrap();
    targets.iter().map(|target| calibration.measure(*target, &silent).unwrap()).collect()
}

/// One wide clump, so that neighbours are spread over many lists.
fn sample() -> (Indexed, Tile) {
    let indexed = Indexed::new(clumps(1, 5000, DIM, 3), DIM, 64);
    (indexed, Tile { first_row: 0, dim: DIM, values: clumps(2, 3000, DIM, 3) })
}

#[test]
fn the_smallest_number_of_probes_that_does_is_chosen_and_its_recall_reported() {
    let (indexed, queries) = sample();
    let wanted = [0.3, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0];
    let (choosing, reporting) = (part(&queries, 0..500), part(&queries, 500..1000));
    let found = measured(&indexed, &part(&queries, 0..1000), None, &wanted.map(Target::Recall));
    assert!(
        found.is_sorted_by(|a, b| a.probes.most() <= b.probes.most() && a.lists <= b.lists && a.measured <= b.measured),
        "{found:?}"
    );
    for (wanted, recall) in wanted.into_iter().zip(&found) {
        assert!(sure(&indexed, &choosing, recall.probes) >= wanted, "{recall:?}");
        let fewer = recall.probes.with(recall.probes.most() - 1);
        assert!(fewer.most() == 0 || sure(&indexed, &choosing, fewer) < wanted, "{recall:?}");
        let true_share = brute(&indexed, &reporting, recall.probes, false);
        assert!((recall.measured - true_share).abs() < 1e-12, "{recall:?}, {true_share}");
        // And of queries that nobody asked.
        let others = brute(&indexed, &part(&queries, 1000..3000), recall.probes, false);
        assert!((recall.measured - others).abs() <= recall.within.max(0.01), "{recall:?}, {others}");
        assert!((0.0..0.02).contains(&recall.within), "{recall:?}");
    }
    assert!(found[0].lists < found[3].lists && found[3].lists < found[5].lists, "{found:?}");
    // Not every query looks in as many lists as it may.
    assert!(found[4].lists < found[4].probes.most() as f64, "{found:?}");
}

#[test]
fn in_self_mapping_no_row_counts_itself() {
    let indexed = Indexed::new(clumps(3, 3000, DIM, 3), DIM, 32);
    let own: Vec<i64> = (0..800).collect();
    let found = measured(&indexed, &part(&indexed.rows, 0..800), Some(own), &[Target::Probes(1), Target::Recall(0.9)]);
    // Row numbers of the first rows are their places, so brute force may take them as they are.
    for recall in found {
        let truth = exact(indexed.metric, &part(&indexed.rows, 0..800), &indexed.rows, K, true);
        let joined = Way::default().join_in(&indexed, &part(&indexed.rows, 0..800), K, Some(recall.probes), true);
        let pairs = truth.ids.chunks(K).zip(joined.ids.chunks(K)).skip(400);
        let shared: usize = pairs.map(|(a, b)| a.iter().filter(|id| b.contains(id)).count()).sum();
        assert!((recall.measured - shared as f64 / (400 * K) as f64).abs() < 1e-9, "{recall:?}");
    }
}

#[test]
fn a_number_of_probes_is_taken_as_it_is() {
    let (indexed, queries) = sample();
    let lists = indexed.open(Io::Resident).nlist() as usize;
    let found = measured(&indexed, &part(&queries, 0..200), None, &[1, 7, 100_000].map(Target::Probes));
    assert_eq!(found.iter().map(|recall| recall.probes).collect::<Vec<_>>(), [1, 7, lists].map(Probes::Nearest));
    assert_eq!(found.iter().map(|recall| recall.lists).collect::<Vec<_>>(), [1.0, 7.0, lists as f64]);
    assert!(found[0].measured < found[1].measured && found[2].measured == 1.0, "{found:?}");
}

#[test]
fn where_nobody_has_a_neighbour_nothing_is_missed() {
    let none = Indexed::new(vec![f32::NAN; 40 * DIM], DIM, 1);
    let (indexed, queries) = sample();
    let lost = Tile { first_row: 0, dim: DIM, values: vec![f32::NAN; 40 * DIM] };
    for (indexed, queries) in [(&none, &part(&queries, 0..50)), (&indexed, &lost), (&indexed, &part(&queries, 0..0))] {
        for recall in measured(indexed, queries, None, &[Target::Recall(0.95), Target::Probes(1)]) {
            assert_eq!((recall.probes.most(), recall.measured, recall.within), (1, 1.0, 0.0));
        }
    }
}

#[test]
fn a_few_queries_keep_the_contract_among_themselves_and_claim_no_certainty() {
    let (indexed, queries) = sample();
    let lists = indexed.open(Io::Resident).nlist() as usize;
    for first in 0..40 {
        for rows in 1..4 {
            let few = part(&queries, first..first + rows);
            let recall = &measured(&indexed, &few, None, &[Target::Recall(0.95)])[0];
            let choosing = part(&few, 0..rows.div_ceil(2));
            assert!(
                recall.probes.most() <= lists && brute(&indexed, &choosing, recall.probes, false) >= 0.95,
                "{recall:?}"
            );
            let reporting = part(&few, rows.div_ceil(2).min(rows - 1)..rows);
            assert!((recall.measured - brute(&indexed, &reporting, recall.probes, false)).abs() < 1e-12, "{recall:?}");
            // One query says nothing of the others.
            assert!(reporting.rows() == 1 && recall.within >= 1.0, "{rows} rows: {recall:?}");
        }
    }
}

#[test]
fn the_contract_is_kept_by_every_metric() {
    for metric in Metric::ALL {
        let indexed = Indexed::by(metric, clumps(1, 5000, DIM, 3), DIM, 64);
        let queries = prepared(metric, DIM, clumps(2, 800, DIM, 3));
        let (choosing, reporting) = (part(&queries, 0..400), part(&queries, 400..800));
        let lists = indexed.open(Io::Resident).nlist() as usize;
        for (wanted, recall) in
            [0.6, 0.95].into_iter().zip(measured(&indexed, &queries, None, &[0.6, 0.95].map(Target::Recall)))
        {
            assert!(recall.probes.most() < lists, "{metric:?}: {recall:?}");
            assert!(sure(&indexed, &choosing, recall.probes) >= wanted, "{metric:?}: {recall:?}");
            let fewer = recall.probes.with(recall.probes.most() - 1);
            assert!(fewer.most() == 0 || sure(&indexed, &choosing, fewer) < wanted, "{recall:?}");
            let true_share = brute(&indexed, &reporting, recall.probes, false);
            assert!((recall.measured - true_share).abs() < 1e-12, "{metric:?}: {recall:?}, {true_share}");
        }
    }
}
