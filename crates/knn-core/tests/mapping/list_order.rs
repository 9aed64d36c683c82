//! Searches in the order of lists, through runs: they give the bytes of the order of rows, wherever work is cut.

use std::collections::BTreeMap;

use gigamapper_core::distance::Lane;
use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, RunReport, Seams, plan, run_with};
use gigamapper_core::progress::Progress;

use super::cells::Cells;
use super::clusters::{by_lists, clustered, index_of, with_gaps};
use super::disk::{assert_same, files, listed};
use super::mapped::Mapped;
use super::refusals::claim;
use super::sample::{Place, map, noise, output, quick};

const DIM: usize = 7;

fn in_order(order: &str, request: &MapRequest) -> MapRequest {
    MapRequest { order: Some(order.into()), ..request.clone() }
}

/// Maps to another output through `seams`, and takes the store away again.
fn stored(place: &Place, request: &MapRequest, seams: Seams) -> (BTreeMap<String, Vec<u8>>, RunReport) {
    let path = place.outputs().join("again.zarr");
    let again = MapRequest { output: Some(path.to_str().unwrap().into()), ..request.clone() };
    let report = run_with(&again, &Progress::silent(), seams).unwrap();
    let found = files(&path);
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::remove_dir_all(place.outputs().join("again.zarr.journal")).unwrap();
    assert_eq!(report.plan.search.order, request.order);
    (found, report)
}

/// The order of lists, cut in many ways, against the order of rows.
fn gives_the_bytes_of_the_order_of_rows(place: &Place, request: &MapRequest) {
    let (expected, rows) = stored(place, &in_order("rows", request), quick());
    assert!(rows.stages.iter().all(|stage| stage.stage != "gather"), "{:?}", rows.stages);
    let check = |what: &str, request: &MapRequest, seams: Seams| {
        let (found, report) = stored(place, &in_order("lists", request), seams);
        assert_same(&found, &expected, what);
        assert_eq!((report.recall, report.sigma), (rows.recall.clone(), rows.sigma), "{what}");
        assert!(report.stages.iter().any(|stage| stage.stage == "gather"), "{:?}", report.stages);
        assert_eq!(listed(&place.outputs()), Vec::<String>::new(), "{what}: nothing is left");
    };
    check("as planned", request, quick());
    // Fewer rows to a run than runs that are read side by side; and blocks that fill no run.
    for (block, run) in [(Some(1), Some(300)), (None, Some(5)), (Some(64), Some(100)), (Some(4096), Some(1 << 20))] {
        check(&format!("{block:?} in {run:?}"), request, Seams { block_rows: block, run_rows: run, ..quick() });
    }
    for threads in [1, 8] {
        let request = MapRequest { threads: Some(threads), memory: Some("1GiB".into()), ..request.clone() };
        check(&format!("{threads} threads"), &request, Seams { run_rows: Some(250), ..quick() });
    }
    for (memory, io) in [("120MiB", "pread"), ("3GiB", "mmap"), ("512MiB", "auto")] {
        let request = MapRequest { memory: Some(memory.into()), io: Some(io.into()), ..request.clone() };
        check(&format!("{memory}, {io}"), &request, Seams { run_rows: Some(170), ..quick() });
    }
    for lane in Lane::available() {
        check(&format!("{lane:?}"), request, Seams { lane, ..quick() });
    }
    let folder = tempfile::tempdir().unwrap();
    let work_dir = Some(folder.path().to_str().unwrap().to_owned());
    check("elsewhere", &MapRequest { work_dir, ..request.clone() }, quick());
    assert_eq!(listed(folder.path()), Vec::<String>::new());
}

#[test]
fn self_mapping_in_the_order_of_lists_has_the_same_result() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 1300, DIM, 3);
    gives_the_bytes_of_the_order_of_rows(&place, &by_lists(&place, &cells, None, 24));
}

#[test]
fn cross_mapping_in_the_order_of_lists_has_the_same_result() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 1000, DIM, 1), with_gaps(&place, "reference", 900, DIM, 2));
    gives_the_bytes_of_the_order_of_rows(&place, &by_lists(&place, &query, Some(&reference), 32));
}

/// Rows of which many are in no list: zero vectors, which have no direction, and rows that are not finite.
fn flawed(place: &Place, n: usize) -> Cells {
    let mut values = noise(5, n * DIM);
    for row in 0..n {
        match row % 11 {
            3 => values[row * DIM..(row + 1) * DIM].fill(0.0),
            7 => values[row * DIM + 2] = f32::NAN,
            _ => {}
        }
    }
    place.cells("flawed", n).embedding("X_pca", DIM, &values)
}

#[test]
fn rows_in_no_list_get_the_status_that_they_deserve() {
    let place = Place::new();
    let cells = flawed(&place, 700);
    let request = MapRequest {
        metric: Some("cosine".into()),
        obs_keys: None,
        list_dtype: Some("f16".into()),
        ..by_lists(&place, &cells, None, 12)
    };
    gives_the_bytes_of_the_order_of_rows(&place, &request);
    let request = in_order("lists", &request);
    let report = map(&request).unwrap();
    let mapped = Mapped::open(output(&request));
    let ids = mapped.neighbors().ids;
    for (row, status) in mapped.labels("mapping_status").iter().enumerate() {
        let expected = match row % 11 {
            3 => "zero vector",
            7 => "invalid input",
            _ => "ok",
        };
        assert_eq!(status, expected, "{row}");
        assert_eq!(ids[row * 11] < 0, expected != "ok", "{row}");
    }
    assert_eq!(
        report.excluded_reference_rows,
        report.status_counts["zero vector"] + report.status_counts["invalid input"]
    );
}

#[test]
fn lists_of_f16_round_both_sides_and_the_report_says_so() {
    let place = Place::new();
    let mut values: Vec<f32> = noise(8, 400 * DIM).iter().map(|value| (value * 256.0).round() / 256.0).collect();
    // Apart by less than f16 can tell: at distance 0 of each other once both are rounded.
    for row in (1..400).step_by(2) {
        for d in 0..DIM {
            values[row * DIM + d] = values[(row - 1) * DIM + d] * (1.0 + 1e-6);
        }
    }
    let cells = place.cells("cells", 400).embedding("X_pca", DIM, &values);
    let request = MapRequest { obs_keys: None, list_dtype: Some("f16".into()), ..by_lists(&place, &cells, None, 8) };
    gives_the_bytes_of_the_order_of_rows(&place, &request);
    let report = map(&request).unwrap();
    assert!(report.warnings.iter().any(|warning| warning.contains("f16")), "{:?}", report.warnings);
    let neighbors = Mapped::open(output(&request)).neighbors();
    assert!((0..400).all(|row| neighbors.row(row).1[0] == 0.0 && neighbors.row(row).0[0] == (row ^ 1) as i64));
}

#[test]
fn a_given_index_holds_the_queries_of_self_mapping() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 800, DIM, 4);
    let index = Some(index_of(&place, &cells, "cells.gmx", 20));
    let request =
        MapRequest { index, nlist: None, reference: Some(cells.path()), ..by_lists(&place, &cells, None, 20) };
    let before = files(&place.inputs());
    gives_the_bytes_of_the_order_of_rows(&place, &request);
    assert_same(&files(&place.inputs()), &before, "what is given is not touched");
}

#[test]
fn none_one_and_fewer_than_k() {
    let place = Place::new();
    let reference = clustered(&place, "reference", 9, DIM, 2);
    for n in [0, 1, 2, 3] {
        let cells = clustered(&place, &format!("cells{n}"), n, DIM, 5);
        for reference in [None, Some(&reference)] {
            let request = by_lists(&place, &cells, reference, 1);
            let (expected, _) = stored(&place, &in_order("rows", &request), quick());
            let (found, report) = stored(&place, &in_order("lists", &request), Seams { run_rows: Some(1), ..quick() });
            assert_same(&found, &expected, &format!("{n}"));
            assert_eq!(report.status_counts.values().sum::<u64>(), n as u64);
        }
    }
    assert_eq!(listed(&place.outputs()), Vec::<String>::new());
}

#[test]
fn files_that_are_no_runs_are_left_alone_and_refused() {
    let place = Place::new();
    let cells = clustered(&place, "cells", 200, DIM, 1);
    let request = in_order("lists", &by_lists(&place, &cells, None, 8));
    let folder = place.outputs().join("mapped.zarr.runs");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("thesis.txt"), "text").unwrap();
    let error = map(&request).unwrap_err();
    assert!(matches!(&error, Error::Exists { path, .. } if *path == folder), "{error}");
    assert_eq!(listed(&place.outputs()), ["mapped.zarr.runs"]);
    assert_eq!(listed(&folder), ["thesis.txt"]);
}

#[test]
fn too_little_memory_is_refused_and_what_would_do_does() {
    let place = Place::new();
    let (query, reference) = (clustered(&place, "query", 5000, DIM, 1), clustered(&place, "reference", 6000, DIM, 2));
    let wide = clustered(&place, "wide", 60, 2000, 1);
    for request in [
        by_lists(&place, &query, Some(&reference), 64),
        MapRequest { n_neighbors: Some(300), ..by_lists(&place, &query, None, 16) },
        MapRequest {
            layout: Some(LayoutRequest { inner_rows: 1, inner_per_unit: 1, part_rows: 5 }),
            ..by_lists(&place, &wide, None, 4)
        },
    ] {
        // Weights of more than one direction would need more than the search does.
        let (kernel_method, symmetrize) = (Some("gauss".into()), Some("none".into()));
        let request = MapRequest { kernel_method, symmetrize, ..in_order("lists", &request) };
        let error = plan(&MapRequest { memory: Some("10MiB".into()), ..request.clone() }).unwrap_err();
        let hint = error.hint().unwrap();
        let enough: u64 = hint.split(' ').nth(2).and_then(|mebibytes| mebibytes.parse().ok()).unwrap();
        assert_eq!(error.code(), "GM_BUDGET");
        let report = map(&MapRequest { memory: Some(format!("{enough}MiB")), ..request.clone() }).unwrap();
        assert!(report.plan.memory.planned <= report.plan.memory.limit && report.plan.memory.parts["runs"] > 0);
        let error =
            plan(&MapRequest { memory: Some(format!("{}MiB", enough - 1)), output: None, ..request }).unwrap_err();
        assert_eq!(error.code(), "GM_BUDGET", "{hint}");
        std::fs::remove_dir_all(place.output()).unwrap();
        std::fs::remove_dir_all(place.outputs().join("mapped.zarr.journal")).unwrap();
    }
}

#[test]
fn the_order_follows_from_how_often_the_index_would_be_read() {
    let place = Place::new();
    let make = |name: &str, n| {
        claim(place.cells(name, 1).embedding("X_pca", 50, &noise(1, 50)), n, &["obs/_index", "obsm/X_pca"])
    };
    let (many, more, few) = (make("many", 1_000_000), make("more", 100_000_000), make("few", 60_000));
    let planned = |query: &Cells, reference, memory: &str, order: Option<&str>| {
        let request = MapRequest {
            method: Some("ivf".into()),
            layout: None,
            n_neighbors: Some(30),
            memory: Some(memory.into()),
            order: order.map(str::to_owned),
            ..place.request(query, reference)
        };
        plan(&request).unwrap()
    };
    for (query, reference, memory, expected) in [
        (&many, None, "256MiB", "lists"),
        (&many, None, "2GiB", "rows"),
        (&more, None, "4GiB", "lists"),
        (&more, Some(&more), "4GiB", "lists"),
        // A small index is read again for every block, and still less is read.
        (&more, Some(&few), "512MiB", "rows"),
        (&few, Some(&more), "8GiB", "rows"),
    ] {
        let plan = planned(query, reference, memory, None);
        let what = format!("{} to {} in {memory}", plan.query.n_obs, plan.reference.n_obs);
        assert_eq!(plan.search.order.as_deref(), Some(expected), "{what}");
        assert_eq!(plan.memory.parts.contains_key("runs"), expected == "lists", "{what}");
        assert!(plan.memory.planned <= plan.memory.limit, "{what}");
    }
    let (rows, lists) = (planned(&many, None, "1GiB", Some("rows")), planned(&many, None, "1GiB", Some("lists")));
    assert_eq!((rows.search.order.as_deref(), lists.search.order.as_deref()), (Some("rows"), Some("lists")));
    assert_eq!(rows.run, lists.run);
    // What is found takes ids and distances on disk until it is gathered; queries do not, because lists hold them.
    assert!(lists.search.run_bytes >= 1_000_000 * 29 * 8, "{}", lists.search.run_bytes);
    let cross = planned(&many, Some(&many), "1GiB", Some("lists"));
    assert_eq!(cross.mode, "self", "the same store");
    let cross = planned(&more, Some(&many), "1GiB", Some("lists"));
    assert!(cross.search.run_bytes >= 100_000_000 * (30 * 8 + 50 * 4), "{}", cross.search.run_bytes);
}
