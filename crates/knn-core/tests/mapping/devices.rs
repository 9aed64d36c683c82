//! Runs on a device, which the mock of cuVS is: they write what runs without write, also where the device fails in the middle.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "a library is opened and told what to do")]

#[path = "../gpu/mock.rs"]
#[allow(dead_code, reason = "what is missing from a library is tested in the core")]
mod mock;

use std::process::Command;

use gigamapper_core::gpu::{Backend, Search, probe};
use gigamapper_core::pipeline::{MapRequest, Seams, plan, run_with};
use gigamapper_core::progress::Progress;

use self::mock::Mock;
use super::clusters::{by_lists, with_gaps};
use super::disk::{assert_same, files};
use super::sample::{Place, map, output, quick, sample};

/// Devices that are as wrong as the bound allows: as many as the driver has, or one without it.
fn devices(mock: &Mock, count: i64, or_cpu: bool) -> Backend {
    mock.set("perturb", 11).set("devices", count);
    let driver = (count > 0).then(|| mock.driver());
    let search = Search { named: Some(mock.path()), memory: Some(1 << 30), driver, ..Search::default() };
    Backend::Cuda { devices: probe(&search).unwrap(), or_cpu }
}

fn backend(mock: &Mock, or_cpu: bool) -> Backend {
    devices(mock, 0, or_cpu)
}

fn on(mock: &Mock, or_cpu: bool) -> Seams {
    Seams { backend: Some(backend(mock, or_cpu)), ..quick() }
}

/// Requests for the joins of every kind.
fn requests(place: &Place) -> Vec<(&'static str, MapRequest)> {
    let (query, reference) = (sample(place, "query", 111), sample(place, "reference", 150));
    let (many, more) = (with_gaps(place, "many", 1500, 9, 1), with_gaps(place, "more", 3000, 9, 2));
    let rows = |request: MapRequest| MapRequest { order: Some("rows".into()), ..request };
    let lists = |request: MapRequest| MapRequest { order: Some("lists".into()), ..request };
    let by = |metric: &str| MapRequest { metric: Some(metric.into()), ..rows(by_lists(place, &many, Some(&more), 8)) };
    vec![
        ("cross", place.full_request(&query, Some(&reference))),
        ("self", place.full_request(&reference, None)),
        ("lists, rows", rows(by_lists(place, &many, Some(&more), 8))),
        ("lists, lists", lists(by_lists(place, &many, Some(&more), 8))),
        ("lists, lists, self", lists(by_lists(place, &more, None, 8))),
        ("f16", MapRequest { list_dtype: Some("f16".into()), ..rows(by_lists(place, &more, None, 8)) }),
        ("cosine", by("cosine")),
        ("sqeuclidean", by("sqeuclidean")),
        ("inner_product", MapRequest { kernel_method: Some("equal".into()), ..by("inner_product") }),
    ]
}

/// Another output for the same request.
fn again(place: &Place, request: &MapRequest) -> MapRequest {
    let path = place.outputs().join("again.zarr");
    MapRequest { output: Some(path.to_str().unwrap().into()), overwrite: Some(true), ..request.clone() }
}

#[test]
fn a_device_changes_no_byte_of_a_store() {
    let place = Place::new();
    for (what, request) in requests(&place) {
        let request = MapRequest { overwrite: Some(true), ..request };
        map(&request).unwrap();
        let expected = files(output(&request));
        let mock = Mock::new();
        let seams = on(&mock, false);
        for (block_rows, slab_rows) in [(None, None), (Some(300), Some(70))] {
            let before = mock.calls();
            let again = again(&place, &request);
            let report =
                run_with(&again, &Progress::silent(), Seams { block_rows, slab_rows, ..seams.clone() }).unwrap();
            assert_same(&files(output(&again)), &expected, what);
            assert!(mock.calls() - before >= 20, "{what}: {} calls", mock.calls() - before);
            assert!(!report.warnings.iter().any(|warning| warning.contains("GPU")), "{:?}", report.warnings);
            assert_eq!((mock.live(), mock.faults()), (0, 0), "{what}");
        }
    }
}

#[test]
fn a_device_that_fails_in_the_middle_is_done_without_or_the_run_is_resumed_without() {
    let place = Place::new();
    for (what, request) in requests(&place).into_iter().take(5) {
        let request = MapRequest { overwrite: Some(true), ..request };
        map(&request).unwrap();
        let expected = files(output(&request));
        for call in [1, 9, 14, 19] {
            let mock = Mock::new();
            let (going_on, ending) = (on(&mock, true), on(&mock, false));
            mock.set("fail_at", call);
            let again = again(&place, &request);
            let report = run_with(&again, &Progress::silent(), going_on).unwrap();
            assert_same(&files(output(&again)), &expected, what);
            let told: Vec<_> = report.warnings.iter().filter(|warning| warning.contains("the GPU failed in")).collect();
            assert_eq!(told.len(), 1, "{what}, {call}: {:?}", report.warnings);
            mock.set("fail_at", call);
            let error = run_with(&again, &Progress::silent(), ending).unwrap_err();
            assert_eq!(error.code(), "GM_BACKEND", "{what}: {error}");
            assert_eq!((mock.live(), mock.faults()), (0, 0), "{what}");
            map(&MapRequest { resume: Some(true), overwrite: None, ..again.clone() }).unwrap();
            assert_same(&files(output(&again)), &expected, &format!("{what}, resumed"));
        }
    }
}

#[test]
fn several_devices_change_no_byte_of_a_store_nor_does_one_that_fails() {
    let place = Place::new();
    for (what, request) in requests(&place).into_iter().take(5) {
        let request = MapRequest { overwrite: Some(true), ..request };
        map(&request).unwrap();
        let expected = files(output(&request));
        for (count, broken) in [(2, -1), (3, -1), (2, 0), (2, 1)] {
            let mock = Mock::new();
            // Nothing but devices may compute, and one is left.
            let seams = Seams { backend: Some(devices(&mock, count, false)), slab_rows: Some(70), ..quick() };
            mock.set("broken", broken);
            let again = again(&place, &request);
            let report = run_with(&again, &Progress::silent(), seams).unwrap();
            assert_same(&files(output(&again)), &expected, what);
            let told: Vec<_> = report.warnings.iter().filter(|warning| warning.contains(" failed in ")).collect();
            // The second is asked for nothing where there is little to do.
            let expected = if broken < 0 { 0..=0 } else { usize::from(broken == 0)..=1 };
            assert!(expected.contains(&told.len()), "{what}: {:?}", report.warnings);
            assert!(told.iter().all(|told| told.starts_with(&format!("the GPU {broken} failed in"))), "{told:?}");
            assert!(!mock.searched().is_empty());
            assert_eq!((mock.live(), mock.faults(), mock.contexts()), (0, 0, 0), "{what}");
        }
    }
}

/// Tests that plan and run as users do, in a process that finds the mock where the environment says.
#[test]
fn a_machine_that_has_a_device_passes_the_same_tests() {
    let mock = Mock::new();
    passes(&mock, |_| ());
}

/// The same where the loader finds a driver too, with two devices.
#[test]
fn a_machine_that_has_devices_passes_the_same_tests() {
    let mock = Mock::new();
    passes(&mock, |tests| {
        tests.env("LD_LIBRARY_PATH", mock.driver().parent().unwrap()).env("MOCK_DEVICES", "2");
    });
}

fn passes(mock: &Mock, told: impl Fn(&mut Command)) {
    let tests = [
        "refusals::what_would_do_does_at_every_size_and_less_does_not",
        "list_order::too_little_memory_is_refused_and_what_would_do_does",
        "ivf_refusals::too_little_memory_is_refused_and_what_would_do_does",
        "invariance::cross_mapping_has_one_result",
        "invariance::self_mapping_has_one_result",
        "ivf::cross_mapping_by_lists_has_one_result",
        "metrics::one_request_has_one_result_by_every_metric",
        "golden::",
        "devices::planned::",
    ];
    let mut again = Command::new(std::env::current_exe().unwrap());
    again
        .args(tests)
        .env("GIGAMAPPER_CUVS", mock.path())
        .env("GIGAMAPPER_CUDA_MEMORY", "1GiB")
        .env("MOCK_PERTURB", "3");
    told(&mut again);
    let ran = again.output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}");
    assert!(told.contains("devices::planned::what_is_found_is_planned ... ok"), "{told}");
}

mod planned {
    use super::*;

    #[test]
    fn what_is_found_is_planned() {
        let place = Place::new();
        let cells = sample(&place, "cells", 150);
        let has_device = std::env::var_os("GIGAMAPPER_CUVS").is_some();
        let planned = plan(&place.request(&cells, None)).unwrap();
        let batches = planned.memory.parts.get("device batches").copied();
        if has_device {
            assert_eq!(planned.backend.name, "cuda");
            let device = planned.backend.device.unwrap();
            let count = std::env::var("MOCK_DEVICES").ok();
            let expected = match count.as_deref() {
                Some("2") => {
                    "2 CUDA devices 0 (Mock A) with 1.0 GiB of free memory and 1 (Mock B) with 1.0 GiB of free memory, by cuVS 26"
                }
                _ => "CUDA device 0 ",
            };
            assert!(device.starts_with(expected), "{device}");
            assert!(batches.unwrap() > 1 << 20 && planned.memory.planned <= planned.memory.limit);
        } else {
            assert_eq!(batches.is_some(), planned.backend.name == "cuda");
        }
        // What the processor does alone takes nothing of a device.
        let codes = MapRequest { method: Some("ivfpq".into()), nlist: Some(4), ..place.request(&cells, None) };
        let planned = plan(&codes).unwrap();
        assert!(planned.backend.name == "cpu" && !planned.memory.parts.contains_key("device batches"));
    }
}
