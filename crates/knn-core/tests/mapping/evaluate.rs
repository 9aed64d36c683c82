//! Metrics of stored predictions: of ours and of other tools', one report however it is made, and refusals by name.

use std::path::Path;

use super::expression::sample_with_genes;
use super::mapped::Mapped;
use super::sample::{Place, map, noise, sample};
use gigamapper_core::error::Result;
use gigamapper_core::pipeline::{EvaluateRequest, EvaluationReport, MapRequest, evaluate as evaluate_with};
use gigamapper_core::progress::{Cancel, Progress};

pub(crate) fn evaluate(request: &EvaluateRequest) -> Result<EvaluationReport> {
    evaluate_with(request, &Progress::silent())
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

pub(crate) fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Truth and predictions of eight cells; the predictions are texts that another tool made.
fn external(place: &Place) -> EvaluateRequest {
    let names: Vec<_> = (0..8).map(|cell| format!("cell {cell}")).collect();
    let truth = place.cells("truth", 8).names(&names).categorical(
        "type",
        &[0, 0, 1, 1, 2, -1, 0, 2],
        &["T", "B", "größer", "unused"],
        false,
    );
    let told = ["T", "B", "B", "B", "new", "T", "T", "größer"].map(str::to_owned);
    let made = place
        .cells("made", 8)
        .names(&names)
        .texts("guess", &told)
        .column("sure", &[0.9f32, 0.8, 0.7, 0.4, 0.6, 1.0, f32::NAN, 1.0])
        .column("odd", &[0.9f32, 0.8, 0.7, 0.4, 0.6, 1.0, 2.0, 1.0]);
    EvaluateRequest {
        predictions: Some(made.path()),
        truth: Some(truth.path()),
        label: Some("type".into()),
        prediction: Some("guess".into()),
        confidence: Some("sure".into()),
        ..EvaluateRequest::default()
    }
}

#[test]
fn predictions_of_another_tool_are_united_by_name_and_cells_without_truth_do_not_count() {
    let place = Place::new();
    let request = external(&place);
    let found = evaluate(&request).unwrap().labels.unwrap();
    // Without truth is one cell, and one has no confidence, which reaches no cutoff.
    assert_eq!((found.cells, found.without_truth, found.below_cutoff, found.evaluated), (8, 1, 1, 6));
    assert_eq!(found.excluded_fraction, Some(1.0 / 7.0));
    let classes: Vec<_> =
        found.classes.iter().map(|class| (class.category.as_str(), class.support, class.predicted)).collect();
    assert_eq!(classes, [("T", 2, 1), ("B", 2, 3), ("größer", 2, 1), ("new", 0, 1)]);
    assert!((found.scores.unwrap().accuracy - 4.0 / 6.0).abs() < 1e-12);
    assert_eq!(found.confusion.unwrap().counts, [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]]);
    assert_eq!(found.calibration.unwrap().brier_of_all, None);

    // A cutoff is compared as the column's own type has it: what is stored as 0.7 reaches 0.7.
    let sure = EvaluateRequest { confidence_cutoff: Some(0.7), ..request.clone() };
    let found = evaluate(&sure).unwrap().labels.unwrap();
    assert_eq!((found.below_cutoff, found.evaluated), (3, 4));
    assert_eq!(found.excluded_fraction, Some(3.0 / 7.0));
    // The curve is of all that have a confidence, whatever the cutoff.
    assert_eq!(found.risk_coverage.unwrap().points.len(), 6);

    // Confidences that are none are told, and metrics of labels stay.
    let report = evaluate(&EvaluateRequest { confidence: Some("odd".into()), ..request.clone() }).unwrap();
    let found = report.labels.unwrap();
    assert_eq!((found.evaluated, found.calibration, found.risk_coverage), (7, None, None));
    assert!(report.warnings[0].contains("above 1"), "{:?}", report.warnings);
    let report = evaluate(&EvaluateRequest { confidence: None, ..request.clone() }).unwrap();
    let found = report.labels.unwrap();
    assert_eq!((found.evaluated, found.confidence, found.calibration), (7, None, None));
    assert!(report.warnings[0].contains("type_conf"), "{:?}", report.warnings);
    // Nothing reaches the cutoff: there is nothing to score.
    let found = evaluate(&EvaluateRequest { confidence_cutoff: Some(2.0), ..request }).unwrap().labels.unwrap();
    assert_eq!((found.evaluated, found.scores, found.excluded_fraction), (0, None, Some(1.0)));
}

#[test]
fn cells_that_were_not_mapped_are_excluded() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 150), sample(&place, "reference", 110));
    map(&place.full_request(&query, Some(&reference))).unwrap();
    let request = EvaluateRequest {
        mapped: Some(text(&place.output())),
        truth: Some(query.path()),
        label: Some("cell type".into()),
        ..EvaluateRequest::default()
    };
    // The store has several parts, and two cells are not finite; one of those has no truth either.
    let found = evaluate(&request).unwrap().labels.unwrap();
    let truth = Mapped::open(&query.root).codes("cell type");
    let predicted = Mapped::open(&place.output()).codes("cell type_pred");
    let without = truth.iter().zip(&predicted).filter(|(truth, predicted)| **truth >= 0 && **predicted < 0).count();
    assert!(without > 0);
    assert_eq!(found.without_prediction, without as u64);
    assert_eq!(found.without_truth, truth.iter().filter(|code| **code < 0).count() as u64);
    let right = truth.iter().zip(&predicted).filter(|(a, b)| **a >= 0 && a == b).count();
    assert!((found.scores.unwrap().accuracy - right as f64 / found.evaluated as f64).abs() < 1e-12);
    // Booleans are labels, too.
    let flags = EvaluateRequest { label: Some("flag".into()), ..request };
    let found = evaluate(&flags).unwrap().labels.unwrap();
    assert_eq!(found.classes.iter().map(|class| class.category.as_str()).collect::<Vec<_>>(), ["False", "True"]);
}

#[test]
fn neither_threads_nor_memory_change_a_digit_of_expression() {
    let place = Place::new();
    let [query, reference] = ["query", "reference"].map(|name| sample_with_genes(&place, name, 140));
    let mapping = MapRequest {
        query: query.clone(),
        reference: Some(reference),
        output: Some(text(&place.output())),
        layer_key: Some("X".into()),
        n_neighbors: Some(7),
        ..MapRequest::default()
    };
    map(&mapping).unwrap();
    let request = EvaluateRequest {
        mapped: Some(text(&place.output())),
        truth: Some(query.clone()),
        layer_key: Some("dense".into()),
        imputed_key: Some("X".into()),
        comparison_method: Some(list(&["pearson", "spearman", "js", "rmse"])),
        groupby: Some("cell type".into()),
        memory: Some("256MiB".into()),
        threads: Some(1),
        ..EvaluateRequest::default()
    };
    let found = evaluate(&request).unwrap().expression.unwrap();
    // Two cells are not mapped, so that they have no expression: seven genes of each are left out.
    assert_eq!((found.genes.len(), found.left_out), (7, 14));
    let groups: Vec<_> = found.metrics[0].groups.iter().map(|group| (group.group.as_str(), group.cells)).collect();
    assert_eq!(groups, [("T", 40), ("B", 20), ("NK", 40), ("größer", 20)]);
    assert!(found.metrics.iter().all(|metric| metric.groups.iter().all(|group| group.average.is_some())));
    for (threads, memory) in [(2, "1GiB"), (7, "256MiB")] {
        let again = EvaluateRequest { threads: Some(threads), memory: Some(memory.into()), ..request.clone() };
        assert_eq!(evaluate(&again).unwrap().expression.unwrap(), found);
    }
    // Of one group alone, the metrics of the group are those of all.
    let (truth, imputed) = (Mapped::open(Path::new(&query)), Mapped::open(&place.output()));
    let (original, predicted) = (truth.matrix("layers/dense"), imputed.matrix("X"));
    let codes = truth.codes("cell type");
    let naive = |gene: usize, code: i32| -> f64 {
        let pairs: Vec<_> = (0..140)
            .filter(|&cell| codes[cell] == code && predicted[cell * 7 + gene].is_finite())
            .map(|cell| (f64::from(original[cell * 7 + gene]), f64::from(predicted[cell * 7 + gene])))
            .collect();
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
        let (left, right) = (mean(|pair| pair.0), mean(|pair| pair.1));
        let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
        sum(&|p| (p.0 - left) * (p.1 - right))
            / (sum(&|p| (p.0 - left).powi(2)) * sum(&|p| (p.1 - right).powi(2))).sqrt()
    };
    for (code, group) in (0..).zip(&found.metrics[0].groups) {
        for (gene, value) in group.values.iter().enumerate() {
            assert!((value.unwrap() - naive(gene, code)).abs() < 1e-9, "{} {gene}", group.group);
        }
    }
    // Some genes, in the order of the predictions.
    let some_genes = EvaluateRequest { genes: Some(list(&["LYZ", "CD3E"])), groupby: None, ..request.clone() };
    let few = evaluate(&some_genes).unwrap().expression.unwrap();
    assert_eq!(few.genes, ["CD3E", "LYZ"]);
    assert_eq!(few.metrics[1].values, [found.metrics[1].values[0], found.metrics[1].values[4]]);
    let error = evaluate(&EvaluateRequest { genes: Some(list(&["nothing"])), ..request.clone() }).unwrap_err();
    assert_eq!(error.code(), "GM_NOT_FOUND");
    let error = evaluate(&EvaluateRequest { test_var_key: Some("nothing".into()), ..request }).unwrap_err();
    assert_eq!((error.code(), error.details()["kind"].as_str()), ("GM_NOT_FOUND", Some("var column")));
}

#[test]
fn an_approximate_mapping_is_told_by_its_exact_one() {
    let place = Place::new();
    let labelled = |name: &str, n: usize| {
        let codes: Vec<i8> = (0..n).map(|cell| (cell % 3) as i8).collect();
        place.cells(name, n).embedding("X_pca", 4, &noise(n as u64, n * 4)).categorical(
            "type",
            &codes,
            &["a", "b", "c"],
            false,
        )
    };
    let (query, reference) = (labelled("query", 300), labelled("reference", 2000));
    let [exact, approximate] = ["exact", "approximate"].map(|name| text(&place.outputs().join(format!("{name}.zarr"))));
    let mapping = |output: &String| MapRequest {
        output: Some(output.clone()),
        obs_keys: Some(list(&["type"])),
        layout: None,
        ..place.request(&query, Some(&reference))
    };
    map(&MapRequest { method: Some("exact".into()), ..mapping(&exact) }).unwrap();
    let by_lists = MapRequest { method: Some("ivf".into()), nlist: Some(32), nprobe: Some(1), ..mapping(&approximate) };
    map(&by_lists).unwrap();
    let request = EvaluateRequest {
        mapped: Some(approximate.clone()),
        exact: Some(exact.clone()),
        label: Some("type".into()),
        ..EvaluateRequest::default()
    };
    let report = evaluate(&request).unwrap();
    assert_eq!(report.labels, None);
    let found = report.approximation.unwrap();
    let [ours, theirs] = [&approximate, &exact].map(|path| Mapped::open(Path::new(path)));
    let (near, true_ones) = (ours.neighbors(), theirs.neighbors());
    let hits: usize =
        (0..300).map(|row| true_ones.row(row).0.iter().filter(|id| near.row(row).0.contains(id)).count()).sum();
    assert!(hits < 2100, "one list of 32 does not hold all neighbors");
    assert_eq!((found.neighbors.cells, found.neighbors.k), (300, 7));
    assert_eq!(found.neighbors.recall, Some(hits as f64 / 2100.0));
    assert!(found.neighbors.first.unwrap() > found.neighbors.complete.unwrap());
    let (ours, theirs) = (ours.codes("type_pred"), theirs.codes("type_pred"));
    let same = ours.iter().zip(&theirs).filter(|(a, b)| a == b).count();
    let agreement = found.agreement.unwrap();
    assert!((agreement.scores.unwrap().accuracy - same as f64 / 300.0).abs() < 1e-12);
    let loss = found.loss.unwrap();
    assert_eq!((loss.by.as_str(), found.exact_labels), ("exact", None));
    assert!((loss.f1_macro.unwrap() - (1.0 - agreement.scores.unwrap().f1_macro)).abs() < 1e-12);
    assert!(loss.classes.windows(2).all(|pair| pair[0].loss >= pair[1].loss) && loss.classes.len() == 3);

    // With true labels both are scored by them.
    let report = evaluate(&EvaluateRequest { truth: Some(query.path()), ..request.clone() }).unwrap();
    let found = report.approximation.unwrap();
    let [ours, theirs] = [report.labels.unwrap(), found.exact_labels.unwrap()].map(|found| found.scores.unwrap());
    let loss = found.loss.unwrap();
    assert_eq!((loss.by.as_str(), loss.f1_macro), ("truth", Some(theirs.f1_macro - ours.f1_macro)));
    // A mapping against itself loses nothing.
    let own = EvaluateRequest { mapped: Some(exact.clone()), ..request.clone() };
    let own = evaluate(&own).unwrap().approximation.unwrap();
    assert_eq!(
        (own.neighbors.recall, own.neighbors.complete, own.loss.unwrap().f1_macro),
        (Some(1.0), Some(1.0), Some(0.0))
    );

    let other = place.outputs().join("other.zarr");
    map(&MapRequest { query: reference.path(), output: Some(text(&other)), ..mapping(&exact) }).unwrap();
    let error = evaluate(&EvaluateRequest { exact: Some(text(&other)), ..request }).unwrap_err();
    assert_eq!(error.code(), "GM_SHAPE");
}

#[test]
fn what_cannot_be_evaluated_is_refused_by_name() {
    let place = Place::new();
    let request = external(&place);
    let shorter = place.cells("shorter", 7).categorical("type", &[0; 7], &["T"], false);
    let others = place.cells("others", 8).categorical("type", &[0; 8], &["T"], false).column("age", &[1.0f32; 8]);
    let wrong = [
        ("GM_SHAPE", EvaluateRequest { truth: Some(shorter.path()), ..request.clone() }),
        ("GM_SCHEMA", EvaluateRequest { truth: Some(others.path()), ..request.clone() }),
        (
            "GM_UNSUPPORTED",
            EvaluateRequest { truth: Some(others.path()), label: Some("age".into()), ..request.clone() },
        ),
        ("GM_UNSUPPORTED", EvaluateRequest { prediction: Some("sure".into()), ..request.clone() }),
        ("GM_SCHEMA", EvaluateRequest { confidence: Some("guess".into()), ..request.clone() }),
        ("GM_NOT_FOUND", EvaluateRequest { label: Some("nothing".into()), ..request.clone() }),
        ("GM_NOT_FOUND", EvaluateRequest { prediction: Some("nothing".into()), ..request.clone() }),
        ("GM_NOT_FOUND", EvaluateRequest { confidence: Some("nothing".into()), ..request.clone() }),
        ("GM_NOT_FOUND", EvaluateRequest { confidence: None, confidence_cutoff: Some(0.5), ..request.clone() }),
        (
            "GM_NOT_FOUND",
            EvaluateRequest {
                label: None,
                prediction: None,
                confidence: None,
                layer_key: Some("no".into()),
                ..request.clone()
            },
        ),
        ("GM_BUDGET", EvaluateRequest { memory: Some("70MiB".into()), ..request.clone() }),
        // What another tool made is no mapped store.
        ("GM_SCHEMA", EvaluateRequest { predictions: None, mapped: request.predictions.clone(), ..request.clone() }),
    ];
    for (code, wrong) in wrong {
        let error = evaluate(&wrong).unwrap_err();
        assert_eq!(error.code(), code, "{error}: {wrong:?}");
    }
    let absent = evaluate(&EvaluateRequest { prediction: Some("nothing".into()), ..request.clone() }).unwrap_err();
    assert_eq!(absent.details()["available"], serde_json::json!(["guess", "sure", "odd"]));
    let named = evaluate(&EvaluateRequest { truth: Some(others.path()), ..request.clone() }).unwrap_err();
    assert!(named.to_string().contains("\"others0\""), "{named}");

    // A run that was stopped leaves nothing to evaluate.
    let (query, reference) = (sample(&place, "query", 150), sample(&place, "reference", 110));
    let mapping = place.full_request(&query, Some(&reference));
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let listener = Box::new(move |event: gigamapper_core::progress::ProgressEvent| {
        if event.stage == "transfer" {
            stop.cancel();
        }
    });
    let seams = super::sample::quick();
    gigamapper_core::pipeline::run_with(&mapping, &Progress::new(cancel, Some(listener)), seams).unwrap_err();
    let unfinished = EvaluateRequest {
        mapped: mapping.output.clone(),
        truth: Some(query.path()),
        label: Some("cell type".into()),
        ..EvaluateRequest::default()
    };
    let error = evaluate(&unfinished).unwrap_err();
    assert_eq!((error.code(), error.details()["field"].as_str()), ("GM_SCHEMA", Some("gigamapper.status")));
    let external = EvaluateRequest { mapped: None, predictions: mapping.output, ..unfinished };
    assert_eq!(evaluate(&external).unwrap_err().details()["field"].as_str(), Some("gigamapper.status"));
}
