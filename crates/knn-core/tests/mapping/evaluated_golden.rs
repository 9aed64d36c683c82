//! Metrics against those that CellMapper 0.2.6 stored, for every kernel: of its own predictions, and of ours.

use std::path::{Path, PathBuf};

use gigamapper_core::pipeline::{EvaluateRequest, LabelEvaluation, MapRequest};
use gigamapper_core::source::{AnnDataStore, RowSource};
use gigamapper_core::types::{RowRange, Tile};
use serde_json::Value;

use super::evaluate::{evaluate, list, text};
use super::mapped::Mapped;
use super::npy;
use super::sample::{Place, map};
use super::zarr::{Grid, array, strings};

fn fixture(path: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures");
    fixtures.join(path).to_str().unwrap().to_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

fn near(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what} is expected"));
    assert!((found - expected).abs() <= 1e-4, "{what}: {found} for {expected}");
}

/// Scores and the report by class of a column, as CellMapper stored them.
fn check_labels(found: &LabelEvaluation, folder: &Path, key: &str) {
    let expected = json(&folder.join(format!("eval.{key}.json")));
    let scores = found.scores.unwrap();
    let excluded = found.excluded_fraction.unwrap();
    let of_all = [
        ("accuracy", scores.accuracy),
        ("precision", scores.precision),
        ("recall", scores.recall),
        ("f1_weighted", scores.f1_weighted),
        ("f1_macro", scores.f1_macro),
        ("excluded_fraction", excluded),
    ];
    for (name, score) in of_all {
        near(score, &expected[name], &format!("{} {key} {name}", folder.display()));
    }
    let report = json(&folder.join(format!("report.{key}.json")));
    let classes: Vec<_> = report["support"].as_object().unwrap().keys().collect();
    assert_eq!(classes.len(), found.classes.len() + 3, "accuracy and two averages stand among the classes");
    for class in &found.classes {
        let of_class = [
            ("precision", class.precision),
            ("recall", class.recall),
            ("f1-score", class.f1),
            ("support", class.support as f64),
        ];
        for (name, score) in of_class {
            near(score, &report[name][&class.category], &format!("{key} {} {name}", class.category));
        }
    }
    let averages = [
        ("precision", scores.precision_macro, scores.precision),
        ("recall", scores.recall_macro, scores.recall),
        ("f1-score", scores.f1_macro, scores.f1_weighted),
    ];
    for (name, plain, weighted) in averages {
        near(plain, &report[name]["macro avg"], name);
        near(weighted, &report[name]["weighted avg"], name);
    }
}

/// All that CellMapper evaluated of a case, for every kernel.
fn check_golden(name: &str, query: &str, reference: &str) {
    let golden = PathBuf::from(fixture("golden")).join(name);
    let parameters = json(&golden.join("params.json"));
    let texts = |field: &str| -> Vec<String> {
        parameters[field].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let place = Place::new();
    let mut checked = 0;
    for kernel in texts("kernels") {
        let folder = golden.join("expected").join(&kernel);
        let mapping = MapRequest {
            query: fixture(query),
            reference: Some(fixture(reference)),
            output: Some(text(&place.output())),
            use_rep: parameters["use_rep"].as_str().map(str::to_owned),
            n_neighbors: parameters["n_neighbors"].as_i64(),
            metric: parameters["knn_dist_metric"].as_str().map(str::to_owned),
            kernel_method: Some(kernel.clone()),
            obs_keys: Some(texts("categorical")),
            layer_key: Some("X".into()),
            probabilities: Some("all".into()),
            overwrite: Some(true),
            ..MapRequest::default()
        };
        map(&mapping).unwrap();
        let request = |label: Option<&String>| EvaluateRequest {
            mapped: Some(text(&place.output())),
            truth: Some(fixture(query)),
            label: label.cloned(),
            ..EvaluateRequest::default()
        };
        for key in texts("categorical") {
            let report = evaluate(&request(Some(&key))).unwrap();
            let labels = report.labels.unwrap();
            // Where the two best classes tie, either is predicted.
            let theirs = json(&folder.join(format!("obs.{key}.pred.json")));
            let ours = Mapped::open(&place.output()).labels(&labels.prediction);
            if theirs.as_array().unwrap().iter().zip(&ours).all(|(theirs, ours)| theirs == ours) {
                check_labels(&labels, &folder, &key);
                checked += 1;
            }
            assert_eq!(labels.cells, labels.evaluated, "{key}");
            check_confidences(&labels, &place.output(), &fixture(query));
            assert_eq!(report.warnings, [""; 0]);
        }
        // Ranks tell apart what differs in the last digit alone: CellMapper's weights are f32, and by cosine its distances are rounded, too.
        let swaps = ["equal", "inverse_distance"].contains(&kernel.as_str());
        let near = |method: &str| if swaps && method == "spearman" { 5e-3 } else { 1e-4 };
        check_expression(&request(None), &folder, near);
    }
    assert!(checked >= 4 * texts("categorical").len(), "{checked} evaluations of the very labels of CellMapper");
    check_theirs(&golden, query, reference);
}

/// The metrics of expression, gene by gene, as CellMapper stored them.
fn check_expression(request: &EvaluateRequest, folder: &Path, tolerance: impl Fn(&str) -> f64) {
    let methods = ["pearson", "spearman", "js", "rmse"];
    let request = EvaluateRequest {
        label: None,
        layer_key: Some("X".into()),
        comparison_method: Some(list(&methods)),
        ..request.clone()
    };
    let found = evaluate(&request).unwrap().expression.unwrap();
    assert_eq!((found.left_out, found.genes.len()), (0, found.metrics[0].values.len()));
    for (metric, method) in found.metrics.iter().zip(methods) {
        assert_eq!(metric.method, method);
        let expected = npy::read(&folder.join(format!("eval.X.{method}.npy"))).values;
        assert_eq!(metric.values.len(), expected.len(), "both have all genes");
        let valid: Vec<f64> = expected.iter().copied().filter(|value| !value.is_nan()).collect();
        for (gene, (value, &expected)) in metric.values.iter().zip(&expected).enumerate() {
            let close = value.map_or(expected.is_nan(), |value| (value - expected).abs() <= tolerance(method));
            assert!(close, "{} {method} of gene {gene}: {value:?} for {expected}", folder.display());
        }
        let mean = valid.iter().sum::<f64>() / valid.len() as f64;
        assert!((metric.average.unwrap() - mean).abs() <= tolerance(method), "{method}");
        assert_eq!(metric.test_genes, valid.len() as u64);
    }
}

/// CellMapper's own labels, and the expression that its own weights give, evaluated as predictions of another tool: here only metrics are ours.
fn check_theirs(golden: &Path, query: &str, reference: &str) {
    let truth = AnnDataStore::open(Path::new(&fixture(query))).unwrap();
    let reference = AnnDataStore::open(Path::new(&fixture(reference))).unwrap();
    let mut expression = Tile::default();
    let rows = reference.representation("X").unwrap();
    rows.read(RowRange::new(0, rows.rows()), &mut expression).unwrap();
    let names = Mapped::open(Path::new(&fixture(query))).names();
    let genes = reference.gene_names().unwrap();
    for kernel in ["gauss", "scarches", "inverse_distance", "equal"] {
        let folder = golden.join("expected").join(kernel);
        let read = |name: &str| npy::read(&folder.join(format!("{name}.npy"))).values;
        let (data, indices, starts) = (read("matrix.data"), read("matrix.indices"), read("matrix.indptr"));
        let mut imputed = vec![0f32; names.len() * genes.len()];
        for (row, values) in imputed.chunks_mut(genes.len()).enumerate() {
            for entry in starts[row] as usize..starts[row + 1] as usize {
                let weight = data[entry] as f32;
                let cell = expression.row(indices[entry] as usize);
                values.iter_mut().zip(cell).for_each(|(sum, &value)| *sum += weight * value);
            }
        }
        let place = Place::new();
        let mut made = place.cells("made", names.len()).names(&names);
        array(&made.root, "X", &[names.len(), genes.len()], &imputed, Grid::chunks(64, genes.len()));
        std::fs::remove_dir_all(made.root.join("var/_index")).unwrap();
        strings(&made.root, "var/_index", &genes);
        let keys: Vec<_> =
            truth.obs_keys().into_iter().filter(|key| folder.join(format!("eval.{key}.json")).exists()).collect();
        for key in &keys {
            let labels = json(&folder.join(format!("obs.{key}.pred.json")));
            let labels: Vec<_> =
                labels.as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned()).collect();
            made = made
                .texts(&format!("{key}_pred"), &labels)
                .column(&format!("{key}_conf"), &read(&format!("obs.{key}.conf")));
        }
        let request = EvaluateRequest {
            predictions: Some(made.path()),
            truth: Some(fixture(query)),
            ..EvaluateRequest::default()
        };
        assert!(!keys.is_empty());
        for key in &keys {
            let labels = EvaluateRequest { label: Some(key.clone()), ..request.clone() };
            check_labels(&evaluate(&labels).unwrap().labels.unwrap(), &folder, key);
        }
        check_expression(&request, &folder, |_| 1e-5);
    }
}

/// What is told of confidences against its definition, over whole columns.
fn check_confidences(found: &LabelEvaluation, mapped: &Path, query: &str) {
    let (mapped, query) = (Mapped::open(mapped), Mapped::open(Path::new(query)));
    let (truth, labels) = (query.labels(&found.label), mapped.labels(&found.prediction));
    let confidences = mapped.numbers(found.confidence.as_ref().unwrap());
    let right: Vec<f64> = truth.iter().zip(&labels).map(|(a, b)| f64::from(u8::from(a == b))).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let calibration = found.calibration.as_ref().unwrap();
    let squares: Vec<f64> = confidences.iter().zip(&right).map(|(p, y)| (p - y) * (p - y)).collect();
    assert!((calibration.brier.unwrap() - mean(&squares)).abs() < 1e-12);
    let error: f64 = (0..15)
        .map(|bin| {
            let (low, high) = (f64::from(bin) / 15.0, f64::from(bin + 1) / 15.0);
            let within = |p: f64| (p > low || bin == 0) && p <= high;
            let gaps = confidences.iter().zip(&right).filter(|(p, _)| within(**p)).map(|(p, y)| y - p);
            gaps.sum::<f64>().abs()
        })
        .sum();
    assert!((calibration.expected_error.unwrap() - error / right.len() as f64).abs() < 1e-9);
    // All weights are stored, so Brier's own score is told as well.
    let categories = mapped.categories(&found.prediction);
    let weights = mapped.matrix(&format!("{}_prob", found.label));
    let of_all: Vec<f64> = weights
        .chunks(categories.len())
        .zip(&truth)
        .map(|(weights, truth)| {
            let missed = |(&p, name): (&f32, &String)| f64::from(p) - f64::from(u8::from(name == truth));
            weights.iter().zip(&categories).map(|one| missed(one).powi(2)).sum()
        })
        .collect();
    assert!((calibration.brier_of_all.unwrap() - mean(&of_all)).abs() < 1e-9);
    let curve = found.risk_coverage.as_ref().unwrap();
    let last = curve.points.last().unwrap();
    assert!((last.risk - (1.0 - mean(&right))).abs() < 1e-12 && last.coverage == 1.0);
    assert!((0.0..=1.0).contains(&curve.area.unwrap()));
    let confusion = found.confusion.as_ref().unwrap();
    let diagonal: u64 = confusion.counts.iter().enumerate().map(|(class, row)| row[class]).sum();
    assert_eq!(diagonal as f64, right.iter().sum::<f64>());
}

#[test]
fn synthetic_cells_are_evaluated_as_cellmapper_does() {
    check_golden("synthetic_cross", "golden/synthetic_cross/query.zarr", "golden/synthetic_cross/reference.zarr");
    check_golden("synthetic_cosine", "golden/synthetic_cosine/query.zarr", "golden/synthetic_cosine/reference.zarr");
}

#[test]
fn pbmc_is_evaluated_as_cellmapper_does() {
    check_golden("pbmc_cross", "pbmc/query.zarr", "pbmc/reference.zarr");
}
