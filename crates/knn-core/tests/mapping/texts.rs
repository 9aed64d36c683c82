//! Labels that are stored as texts: what is made of them is what is made of the same labels as categories.

use std::path::Path;

use gigamapper_core::pipeline::{MapRequest, PresenceRequest, RunReport, presence_with};
use gigamapper_core::progress::Progress;

use super::cells::Cells;
use super::disk::Disk;
use super::mapped::Mapped;
use super::sample::{Place, map, sample};
use super::transfer::text;

/// Sorted, as texts are.
const NAMES: [&str; 5] = ["", "B", "NK cell", "T, naïve", "größer"];

fn code(cell: usize) -> i8 {
    ((cell * 7 + cell / 11) % NAMES.len()) as i8
}

/// A sample with each label as a category and as a text, the coarser one too, and one that is missing in every fourth cell.
fn labelled(place: &Place, name: &str, n: usize) -> Cells {
    let codes: Vec<i8> = (0..n).map(code).collect();
    let coarse: Vec<i8> = codes.iter().map(|code| code / 3).collect();
    let missing: Vec<bool> = (0..n).map(|cell| cell % 4 == 0).collect();
    let some: Vec<i8> = codes.iter().zip(&missing).map(|(&code, &missing)| if missing { -1 } else { code }).collect();
    let texts = |codes: &[i8], names: &[&str]| -> Vec<String> {
        codes.iter().map(|&code| names[code as usize].to_owned()).collect()
    };
    sample(place, name, n)
        .categorical("fine", &codes, &NAMES, false)
        .categorical("coarse", &coarse, &["a", "b"], false)
        .categorical("some", &some, &NAMES, false)
        .texts("fine text", &texts(&codes, &NAMES))
        .texts("coarse text", &texts(&coarse, &["a", "b"]))
        .nullable_texts("some text", &texts(&codes, &NAMES), &missing)
}

fn list(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

fn mapped(request: &MapRequest) -> (RunReport, Mapped) {
    let report = map(&MapRequest { overwrite: Some(true), ..request.clone() }).unwrap();
    let store = Mapped::open(Path::new(request.output.as_ref().unwrap()));
    (report, store)
}

fn bits<T: Copy + Into<f64>>(numbers: &[T]) -> Vec<u64> {
    numbers.iter().map(|&number| number.into().to_bits()).collect()
}

#[test]
fn texts_are_voted_on_as_the_categories_that_occur() {
    let place = Place::new();
    let (query, reference) = (labelled(&place, "query", 90), labelled(&place, "reference", 150));
    for (own, t) in [(false, None), (true, None), (true, Some(2))] {
        for missing in ["drop", "category"] {
            let request = MapRequest {
                obs_keys: Some(list(&["fine", "fine text", "some", "some text"])),
                probabilities: Some("all".into()),
                label_details: Some(true),
                missing: Some(missing.into()),
                t,
                ..place.request(&query, (!own).then_some(&reference))
            };
            let (report, found) = mapped(&request);
            for key in ["fine", "some"] {
                let what = format!("{own} {t:?} {missing} {key}");
                let pair = |suffix: &str| [format!("{key}_{suffix}"), format!("{key} text_{suffix}")];
                let [categories, texts] = pair("pred").map(|key| found.categories(&key));
                assert_eq!(texts, categories, "{what}");
                let [codes, of_texts] = pair("pred").map(|key| found.codes(&key));
                assert_eq!(of_texts, codes, "{what}");
                assert!(codes.iter().any(|&code| code > 1), "{what}");
                for suffix in ["conf", "margin", "entropy"] {
                    let [shares, of_texts] = pair(suffix).map(|key| bits(&found.numbers(&key)));
                    assert_eq!(of_texts, shares, "{what} {suffix}");
                }
                let [shares, of_texts] = pair("prob").map(|key| bits(&found.matrix(&key)));
                assert_eq!(of_texts, shares, "{what}");
                let counts = &report.label_status_counts;
                assert_eq!(counts[&format!("{key} text")], counts[key], "{what}");
            }
        }
    }
    let (_, some) = mapped(&MapRequest {
        obs_keys: Some(list(&["fine text"])),
        subset_categories: Some(list(&["B"])),
        ..place.request(&query, Some(&reference))
    });
    assert!(some.labels("fine text_pred").iter().all(|label| label == "B" || label.is_empty()));
}

#[test]
fn texts_are_batches_levels_and_groups_as_well() {
    let place = Place::new();
    let (query, reference) = (labelled(&place, "query", 90), labelled(&place, "reference", 150));
    let request = MapRequest { obs_keys: Some(list(&["fine"])), ..place.request(&query, Some(&reference)) };
    let neighbors = |key: Option<&str>| {
        let excluding = MapRequest { exclude_batch: key.map(str::to_owned), ..request.clone() };
        mapped(&excluding).1.neighbors().ids
    };
    assert_eq!(neighbors(Some("fine text")), neighbors(Some("fine")));
    assert_ne!(neighbors(Some("fine text")), neighbors(None));

    let deepest = |levels: &[&str]| {
        let request = MapRequest { label_levels: Some(list(levels)), level_threshold: Some(0.4), ..request.clone() };
        let (_, found) = mapped(&request);
        let key = levels.last().unwrap();
        (found.labels(&format!("{key}_deepest")), bits(&found.numbers(&format!("{key}_deepest_conf"))))
    };
    assert_eq!(deepest(&["coarse text", "fine text"]), deepest(&["coarse", "fine"]));

    mapped(&request);
    let output = place.outputs().join("presence.zarr");
    let groups = |key: &str| {
        let request = PresenceRequest {
            neighbors: request.output.clone().unwrap(),
            reference: reference.path(),
            groupby: Some(key.into()),
            query: Some(query.path()),
            output: Some(text(&output)),
            overwrite: Some(true),
            ..PresenceRequest::default()
        };
        presence_with(&request, &Progress::silent(), Disk::quick(), None).unwrap();
        bits(&Mapped::open(&output).matrix("presence_score"))
    };
    assert_eq!(groups("fine text"), groups("fine"));
}

#[test]
fn names_of_cells_are_no_labels() {
    let place = Place::new();
    let n = (1 << 16) + 1;
    let names: Vec<String> = (0..n).map(|cell| format!("cell {cell}")).collect();
    let reference = place.cells("reference", n).embedding("X_pca", 1, &vec![0f32; n]).texts("name", &names);
    let query = place.cells("query", 3).embedding("X_pca", 1, &[0f32; 3]);
    let request = MapRequest { obs_keys: Some(list(&["name"])), ..place.request(&query, Some(&reference)) };
    let error = map(&request).unwrap_err();
    assert_eq!(error.code(), "GM_SCHEMA", "{error}");
    assert!(error.to_string().contains("obs/name") && error.to_string().contains("65536"), "{error}");
    assert!(!place.output().exists());
}
