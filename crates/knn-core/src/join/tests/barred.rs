//! References of a query's own batch are no neighbours: what is found is what would be found if they were not there.

use super::widening::every_io;
use super::*;
use crate::join::{Batches, NO_QUERY_BATCH, NO_REFERENCE_BATCH};

const ROWS: usize = 900;
const K: usize = 12;

/// Batches of rows that lie near each other more often than not, so that the nearest of all are mostly barred; some rows have none.
fn batches(rows: &Tile) -> Vec<u32> {
    let of = |row: usize| match row {
        _ if row.is_multiple_of(17) => NO_REFERENCE_BATCH,
        _ if rows.row(row)[0] > 0.0 => u32::from(row.is_multiple_of(8)),
        _ => 2 + u32::from(row.is_multiple_of(5)),
    };
    (0..rows.rows()).map(of).collect()
}

fn counts(batches: &[u32]) -> Vec<u64> {
    (0..4).map(|batch| batches.iter().filter(|of| **of == batch).count() as u64).collect()
}

fn as_query(batch: u32) -> u32 {
    if batch == NO_REFERENCE_BATCH { NO_QUERY_BATCH } else { batch }
}

/// The exact join of each query with the references that it is not barred from, one by one.
fn oracle(metric: Metric, queries: &Tile, references: &Tile, of: (&[u32], &[u32]), own: bool) -> NeighborBlock {
    let mut all = empty(queries.rows(), K);
    for query in 0..queries.rows() {
        let is_open = |row: &usize| of.0[query] != of.1[*row] && !(own && *row == query);
        let open: Vec<usize> = (0..references.rows()).filter(is_open).collect();
        let values = open.iter().flat_map(|&row| references.row(row).to_vec()).collect();
        let few = Tile { first_row: 0, dim: references.dim, values };
        let one = Tile { first_row: 0, dim: queries.dim, values: queries.row(query).to_vec() };
        let found = exact(metric, &one, &few, K, false);
        for slot in 0..K {
            let id = found.ids[slot];
            all.ids[query * K + slot] = usize::try_from(id).map_or(-1, |id| open[id] as i64);
            all.distances[query * K + slot] = found.distances[slot];
        }
    }
    all
}

#[test]
fn exact_and_in_all_lists_it_is_as_if_they_were_not_there() {
    for metric in Metric::ALL {
        let indexed = Indexed::by(metric, clumps(5, ROWS, 4, 6), 4, 16);
        let references = &indexed.rows;
        let of = batches(references);
        let (counts, queries) = (counts(&of), references.clone());
        let of_queries: Vec<u32> = of.iter().copied().map(as_query).collect();
        let references_of = Batches { of: &of, counts: &counts };
        for own in [true, false] {
            let expected = oracle(metric, &queries, references, (&of_queries, &of), own);
            let ids: Vec<i64> = (0..ROWS as i64).collect();
            let barred = Barred { own: own.then_some(&ids), batches: Some((&of_queries, references_of)) };
            let silent = Progress::silent();
            for slab_rows in [ROWS, 200] {
                let (mut found, mut ordered) = (empty(ROWS, K), Ordered::default());
                for first in (0..ROWS).step_by(slab_rows) {
                    let last = (first + slab_rows).min(ROWS);
                    let values = references.values[first * 4..last * 4].to_vec();
                    let rows = Tile { first_row: first as u64, dim: 4, values };
                    let slab = Slab::new(rows, Slab::mean(references), metric, &Lane::best());
                    let barred = (own, Some((of_queries.as_slice(), references_of)));
                    join_slab(&queries, &slab, barred, &Lane::best(), &mut found, &mut ordered, &silent).unwrap();
                }
                assert_same(&found, &expected, &format!("{metric:?}, own {own}, slabs of {slab_rows}"));
            }
            for way in every_io() {
                let index = indexed.open(way.io);
                let search_budget = MemoryBudget::new(way.kept);
                let search = ListJoin::new(&index, &way.lane, &search_budget);
                let (mut found, mut ordered) = (empty(ROWS, K), Ordered::default());
                search.join(&queries, Probes::Nearest(16), barred, &mut found, &mut ordered, &silent).unwrap();
                assert_same(&found, &expected, &format!("{metric:?}, own {own}, {way:?}"));
                let mut all = empty(ROWS, K);
                search.join_all(&queries, barred, &mut all, &silent).unwrap();
                assert_same(&all, &expected, &format!("{metric:?}, own {own}, all, {way:?}"));
            }
        }
    }
}

#[test]
fn a_query_whose_lists_hold_its_own_batch_looks_further_and_no_further_than_there_is() {
    let indexed = Indexed::new(clumps(9, ROWS, 3, 6), 3, 16);
    let index = indexed.open(Io::Pread);
    let (lane, budget) = (Lane::best(), MemoryBudget::new(0));
    let search = ListJoin::new(&index, &lane, &budget);
    // The batch of a row is its list, so that the nearest list holds nothing for it.
    let of = search.nearest_lists(&indexed.rows.values);
    let counts: Vec<u64> = (0..16).map(|list| of.iter().filter(|of| **of == list).count() as u64).collect();
    let barred = Barred { own: None, batches: Some((&of, Batches { of: &of, counts: &counts })) };
    let (mut found, mut ordered, silent) = (empty(ROWS, K), Ordered::default(), Progress::silent());
    search.join(&indexed.rows, Probes::Nearest(1), barred, &mut found, &mut ordered, &silent).unwrap();
    assert!(found.ids.iter().all(|id| *id >= 0));
    assert!((0..ROWS).all(|row| found.row(row).0.iter().all(|&id| of[id as usize] != of[row])));
    // All of one batch: there is nobody else.
    let (one, counts) = (vec![0; ROWS], [ROWS as u64]);
    let alone = Barred { own: None, batches: Some((&one, Batches { of: &one, counts: &counts })) };
    search.join(&indexed.rows, Probes::Nearest(1), alone, &mut found, &mut ordered, &silent).unwrap();
    assert!(found.ids.iter().all(|id| *id == -1));
}
