//! Self-mapping whose neighbours are repaired: what the definition says, the same bytes whatever the run is carried out with, and what is told.

use std::collections::BTreeMap;

use gigamapper_core::distance::{Lane, exact_distance};
use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{MapRequest, RunReport, Seams, plan, run_with};
use gigamapper_core::progress::Progress;
use gigamapper_core::types::NeighborBlock;

use super::clusters::{by_lists, clustered, index_of, with_gaps};
use super::disk::{assert_same, files, listed};
use super::mapped::Mapped;
use super::sample::{Place, map, output, quick};

const DIM: usize = 9;

fn always(request: MapRequest) -> MapRequest {
    MapRequest { repair: Some("always".into()), ..request }
}

fn named(place: &Place, request: &MapRequest, name: &str) -> MapRequest {
    MapRequest { output: Some(place.outputs().join(name).to_str().unwrap().into()), ..request.clone() }
}

/// The neighbours of a graph and their first `r1` neighbours, of the first `r2` of them: the k nearest of all, in a plain loop.
fn repaired(rows: &[f32], graph: &NeighborBlock, (r1, r2): (usize, usize)) -> Vec<Vec<(f32, i64)>> {
    let row = |id: i64| &rows[id as usize * DIM..(id as usize + 1) * DIM];
    let of = |query: usize| {
        let known = graph.row(query).0;
        let theirs = known.iter().take(r2).flat_map(|&id| graph.row(id as usize).0.iter().take(r1));
        let mut all: Vec<i64> = known.iter().chain(theirs).copied().filter(|id| *id != query as i64).collect();
        all.sort_unstable();
        all.dedup();
        let mut all: Vec<_> = all.into_iter().map(|id| (exact_distance(row(query as i64), row(id)), id)).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all.truncate(graph.k);
        all
    };
    (0..graph.rows()).map(of).collect()
}

#[test]
fn a_repaired_graph_is_what_the_definition_says_of_the_graph_before() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 900, DIM, 3);
    let rows = Mapped::open(std::path::Path::new(&cells.path())).matrix("X_pca");
    for (neighbors, order) in [(6, "rows"), (31, "lists")] {
        let request = MapRequest {
            nprobe: Some(2),
            n_neighbors: Some(neighbors),
            order: Some(order.into()),
            overwrite: Some(true),
            ..by_lists(&place, &cells, None, 24)
        };
        let plain = map(&MapRequest { repair: Some("never".into()), ..request.clone() }).unwrap();
        assert_eq!(plain.recall.repair, None);
        let before = Mapped::open(output(&request)).neighbors();
        let report = map(&always(request.clone())).unwrap();
        let hop = report.recall.repair.unwrap();
        assert!(hop.r1 == before.k.min(hop.r1) && hop.r2 == before.k.min(hop.r2), "{hop:?}");
        let (found, expected) =
            (Mapped::open(output(&request)).neighbors(), repaired(&rows, &before, (hop.r1, hop.r2)));
        for (row, expected) in expected.iter().enumerate() {
            let (ids, distances) = found.row(row);
            let found: Vec<_> = distances.iter().copied().zip(ids.iter().copied()).collect();
            assert_eq!(&found, expected, "row {row} in the order of {order}");
        }
        assert!(found.ids != before.ids);
        assert!(report.recall.measured > plain.recall.measured, "{:?}, {:?}", report.recall, plain.recall);
        let stages: Vec<_> = report.stages.iter().map(|stage| stage.stage.as_str()).collect();
        assert!(stages.contains(&"repair") && !stages.contains(&"gather"), "{stages:?}");
    }
}

/// Maps to another output through `seams`, and takes the store away again.
fn stored(place: &Place, request: &MapRequest, seams: Seams) -> (BTreeMap<String, Vec<u8>>, RunReport) {
    let again = named(place, request, "again.zarr");
    let report = run_with(&again, &Progress::silent(), seams).unwrap();
    let found = files(output(&again));
    std::fs::remove_dir_all(output(&again)).unwrap();
    std::fs::remove_dir_all(place.outputs().join("again.zarr.journal")).unwrap();
    assert_eq!(listed(&place.outputs()), ["mapped.zarr", "mapped.zarr.journal"]);
    (found, report)
}

#[test]
fn a_repair_has_one_result_however_it_is_carried_out() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 1400, DIM, 5);
    for list_dtype in ["f32", "f16"] {
        let request = MapRequest {
            list_dtype: Some(list_dtype.into()),
            overwrite: Some(true),
            recall: Some(0.97),
            ..always(by_lists(&place, &cells, None, 24))
        };
        let first = map(&request).unwrap();
        let expected = files(output(&request));
        assert!(first.recall.repair.is_some() && first.recall.low > 0.9, "{:?}", first.recall);
        let check = |what: &str, request: &MapRequest, seams: Seams| {
            let (found, report) = stored(&place, request, seams);
            assert_same(&found, &expected, what);
            assert_eq!((&report.recall, &report.label_agreement), (&first.recall, &first.label_agreement), "{what}");
        };
        for order in ["rows", "lists"] {
            let request = MapRequest { order: Some(order.into()), ..request.clone() };
            for (block, slab) in [(1, 1), (100, 333), (700, 5000)] {
                let seams = Seams { block_rows: Some(block), slab_rows: Some(slab), run_rows: Some(77), ..quick() };
                check(&format!("{order}, blocks of {block}, slabs of {slab}"), &request, seams);
            }
            for (threads, memory, io) in [(1, "120MiB", "pread"), (8, "1GiB", "mmap")] {
                let (memory, io) = (Some(memory.into()), Some(io.into()));
                let request = MapRequest { threads: Some(threads), memory, io, ..request.clone() };
                check(&format!("{order}, {threads} threads"), &request, quick());
            }
        }
        for lane in Lane::available() {
            check(&format!("{lane:?}"), &request, Seams { lane, slab_rows: Some(600), ..quick() });
        }
    }
}

#[test]
fn every_metric_and_codes_are_repaired() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 800, DIM, 6);
    for (method, metric) in [("ivf", "cosine"), ("ivf", "inner_product"), ("ivfpq", "sqeuclidean")] {
        let request = MapRequest {
            method: Some(method.into()),
            metric: Some(metric.into()),
            obs_keys: None,
            nprobe: Some(2),
            overwrite: Some(true),
            ..by_lists(&place, &cells, None, 16)
        };
        let never = map(&MapRequest { repair: Some("never".into()), ..request.clone() }).unwrap();
        let repaired = map(&always(request.clone())).unwrap();
        assert!(
            repaired.recall.measured > never.recall.measured,
            "{metric}: {:?}, {:?}",
            repaired.recall,
            never.recall
        );
        let whole = files(output(&request));
        let (slabs, _) = stored(&place, &always(request), Seams { slab_rows: Some(100), ..quick() });
        assert_same(&slabs, &whole, metric);
    }
}

#[test]
fn small_and_empty_stores_are_repaired() {
    let place = Place::new();
    for n in [0, 1, 2, 40] {
        let cells = clustered(&place, &format!("own{n}"), n, DIM, 5);
        let request = named(&place, &always(by_lists(&place, &cells, None, 1)), &format!("own{n}.zarr"));
        let report = map(&request).unwrap();
        assert_eq!(report.recall.measured, 1.0, "{n}");
        assert_eq!(
            Mapped::open(output(&request)).neighbors().ids.iter().filter(|id| **id >= 0).count(),
            n * n.saturating_sub(1).min(11)
        );
    }
}

#[test]
fn a_repair_that_cannot_be_is_refused_before_anything_is_written() {
    let place = Place::new();
    let (query, reference) = (clustered(&place, "query", 60, DIM, 1), clustered(&place, "reference", 90, DIM, 2));
    let cross = always(by_lists(&place, &query, Some(&reference), 4));
    assert!(matches!(map(&cross).unwrap_err(), Error::Unsupported { .. }));
    let none =
        MapRequest { method: Some("ivfpq".into()), rerank: Some("none".into()), ..by_lists(&place, &query, None, 4) };
    assert!(matches!(map(&always(none)).unwrap_err(), Error::Param { name, .. } if name == "repair"));
    assert_eq!(listed(&place.outputs()), Vec::<String>::new());
}

#[test]
fn a_repair_is_part_of_what_a_run_is() {
    let place = Place::new();
    let cells = clustered(&place, "cells", 200, DIM, 1);
    let request = by_lists(&place, &cells, None, 4);
    let planned =
        |repair: Option<&str>| plan(&MapRequest { repair: repair.map(str::to_owned), ..request.clone() }).unwrap();
    // So few cells are never repaired unless that is asked for.
    assert_eq!(planned(None).run, planned(Some("never")).run);
    assert_ne!(planned(None).run, planned(Some("always")).run);
    assert_eq!(planned(Some("always")).parameters.ivf.unwrap().repair, "always");
    assert!(planned(Some("always")).search.run_bytes > planned(None).search.run_bytes / 2);
}

#[test]
fn with_an_index_that_is_given_the_same_is_found() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 900, DIM, 8);
    let built = always(MapRequest { nprobe: Some(2), ..by_lists(&place, &cells, None, 24) });
    let report = map(&built).unwrap();
    let expected = Mapped::open(output(&built)).neighbors();
    let index = Some(index_of(&place, &cells, "cells.gmx", 24));
    for io in ["auto", "mmap", "pread"] {
        let (io, index) = (Some(io.into()), index.clone());
        let given = MapRequest {
            reference: Some(cells.path()),
            nlist: None,
            index,
            io,
            overwrite: Some(true),
            ..built.clone()
        };
        assert_eq!(map(&given).unwrap().recall, report.recall);
        let found = Mapped::open(output(&given)).neighbors();
        assert_eq!(found.ids, expected.ids);
        assert!(found.distances.iter().zip(&expected.distances).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}
