//! Searches by lists and indexes as far as they are planned, and how they are refused before anything is written.

use std::path::Path;

use gigamapper_core::pipeline::{IndexRequest, MapRequest, build_index, describe_index, plan, plan_index};
use gigamapper_core::progress::{Cancel, Progress, ProgressEvent};

use super::disk::{files, listed};
use super::mapped::Mapped;
use super::sample::{Place, map, output, sample};

#[test]
fn a_search_by_lists_is_planned_carried_out_and_leaves_no_index() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 150), sample(&place, "reference", 90));
    let exact = place.request(&query, Some(&reference));
    let ivf = MapRequest { method: Some("ivf".into()), nlist: Some(8), recall: Some(0.9), ..exact.clone() };
    let (planned, other) = (plan(&ivf).unwrap(), plan(&exact).unwrap());
    assert_eq!((planned.search.nlist, planned.search.recall, planned.search.nprobe), (Some(8), Some(0.9), None));
    assert!(planned.search.index_bytes > 90 * 5 * 4 && planned.search.run_bytes > 0);
    assert!(planned.warnings.iter().any(|warning| warning.contains("8 leaves 11 cells")), "{:?}", planned.warnings);
    assert_ne!(planned.run, other.run);
    assert_eq!(other.parameters.ivf, None);
    assert!(other.method_reason.contains("fewer than 50000"), "{}", other.method_reason);
    assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0);

    let recall = map(&ivf).unwrap().recall;
    assert_eq!((recall.method.as_str(), recall.target), ("ivf", Some(0.9)));
    assert!(recall.low <= recall.measured && recall.measured <= recall.high && recall.high <= 1.0, "{recall:?}");
    assert!(recall.nprobe.is_some_and(|nprobe| nprobe >= 1), "{recall:?}");
    let left = std::fs::read_dir(place.outputs()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_str().unwrap().contains(".gmx")), "the run's own index stays");
}

#[test]
fn all_lists_hold_all_neighbors() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 150), sample(&place, "reference", 90));
    let exact = place.request(&query, Some(&reference));
    map(&exact).unwrap();
    let truth = Mapped::open(output(&exact)).neighbors();
    let built = build_index(&index_request(&place), &Progress::silent()).unwrap();
    let all = |name: &str, nprobe: u64, nlist, index| {
        let to = place.outputs().join(name).to_str().unwrap().to_owned();
        let nprobe = Some(nprobe as i64);
        let request = MapRequest { nprobe, nlist, index, output: Some(to), ..exact.clone() };
        let recall = map(&request).unwrap().recall;
        assert_eq!((recall.measured, recall.target), (1.0, None), "{name}");
        assert_eq!(Mapped::open(output(&request)).neighbors().ids, truth.ids, "{name}");
    };
    all("given.zarr", built.nlist, None, Some(built.output.clone()));
    all("one.zarr", 1, Some(1), None);
}

#[test]
fn what_changes_no_result_changes_no_run() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 150), sample(&place, "reference", 90));
    let request = MapRequest { method: Some("ivf".into()), ..place.request(&query, Some(&reference)) };
    let run = |request: &MapRequest| plan(request).unwrap().run;
    let folder = place.outputs().to_str().unwrap().to_owned();
    let elsewhere = MapRequest { io: Some("mmap".into()), work_dir: Some(folder), ..request.clone() };
    assert_eq!(run(&elsewhere), run(&request));
    assert_ne!(run(&MapRequest { seed: Some(1), ..request.clone() }), run(&request));
    assert_ne!(run(&MapRequest { list_dtype: Some("f16".into()), ..request.clone() }), run(&request));
    assert_ne!(run(&MapRequest { metric: Some("cosine".into()), ..request.clone() }), run(&request));
}

#[test]
fn intermediate_files_stay_out_of_stores() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 150), sample(&place, "reference", 90));
    for wrong in [query.path(), format!("{}/obs", query.path()), "/nowhere/at/all".into()] {
        let request = MapRequest { work_dir: Some(wrong.clone()), ..place.request(&query, Some(&reference)) };
        let error = plan(&request).unwrap_err();
        assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some("workDir")), "{wrong}");
    }
}

fn index_request(place: &Place) -> IndexRequest {
    IndexRequest {
        reference: sample(place, "reference", 90).path(),
        output: Some(place.outputs().join("reference.gmx").to_str().unwrap().into()),
        nlist: Some(4),
        memory: Some("256MiB".into()),
        ..IndexRequest::default()
    }
}

#[test]
fn an_index_is_built_described_and_found_again() {
    let place = Place::new();
    let request = index_request(&place);
    let output = place.outputs().join("reference.gmx");
    let planned = plan_index(&request).unwrap();
    assert_eq!((planned.parameters.nlist, planned.reference.n_obs, planned.reference.dim), (4, 90, 5));
    assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0);

    let report = build_index(&request, &Progress::silent()).unwrap();
    assert_eq!((report.rows, report.dim, report.excluded_rows), (90, 5, 2));
    assert!(report.nlist >= 4 && report.bytes > 88 * 5 * 4 && report.bytes <= planned.disk_bytes, "{report:?}");
    let stages: Vec<_> = report.stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert!(stages.starts_with(&["preflight"]) && stages.ends_with(&["seal"]), "{stages:?}");

    let described = describe_index(&output).unwrap();
    assert_eq!((described.rows, described.dim, described.nlist, described.seed), (90, 5, report.nlist, 0));
    assert_eq!((described.bytes, described.list_dtype.as_str(), described.excluded_rows), (report.bytes, "f32", 2));
    let resumed = build_index(&IndexRequest { resume: Some(true), ..request.clone() }, &Progress::silent()).unwrap();
    assert_eq!(resumed.bytes, report.bytes);
    let half = IndexRequest { overwrite: Some(true), list_dtype: Some("f16".into()), ..request.clone() };
    assert!(build_index(&half, &Progress::silent()).unwrap().bytes <= report.bytes);
    assert_eq!(describe_index(&output).unwrap().list_dtype, "f16");
    let stale = build_index(&IndexRequest { resume: Some(true), ..request }, &Progress::silent()).unwrap_err();
    assert_eq!(stale.code(), "GM_STALE");
}

#[test]
fn an_index_is_refused_before_anything_is_written() {
    let place = Place::new();
    let request = index_request(&place);
    let build = |request: &IndexRequest| build_index(request, &Progress::silent()).unwrap_err().code();
    assert_eq!(build(&IndexRequest { output: None, ..request.clone() }), "GM_PARAM");
    assert_eq!(build(&IndexRequest { nlist: Some(91), ..request.clone() }), "GM_PARAM");
    assert_eq!(build(&IndexRequest { memory: Some("1MiB".into()), ..request.clone() }), "GM_BUDGET");
    assert_eq!(build(&IndexRequest { use_rep: Some("X_scvi".into()), ..request.clone() }), "GM_NOT_FOUND");
    let product = IndexRequest { rerank: Some("f16".into()), metric: Some("inner_product".into()), ..request.clone() };
    assert_eq!(build(&product), "GM_UNSUPPORTED");
    for within in [request.reference.clone(), "/nowhere/at/all".into()] {
        assert_eq!(build(&IndexRequest { work_dir: Some(within), ..request.clone() }), "GM_PARAM");
    }
    assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0);
    let output = place.outputs().join("reference.gmx");
    let described = |path: &Path| describe_index(path).unwrap_err().code();
    assert_eq!(described(&output), "GM_NOT_FOUND");
    std::fs::create_dir(&output).unwrap();
    assert_eq!(described(&output), "GM_SCHEMA");
    assert_eq!(build(&request), "GM_EXISTS");
}

/// Cancels a build at the beginning of a stage.
fn stopped_at(request: &IndexRequest, stage: &'static str) {
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let listener = move |event: ProgressEvent| {
        if event.stage == stage {
            stop.cancel();
        }
    };
    let error = build_index(request, &Progress::new(cancel, Some(Box::new(listener)))).unwrap_err();
    assert_eq!(error.code(), "GM_CANCELLED", "{stage}: {error}");
}

#[test]
fn what_an_index_needs_while_it_is_built_lies_where_that_is_said() {
    let place = Place::new();
    let plain = IndexRequest { keep_graph: Some(5), ..index_request(&place) };
    let output = place.outputs().join("reference.gmx");
    build_index(&plain, &Progress::silent()).unwrap();
    let expected = files(&output);
    std::fs::remove_dir_all(&output).unwrap();
    // Named in another way than the index is.
    for folder in ["elsewhere", "out/../out"] {
        let folder = place.outputs().parent().unwrap().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let beside = || listed(&place.outputs()).into_iter().filter(|name| name != "reference.gmx").collect::<Vec<_>>();
        let apart = IndexRequest { work_dir: Some(folder.to_str().unwrap().to_owned()), ..plain.clone() };
        stopped_at(&apart, "add");
        assert_eq!(listed(&folder), ["reference.gmx.journal"]);
        let again = IndexRequest { resume: Some(true), ..apart };
        stopped_at(&again, "join");
        assert!(listed(&folder).contains(&"reference.gmx.graph.zarr".into()), "{:?}", listed(&folder));
        if folder.ends_with("elsewhere") {
            assert!(beside().is_empty(), "{:?}", beside());
            // Two indexes of one name do not meet there.
            let lock = folder.join("reference.gmx.lock");
            let held = format!("{{\"pid\":{},\"host\":\"elsewhere\",\"started\":0}}", std::process::id());
            std::fs::write(&lock, held).unwrap();
            assert_eq!(build_index(&again, &Progress::silent()).unwrap_err().code(), "GM_EXISTS");
            std::fs::remove_file(&lock).unwrap();
        }
        let report = build_index(&again, &Progress::silent()).unwrap();
        assert!(describe_index(Path::new(&report.output)).unwrap().keep_graph == Some(5));
        assert_eq!(files(&output), expected);
        assert!(beside().is_empty() && listed(&folder).iter().all(|name| name == "reference.gmx"));
        std::fs::remove_dir_all(&output).unwrap();
    }
}
