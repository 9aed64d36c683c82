//! Whether the query seems to lie in another space than the reference.

use gigamapper_core::pipeline::{IndexRequest, MapRequest, SpaceReport, build_index, run_with};
use gigamapper_core::progress::{Cancel, Progress};

use super::cells::Cells;
use super::mapped::Mapped;
use super::sample::{DIM, Place, map, noise, quick};

/// Cells of a few types, whose coordinates are turned into others.
fn cells(place: &Place, name: &str, n: usize, turned: impl Fn([f32; DIM]) -> [f32; DIM]) -> Cells {
    let noise = noise(name.len() as u64, n * DIM);
    let values: Vec<f32> = (0..n)
        .flat_map(|cell| {
            let own: [f32; DIM] = std::array::from_fn(|column| {
                noise[cell * DIM + column] + 9.0 * f32::from(u8::from(cell % 4 == column))
            });
            turned(own)
        })
        .collect();
    place.cells(name, n).embedding("X_pca", DIM, &values)
}

fn told(request: &MapRequest) -> (Option<SpaceReport>, bool) {
    let report = map(&MapRequest { overwrite: Some(true), ..request.clone() }).unwrap();
    let warned = report.warnings.iter().any(|warning| warning.contains("another space"));
    (report.space, warned)
}

#[test]
fn a_query_that_is_scaled_or_turned_is_told_and_one_that_is_not_is_not() {
    let place = Place::new();
    let reference = cells(&place, "reference", 400, |own| own);
    let same = cells(&place, "same", 300, |own| own);
    let scaled = cells(&place, "scaled", 300, |own| own.map(|value| value * 6.0));
    let turned = cells(&place, "turned", 300, |[a, b, c, d, e]| [-a, -b, -c, -d, e]);
    for method in ["exact", "ivf"] {
        let lists = (method == "ivf").then_some(8);
        let onto = |query: &Cells| MapRequest {
            method: Some(method.into()),
            nlist: lists,
            ..place.request(query, Some(&reference))
        };
        let (space, warned) = told(&onto(&same));
        let space = space.unwrap();
        assert!(!warned && !space.is_other && space.farther < 0.2, "{method}: {space:?}");
        for other in [&scaled, &turned] {
            let (space, warned) = told(&onto(other));
            let space = space.unwrap();
            assert!(warned && space.is_other && space.query > 2.0 * space.reference, "{method}: {space:?}");
        }
        let product = MapRequest { metric: Some("inner_product".into()), ..onto(&scaled) };
        assert_eq!(told(&product), (None, false));
    }
    assert_eq!(told(&place.request(&scaled, None)), (None, false));
}

/// Of a bundle the reference's own distances are those between rows of its lists.
#[test]
fn a_query_is_compared_with_a_bundle_as_with_the_reference() {
    let place = Place::new();
    let reference = cells(&place, "reference", 3000, |own| own);
    let same = cells(&place, "same", 300, |own| own);
    let scaled = cells(&place, "scaled", 300, |own| own.map(|value| value * 6.0));
    for dtype in ["f32", "f16"] {
        let index = place.outputs().join(format!("{dtype}.gmx")).to_str().unwrap().to_owned();
        let request = IndexRequest {
            reference: reference.path(),
            output: Some(index.clone()),
            bundle: Some(true),
            // Lists shorter and longer than what is taken at one place.
            nlist: Some(512),
            list_dtype: Some(dtype.into()),
            memory: Some("256MiB".into()),
            ..IndexRequest::default()
        };
        build_index(&request, &Progress::silent()).unwrap();
        let onto = |query: &Cells, reference: Option<&Cells>| MapRequest {
            index: Some(index.clone()),
            ..place.request(query, reference)
        };
        let (space, warned) = told(&onto(&same, None));
        let space = space.unwrap();
        assert!(!warned && !space.is_other && space.farther < 0.2, "{dtype}: {space:?}");
        let (other, warned) = told(&onto(&scaled, None));
        let other = other.unwrap();
        assert!(warned && other.is_other && other.query > 2.0 * other.reference, "{dtype}: {other:?}");
        // Another sample of the same distances.
        let beside = told(&onto(&scaled, Some(&reference))).0.unwrap();
        assert!(beside.query == other.query && (beside.reference / other.reference - 1.0).abs() < 0.2, "{beside:?}");
    }
}

#[test]
fn what_was_told_is_told_again_when_a_run_is_resumed() {
    let place = Place::new();
    let reference = cells(&place, "reference", 400, |own| own);
    let scaled = cells(&place, "scaled", 200, |own| own.map(|value| value * 6.0));
    for method in ["exact", "ivf"] {
        let lists = (method == "ivf").then_some(8);
        let request =
            MapRequest { method: Some(method.into()), nlist: lists, ..place.request(&scaled, Some(&reference)) };
        let expected = told(&request).0;
        let graph = Mapped::open(&place.output()).neighbors();
        for rows in [20, 90, 150] {
            let cancel = Cancel::default();
            let stop = cancel.clone();
            let listener = Box::new(move |event: gigamapper_core::progress::ProgressEvent| {
                if event.stage == "join" && event.done >= rows {
                    stop.cancel();
                }
            });
            let progress = Progress::new(cancel, Some(listener));
            let begun = MapRequest { overwrite: Some(true), ..request.clone() };
            // Told at most ten times a second, a run of so few cells may be through before it hears of it.
            let _ = run_with(&begun, &progress, quick());
            let report = map(&MapRequest { resume: Some(true), ..request.clone() }).unwrap();
            assert_eq!(report.space, expected, "{method}, {rows}");
            assert!(report.warnings.iter().any(|warning| warning.contains("another space")));
            assert_eq!(Mapped::open(&place.output()).neighbors().ids, graph.ids);
        }
    }
}
