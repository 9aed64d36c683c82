//! Codes that select: what they lose, and that nothing else follows from how a join is carried out.

use super::*;
use crate::distance::DistanceTile as _;

fn coded(values: Vec<f32>, dim: usize, nlist: u32, dtype: ListType) -> Indexed {
    Indexed::of(values, dim, IndexSpec { nlist: Some(nlist), dtype, codes: true, ..IndexSpec::default() })
}

/// Share of the neighbours of `truth` that were found.
fn share(found: &NeighborBlock, truth: &NeighborBlock) -> f64 {
    let shared = |row| truth.row(row).0.iter().filter(|id| found.row(row).0.contains(id)).count();
    (0..truth.rows()).map(shared).sum::<usize>() as f64 / truth.ids.iter().filter(|id| **id >= 0).count() as f64
}

/// Rows spread evenly, which codes tell apart least well.
fn spread(seed: u64, rows: usize, dim: usize) -> Vec<f32> {
    std::iter::repeat_with(uniform(seed)).take(rows * dim).collect()
}

#[test]
fn of_what_lists_hold_codes_lose_little_and_exact_distances_are_told() {
    for (dim, metric) in [(20, Metric::Euclidean), (7, Metric::Cosine), (50, Metric::SquaredEuclidean)] {
        let spec = IndexSpec { nlist: Some(40), metric, ..IndexSpec::default() };
        let flat = Indexed::of(spread(1, 6000, dim), dim, spec.clone());
        let by_codes = Indexed::of(spread(1, 6000, dim), dim, IndexSpec { codes: true, ..spec });
        let queries = prepared(metric, dim, spread(2, 400, dim));
        let truth = Way::default().join(&flat, &queries, 12, Some(25), false);
        let found = Way::default().join(&by_codes, &queries, 12, Some(25), false);
        let kept = share(&found, &truth);
        assert!((0.985..=1.0).contains(&kept), "{dim}: {kept}");
        for row in 0..queries.rows() {
            for (id, distance) in found.row(row).0.iter().zip(found.row(row).1) {
                let exact = crate::distance::exact_squared(queries.row(row), flat.rows.row(*id as usize));
                assert_eq!(metric.reported(exact).to_bits(), distance.to_bits());
            }
        }
    }
}

#[test]
fn the_less_may_be_lost_the_more_is_found_and_all_where_nothing_may() {
    let (dim, k) = (30, 10);
    let indexed = coded(spread(3, 5000, dim), dim, 30, ListType::F32);
    let flat = Indexed::new(spread(3, 5000, dim), dim, 30);
    let queries = Tile { first_row: 0, dim, values: spread(4, 300, dim) };
    let truth = Way::default().join(&flat, &queries, k, Some(20), false);
    let (index, lane, budget) = (indexed.open(Io::Resident), Lane::best(), MemoryBudget::new(1 << 30));
    let mut kept = Vec::new();
    for loss in [0.5, 0.05, 0.0] {
        let search = ListJoin::new(&index, &lane, &budget).losing(loss);
        let mut found = empty(queries.rows(), k);
        let (mut ordered, silent) = (Ordered::default(), Progress::silent());
        search.join(&queries, Probes::Nearest(20), Barred::NONE, &mut found, &mut ordered, &silent).unwrap();
        kept.push(share(&found, &truth));
        if loss == 0.0 {
            assert_same(&found, &truth, "nothing may be lost");
        }
    }
    assert!(kept[0] < kept[1] && kept[1] < kept[2] && kept[0] > 0.5, "{kept:?}");
}

#[test]
fn neighbours_are_the_same_however_they_are_found() {
    let dim = 6;
    for dtype in [ListType::F32, ListType::F16, ListType::None] {
        let mut values = clumps(5, 3000, dim, 9);
        values[40] = f32::NAN;
        let indexed = coded(values, dim, 60, dtype);
        for own in [false, true] {
            let queries =
                if own { indexed.block() } else { Tile { first_row: 0, dim, values: awkward(6, 500, dim, 2.0) } };
            for probes in [Probes::Nearest(9), Probes::Near(30), Probes::Nearest(60)] {
                let expected = Way::default().join_in(&indexed, &queries, 7, Some(probes), own);
                for way in [
                    Way { threads: 1, ..Way::default() },
                    Way { threads: 5, block: 173, ..Way::default() },
                    Way { io: Io::Pread, kept: 0, ..Way::default() },
                    Way { io: Io::Mmap, block: 1000, ..Way::default() },
                    Way { io: Io::Mmap, kept: 0, ..Way::default() },
                ] {
                    let found = way.join_in(&indexed, &queries, 7, Some(probes), own);
                    assert_same(&found, &expected, &format!("{dtype:?}, {probes:?}, {way:?}"));
                }
                for lane in Lane::available() {
                    let found = Way { lane, ..Way::default() }.join_in(&indexed, &queries, 7, Some(probes), own);
                    assert_same(&found, &expected, &format!("{dtype:?}, {probes:?}, {}", lane.name()));
                }
            }
        }
    }
}

#[test]
fn without_rows_the_nearest_are_those_to_what_codes_stand_for() {
    let (dim, k) = (8, 9);
    let indexed = coded(spread(7, 2500, dim), dim, 40, ListType::None);
    let index = indexed.open(Io::Resident);
    // What codes stand for, as rows of their own.
    let mut decoded = vec![f32::NAN; 2500 * dim];
    let mut buffer = crate::index::ListBuffer::default();
    for list in 0..index.nlist() {
        let view = index.list(list, &mut buffer).unwrap();
        for (row, values) in view.rows.chunks_exact(dim).enumerate() {
            let id = view.ids.get(row) as usize;
            decoded[id * dim..(id + 1) * dim].copy_from_slice(values);
        }
    }
    assert!(decoded != indexed.rows.values && decoded.iter().all(|value| value.is_finite()));
    let queries = Tile { first_row: 0, dim, values: spread(8, 200, dim) };
    let expected = exact(Metric::Euclidean, &queries, &Tile { first_row: 0, dim, values: decoded }, k, false);
    let found = Way::default().join(&indexed, &queries, k, Some(index.nlist() as usize), false);
    assert_same(&found, &expected, "in all lists");
    assert_same(&Way::default().join(&indexed, &queries, k, None, false), &expected, "without codes");
}

#[test]
fn few_equal_and_wide_rows_are_found() {
    // Fewer rows than codewords, one column, constant rows, an odd number of columns, and very many.
    for (rows, dim, value) in [(5, 3, None), (300, 1, None), (400, 4, Some(2.5)), (300, 5, None), (200, 2000, None)] {
        let values = value.map_or_else(|| spread(9, rows, dim), |value| vec![value; rows * dim]);
        let nlist = if rows < 10 { 1 } else { 12 };
        for dtype in [ListType::F32, ListType::None] {
            let indexed = coded(values.clone(), dim, nlist, dtype);
            let all = indexed.open(Io::Pread).nlist() as usize;
            let found = Way::default().join(&indexed, &indexed.block(), 4, Some(all), true);
            let truth = exact(Metric::Euclidean, &indexed.rows, &indexed.rows, 4, true);
            assert!(found.ids.iter().all(|&id| id >= 0), "{rows} of {dim}");
            if dtype == ListType::F32 {
                // Where rows are equal others may be found than those of the lowest number, but none is farther.
                let as_near =
                    found.distances.iter().zip(&truth.distances).filter(|(found, truth)| found == truth).count();
                assert!(as_near * 100 >= truth.distances.len() * 97, "{rows} of {dim}: {as_near}");
            }
            if value.is_some() {
                assert!(found.distances.iter().all(|&distance| distance == 0.0));
            }
        }
    }
}
