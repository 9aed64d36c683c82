//! Searches by lists and indexes as far as they are planned, and how they are refused before anything is written.

use gigamapper_core::pipeline::{IndexRequest, MapRequest, build_index, describe_index, plan, plan_index};
use gigamapper_core::progress::Progress;

use super::sample::{Place, map, sample};

#[test]
fn a_search_by_lists_is_planned_and_refused_before_anything_is_written() {
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
    for request in [ivf, MapRequest { metric: Some("cosine".into()), ..exact }] {
        assert_eq!(map(&request).unwrap_err().code(), "GM_UNSUPPORTED");
    }
    assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0);
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

#[test]
fn an_index_is_planned_and_refused_before_anything_is_written() {
    let place = Place::new();
    let reference = sample(&place, "reference", 90);
    let output = place.outputs().join("reference.gmx");
    let request = IndexRequest {
        reference: reference.path(),
        output: Some(output.to_str().unwrap().into()),
        nlist: Some(4),
        memory: Some("256MiB".into()),
        ..IndexRequest::default()
    };
    let planned = plan_index(&request).unwrap();
    assert_eq!((planned.parameters.nlist, planned.reference.n_obs, planned.reference.dim), (4, 90, 5));
    assert!(planned.disk_bytes > 90 * 5 * 4);
    let build = |request: &IndexRequest| build_index(request, &Progress::silent()).unwrap_err().code();
    assert_eq!(build(&request), "GM_UNSUPPORTED");
    assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0);
    assert_eq!(build(&IndexRequest { output: None, ..request.clone() }), "GM_PARAM");
    assert_eq!(build(&IndexRequest { nlist: Some(91), ..request.clone() }), "GM_PARAM");
    assert_eq!(build(&IndexRequest { memory: Some("1MiB".into()), ..request.clone() }), "GM_BUDGET");
    assert_eq!(build(&IndexRequest { use_rep: Some("X_scvi".into()), ..request.clone() }), "GM_NOT_FOUND");
    std::fs::create_dir(&output).unwrap();
    assert_eq!(build(&request), "GM_EXISTS");
    let described = |path| describe_index(path).unwrap_err().code();
    assert_eq!(described(&output), "GM_SCHEMA");
    assert_eq!(described(&place.outputs().join("other.gmx")), "GM_NOT_FOUND");
}
