//! Whole runs that search by lists: one request has one result, and it is near to the exact one.

use std::collections::BTreeMap;

use gigamapper_core::distance::Lane;
use gigamapper_core::pipeline::{MapRequest, RunReport, Seams, run_with};
use gigamapper_core::progress::Progress;

use super::clusters::{by_lists, clustered, index_of, with_gaps};
use super::disk::{assert_same, files, listed};
use super::mapped::Mapped;
use super::sample::{Place, map, output, quick};

const DIM: usize = 9;

/// Maps to another output through `seams`, and takes the store away again.
fn stored(place: &Place, request: &MapRequest, seams: Seams) -> (BTreeMap<String, Vec<u8>>, RunReport) {
    let path = place.outputs().join("again.zarr");
    let again = MapRequest { output: Some(path.to_str().unwrap().into()), ..request.clone() };
    let report = run_with(&again, &Progress::silent(), seams).unwrap();
    let found = files(&path);
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::remove_dir_all(place.outputs().join("again.zarr.journal")).unwrap();
    (found, report)
}

fn every_way_gives_the_same_bytes(place: &Place, request: &MapRequest) {
    let first = map(request).unwrap();
    let expected = files(output(request));
    assert_eq!(listed(&place.outputs()), ["mapped.zarr", "mapped.zarr.journal"], "its own index is gone");
    let check = |what: &str, request: &MapRequest, seams: Seams| {
        let (found, report) = stored(place, request, seams);
        assert_same(&found, &expected, what);
        assert_eq!(report.recall, first.recall, "{what}");
        assert_eq!(listed(&place.outputs()), ["mapped.zarr", "mapped.zarr.journal"], "{what}");
    };
    for rows in [1, 100, 4096] {
        check(&format!("blocks of {rows}"), request, Seams { block_rows: Some(rows), ..quick() });
    }
    for threads in [1, 8] {
        let memory = Some("1GiB".into());
        check(
            &format!("{threads} threads"),
            &MapRequest { threads: Some(threads), memory, ..request.clone() },
            quick(),
        );
    }
    for memory in ["120MiB", "512MiB", "3GiB"] {
        for io in ["pread", "mmap", "auto"] {
            let request = MapRequest { memory: Some(memory.into()), io: Some(io.into()), ..request.clone() };
            check(&format!("{memory}, {io}"), &request, quick());
        }
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
fn cross_mapping_by_lists_has_one_result() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 1000, DIM, 1), with_gaps(&place, "reference", 3000, DIM, 2));
    every_way_gives_the_same_bytes(&place, &by_lists(&place, &query, Some(&reference), 32));
}

#[test]
fn mapping_by_codes_has_one_result_and_says_what_is_approximate() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 700, DIM, 1), with_gaps(&place, "reference", 2500, DIM, 2));
    let cross = by_lists(&place, &query, Some(&reference), 32);
    let own = by_lists(&place, &reference, None, 32);
    for (rerank, request) in [("exact", cross), ("none", own)] {
        let (method, rerank_option) = (Some("ivfpq".into()), Some(rerank.into()));
        let request = MapRequest { method, rerank: rerank_option, overwrite: Some(true), ..request };
        let report = map(&request).unwrap();
        let recall = &report.recall;
        assert_eq!((recall.method.as_str(), recall.approximate_distances), ("ivfpq", rerank == "none"));
        assert_eq!(report.warnings.iter().any(|warning| warning.contains("approximate")), rerank == "none");
        assert!(recall.measured >= if rerank == "none" { 0.3 } else { 0.9 }, "{rerank}: {recall:?}");
        assert!(rerank == "exact" || recall.measured < 0.95, "codes are not exact: {recall:?}");
        every_way_gives_the_same_bytes(&place, &request);
    }
}

#[test]
fn self_mapping_by_lists_has_one_result() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 2000, DIM, 3);
    let request = MapRequest { list_dtype: Some("f16".into()), ..by_lists(&place, &cells, None, 24) };
    every_way_gives_the_same_bytes(&place, &request);
    // Rounded rows do not hide a cell from itself.
    let neighbors = Mapped::open(output(&request)).neighbors();
    assert_eq!((neighbors.k, neighbors.ids.len()), (11, 2000 * 11));
    assert!(neighbors.ids.iter().enumerate().all(|(slot, &id)| id != (slot / 11) as i64));
}

#[test]
fn an_index_that_is_given_finds_what_one_that_is_built_finds() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 700, DIM, 1), with_gaps(&place, "reference", 3000, DIM, 2));
    let built = by_lists(&place, &query, Some(&reference), 32);
    let report = map(&built).unwrap();
    let found = Mapped::open(output(&built));
    let index = index_of(&place, &reference, "reference.gmx", 32);
    let before = files(&place.inputs());
    for io in ["pread", "mmap", "auto"] {
        let to = place.outputs().join(format!("{io}.zarr")).to_str().unwrap().to_owned();
        let (index, io) = (Some(index.clone()), Some(io.to_owned()));
        let given = MapRequest { index, io, nlist: None, output: Some(to), ..built.clone() };
        let recall = map(&given).unwrap().recall;
        assert_eq!(recall, report.recall);
        let again = Mapped::open(output(&given));
        let (left, right) = (found.neighbors(), again.neighbors());
        assert_eq!(left.ids, right.ids);
        assert!(left.distances.iter().zip(&right.distances).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!(
            (again.labels("type_pred"), again.numbers("type_conf")),
            (found.labels("type_pred"), found.numbers("type_conf"))
        );
    }
    assert_same(&files(&place.inputs()), &before, "what is given is not touched");
}

#[test]
fn cells_that_are_not_finite_get_a_status() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 300, DIM, 1), with_gaps(&place, "reference", 1000, DIM, 2));
    let request = by_lists(&place, &query, Some(&reference), 16);
    let report = map(&request).unwrap();
    let mapped = Mapped::open(output(&request));
    let ids = mapped.neighbors().ids;
    for (row, status) in mapped.labels("mapping_status").iter().enumerate() {
        let wrong = row == 9 || row == 299;
        assert_eq!(status, if wrong { "invalid input" } else { "ok" }, "{row}");
        assert_eq!(ids[row * 12] < 0, wrong, "{row}");
    }
    assert_eq!((report.status_counts["ok"], report.status_counts["invalid input"]), (298, 2));
    assert_eq!(report.excluded_reference_rows, 2);
    assert!(ids.iter().all(|id| *id != 9 && *id != 999));
}

#[test]
fn the_recall_that_is_reported_is_sane() {
    let place = Place::new();
    let (query, reference) = (clustered(&place, "query", 1500, 16, 1), clustered(&place, "reference", 3000, 16, 2));
    let request = by_lists(&place, &query, Some(&reference), 48);
    let exact = MapRequest {
        method: Some("exact".into()),
        nlist: None,
        output: Some(place.outputs().join("exact.zarr").to_str().unwrap().into()),
        ..request.clone()
    };
    assert_eq!(map(&exact).unwrap().recall.method, "exact");
    let truth = Mapped::open(output(&exact)).neighbors();
    let mut probes = 0;
    for (number, wanted) in [0.5, 0.8, 0.95, 0.999].into_iter().enumerate() {
        let to = place.outputs().join(format!("{number}.zarr")).to_str().unwrap().to_owned();
        let request = MapRequest { recall: Some(wanted), output: Some(to), ..request.clone() };
        let recall = map(&request).unwrap().recall;
        assert_eq!((recall.method.as_str(), recall.target), ("ivf", Some(wanted)));
        assert!(recall.low <= recall.measured && recall.measured <= recall.high, "{recall:?}");
        assert!(
            (0.0..=1.0).contains(&recall.low) && recall.high <= 1.0 && recall.high - recall.low < 0.06,
            "{recall:?}"
        );
        assert!(recall.measured > wanted - 0.03, "{recall:?}");
        let chosen = recall.nprobe.unwrap();
        assert!(chosen >= probes, "{recall:?} after {probes}");
        probes = chosen;
        // All query cells took part in measuring, and half of them reported.
        let found = Mapped::open(output(&request)).neighbors();
        let shared = |row: usize| truth.row(row).0.iter().filter(|id| found.row(row).0.contains(id)).count() as f64;
        let reporting = (1..1500).step_by(2).map(shared).sum::<f64>() / (750.0 * 12.0);
        assert!((recall.measured - reporting).abs() < 1e-9, "{recall:?}, {reporting}");
        let all = (0..1500).map(shared).sum::<f64>() / (1500.0 * 12.0);
        assert!((recall.measured - all).abs() < 0.01, "{recall:?}, {all}");
    }
    assert!(probes > 4);
}

#[test]
fn an_empty_query_and_a_tiny_one() {
    let place = Place::new();
    let reference = clustered(&place, "reference", 500, DIM, 2);
    for n in [0, 1, 2, 3] {
        let query = clustered(&place, &format!("query{n}"), n, DIM, 5);
        let to = place.outputs().join(format!("{n}.zarr")).to_str().unwrap().to_owned();
        let request = MapRequest { output: Some(to), ..by_lists(&place, &query, Some(&reference), 12) };
        let report = map(&request).unwrap();
        let mapped = Mapped::open(output(&request));
        assert_eq!((mapped.n_obs(), mapped.neighbors().ids.len()), (n, n * 12));
        assert!(mapped.neighbors().ids.iter().all(|id| *id >= 0));
        assert_eq!((report.recall.method.as_str(), report.recall.nprobe.is_some()), ("ivf", n > 0));
        assert!(report.recall.low <= report.recall.measured && report.recall.measured <= report.recall.high);
        let stages: Vec<_> = report.stages.iter().map(|stage| stage.stage.as_str()).collect();
        assert_eq!(stages.contains(&"index"), n > 0, "{stages:?}");
    }
    assert!(listed(&place.outputs()).iter().all(|name| !name.contains(".gmx")));
    // One cell of its own, and two.
    for n in [1, 2] {
        let cells = clustered(&place, &format!("own{n}"), n, DIM, 5);
        let to = place.outputs().join(format!("own{n}.zarr")).to_str().unwrap().to_owned();
        let request = MapRequest { output: Some(to), ..by_lists(&place, &cells, None, 1) };
        let report = map(&request).unwrap();
        assert_eq!(report.recall.measured, 1.0);
        let ids = Mapped::open(output(&request)).neighbors().ids;
        assert_eq!(ids.iter().filter(|id| **id >= 0).count(), if n == 1 { 0 } else { 2 });
    }
}

#[test]
fn two_thousand_columns() {
    let place = Place::new();
    let (query, reference) = (clustered(&place, "query", 40, 2000, 1), clustered(&place, "reference", 300, 2000, 2));
    let request = MapRequest { memory: Some("512MiB".into()), ..by_lists(&place, &query, Some(&reference), 6) };
    let all = MapRequest { nprobe: Some(6), ..request.clone() };
    let exact = MapRequest {
        method: Some("exact".into()),
        nlist: None,
        output: Some(place.outputs().join("exact.zarr").to_str().unwrap().into()),
        ..request
    };
    map(&all).unwrap();
    map(&exact).unwrap();
    let (found, truth) = (Mapped::open(output(&all)).neighbors(), Mapped::open(output(&exact)).neighbors());
    assert_eq!(found.ids, truth.ids);
}
