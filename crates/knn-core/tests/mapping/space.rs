//! Whether the query seems to lie in another space than the reference.

use gigamapper_core::pipeline::{MapRequest, SpaceReport, run_with};
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
