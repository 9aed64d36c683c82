//! One join has one result: the lane, the threads, the way lists are read, what is kept packed and the size of blocks change no bit.

use super::*;

/// Queries of more than a slice, so that several are at work.
const QUERIES: usize = 6000;
const DIM: usize = 17;

/// Every way, one thing changed at a time, and some together.
fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for io in [Io::Resident, Io::Mmap, Io::Pread] {
        for kept in [0, 1 << 30] {
            ways.push(Way { io, kept, ..Way::default() });
        }
    }
    ways.extend([1, 8].map(|threads| Way { threads, ..Way::default() }));
    ways.push(Way { threads: 8, io: Io::Pread, block: 700, kept: 0, ..Way::default() });
    ways.extend([37, 1000, 4096, 5000].map(|block| Way { block, ..Way::default() }));
    for lane in Lane::available() {
        ways.push(Way { lane, ..Way::default() });
        ways.push(Way { lane, io: Io::Pread, threads: 1, kept: 0, block: 2500, ..Way::default() });
    }
    ways.push(Way { on_device: true, ..Way::default() });
    ways.push(Way { on_device: true, io: Io::Pread, threads: 8, kept: 0, block: 2500, ..Way::default() });
    ways
}

#[test]
fn cross_mapping_has_one_result() {
    let mut values = clumps(1, 4000, DIM, 12);
    values.extend(awkward(2, 500, DIM, 0.0));
    let indexed = Indexed::new(values, DIM, 40);
    let mut values = clumps(3, QUERIES - 300, DIM, 12);
    values.extend(awkward(4, 300, DIM, 0.0));
    let queries = Tile { first_row: 0, dim: DIM, values };
    for probes in [Probes::Nearest(1), Probes::Nearest(6), Probes::Near(9)] {
        let expected = Way::default().join_in(&indexed, &queries, 15, Some(probes), false);
        for way in ways() {
            let found = way.join_in(&indexed, &queries, 15, Some(probes), false);
            assert_same(&found, &expected, &format!("{probes:?}, {way:?}"));
        }
    }
}

#[test]
fn self_mapping_has_one_result() {
    let mut values = clumps(5, QUERIES - 600, DIM, 12);
    values.extend(awkward(6, 600, DIM, 0.0));
    let indexed = Indexed::new(values, DIM, 40);
    let queries = indexed.block();
    let expected = Way::default().join(&indexed, &queries, 15, Some(3), true);
    for (row, ids) in expected.ids.chunks(15).enumerate() {
        assert!(!ids.contains(&(row as i64)), "row {row} is its own neighbour");
    }
    for way in ways() {
        assert_same(&way.join(&indexed, &queries, 15, Some(3), true), &expected, &format!("{way:?}"));
    }
}

#[test]
fn every_metric_has_one_result() {
    for metric in [Metric::SquaredEuclidean, Metric::Cosine, Metric::InnerProduct] {
        let mut values = clumps(12, 1500, DIM, 12);
        values.extend(awkward(13, 300, DIM, 0.0));
        let indexed = Indexed::by(metric, values, DIM, 20);
        let queries = indexed.block();
        let expected = Way::default().join(&indexed, &queries, 15, Some(3), true);
        for way in ways() {
            let found = way.join(&indexed, &queries, 15, Some(3), true);
            assert_same(&found, &expected, &format!("{metric:?}, {way:?}"));
        }
    }
}

#[test]
fn three_levels_have_one_result() {
    for metric in [Metric::Euclidean, Metric::InnerProduct] {
        let mut values = clumps(15, 3000, DIM, 12);
        values.extend(awkward(16, 400, DIM, 0.0));
        let indexed = Indexed::in_three_levels(metric, values, DIM, 200);
        let queries = indexed.block();
        for probes in [Probes::Nearest(3), Probes::Near(9)] {
            let expected = Way::default().join_in(&indexed, &queries, 15, Some(probes), true);
            for way in ways() {
                let found = way.join_in(&indexed, &queries, 15, Some(probes), true);
                assert_same(&found, &expected, &format!("{metric:?}, {probes:?}, {way:?}"));
            }
        }
    }
}

#[test]
fn rounded_lists_have_one_result() {
    let indexed = Indexed::half(Metric::Euclidean, clumps(7, 3000, DIM, 12), DIM, 24);
    let queries = Tile { first_row: 0, dim: DIM, values: clumps(8, 1500, DIM, 12) };
    let expected = Way::default().join(&indexed, &queries, 15, Some(4), false);
    for way in ways() {
        assert_same(&way.join(&indexed, &queries, 15, Some(4), false), &expected, &format!("{way:?}"));
    }
}

#[test]
fn one_query_finds_what_it_finds_among_others() {
    let indexed = Indexed::new(clumps(9, 2000, DIM, 12), DIM, 24);
    let queries = Tile { first_row: 0, dim: DIM, values: clumps(10, 60, DIM, 12) };
    for probes in [Some(2), None] {
        let together = Way::default().join(&indexed, &queries, 10, probes, false);
        let alone = Way { block: 1, threads: 8, ..Way::default() }.join(&indexed, &queries, 10, probes, false);
        assert_same(&alone, &together, &format!("{probes:?}"));
    }
}

#[test]
fn damaged_lists_end_the_join_with_an_error() {
    let indexed = Indexed::new(clumps(11, 1000, 3, 5), 3, 8);
    let path = indexed.folder.path().join("x.gmx/lists.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for io in [Io::Resident, Io::Mmap, Io::Pread] {
        let index = indexed.open(io);
        let budget = MemoryBudget::new(1 << 30);
        let lane = Lane::best();
        let search = ListJoin::new(&index, &lane, &budget);
        let mut nearest = empty(1000, 5);
        let (mut ordered, silent) = (Ordered::default(), Progress::silent());
        let error = search
            .join(&indexed.rows, Probes::Nearest(8), Barred::NONE, &mut nearest, &mut ordered, &silent)
            .unwrap_err();
        assert_eq!(error.code(), "GM_CORRUPT", "{io:?}: {error}");
        let error = search.join_all(&indexed.rows, Barred::NONE, &mut nearest, &silent).unwrap_err();
        assert_eq!(error.code(), "GM_CORRUPT", "{io:?}: {error}");
    }
}
