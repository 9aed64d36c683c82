//! Labels by lists against labels by brute force: what recall leaves out hardly ever changes one.

use std::collections::BTreeMap;

use gigamapper_core::pipeline::MapRequest;

use super::clusters::{TYPES, by_lists, clustered};
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
    let recall = map(&request).unwrap().recall;
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
