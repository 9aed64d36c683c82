//! Presence scores: CellMapper's numbers, one result however they are made, and refusals before anything is written.

use std::path::{Path, PathBuf};

use gigamapper_core::error::Result;
use gigamapper_core::pipeline::{
    LayoutRequest, MapRequest, NeighborsRequest, PresenceReport, PresenceRequest, presence_with,
};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::source::{AnnDataStore, ZarrStore};

use super::disk::{Disk, files};
use super::mapped::Mapped;
use super::npy;
use super::sample::{Place, map, sample};

fn presence(request: &PresenceRequest) -> Result<PresenceReport> {
    presence_with(request, &Progress::silent(), Disk::quick(), None)
}

fn fixture(path: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures");
    fixtures.join(path).to_str().unwrap().to_owned()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn near(found: &[f64], expected: &[f64], tolerance: impl Fn(f64) -> f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance(expected), "{what} at {row}: {found} for {expected}");
    }
}

/// The scores of a golden case, as `params.json` says how it was mapped.
fn check_golden(name: &str, query: &str, reference: &str) {
    let expected = PathBuf::from(fixture("golden")).join(name).join("expected");
    let parameters: serde_json::Value =
        serde_json::from_slice(&std::fs::read(expected.with_file_name("params.json")).unwrap()).unwrap();
    let place = Place::new();
    let neighbors = text(&place.outputs().join("neighbors.zarr"));
    let mapping = MapRequest {
        query: fixture(query),
        reference: Some(fixture(reference)),
        output: Some(neighbors.clone()),
        use_rep: parameters["use_rep"].as_str().map(str::to_owned),
        n_neighbors: parameters["n_neighbors"].as_i64(),
        metric: parameters["knn_dist_metric"].as_str().map(str::to_owned),
        ..MapRequest::default()
    };
    map(&mapping).unwrap();
    let groupby = parameters["categorical"][0].as_str().unwrap().to_owned();
    let request = PresenceRequest {
        neighbors,
        reference: fixture(reference),
        output: Some(text(&place.output())),
        overwrite: Some(true),
        ..PresenceRequest::default()
    };
    let scores = |request: &PresenceRequest| {
        let report = presence(request).unwrap();
        (report, Mapped::open(&place.output()).numbers("presence_score"))
    };
    let read = |what: &str| npy::read(&expected.join(format!("presence.{what}.npy")));
    let raw = PresenceRequest { percentile: Some((0.0, 100.0)), minmax: Some(false), ..request.clone() };
    let (report, found) = scores(&raw);
    near(&found, &read("raw").values, |expected| 1e-5 * expected, "raw");
    assert!((report.total_weight - found.iter().sum::<f64>()).abs() < 1e-9);
    near(&scores(&request).1, &read("default").values, |_| 1e-4, "default");
    near(&scores(&PresenceRequest { log: Some(true), ..request.clone() }).1, &read("log").values, |_| 1e-4, "log");

    let grouped = PresenceRequest { groupby: Some(groupby), query: Some(fixture(query)), ..request };
    let (report, found) = scores(&grouped);
    near(&found, &read("default").values, |_| 1e-4, "default beside groups");
    let theirs: Vec<String> =
        serde_json::from_slice(&std::fs::read(expected.join("presence.grouped_columns.json")).unwrap()).unwrap();
    let (groups, expected) = (Mapped::open(&place.output()).matrix("presence_score"), read("grouped"));
    let column = |values: &[f64], width: usize, at: usize| -> Vec<f64> {
        values.iter().copied().skip(at).step_by(width).collect()
    };
    let groups: Vec<f64> = groups.into_iter().map(f64::from).collect();
    for (at, group) in theirs.iter().enumerate() {
        let ours = report.groups.iter().position(|name| name == group).unwrap();
        let (found, expected) =
            (column(&groups, report.groups.len(), ours), column(&expected.values, theirs.len(), at));
        near(&found, &expected, |_| 1e-4, group);
    }
}

#[test]
fn scores_are_cellmappers() {
    check_golden("synthetic_cross", "golden/synthetic_cross/query.zarr", "golden/synthetic_cross/reference.zarr");
    check_golden("synthetic_cosine", "golden/synthetic_cosine/query.zarr", "golden/synthetic_cosine/reference.zarr");
    check_golden("pbmc_cross", "pbmc/query.zarr", "pbmc/reference.zarr");
}

/// A mapped sample in parts, and a request for its scores by predicted label.
pub(crate) fn mapped_sample(place: &Place) -> PresenceRequest {
    let (query, reference) = (sample(place, "query", 150), sample(place, "reference", 110));
    let neighbors = text(&place.inputs().join("neighbors.zarr"));
    let mapping = MapRequest { output: Some(neighbors.clone()), ..place.full_request(&query, Some(&reference)) };
    map(&mapping).unwrap();
    PresenceRequest {
        neighbors,
        reference: reference.path(),
        output: Some(text(&place.output())),
        groupby: Some("cell type_pred".into()),
        memory: Some("256MiB".into()),
        layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 }),
        ..PresenceRequest::default()
    }
}

#[test]
fn passes_threads_memory_and_interruptions_change_no_byte() {
    let place = Place::new();
    let request = mapped_sample(&place);
    let before = files(&place.inputs());
    let report = presence(&request).unwrap();
    assert_eq!(report.groups, ["T", "B", "NK", "größer", "unused"]);
    assert_eq!((report.n_query, report.n_ref, report.passes), (150, 110, 1));
    assert_eq!(files(&place.inputs()), before);
    let whole = files(&place.output());
    let again = PresenceRequest { overwrite: Some(true), ..request.clone() };
    for (columns, threads, memory) in [(1, 1, "300MiB"), (2, 8, "1GiB"), (4, 2, "256MiB")] {
        let request = PresenceRequest { threads: Some(threads), memory: Some(memory.into()), ..again.clone() };
        let report = presence_with(&request, &Progress::silent(), Disk::quick(), Some(columns)).unwrap();
        assert_eq!(report.passes, 6_u64.div_ceil(columns));
        assert_eq!(files(&place.output()), whole, "{columns} columns");
    }
    // Cancelled at every stage, and resumed.
    for stage in ["bandwidth", "presence", "write", "finalise"] {
        let cancel = Cancel::default();
        let stop = cancel.clone();
        let listener = Box::new(move |event: gigamapper_core::progress::ProgressEvent| {
            if event.stage == stage {
                stop.cancel();
            }
        });
        let progress = Progress::new(cancel, Some(listener));
        let error = presence_with(&again, &progress, Disk::quick(), None).unwrap_err();
        assert_eq!(error.code(), "GM_CANCELLED", "{stage}");
        // What is cancelled while the bandwidth is sought has touched nothing.
        let resumed = PresenceRequest { resume: Some(true), ..request.clone() };
        presence(&resumed).unwrap();
        assert_eq!(files(&place.output()), whole, "{stage}");
    }
}

#[test]
fn scores_are_named_as_asked_and_an_unused_group_scores_zero() {
    let place = Place::new();
    let request = PresenceRequest { key_added: Some("seen".into()), layout: None, ..mapped_sample(&place) };
    presence(&request).unwrap();
    let stored = AnnDataStore::open(&place.output()).unwrap();
    assert_eq!(stored.n_obs(), 110);
    let scores = Mapped::open(&place.output());
    assert!(scores.numbers("seen").iter().all(|score| (0.0..=1.0).contains(score)));
    assert!(scores.matrix("seen").chunks(5).all(|row| row[4] == 0.0), "nobody is predicted to be unused");
    assert!(scores.matrix("seen").contains(&1.0));
    assert_eq!(scores.names(), Mapped::open(Path::new(&request.reference)).names());
    assert!(ZarrStore::open(&place.output()).unwrap().root_attributes().unwrap().contains_key("gigamapper"));
}

#[test]
fn what_cannot_be_scored_is_refused_before_anything_is_written() {
    let place = Place::new();
    let request = mapped_sample(&place);
    let other = place.cells("other", 9).embedding("X_pca", 5, &super::sample::noise(4, 45));
    let products = text(&place.inputs().join("products.zarr"));
    let find = NeighborsRequest {
        query: other.path(),
        reference: Some(request.reference.clone()),
        output: Some(products.clone()),
        metric: Some("inner_product".into()),
        ..NeighborsRequest::default()
    };
    gigamapper_core::pipeline::neighbors(&find, &Progress::silent()).unwrap();
    let wrong = [
        ("GM_SHAPE", PresenceRequest { reference: other.path(), ..request.clone() }),
        (
            "GM_SHAPE",
            PresenceRequest { query: Some(request.reference.clone()), groupby: Some("flag".into()), ..request.clone() },
        ),
        ("GM_NOT_FOUND", PresenceRequest { groupby: Some("nothing".into()), ..request.clone() }),
        ("GM_UNSUPPORTED", PresenceRequest { groupby: Some("score_pred".into()), ..request.clone() }),
        ("GM_SCHEMA", PresenceRequest { neighbors: request.reference.clone(), groupby: None, ..request.clone() }),
        ("GM_PARAM", PresenceRequest { output: Some(request.neighbors.clone()), ..request.clone() }),
        ("GM_PARAM", PresenceRequest { key_added: Some("a/b".into()), ..request.clone() }),
        ("GM_BUDGET", PresenceRequest { memory: Some("80MiB".into()), ..request.clone() }),
    ];
    for (code, wrong) in wrong {
        let error = presence(&wrong).unwrap_err();
        assert_eq!(error.code(), code, "{error}: {wrong:?}");
        assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0, "{wrong:?}");
    }
    let products = PresenceRequest { neighbors: products, groupby: None, ..request };
    let error = presence(&products).unwrap_err();
    assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some("neighbors")));
    assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0);
}
