//! What a vote tells besides the label, which labels may be predicted, and when one is rejected.

use std::path::{Path, PathBuf};

use gigamapper_core::pipeline::{MapRequest, NeighborsRequest, neighbors};
use gigamapper_core::progress::Progress;

use super::mapped::Mapped;
use super::sample::{Place, map, sample};

const KEY: &str = "cell type";

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A sample mapped with all probabilities, and changed as asked.
fn mapped(place: &Place, change: impl Fn(&mut MapRequest)) -> (Mapped, gigamapper_core::pipeline::RunReport) {
    let inputs = place.inputs();
    let cells = |name: &str, n: usize| {
        let path = inputs.join(format!("{name}.zarr"));
        if path.exists() { path.to_str().unwrap().to_owned() } else { sample(place, name, n).path() }
    };
    let (query, reference) = (cells("query", 150), cells("reference", 110));
    let key = |key: &str| Some(vec![key.to_owned()]);
    let mut request = MapRequest {
        query,
        reference: Some(reference),
        obs_keys: key(KEY),
        output: Some(text(&place.output())),
        n_neighbors: Some(7),
        probabilities: Some("all".into()),
        overwrite: Some(true),
        memory: Some("256MiB".into()),
        ..MapRequest::default()
    };
    change(&mut request);
    let report = map(&request).unwrap();
    (Mapped::open(&place.output()), report)
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn details_and_the_largest_weights_are_those_of_all_weights() {
    let place = Place::new();
    let (whole, _) = mapped(&place, |request| request.label_details = Some(true));
    let width = whole.categories(&format!("{KEY}_pred")).len();
    let shares = whole.matrix(&format!("{KEY}_prob"));
    let codes = whole.codes(&format!("{KEY}_pred"));
    let (second, margin) = (whole.codes(&format!("{KEY}_second")), whole.numbers(&format!("{KEY}_margin")));
    let entropy = whole.numbers(&format!("{KEY}_entropy"));
    let mut orders = Vec::new();
    for (row, shares) in shares.chunks(width).enumerate() {
        let mut order: Vec<usize> = (0..width).filter(|&code| shares[code] > 0.0).collect();
        order.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]).then(a.cmp(&b)));
        if codes[row] < 0 {
            assert!(second[row] == -1 && margin[row].is_nan() && entropy[row].is_nan(), "{row}");
        } else {
            let share = |place: usize| order.get(place).map_or(0.0, |&code| f64::from(shares[code]));
            assert!((margin[row] - (share(0) - share(1))).abs() < 1e-6, "{row}");
            let sum: f64 = (0..order.len()).map(|place| -share(place) * share(place).ln()).sum();
            assert!((entropy[row] - sum).abs() < 1e-5, "{row}: {} for {sum}", entropy[row]);
            let expected = order.get(1).map_or(-1, |&code| code as i32);
            let tied = order.len() > 2 && (share(1) - share(2)).abs() < 1e-6;
            assert!(second[row] == expected || tied, "{row}");
        }
        orders.push(order);
    }
    let (top, _) = mapped(&place, |request| request.probabilities = Some("top-2".into()));
    let (top_codes, top_shares) = (top.matrix(&format!("{KEY}_top")), top.matrix(&format!("{KEY}_top_prob")));
    for row in 0..orders.len() {
        for place in 0..2 {
            let (code, share) = (top_codes[row * 2 + place], top_shares[row * 2 + place]);
            if codes[row] < 0 {
                assert!(code == -1.0 && share.is_nan());
            } else if code < 0.0 {
                assert!(share == 0.0 && orders[row].len() <= place);
            } else {
                assert_eq!(share, shares[row * width + code as usize], "{row}");
                assert_eq!(share, shares[row * width + orders[row][place]], "{row}");
            }
        }
    }
}

#[test]
fn only_a_subset_is_predicted_and_the_rest_keeps_its_weight() {
    let place = Place::new();
    let (whole, _) = mapped(&place, |_| {});
    let subset = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    let (some, report) = mapped(&place, |request| request.subset_categories = subset(&["B", "NK", "nothing"]));
    assert!(report.warnings.iter().any(|warning| warning.contains("nothing") && warning.contains("ignored")));
    assert_eq!(some.categories(&format!("{KEY}_pred")), whole.categories(&format!("{KEY}_pred")));
    let shares = whole.matrix(&format!("{KEY}_prob"));
    let confidence = some.numbers(&format!("{KEY}_conf"));
    for (row, (&code, shares)) in some.codes(&format!("{KEY}_pred")).iter().zip(shares.chunks(5)).enumerate() {
        let best = if shares[2] > shares[1] { 2 } else { 1 };
        if shares[best] > 0.0 {
            assert_eq!((code, confidence[row] as f32), (best as i32, shares[best]), "{row}");
        } else {
            assert_eq!((code, confidence[row]), (-1, 0.0), "{row}");
        }
    }
    let (all, report) = mapped(&place, |request| request.subset_categories = subset(&["nothing"]));
    assert!(report.warnings.iter().any(|warning| warning.contains("all categories may be predicted")));
    assert_eq!(all.codes(&format!("{KEY}_pred")), whole.codes(&format!("{KEY}_pred")));
    let numbers = |request: &mut MapRequest| {
        request.obs_keys = Some(vec!["score".into()]);
        request.subset_categories = subset(&["B"]);
    };
    assert!(mapped(&place, numbers).1.warnings.iter().any(|warning| warning.contains("holds numbers")));
}

#[test]
fn the_subset_of_a_golden_case_is_cellmappers() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures");
    for (case, query, reference) in [
        ("synthetic_cross", "golden/synthetic_cross/query.zarr", "golden/synthetic_cross/reference.zarr"),
        ("synthetic_cosine", "golden/synthetic_cosine/query.zarr", "golden/synthetic_cosine/reference.zarr"),
        ("pbmc_cross", "pbmc/query.zarr", "pbmc/reference.zarr"),
    ] {
        let golden = fixtures.join("golden").join(case);
        let json =
            |path: PathBuf| -> serde_json::Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
        let (parameters, expected) = (json(golden.join("params.json")), json(golden.join("expected/subset.json")));
        let key = parameters["categorical"][0].as_str().unwrap();
        let texts = |value: &serde_json::Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
        let place = Place::new();
        let request = MapRequest {
            query: text(&fixtures.join(query)),
            reference: Some(text(&fixtures.join(reference))),
            output: Some(text(&place.output())),
            use_rep: parameters["use_rep"].as_str().map(str::to_owned),
            n_neighbors: parameters["n_neighbors"].as_i64(),
            metric: parameters["knn_dist_metric"].as_str().map(str::to_owned),
            obs_keys: Some(vec![key.to_owned()]),
            subset_categories: Some(texts(&expected["categories"])),
            ..MapRequest::default()
        };
        map(&request).unwrap();
        let found = Mapped::open(&place.output());
        let confidence = found.numbers(&format!("{key}_conf"));
        let labels = found.labels(&format!("{key}_pred"));
        for (row, theirs) in texts(&expected["pred"]).iter().enumerate() {
            let share = expected["conf"][row].as_f64().unwrap();
            assert!((confidence[row] - share).abs() < 1e-5, "{case} {row}");
            // A cell none of whose neighbours is of the subset has no label here, and the first category there.
            let expected = if share == 0.0 { "" } else { theirs };
            assert_eq!(labels[row], expected, "{case} {row}");
        }
    }
}

#[test]
fn cells_without_a_label_are_dropped_counted_or_refused() {
    let place = Place::new();
    let sums = |cells: &Mapped| {
        let shares = cells.matrix(&format!("{KEY}_prob"));
        shares.chunks(5).map(|row| row.iter().sum::<f32>()).collect::<Vec<_>>()
    };
    let all = sums(&mapped(&place, |_| {}).0);
    let less = sums(&mapped(&place, |request| request.missing = Some("category".into())).0);
    assert!(all.iter().filter(|sum| !sum.is_nan()).all(|sum| (sum - 1.0).abs() < 1e-5));
    assert!(less.iter().any(|&sum| sum < 0.999) && less.iter().filter(|sum| !sum.is_nan()).all(|&sum| sum < 1.000_01));
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 80), sample(&place, "reference", 110));
    let request = MapRequest { missing: Some("error".into()), ..place.full_request(&query, Some(&reference)) };
    let error = map(&request).unwrap_err();
    assert_eq!((error.code(), error.details()["array"].as_str()), ("GM_SCHEMA", Some("obs/cell type")), "{error}");
    assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0);
    let whole = MapRequest { obs_keys: Some(vec!["flag".into()]), ..request };
    assert_eq!(map(&whole).unwrap().label_status_counts["flag"]["rejected"], 0);
}

#[test]
fn labels_are_rejected_and_kept() {
    let place = Place::new();
    let (whole, _) = mapped(&place, |_| {});
    let codes = whole.codes(&format!("{KEY}_pred"));
    let confidence = whole.numbers(&format!("{KEY}_conf"));
    let (some, report) = mapped(&place, |request| request.min_confidence = Some(0.6));
    assert_eq!(some.codes(&format!("{KEY}_pred")), codes);
    assert_eq!(bits(&some.numbers(&format!("{KEY}_conf"))), bits(&confidence));
    let statuses = some.labels(&format!("{KEY}_status"));
    let labels = some.labels(&format!("{KEY}_label"));
    for row in 0..codes.len() {
        let expected = if codes[row] < 0 {
            ("unlabelled", "unknown".to_owned())
        } else if confidence[row] < 0.6 {
            ("rejected", "unknown".to_owned())
        } else {
            ("ok", whole.labels(&format!("{KEY}_pred"))[row].clone())
        };
        assert_eq!((statuses[row].as_str(), labels[row].clone()), expected, "{row}");
    }
    let rejected = statuses.iter().filter(|&status| status == "rejected").count();
    assert!(rejected > 10 && report.label_status_counts[KEY]["rejected"] as usize == rejected);

    let far = |mapped: &Mapped, most: f64| {
        let found = mapped.neighbors();
        (0..found.rows()).map(|row| found.row(row).1.last().is_some_and(|&d| f64::from(d) > most)).collect::<Vec<_>>()
    };
    let (some, _) = mapped(&place, |request| request.max_distance = Some(1.0));
    let expected = far(&some, 1.0);
    assert!(expected.contains(&true) && expected.contains(&false));
    for (row, status) in some.labels(&format!("{KEY}_status")).iter().enumerate() {
        assert_eq!(status == "rejected", expected[row] && codes[row] >= 0, "{row}");
    }
}

#[test]
fn how_far_a_cell_may_lie_is_learnt_from_the_reference() {
    let place = Place::new();
    mapped(&place, |_| {});
    let reference = text(&place.inputs().join("reference.zarr"));
    let graph = place.inputs().join("graph.zarr");
    let find = NeighborsRequest {
        query: reference.clone(),
        output: Some(text(&graph)),
        n_neighbors: Some(8),
        ..NeighborsRequest::default()
    };
    neighbors(&find, &Progress::silent()).unwrap();
    let stored = Mapped::open(&graph).neighbors();
    let mut last: Vec<f32> = (0..stored.rows()).filter_map(|row| stored.row(row).1.last().copied()).collect();
    last.sort_by(f32::total_cmp);
    for quantile in [0.5, 0.9, 1.0] {
        let (_, report) = mapped(&place, |request| {
            request.reject_graph = Some(text(&graph));
            request.reject_quantile = Some(quantile);
        });
        let rank = ((quantile * last.len() as f64).ceil() as usize).max(1);
        assert_eq!(report.plan.parameters.labels.max_distance, Some(f64::from(last[rank - 1])), "{quantile}");
        assert_eq!(report.plan.parameters.labels.distance_of, Some(7));
    }
    let (query, output) = (text(&place.inputs().join("query.zarr")), Some(text(&place.outputs().join("other.zarr"))));
    let wrong = MapRequest {
        query,
        reference: Some(reference),
        output,
        obs_keys: Some(vec![KEY.into()]),
        reject_graph: Some(text(&place.output())),
        ..MapRequest::default()
    };
    assert_eq!(map(&wrong).unwrap_err().code(), "GM_SHAPE");
}

/// The sample, where T and B are lymphoid and NK and größer are others.
fn with_lineages(place: &Place) -> String {
    let n = 110;
    let codes: Vec<i8> = (0..n).map(|cell| [0, 1, 0, 1, -1, 0, 1][cell % 7]).collect();
    sample(place, "lineages", n).categorical("lineage", &codes, &["lymphoid", "other", "unused"], false).path()
}

#[test]
fn the_deepest_label_follows_from_the_weights_of_all() {
    let place = Place::new();
    let reference = with_lineages(&place);
    // Below codes 0 (T), 1 (B) and 2 (NK), 3 (größer) stands what the sample has for them.
    let table = |pairs: &[[&str; 2]]| Some(pairs.iter().map(|[a, b]| ((*a).to_owned(), (*b).to_owned())).collect());
    let (found, _) = mapped(&place, |request| {
        request.reference = Some(reference.clone());
        request.label_levels = Some(vec![KEY.into()]);
        request.label_parents =
            table(&[["T", "lymphoid"], ["B", "lymphoid"], ["lymphoid", "blood"], ["größer", "blood"]]);
        request.level_threshold = Some(0.6);
    });
    let width = found.categories(&format!("{KEY}_pred")).len();
    let shares = found.matrix(&format!("{KEY}_prob"));
    let names = found.categories(&format!("{KEY}_deepest"));
    let codes = found.codes(&format!("{KEY}_deepest"));
    let (conf, levels) = (found.numbers(&format!("{KEY}_deepest_conf")), found.codes(&format!("{KEY}_deepest_level")));
    assert_eq!(found.categories(&format!("{KEY}_deepest_level")), ["0", "1", "2"]);
    let mut told = std::collections::BTreeSet::new();
    for (row, shares) in shares.chunks(width).enumerate() {
        let share = |code: usize| f64::from(shares[code]);
        // Deepest first: T and B, then lymphoid and größer, then what nothing is above.
        let candidates = [
            ("T", share(0), 2),
            ("B", share(1), 2),
            ("lymphoid", share(0) + share(1), 1),
            ("größer", share(3), 1),
            ("blood", share(0) + share(1) + share(3), 0),
            ("NK", share(2), 0),
        ];
        let expected = candidates.iter().find(|(_, share, _)| *share >= 0.6);
        let Some(&(name, share, level)) = expected else {
            assert_eq!((codes[row], levels[row], conf[row]), (-1, -1, 0.0), "{row}");
            continue;
        };
        told.insert(name);
        assert_eq!((names[codes[row] as usize].as_str(), levels[row]), (name, level), "{row}");
        assert!((conf[row] - share).abs() < 1e-5, "{row}");
    }
    assert!(told.len() >= 4, "{told:?}");
}

#[test]
fn columns_from_coarse_to_fine_are_what_their_table_says() {
    let place = Place::new();
    let reference = with_lineages(&place);
    let of = |change: &dyn Fn(&mut MapRequest)| {
        let (found, _) = mapped(&place, |request| {
            request.reference = Some(reference.clone());
            request.obs_keys = None;
            request.probabilities = None;
            change(request);
        });
        let names = found.categories(&format!("{KEY}_deepest"));
        let codes = found.codes(&format!("{KEY}_deepest"));
        let names: Vec<_> =
            codes.iter().map(|&code| usize::try_from(code).ok().map(|code| names[code].clone())).collect();
        (names, bits(&found.numbers(&format!("{KEY}_deepest_conf"))), found.codes(&format!("{KEY}_deepest_level")))
    };
    let two = of(&|request| request.label_levels = Some(vec!["lineage".into(), KEY.into()]));
    assert!(two.0.iter().flatten().any(|name| name == "lymphoid") && two.0.iter().flatten().any(|name| name == "T"));
    let pairs = [["T", "lymphoid"], ["B", "lymphoid"], ["NK", "other"], ["größer", "other"]];
    let table = of(&|request| {
        request.label_levels = Some(vec![KEY.into()]);
        request.label_parents = Some(pairs.map(|[label, above]| (label.to_owned(), above.to_owned())).into());
        request.threads = Some(1);
    });
    assert_eq!(two, table);
}

#[test]
fn levels_that_are_none_are_refused_by_name() {
    let place = Place::new();
    let reference = with_lineages(&place);
    let refused = |levels: &[&str], parents: &[[&str; 2]]| {
        let parents: std::collections::BTreeMap<_, _> =
            parents.iter().map(|[a, b]| ((*a).to_owned(), (*b).to_owned())).collect();
        let request = MapRequest {
            query: reference.clone(),
            reference: Some(sample(&place, &format!("query-{}-{}", levels.len(), parents.len()), 80).path()),
            output: Some(text(&place.output())),
            label_levels: Some(levels.iter().map(|&level| level.to_owned()).collect()),
            label_parents: (!parents.is_empty()).then_some(parents),
            ..MapRequest::default()
        };
        let swapped =
            MapRequest { query: request.reference.clone().unwrap(), reference: Some(request.query.clone()), ..request };
        let error = map(&swapped).unwrap_err();
        assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0);
        // What is missing is an error in these columns too.
        let strict = MapRequest { missing: Some("error".into()), ..swapped };
        assert_eq!(map(&strict).unwrap_err().code(), error.code());
        (error.code(), error.to_string())
    };
    let (code, message) = refused(&[KEY, "lineage"], &[]);
    assert!(code == "GM_SCHEMA" && message.contains("from coarse to fine"), "{message}");
    assert_eq!(refused(&["lineage", "score"], &[]).0, "GM_SCHEMA");
    assert_eq!(refused(&["lineage", "type"], &[]).0, "GM_NOT_FOUND");
    let (code, message) = refused(&[KEY], &[["T", "B"], ["B", "T"]]);
    assert!(code == "GM_PARAM" && message.contains("circle"), "{message}");
}

#[test]
fn what_is_asked_of_levels_and_means_nothing_is_told() {
    let place = Place::new();
    let reference = with_lineages(&place);
    let request = MapRequest {
        query: sample(&place, "query", 80).path(),
        reference: Some(reference),
        label_levels: Some(vec!["lineage".into(), KEY.into()]),
        ..MapRequest::default()
    };
    let planned = |request: &MapRequest| gigamapper_core::pipeline::plan(request).unwrap();
    // The default is the default, whether it is said or not.
    let said = MapRequest { level_threshold: Some(0.5), ..request.clone() };
    assert_eq!(planned(&request).run, planned(&said).run);
    let strict = MapRequest { missing: Some("error".into()), ..request.clone() };
    let error = gigamapper_core::pipeline::plan(&strict).unwrap_err();
    assert!(error.code() == "GM_SCHEMA" && error.to_string().contains("obs/lineage"), "{error}");
    let pairs = [("T".to_owned(), "lymphoid".to_owned()), ("CD5 ".to_owned(), "T".to_owned())];
    let typed = MapRequest {
        label_levels: Some(vec![KEY.into()]),
        label_parents: Some(pairs.into()),
        subset_categories: Some(vec!["T".into()]),
        ..request
    };
    let told = planned(&typed).warnings.join("\n");
    assert!(told.contains("CD5 ") && told.contains("subsetCategories"), "{told}");
}
