//! Where we differ from CellMapper on purpose, and edge cases that no other file has: docs/design/mapping.md says which test states which.

use std::path::Path;

use gigamapper_core::pipeline::{MapRequest, PresenceRequest, RunReport, presence_with};
use gigamapper_core::progress::Progress;
use serde_json::json;

use super::cells::Cells;
use super::disk::Disk;
use super::mapped::Mapped;
use super::sample::{Place, map, noise, output};
use super::zarr::{Grid, array, group, strings};

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

fn to(place: &Place, name: &str, request: MapRequest) -> MapRequest {
    MapRequest { output: Some(place.outputs().join(name).to_str().unwrap().into()), ..request }
}

fn mapped(request: &MapRequest) -> (RunReport, Mapped) {
    let report = map(request).unwrap();
    (report, Mapped::open(output(request)))
}

/// Cells at these positions of a line.
fn line(place: &Place, name: &str, positions: &[f32]) -> Cells {
    place.cells(name, positions.len()).embedding("X_pca", 1, positions)
}

/// The same by the exact search, by lists and by codes.
fn every_search(request: &MapRequest) -> [MapRequest; 3] {
    let lists = MapRequest { method: Some("ivf".into()), nlist: Some(2), nprobe: Some(2), ..request.clone() };
    [request.clone(), lists.clone(), MapRequest { method: Some("ivfpq".into()), ..lists }]
}

#[test]
fn stored_distances_are_not_squared_whatever_finds_them() {
    let place = Place::new();
    let positions: Vec<f32> = (0..40).map(|cell| (cell * cell) as f32).collect();
    let (query, reference) = (line(&place, "query", &[-3.0, 1605.0]), line(&place, "reference", &positions));
    let request = MapRequest { n_neighbors: Some(2), ..place.request(&query, Some(&reference)) };
    for (number, search) in every_search(&request).into_iter().enumerate() {
        let (report, found) = mapped(&to(&place, &format!("{number}.zarr"), search));
        assert_eq!(found.neighbors().ids, [0, 1, 39, 38], "{}", report.recall.method);
        assert_eq!(found.neighbors().distances, [3.0, 4.0, 84.0, 161.0], "{}", report.recall.method);
    }
}

#[test]
fn a_representation_is_used_to_its_last_column() {
    let place = Place::new();
    // Cells differ in their sixtieth column alone.
    let wide = |name: &str, last: &[f32]| {
        let values: Vec<f32> =
            last.iter().flat_map(|&last| (0..60).map(move |i| if i == 59 { last } else { 0.5 })).collect();
        place.cells(name, last.len()).embedding("X_pca", 60, &values)
    };
    let (query, reference) = (wide("query", &[2.0, 7.0]), wide("reference", &[7.5, 5.0, 1.0]));
    let (_, found) = mapped(&MapRequest { n_neighbors: Some(2), ..place.request(&query, Some(&reference)) });
    assert_eq!(found.neighbors().ids, [2, 1, 0, 1]);
    assert_eq!(found.neighbors().distances, [1.0, 3.0, 0.5, 2.0]);
}

#[test]
fn a_cell_is_dropped_by_its_id_among_its_twins() {
    let place = Place::new();
    // Twins come before and behind each other, and a search that stops at k may see some of them first.
    let positions: Vec<f32> = (0..60).map(|cell| (cell / 3 % 7) as f32).collect();
    let cells = line(&place, "cells", &positions);
    let request = MapRequest { n_neighbors: Some(4), ..place.request(&cells, None) };
    for (number, search) in every_search(&request).into_iter().enumerate() {
        let (report, found) = mapped(&to(&place, &format!("{number}.zarr"), search));
        let neighbors = found.neighbors();
        assert_eq!(neighbors.k, 3);
        for cell in 0..60 {
            let twins = (0..60).filter(|&other| other != cell && positions[other] == positions[cell]);
            let expected: Vec<i64> = twins.take(3).map(|other| other as i64).collect();
            assert_eq!(neighbors.row(cell).0, expected, "{}: {cell}", report.recall.method);
        }
    }
}

#[test]
fn stores_of_equal_size_are_still_two() {
    let place = Place::new();
    let positions = noise(5, 30);
    let (query, reference) = (line(&place, "query", &positions), line(&place, "reference", &positions));
    let (report, found) = mapped(&MapRequest { n_neighbors: Some(3), ..place.request(&query, Some(&reference)) });
    assert_eq!(report.plan.mode, "cross");
    let parameters = &report.plan.parameters;
    assert_eq!((parameters.kernel_method.as_str(), parameters.symmetrize.as_str()), ("gauss", "none"));
    let neighbors = found.neighbors();
    assert_eq!(neighbors.k, 3);
    for cell in 0..30 {
        assert_eq!((neighbors.row(cell).0[0], neighbors.row(cell).1[0]), (cell as i64, 0.0));
    }
}

#[test]
fn a_cell_without_weights_has_no_label_and_a_far_one_that_of_its_nearest() {
    let place = Place::new();
    let query = line(&place, "query", &[0.0, f32::NAN, 1e6]);
    let reference = line(&place, "reference", &[1.0, 2.0, 3.0]).categorical("type", &[1, 0, 1], &["a", "b"], false);
    // At this bandwidth exp(−d²/2σ²) of the last cell is 0 for every neighbour.
    let request = MapRequest {
        obs_keys: Some(keys(&["type"])),
        n_neighbors: Some(3),
        bandwidth: Some(0.1),
        ..place.request(&query, Some(&reference))
    };
    let (_, found) = mapped(&request);
    assert_eq!(found.labels("type_pred"), ["b", "", "b"]);
    assert_eq!(found.labels("type_status"), ["ok", "unlabelled", "ok"]);
    assert_eq!(found.labels("mapping_status"), ["ok", "invalid input", "ok"]);
    assert_eq!((found.numbers("type_conf")[1], found.numbers("type_conf")[2]), (0.0, 1.0));
}

#[test]
fn another_mapping_of_the_same_cells_finds_its_own_neighbors() {
    let place = Place::new();
    let (query, reference) = (line(&place, "query", &noise(1, 20)), line(&place, "reference", &noise(2, 30)));
    let first = MapRequest { n_neighbors: Some(3), ..place.request(&query, Some(&reference)) };
    let (one, few) = mapped(&first);
    let few = few.neighbors();
    let second = MapRequest { n_neighbors: Some(8), overwrite: Some(true), ..first.clone() };
    let (other, more) = mapped(&second);
    assert_eq!((few.k, more.neighbors().k), (3, 8));
    assert_ne!(one.plan.run, other.plan.run);
    let alone = mapped(&to(&place, "alone.zarr", MapRequest { overwrite: None, ..second })).1;
    assert_eq!(more.neighbors(), alone.neighbors());
    // What was there is not taken up where another result is asked for.
    let stale = map(&MapRequest { resume: Some(true), ..first }).unwrap_err();
    assert_eq!(stale.code(), "GM_STALE");
}

#[test]
fn booleans_are_averaged_on_request_and_times_as_integers() {
    let place = Place::new();
    let query = line(&place, "query", &[0.0, 10.0]);
    let times: [i64; 4] = [1_700_000_000_000_000_000, 1_700_000_000_000_000_100, 300, i64::MIN];
    let reference = line(&place, "reference", &[0.0, 0.0, 10.0, 10.0])
        .column("flag", &[true, false, false, false])
        .column("when", &times);
    let metadata = reference.root.join("obs/when/zarr.json");
    let mut array: serde_json::Value = serde_json::from_slice(&std::fs::read(&metadata).unwrap()).unwrap();
    array["data_type"] = json!({ "name": "numpy.datetime64", "configuration": { "unit": "ns", "scale_factor": 1 } });
    std::fs::write(&metadata, serde_json::to_vec(&array).unwrap()).unwrap();
    let request = MapRequest {
        obs_keys: Some(keys(&["flag", "when"])),
        booleans: Some("numeric".into()),
        n_neighbors: Some(2),
        ..place.request(&query, Some(&reference))
    };
    let (_, found) = mapped(&request);
    assert_eq!((found.numbers("flag_pred"), found.numbers("flag_sd")), (vec![0.5, 0.0], vec![0.5, 0.0]));
    // A time that is none is left out. Nanoseconds of this century are beyond 2^53, where f64 has every 256th.
    let [first, second] = found.numbers("when_pred")[..] else { panic!("two cells") };
    assert!((first - 1_700_000_000_000_000_050.0).abs() <= 256.0 && second == 300.0, "{first} {second}");
    let voted = to(&place, "voted.zarr", MapRequest { booleans: Some("label".into()), ..request.clone() });
    assert_eq!(mapped(&voted).1.labels("flag_pred"), ["False", "False"]);
    let wrong = map(&MapRequest { booleans: Some("number".into()), ..request }).unwrap_err();
    assert_eq!((wrong.code(), wrong.details()["name"].as_str()), ("GM_PARAM", Some("as")));
}

#[test]
fn colors_that_do_not_fit_warn_and_stop_nothing() {
    let place = Place::new();
    let query = line(&place, "query", &[0.0]);
    let reference = line(&place, "reference", &[0.0, 1.0])
        .categorical("short", &[0, 1], &["a", "b"], false)
        .colors("short", &["#f00"])
        .categorical("long", &[0, 1], &["a", "b"], false)
        .colors("long", &["#f00", "#0f0", "#00f"])
        .categorical("right", &[0, 1], &["a", "b"], false)
        .colors("right", &["#f00", "#0f0"]);
    let request = MapRequest {
        obs_keys: Some(keys(&["short", "long", "right"])),
        n_neighbors: Some(1),
        ..place.request(&query, Some(&reference))
    };
    let (report, found) = mapped(&request);
    for key in ["short", "long", "right"] {
        let warned = report.warnings.iter().any(|warning| warning.contains(&format!("uns/{key}_colors")));
        assert_eq!(warned, key != "right", "{key}: {:?}", report.warnings);
        assert_eq!(found.labels(&format!("{key}_pred")), ["a"]);
        let colors = found.parts[0].colors(&format!("{key}_pred")).unwrap();
        assert_eq!(colors.is_some(), key == "right", "{key}");
    }
}

#[test]
fn presence_may_be_weighed_by_other_kernels() {
    let place = Place::new();
    let (query, reference) = (line(&place, "query", &[0.0, 1.0]), line(&place, "reference", &[0.5, 3.0]));
    let neighbors =
        to(&place, "neighbors.zarr", MapRequest { n_neighbors: Some(2), ..place.request(&query, Some(&reference)) });
    map(&neighbors).unwrap();
    let request = PresenceRequest {
        neighbors: neighbors.output.clone().unwrap(),
        reference: reference.path(),
        output: Some(place.output().to_str().unwrap().into()),
        percentile: Some((0.0, 100.0)),
        minmax: Some(false),
        overwrite: Some(true),
        memory: Some("256MiB".into()),
        ..PresenceRequest::default()
    };
    // Distances are 0.5 and 3 of the first cell, 0.5 and 2 of the second.
    let sums = |weight: &dyn Fn(f64, usize) -> f64| [weight(0.5, 0) + weight(0.5, 1), weight(3.0, 0) + weight(2.0, 1)];
    let mean: f64 = 1.5;
    let deviation = ((2.0 + 0.25 + 2.25) / 4.0_f64).sqrt();
    let own = [1.25_f64, 0.75];
    let expected: [(&str, Option<f64>, [f64; 2]); 5] = [
        ("gauss", Some(mean), sums(&|d, _| (-d * d / (2.0 * mean * mean)).exp())),
        ("scarches", Some(deviation), sums(&|d, _| (-d * deviation * deviation / 4.0).exp())),
        ("scarches_local", None, sums(&|d, row| (-d * own[row] * own[row] / 4.0).exp())),
        ("inverse_distance", None, sums(&|d, _| 1.0 / (d + 1e-8))),
        ("equal", None, [2.0, 2.0]),
    ];
    for (kernel, sigma, expected) in expected {
        let request = PresenceRequest { kernel_method: Some(kernel.into()), ..request.clone() };
        let report = presence_with(&request, &Progress::silent(), Disk::quick(), None).unwrap();
        assert_eq!(report.sigma.is_some(), sigma.is_some(), "{kernel}");
        assert!((report.sigma.unwrap_or(0.0) - sigma.unwrap_or(0.0)).abs() < 1e-12, "{kernel}: {:?}", report.sigma);
        let found = Mapped::open(&place.output()).numbers("presence_score");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{kernel}: {found} for {expected}");
        }
        assert!((report.total_weight - found.iter().sum::<f64>()).abs() < 1e-12);
    }
    for kernel in ["umap", "adaptive_gauss", "jaccard", "hnoca"] {
        let request = PresenceRequest { kernel_method: Some(kernel.into()), ..request.clone() };
        let error = presence_with(&request, &Progress::silent(), Disk::quick(), None).unwrap_err();
        assert_eq!(error.code(), "GM_UNSUPPORTED", "{kernel}");
    }
}

#[test]
fn fewer_cells_than_neighbors_are_padded_within_one_store() {
    let place = Place::new();
    let cells = line(&place, "cells", &[0.0, 1.0, 3.0]).column("x", &[1.0f64, 2.0, 3.0]);
    for kernel in ["umap", "gauss", "jaccard", "adaptive_gauss"] {
        let request = MapRequest {
            obs_keys: Some(keys(&["x"])),
            n_neighbors: Some(9),
            kernel_method: Some(kernel.into()),
            ..place.request(&cells, None)
        };
        let (report, found) = mapped(&to(&place, &format!("{kernel}.zarr"), request));
        assert!(report.warnings.iter().any(|warning| warning.contains("padded")), "{:?}", report.warnings);
        let neighbors = found.neighbors();
        assert_eq!(neighbors.k, 8);
        let rows: Vec<_> = (0..3).map(|cell| neighbors.row(cell).0.to_vec()).collect();
        assert_eq!(rows, [[1, 2], [0, 2], [1, 0]], "{kernel}");
        assert!(found.numbers("x_pred").iter().all(|x| (1.0..=3.0).contains(x)), "{kernel}");
    }
}

#[test]
fn a_column_may_have_more_categories_than_16_bits_count() {
    let place = Place::new();
    let n = 66_000;
    let query = line(&place, "query", &[0.2, 65_999.4]);
    let positions: Vec<f32> = (0..n).map(|cell| cell as f32).collect();
    let reference = line(&place, "reference", &positions).column("type", &vec![0i8; n]);
    let root: &Path = &reference.root;
    std::fs::remove_dir_all(root.join("obs/type")).unwrap();
    group(root, "obs/type", &json!({ "encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": false }));
    // The last category is that of the first cell.
    let codes: Vec<i32> = (0..n as i32).rev().collect();
    array(root, "obs/type/codes", &[n], &codes, Grid::chunks(5000, 1));
    let names: Vec<_> = (0..n).map(|code| format!("c{code}")).collect();
    strings(root, "obs/type/categories", &names);
    let request = MapRequest {
        obs_keys: Some(keys(&["type"])),
        n_neighbors: Some(1),
        layout: None,
        ..place.request(&query, Some(&reference))
    };
    let (_, found) = mapped(&request);
    assert_eq!(found.labels("type_pred"), ["c65999", "c0"]);
    assert_eq!(found.categories("type_pred").len(), n);
}

#[test]
fn cells_far_from_the_origin_have_the_neighbors_of_cells_around_it() {
    let place = Place::new();
    // Steps of 1 are exact at 2^23, and squares of what lies there are not.
    let at = |name: &str, offset: f32, n: usize, seed| {
        let values: Vec<f32> = noise(seed, n * 3).iter().map(|value| (value * 40.0).round() + offset).collect();
        place.cells(&format!("{name}{offset}"), n).embedding("X_pca", 3, &values)
    };
    let [near, far] = [0.0, 8_388_608.0].map(|offset| {
        let (query, reference) = (at("query", offset, 40, 1), at("reference", offset, 300, 2));
        let request = place.request(&query, Some(&reference));
        every_search(&request).map(|search| {
            let name =
                format!("{offset}-{}-{}.zarr", search.method.as_deref().unwrap_or("exact"), search.nlist.is_some());
            mapped(&to(&place, &name, search)).1.neighbors()
        })
    });
    for (near, far) in near.iter().zip(&far) {
        assert_eq!((&near.ids, &near.distances), (&far.ids, &far.distances));
    }
}
