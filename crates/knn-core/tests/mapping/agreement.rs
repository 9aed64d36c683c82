//! Labels by lists against labels by brute force: what recall leaves out hardly ever changes one.

use std::collections::BTreeMap;

use gigamapper_core::pipeline::MapRequest;

use super::clusters::{TYPES, by_lists, clustered, with_gaps};
use super::mapped::Mapped;
use super::sample::{Place, map, output};

#[test]
fn at_a_recall_of_95_percent_labels_agree() {
    let place = Place::new();
    let (query, reference) = (clustered(&place, "query", 3000, 20, 1), clustered(&place, "reference", 6000, 20, 2));
    let request =
        MapRequest { n_neighbors: Some(30), recall: Some(0.95), ..by_lists(&place, &query, Some(&reference), 64) };
    let exact = MapRequest {
        method: Some("exact".into()),
        recall: None,
        nlist: None,
        output: Some(place.outputs().join("exact.zarr").to_str().unwrap().into()),
        ..request.clone()
    };
    let report = map(&request).unwrap();
    let (recall, told) = (report.recall, &report.label_agreement["type"]);
    assert!(told.cells > 800 && told.agreement >= 0.99, "{told:?}");
    map(&exact).unwrap();
    assert!(recall.measured < 0.995, "a search that finds everything shows nothing: {recall:?}");
    let (found, truth) = (Mapped::open(output(&request)), Mapped::open(output(&exact)));
    let (found, truth) = (found.labels("type_pred"), truth.labels("type_pred"));
    // Cells of each type by brute force, and how many of them have that label by lists too.
    let mut types: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (found, truth) in found.iter().zip(&truth) {
        let [cells, agree] = types.entry(truth).or_default();
        *cells += 1;
        *agree += usize::from(found == truth);
    }
    assert!(TYPES.iter().all(|kind| types.get(kind).is_some_and(|[cells, _]| *cells > 5)), "{types:?}");
    let agree: usize = types.values().map(|[_, agree]| agree).sum();
    assert!(agree as f64 >= 0.995 * 3000.0, "{agree} of 3000: {types:?}");
    // Not at the expense of the rare ones.
    for (kind, [cells, agree]) in &types {
        assert!(*agree as f64 >= 0.97 * *cells as f64, "{kind}: {agree} of {cells}");
    }
}

#[test]
fn what_is_told_of_labels_is_what_an_exact_run_says() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 1000, 20, 1), with_gaps(&place, "reference", 4000, 20, 2));
    // One bandwidth for both, because each would take the mean of its own distances.
    let request =
        MapRequest { nprobe: Some(1), bandwidth: Some(2.0), ..by_lists(&place, &query, Some(&reference), 64) };
    let exact = MapRequest {
        method: Some("exact".into()),
        nprobe: None,
        nlist: None,
        output: Some(place.outputs().join("exact.zarr").to_str().unwrap().into()),
        ..request.clone()
    };
    let told = map(&request).unwrap().label_agreement;
    assert!(map(&exact).unwrap().label_agreement.is_empty());
    let (found, truth) = (Mapped::open(output(&request)), Mapped::open(output(&exact)));
    let (found, truth) = (found.labels("type_pred"), truth.labels("type_pred"));
    // All cells of so small a query measure, and every second one reports; one of these is not finite.
    let mut types: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for row in (1..1000).step_by(2).filter(|row| *row != 9 && *row != 999) {
        let [cells, agree] = types.entry(truth[row].as_str()).or_default();
        *cells += 1;
        *agree += u64::from(found[row] == truth[row]);
    }
    let (cells, agree) = types.values().fold((0, 0), |all, one| (all.0 + one[0], all.1 + one[1]));
    assert!((480..500).contains(&cells) && agree < cells, "{agree} of {cells} agree, which shows nothing");
    let told = &told["type"];
    assert_eq!((told.cells, told.agreeing, told.left_out), (cells, agree, 0));
    assert_eq!(told.agreement, agree as f64 / cells as f64);
    assert_eq!(told.categories.len(), types.len());
    assert!(told.categories.is_sorted_by(|a, b| a.kept <= b.kept));
    for one in &told.categories {
        let [cells, agree] = types[one.category.as_str()];
        assert_eq!((one.cells, one.kept), (cells, agree as f64 / cells as f64), "{}", one.category);
    }
}
