//! What is told at the end of a run: warnings, counts, and what stands in `uns` of the output.

use std::collections::BTreeMap;

use serde_json::json;

use super::agreement::LabelAgreement;
use super::inputs::chosen;
use super::join_pass::joined::Joined;
use super::outputs;
use super::prepared::Prepared;
use super::report::RecallReport;
use super::square;
use super::transfer_pass::bandwidth;
use super::transfer_pass::transfer_stage::Transferred;
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::operator::LabelStatus;
use crate::sink::{Uns, UnsValue};
use crate::types::MappingStatus;

/// What the user should know: what the plan said, and what the join found.
pub(super) fn warnings(prepared: &Prepared, joined: &Joined, sigma: Option<f64>) -> Vec<String> {
    let mut warnings = prepared.plan.warnings.clone();
    warnings.extend(bandwidth::warning(prepared, joined, sigma));
    // A zero vector is an ordinary row by every metric but this one.
    let metric = prepared.resolved.parameters.metric;
    if joined.excluded > 0 && metric == Metric::Cosine {
        let (excluded, why) = (joined.excluded, metric.flaws());
        warnings.push(format!("{excluded} reference cells have {why} and are nobody's neighbors"));
    }
    warnings
}

/// `uns`: what was done, and the colours. Nothing in it depends on memory, threads, time or place.
pub(super) fn uns(
    prepared: &Prepared,
    joined: &Joined,
    sigma: Option<f64>,
    recall: &RecallReport,
    label_agreement: &BTreeMap<String, LabelAgreement>,
) -> Result<Uns> {
    let parameters = &prepared.resolved.parameters;
    let mut done = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mode": prepared.plan.mode,
        "run": prepared.spec.run,
        "parameters": serde_json::to_string(parameters).map_err(|error| Error::internal(error.to_string()))?,
        "k": prepared.spec.k,
        "n_ref": prepared.spec.n_ref,
        "excluded_reference_rows": joined.excluded,
        "status_counts": named(&MappingStatus::NAMES, &joined.statuses),
    });
    // Rows of the result, and ids of neighbours, are counted among these.
    if let Some(chosen) = chosen(&prepared.inputs) {
        done["chosen"] = chosen;
    }
    // Nothing is known of it where neighbours are imported.
    if prepared.resolved.imported.is_none() {
        done["recall"] = json!(recall.measured);
    }
    if let Some(repair) = recall.repair {
        done["repair"] = json!(repair);
    }
    if recall.approximate_distances {
        done["approximate_distances"] = json!(true);
    }
    if let Some(sigma) = sigma {
        done["sigma"] = json!(sigma);
    }
    if !label_agreement.is_empty() {
        let told = label_agreement.iter().map(|(key, one)| (key.clone(), json!(one.agreement)));
        done["label_agreement"] = told.collect::<serde_json::Map<_, _>>().into();
    }
    let mut all = json!({ "gigamapper": done });
    if square::is_stored_in(&prepared.spec) {
        all["neighbors"] = square::uns(parameters, prepared.spec.k);
    }
    let mut uns = Uns::from_json(all.as_object().unwrap_or(&serde_json::Map::new()))?;
    for input in &prepared.inputs.columns {
        if let Some(colors) = &input.colors {
            let name = outputs::column_paths(input.column.key(), parameters).colors;
            uns.insert(name, UnsValue::Strings(colors.clone()));
        }
    }
    Ok(uns)
}

pub(super) fn named(names: &[&str], counts: &[u64]) -> BTreeMap<String, u64> {
    names.iter().zip(counts).map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

pub(super) fn label_counts(prepared: &Prepared, transferred: &Transferred) -> BTreeMap<String, BTreeMap<String, u64>> {
    let keys = prepared.inputs.columns.iter().filter(|input| input.labels().is_some()).map(|input| input.column.key());
    keys.zip(&transferred.labels).map(|(key, counts)| (key.to_owned(), named(&LabelStatus::NAMES, counts))).collect()
}

pub(super) fn label_agreement(prepared: &Prepared, transferred: &Transferred) -> BTreeMap<String, LabelAgreement> {
    let columns = &prepared.inputs.columns;
    let labels = columns.iter().filter_map(|input| input.labels().map(|(categories, _)| (input, categories)));
    let labels = labels.zip(&transferred.kept);
    labels.map(|((input, categories), kept)| (input.column.key().to_owned(), kept.report(categories))).collect()
}
