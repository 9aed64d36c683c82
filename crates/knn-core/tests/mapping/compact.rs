//! Output whose matrices are compressed: the same values in fewer bytes, resumed to the same bytes.

use std::path::Path;
use std::sync::Arc;

use gigamapper_core::pipeline::{LayoutRequest, MapRequest, Seams, run_with};
use gigamapper_core::progress::Progress;

use super::disk::{Disk, assert_same, files};
use super::mapped::Mapped;
use super::sample::{Place, map, quick, sample};

fn request(place: &Place, profile: &str) -> MapRequest {
    let store = |name: &str| {
        let path = place.inputs().join(format!("{name}.zarr"));
        if path.exists() { path.to_str().unwrap().to_owned() } else { sample(place, name, 300).path() }
    };
    MapRequest {
        query: store("query"),
        reference: Some(store("reference")),
        output: place.outputs().join(format!("{profile}.zarr")).to_str().map(str::to_owned),
        obs_keys: Some(vec!["cell type".into()]),
        obsm_keys: Some(vec!["X_umap".into()]),
        probabilities: Some("all".into()),
        n_neighbors: Some(30),
        memory: Some("256MiB".into()),
        threads: Some(2),
        profile: Some(profile.into()),
        ..MapRequest::default()
    }
}

fn open(request: &MapRequest) -> Mapped {
    Mapped::open(Path::new(request.output.as_ref().unwrap()))
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn what_is_compressed_holds_the_same_values_in_fewer_bytes() {
    let place = Place::new();
    let layouts = [None, Some(LayoutRequest { inner_rows: 16, inner_per_unit: 4, part_rows: 128 })];
    for (number, layout) in layouts.into_iter().enumerate() {
        let [fast, compact] = ["fast", "compact"].map(|profile| MapRequest { layout, ..request(&place, profile) });
        map(&fast).unwrap();
        let report = map(&compact).unwrap();
        assert!(report.plan.memory.planned <= report.plan.memory.limit);
        let [one, other] = [&fast, &compact].map(open);
        for key in ["knn_indices", "knn_distances", "X_umap_pred", "cell type_prob"] {
            assert_eq!(bits(&one.matrix(key)), bits(&other.matrix(key)), "{key}");
        }
        assert_eq!(one.codes("cell type_pred"), other.codes("cell type_pred"));
        let size = |request: &MapRequest| {
            let matrices = files(Path::new(request.output.as_ref().unwrap()));
            matrices.into_iter().filter(|(name, _)| name.contains("obsm/")).map(|(_, bytes)| bytes.len()).sum::<usize>()
        };
        let (large, small) = (size(&fast), size(&compact));
        assert!(number > 0 || small < large * 9 / 10, "{small} of {large}");
        // The run is another one: what one of them has written the other cannot go on with.
        let other = MapRequest { profile: Some("fast".into()), resume: Some(true), ..compact.clone() };
        assert_eq!(map(&other).unwrap_err().code(), "GM_STALE");
        for request in [&fast, &compact] {
            let output = Path::new(request.output.as_ref().unwrap());
            std::fs::remove_dir_all(output).unwrap();
            std::fs::remove_dir_all(output.with_added_extension("journal")).unwrap();
        }
    }
}

#[test]
fn a_compressed_store_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let layout = Some(LayoutRequest { inner_rows: 16, inner_per_unit: 4, part_rows: 128 });
    let whole = MapRequest { layout, ..request(&place, "compact") };
    map(&whole).unwrap();
    let expected = files(Path::new(whole.output.as_ref().unwrap()));
    let mut interrupted = 0;
    for calls in (40..400).step_by(60) {
        let output = place.outputs().join(format!("{calls}.zarr"));
        let request = MapRequest { output: output.to_str().map(str::to_owned), ..whole.clone() };
        let failing = Seams { vfs: Arc::new(Disk::failing(calls)), ..quick() };
        if run_with(&request, &Progress::silent(), failing).is_err() {
            interrupted += 1;
            let _ = std::fs::remove_file(output.with_added_extension("lock"));
            map(&MapRequest { resume: Some(true), threads: Some(1), ..request }).unwrap();
        }
        assert_same(&files(&output), &expected, &format!("after {calls} calls"));
    }
    assert!(interrupted >= 3, "{interrupted}");
}
