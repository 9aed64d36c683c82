//! Queries whose lists hold too few rows look further, until there are enough or no more.

use super::*;

pub(super) fn every_io() -> [Way; 5] {
    let ways = [Io::Resident, Io::Mmap, Io::Pread].map(|io| Way { io, ..Way::default() });
    let small = Way { io: Io::Pread, kept: 0, threads: 8, block: 7, lane: Lane::SCALAR, on_device: false };
    [ways[0], ways[1], ways[2], small, Way { on_device: true, ..Way::default() }]
}

#[test]
fn more_neighbours_than_rows_in_the_nearest_lists() {
    // Places so far apart that each list holds the rows of one, and rows enough in none.
    let values: Vec<f32> = (0..400u16).flat_map(|i| [f32::from(i / 10) * 100.0, f32::from(i % 10)]).collect();
    let indexed = Indexed::new(values, 2, 40);
    for k in [9, 10, 25, 150] {
        for way in every_io() {
            for own in [false, true] {
                let found = way.join(&indexed, &indexed.block(), k, Some(1), own);
                assert!(found.ids.iter().all(|id| *id >= 0), "k {k}, {way:?}");
                assert!(found.distances.chunks(k).all(<[f32]>::is_sorted));
                let first = if own { 1.0 } else { 0.0 };
                assert!(found.distances.chunks(k).all(|row| row[0] <= first), "k {k}, {way:?}");
            }
        }
    }
}

#[test]
fn more_neighbours_than_rows() {
    for (rows, nlist) in [(1, 1), (2, 2), (20, 50), (33, 4)] {
        let indexed = Indexed::new(clumps(rows as u64, rows, 3, 4), 3, nlist);
        for own in [false, true] {
            let expected = exact(indexed.metric, &indexed.rows, &indexed.rows, 40, own);
            for way in every_io() {
                for probes in [Some(1), Some(3), None] {
                    let found = way.join(&indexed, &indexed.block(), 40, probes, own);
                    assert_same(&found, &expected, &format!("{rows} rows in {nlist} lists, {probes:?}, {way:?}"));
                }
            }
        }
    }
}

#[test]
fn equal_rows_are_all_at_distance_0() {
    for (rows, nlist) in [(3000, 16), (500, 1), (90, 60)] {
        let indexed = Indexed::new([1.5f32, -2.0, 1e6].repeat(rows), 3, nlist);
        for way in every_io() {
            for own in [false, true] {
                let expected = exact(indexed.metric, &indexed.rows, &indexed.rows, 12, own);
                let all = way.join(&indexed, &indexed.block(), 12, Some(usize::MAX), own);
                assert_same(&all, &expected, &format!("{way:?}"));
                let some = way.join(&indexed, &indexed.block(), 12, Some(1), own);
                assert!(some.distances.iter().all(|distance| *distance == 0.0), "{way:?}");
                for (row, ids) in some.ids.chunks(12).enumerate() {
                    assert!(ids.is_sorted_by(|a, b| a < b) && !(own && ids.contains(&(row as i64))), "{ids:?}");
                }
            }
        }
    }
}

#[test]
fn one_list_is_the_whole() {
    let indexed = Indexed::new(awkward(3, 700, 5, 0.0), 5, 1);
    let expected = exact(indexed.metric, &indexed.rows, &indexed.rows, 20, true);
    for way in every_io() {
        assert_same(&way.join(&indexed, &indexed.block(), 20, Some(1), true), &expected, &format!("{way:?}"));
    }
}

#[test]
fn empty_lists_and_no_rows_at_all() {
    let mut values = vec![0.5f32; 30 * 2];
    values[20] = f32::NAN;
    let few = Indexed::new(values, 2, 64);
    assert!((0..few.open(Io::Resident).nlist()).any(|list| few.open(Io::Resident).list_rows(list) == 0));
    let expected = exact(few.metric, &few.rows, &few.rows, 40, false);
    let queries = Tile { first_row: 0, dim: 2, values: clumps(1, 50, 2, 3) };
    let none = [Vec::new(), vec![f32::NAN; 60]].map(|values| Indexed::new(values, 2, 1));
    for way in every_io() {
        assert_same(&way.join(&few, &few.block(), 40, Some(1), false), &expected, &format!("{way:?}"));
        for (number, none) in none.iter().enumerate() {
            // A file without bytes is not mapped.
            let way = if way.io == Io::Mmap { Way::default() } else { way };
            for probes in [Some(1), None] {
                let found = way.join(none, &queries, 4, probes, false);
                assert_same(&found, &empty(50, 4), &format!("{number}, {way:?}"));
            }
        }
    }
}

#[test]
fn no_queries_find_nothing() {
    let indexed = Indexed::new(clumps(1, 300, 3, 4), 3, 4);
    let queries = Tile { first_row: 0, dim: 3, values: Vec::new() };
    for probes in [Some(2), None] {
        assert_eq!(Way::default().join(&indexed, &queries, 5, probes, false).ids, [0i64; 0]);
    }
    let index = indexed.open(Io::Pread);
    let (lane, budget) = (Lane::best(), MemoryBudget::new(0));
    let search = ListJoin::new(&index, &lane, &budget);
    let (mut nearest, mut ordered, silent) = (empty(0, 5), Ordered::default(), Progress::silent());
    search.join(&queries, Probes::Nearest(2), Barred::NONE, &mut nearest, &mut ordered, &silent).unwrap();
    search.join_all(&queries, Barred::NONE, &mut nearest, &silent).unwrap();
}
