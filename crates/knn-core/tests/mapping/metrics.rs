//! Whole runs by each metric: what is stored is what its formula says, to the tolerance of f32, and the same by every search.

use std::collections::BTreeMap;

use gigamapper_core::distance::Lane;
use gigamapper_core::pipeline::{
    IndexRequest, MapRequest, NeighborsRequest, RunReport, Seams, build_index, neighbors, run_with,
};
use gigamapper_core::progress::Progress;

use super::cells::Cells;
use super::disk::{assert_same, files, listed};
use super::mapped::Mapped;
use super::sample::{Place, map, noise, output, quick};

const DIM: usize = 7;
const METRICS: [&str; 3] = ["sqeuclidean", "cosine", "inner_product"];

/// Rows with twins, a zero vector (17), one that is not finite (23) and one that is very long (31), around an offset.
fn rows(n: usize, seed: u64, offset: f32) -> Vec<f32> {
    let mut values: Vec<f32> = noise(seed, n * DIM).iter().map(|value| value * 3.0 + offset).collect();
    values.copy_within(0..5 * DIM, 40 * DIM);
    values[17 * DIM..18 * DIM].fill(0.0);
    values[23 * DIM + 2] = f32::NAN;
    values[31 * DIM..32 * DIM].iter_mut().for_each(|value| *value *= 1000.0);
    values
}

fn cells(place: &Place, name: &str, values: &[f32]) -> Cells {
    let n = values.len() / DIM;
    let codes: Vec<i8> = (0..n).map(|cell| (cell % 3) as i8).collect();
    place.cells(name, n).embedding("X_pca", DIM, values).categorical("type", &codes, &["a", "b", "c"], false)
}

/// A request for neighbours by a metric, and of labels where that makes sense.
fn by(metric: &str, place: &Place, query: &Cells, reference: Option<&Cells>, name: &str) -> MapRequest {
    MapRequest {
        metric: Some(metric.into()),
        obs_keys: (metric != "inner_product").then(|| vec!["type".into()]),
        kernel_method: Some("gauss".into()),
        output: Some(place.outputs().join(name).to_str().unwrap().into()),
        ..place.request(query, reference)
    }
}

/// The formula, in f64; none where it has no value.
fn formula(metric: &str, q: &[f32], x: &[f32]) -> Option<f64> {
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| q.iter().zip(x).map(|(q, x)| of(f64::from(*q), f64::from(*x))).sum::<f64>();
    let value = match metric {
        "sqeuclidean" => sum(&|q, x| (q - x) * (q - x)),
        "cosine" => {
            let (q, x, both) = (sum(&|q, _| q * q), sum(&|_, x| x * x), sum(&|q, x| q * x));
            1.0 - both / (q * x).sqrt()
        }
        _ => -sum(&|q, x| q * x),
    };
    value.is_finite().then_some(value)
}

/// Compares stored neighbours with all pairs.
fn check(metric: &str, found: &Mapped, query: &[f32], reference: &[f32], own: bool) {
    let neighbors = found.neighbors();
    let mut mapped = 0;
    for (row, q) in query.chunks_exact(DIM).enumerate() {
        let others = reference.chunks_exact(DIM).enumerate().filter(|(id, _)| !own || *id != row);
        let mut all: Vec<f64> = others.filter_map(|(_, x)| formula(metric, q, x)).collect();
        all.sort_by(f64::total_cmp);
        let (ids, distances) = neighbors.row(row);
        assert_eq!(ids.len(), all.len().min(neighbors.k), "{metric}: row {row}");
        assert!(distances.is_sorted(), "{metric}: row {row}");
        for ((&id, &distance), nearest) in ids.iter().zip(distances).zip(&all) {
            let told = formula(metric, q, &reference[id as usize * DIM..][..DIM]).unwrap();
            // By cosine rows are rounded to f32 when they get length 1.
            let moved = if metric == "cosine" { 2f64.powi(-23) } else { 0.0 };
            let tolerance = |value: f64| 1e-7 * value.abs() + moved * (2.0 * value).abs().sqrt() + 1e-12;
            assert!(
                (f64::from(distance) - told).abs() <= tolerance(told),
                "{metric}: row {row}: {distance} for {told}"
            );
            assert!((told - nearest).abs() <= 2.0 * tolerance(*nearest), "{metric}: row {row}: {told} for {nearest}");
            assert!(!own || id != row as i64, "{metric}: row {row}");
        }
        // Ties go to the lower id.
        let pairs = ids.windows(2).zip(distances.windows(2));
        assert!(pairs.into_iter().all(|(ids, at)| at[0] < at[1] || ids[0] < ids[1]), "{metric}: row {row}");
        mapped += usize::from(!ids.is_empty());
    }
    assert!(mapped + 2 >= query.len() / DIM, "{metric}: {mapped}");
}

#[test]
fn neighbors_are_those_of_the_formula_by_every_search() {
    for offset in [0.0, 50.0] {
        let place = Place::new();
        let (q, x) = (rows(90, 1, offset), rows(700, 2, offset));
        let (query, reference) = (cells(&place, "query", &q), cells(&place, "reference", &x));
        for metric in METRICS {
            for own in [false, true] {
                let (query, reference) = if own { (&reference, None) } else { (&query, Some(&reference)) };
                let exact = by(metric, &place, query, reference, &format!("{metric}-{own}.zarr"));
                let report = map(&exact).unwrap();
                let found = Mapped::open(output(&exact));
                check(metric, &found, if own { &x } else { &q }, &x, own);
                let lists = by(metric, &place, query, reference, &format!("{metric}-{own}-lists.zarr"));
                let lists = MapRequest { nlist: Some(10), nprobe: Some(10), ..lists };
                let (by_lists, truth) = (map(&lists).unwrap(), found.neighbors());
                let again = Mapped::open(output(&lists)).neighbors();
                assert_eq!(again.ids, truth.ids, "{metric}");
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&again.distances), bits(&truth.distances), "{metric}");
                assert_eq!((by_lists.sigma, by_lists.recall.measured), (report.sigma, 1.0));
                check_statuses(metric, &report, &found, own);
                check_statuses(metric, &by_lists, &Mapped::open(output(&lists)), own);
            }
        }
    }
}

/// Zero vectors have no direction, and by other metrics nothing is wrong with them.
fn check_statuses(metric: &str, report: &RunReport, found: &Mapped, own: bool) {
    let (cosine, neighbors) = (metric == "cosine", found.neighbors());
    for (row, status) in found.labels("mapping_status").iter().enumerate() {
        let expected = match row {
            23 => "invalid input",
            17 if cosine => "zero vector",
            _ => "ok",
        };
        assert_eq!(status, expected, "{metric}: row {row}");
        assert_eq!(neighbors.ids[row * neighbors.k] < 0, expected != "ok", "{metric}: row {row}");
    }
    assert_eq!(report.status_counts["zero vector"], u64::from(cosine), "{metric}");
    assert_eq!(report.excluded_reference_rows, 1 + u64::from(cosine), "{metric}");
    assert!(neighbors.ids.iter().all(|id| *id != 23 && (*id != 17 || !cosine)), "{metric}");
    let warned = report.warnings.iter().any(|warning| warning.contains("2 reference cells have NaN"));
    assert_eq!(warned, cosine, "{metric}: {:?}", report.warnings);
    let Some(sigma) = report.sigma else {
        assert_eq!(metric, "inner_product");
        return;
    };
    let valid: Vec<f64> = neighbors.distances.iter().filter(|d| !d.is_nan()).map(|&d| f64::from(d)).collect();
    let cells = valid.len() as f64 + if own { report.status_counts["ok"] as f64 } else { 0.0 };
    assert!((sigma - valid.iter().sum::<f64>() / cells).abs() <= 1e-12 * sigma, "{metric}: {sigma}");
    assert_eq!(found.numbers("type_conf")[17] == 0.0, cosine, "{metric}");
}

#[test]
fn squared_distances_have_the_neighbors_of_distances() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", &rows(90, 1, 5.0)), cells(&place, "reference", &rows(700, 2, 5.0)));
    let found = ["euclidean", "sqeuclidean"].map(|metric| {
        let request = by(metric, &place, &query, Some(&reference), &format!("{metric}.zarr"));
        map(&request).unwrap();
        Mapped::open(output(&request)).neighbors()
    });
    assert_eq!(found[0].ids, found[1].ids);
    for (d, squared) in found[0].distances.iter().zip(&found[1].distances).filter(|(d, _)| !d.is_nan()) {
        assert!((f64::from(*d).powi(2) - f64::from(*squared)).abs() <= 2e-7 * f64::from(*squared), "{d}² is {squared}");
    }
}

#[test]
fn one_request_has_one_result_by_every_metric() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", &rows(90, 3, 1.0)), cells(&place, "reference", &rows(700, 4, 1.0)));
    for metric in METRICS {
        for ivf in [false, true] {
            let request = by(metric, &place, &query, Some(&reference), "mapped.zarr");
            let request = MapRequest { nlist: ivf.then_some(12), nprobe: ivf.then_some(3), ..request };
            let stored = |request: &MapRequest, seams: Seams| -> BTreeMap<String, Vec<u8>> {
                run_with(request, &Progress::silent(), seams).unwrap();
                let found = files(output(request));
                std::fs::remove_dir_all(output(request)).unwrap();
                std::fs::remove_dir_all(place.outputs().join("mapped.zarr.journal")).unwrap();
                found
            };
            let expected = stored(&request, quick());
            for threads in [1, 8] {
                let request = MapRequest { threads: Some(threads), ..request.clone() };
                assert_same(&stored(&request, quick()), &expected, &format!("{metric}: {threads} threads"));
            }
            for lane in Lane::available() {
                let seams = Seams { lane, block_rows: Some(7), slab_rows: Some(64), ..quick() };
                assert_same(&stored(&request, seams), &expected, &format!("{metric}: {lane:?}"));
            }
        }
    }
    assert_eq!(listed(&place.outputs()), Vec::<String>::new());
}

#[test]
fn an_index_serves_its_own_metric_and_no_other() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", &rows(90, 5, 0.0)), cells(&place, "reference", &rows(700, 6, 0.0)));
    for metric in METRICS {
        let index = place.inputs().join(format!("{metric}.gmx")).to_str().unwrap().to_owned();
        let request = IndexRequest {
            reference: reference.path(),
            output: Some(index.clone()),
            nlist: Some(8),
            metric: Some(metric.into()),
            // As a run trains its own.
            training: Some("brief".into()),
            memory: Some("256MiB".into()),
            ..IndexRequest::default()
        };
        let built = build_index(&request, &Progress::silent()).unwrap();
        assert_eq!(built.excluded_rows, if metric == "cosine" { 2 } else { 1 });
        assert_eq!(built.warnings.iter().any(|w| w.contains("being zero throughout")), metric == "cosine");
        let given = |asked: &str| {
            let name = format!("{asked}-by-{metric}.zarr");
            MapRequest { index: Some(index.clone()), ..by(asked, &place, &query, Some(&reference), &name) }
        };
        for other in ["euclidean", "sqeuclidean", "cosine", "inner_product"].iter().filter(|other| **other != metric) {
            let error = map(&given(other)).unwrap_err();
            assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some("metric")), "{other}");
        }
        let own =
            MapRequest { nlist: Some(8), ..by(metric, &place, &query, Some(&reference), &format!("{metric}.zarr")) };
        map(&own).unwrap();
        map(&given(metric)).unwrap();
        let [left, right] = [own, given(metric)].map(|request| Mapped::open(output(&request)).neighbors());
        assert_eq!(left.ids, right.ids, "{metric}");
    }
}

#[test]
fn products_are_found_and_never_weighed() {
    let place = Place::new();
    let (q, x) = (rows(90, 7, 0.0), rows(300, 8, 0.0));
    let (query, reference) = (cells(&place, "query", &q), cells(&place, "reference", &x));
    let weighed = MapRequest {
        obs_keys: Some(vec!["type".into()]),
        ..by("inner_product", &place, &query, Some(&reference), "a")
    };
    assert_eq!(map(&weighed).unwrap_err().code(), "GM_PARAM");
    let request = NeighborsRequest {
        query: query.path(),
        reference: Some(reference.path()),
        output: Some(place.output().to_str().unwrap().into()),
        metric: Some("inner_product".into()),
        n_neighbors: Some(9),
        memory: Some("256MiB".into()),
        ..NeighborsRequest::default()
    };
    let report = neighbors(&request, &Progress::silent()).unwrap();
    assert_eq!((report.sigma, report.warnings.len()), (None, 0), "{:?}", report.warnings);
    let found = Mapped::open(&place.output());
    check("inner_product", &found, &q, &x, false);
    assert!(found.neighbors().distances.iter().filter(|distance| **distance < 0.0).count() > 500);
}
