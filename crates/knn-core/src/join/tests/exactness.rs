//! What is found is what the exact distances say: in all lists the true neighbours, in some lists the nearest of what they hold.

use proptest::prelude::*;

use super::*;
use crate::distance::{exact_product, exact_squared};
use crate::index::ListBuffer;

/// What is reported of a pair of rows.
fn reported(metric: Metric, q: &[f32], x: &[f32]) -> f32 {
    metric.reported(if metric.is_product() { -exact_product(q, x) } else { exact_squared(q, x) })
}

/// Pairs that are looked at, one by one: the lists of each row as routing gives them, four times as many while they hold too few.
fn naive(indexed: &Indexed, queries: &Tile, k: usize, probes: Probes, own: bool) -> NeighborBlock {
    let index = indexed.open(Io::Resident);
    let budget = MemoryBudget::new(0);
    let lane = Lane::SCALAR;
    let search = ListJoin::new(&index, &lane, &budget);
    let mut nearest = empty(queries.rows(), k);
    let mut buffer = ListBuffer::default();
    for row in (0..queries.rows()).filter(|&row| indexed.metric.flaw(queries.row(row)).is_none()) {
        let mut probes = probes;
        let mut found: Vec<(f32, i64)>;
        loop {
            found = Vec::new();
            for list in search.routes(queries.row(row), probes).into_iter().filter(|l| *l != u32::MAX) {
                let view = index.list(list, &mut buffer).unwrap();
                let rows = view.rows.chunks_exact(index.dim()).enumerate();
                let told = |r: &[f32]| reported(indexed.metric, queries.row(row), r);
                found.extend(rows.map(|(at, r)| (told(r), view.ids.get(at) as i64)));
            }
            found.retain(|(_, id)| !own || *id != row as i64);
            if found.len() >= k || probes.most() == search.nlist() {
                break;
            }
            probes = Probes::Nearest((probes.most() * 4).min(search.nlist()));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (slot, (distance, id)) in found.into_iter().take(k).enumerate() {
            (nearest.ids[row * k + slot], nearest.distances[row * k + slot]) = (id, distance);
        }
    }
    nearest
}

fn offsets() -> impl Strategy<Value = f32> {
    prop_oneof![2 => Just(0f32), 1 => Just(1e6), 1 => Just(-3e4)]
}

fn metrics() -> impl Strategy<Value = Metric> {
    prop::sample::select(Metric::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn in_all_lists_the_true_neighbours_are_found(
        seed: u64, rows in 1usize..400, queries in 1usize..60, dim in prop::sample::select(vec![1usize, 3, 7, 17]),
        nlist in 1u32..24, k in 1usize..35, offset in offsets(), stays: bool, kept: bool,
        metric in metrics(), three: bool,
    ) {
        let indexed = if three { Indexed::in_three_levels } else { Indexed::by };
        let indexed = indexed(metric, awkward(seed, rows, dim, offset), dim, nlist);
        let queries = prepared(metric, dim, awkward(seed ^ 1, queries, dim, offset));
        let cross = exact(metric, &queries, &indexed.rows, k, false);
        let own = exact(metric, &indexed.rows, &indexed.rows, k, true);
        for lane in Lane::available() {
            let (io, kept) = (if stays { Io::Resident } else { Io::Pread }, u64::from(kept) << 30);
            let way = Way { io, lane, kept, ..Way::default() };
            for probes in [Some(nlist as usize), Some(usize::MAX), None] {
                // Long lists were cut, so that there may be more than were asked for.
                let probes = probes.map(|probes| probes.max(indexed.open(Io::Resident).nlist() as usize));
                let what = format!("{lane:?}, {probes:?}");
                assert_same(&way.join(&indexed, &queries, k, probes, false), &cross, &what);
                assert_same(&way.join(&indexed, &indexed.block(), k, probes, true), &own, &what);
            }
        }
        let way = Way { io: if stays { Io::Resident } else { Io::Pread }, on_device: true, ..Way::default() };
        assert_same(&way.join(&indexed, &queries, k, Some(usize::MAX), false), &cross, "device");
        assert_same(&way.join(&indexed, &indexed.block(), k, Some(usize::MAX), true), &own, "device");
    }

    #[test]
    fn in_some_lists_the_nearest_of_these_are_found(
        seed: u64, rows in 1usize..400, queries in 1usize..40, dim in prop::sample::select(vec![1usize, 3, 7, 17]),
        nlist in 1u32..40, probes in 1usize..9, near: bool, k in 1usize..35, offset in offsets(), stays: bool,
        metric in metrics(), three: bool,
    ) {
        let indexed = if three { Indexed::in_three_levels } else { Indexed::by };
        let indexed = indexed(metric, awkward(seed, rows, dim, offset), dim, nlist);
        let queries = prepared(metric, dim, awkward(seed ^ 1, queries, dim, offset));
        let probes = probes.min(indexed.open(Io::Resident).nlist() as usize);
        let probes = if near { Probes::Near(probes) } else { Probes::Nearest(probes) };
        let cross = naive(&indexed, &queries, k, probes, false);
        let own = naive(&indexed, &indexed.rows, k, probes, true);
        for on_device in [false, true] {
            let way = Way { io: if stays { Io::Mmap } else { Io::Pread }, on_device, ..Way::default() };
            assert_same(&way.join_in(&indexed, &queries, k, Some(probes), false), &cross, "cross");
            assert_same(&way.join_in(&indexed, &indexed.block(), k, Some(probes), true), &own, "self");
        }
    }

    #[test]
    fn rounded_lists_give_the_neighbours_among_rounded_rows(
        seed: u64, rows in 1usize..300, dim in prop::sample::select(vec![1usize, 3, 17]), nlist in 1u32..12, k in 1usize..20,
        metric in metrics(),
    ) {
        // Rows are rounded as they are compared, so by cosine when they have length 1.
        let indexed = Indexed::half(metric, clumps(seed, rows, dim, 5), dim, nlist);
        let values = indexed.rows.values.iter().map(|&value| half::f16::from_f32(value).to_f32()).collect();
        let rounded = Tile { first_row: 0, dim, values };
        let queries = prepared(metric, dim, clumps(seed ^ 1, 30, dim, 5));
        let expected = exact(metric, &queries, &rounded, k, false);
        let way = Way { on_device: true, ..Way::default() };
        assert_same(&way.join(&indexed, &queries, k, Some(usize::MAX), false), &expected, "rounded, on a device");
        for io in [Io::Resident, Io::Mmap, Io::Pread] {
            let way = Way { io, ..Way::default() };
            assert_same(&way.join(&indexed, &queries, k, Some(usize::MAX), false), &expected, "rounded");
            assert_same(&way.join(&indexed, &queries, k, None, false), &expected, "rounded, all");
        }
    }
}

#[test]
fn rows_of_two_thousand_columns() {
    let indexed = Indexed::new(clumps(1, 150, 2000, 4), 2000, 5);
    let queries = prepared(Metric::Euclidean, 2000, clumps(2, 20, 2000, 4));
    let expected = exact(Metric::Euclidean, &queries, &indexed.rows, 10, false);
    for io in [Io::Resident, Io::Mmap, Io::Pread] {
        let way = Way { io, ..Way::default() };
        assert_same(&way.join(&indexed, &queries, 10, Some(usize::MAX), false), &expected, "all lists");
        assert_same(&way.join(&indexed, &queries, 10, None, false), &expected, "everywhere");
    }
}

#[test]
fn many_rows_of_many_columns() {
    for metric in Metric::ALL {
        let indexed = Indexed::by(metric, clumps(1, 3000, 51, 20), 51, 24);
        let queries = prepared(metric, 51, clumps(2, 500, 51, 20));
        let expected = exact(metric, &queries, &indexed.rows, 30, false);
        for lane in Lane::available() {
            let way = Way { lane, ..Way::default() };
            assert_same(&way.join(&indexed, &queries, 30, Some(usize::MAX), false), &expected, "all lists");
            assert_same(&way.join(&indexed, &queries, 30, None, false), &expected, "everywhere");
        }
    }
}
