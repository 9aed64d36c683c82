//! Embeddings and expression that do not fit the memory: the same results, and plans within the budget.

use std::path::Path;
use std::sync::Arc;

use gigamapper_core::pipeline::{LayoutRequest, MapRequest, Seams, plan, run_with};
use gigamapper_core::progress::Progress;

use super::disk::{Disk, assert_same, files};
use super::expression::sample_with_genes;
use super::refusals::claim;
use super::sample::{Place, map, noise, quick};

fn request(place: &Place, reference: Option<&str>) -> MapRequest {
    let store = |name: &str| {
        let path = place.inputs().join(format!("{name}.zarr"));
        if path.exists() { path.to_str().unwrap().to_owned() } else { sample_with_genes(place, name, 140) }
    };
    MapRequest {
        query: store("query"),
        reference: reference.map(store),
        output: place.output().to_str().map(str::to_owned),
        obs_keys: Some(vec!["cell type".into()]),
        obsm_keys: Some(vec!["X_umap".into(), "X_pca".into()]),
        layer_key: Some("X".into()),
        genes: Some(vec!["LYZ".into(), "é".into(), "CD3E".into()]),
        n_neighbors: Some(7),
        memory: Some("256MiB".into()),
        threads: Some(2),
        layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 }),
        ..MapRequest::default()
    }
}

fn seams(waiting_bytes: u64) -> Seams {
    Seams { waiting_bytes: Some(waiting_bytes), ..quick() }
}

#[test]
fn what_passes_by_gives_the_bytes_of_what_stays() {
    let place = Place::new();
    for reference in [Some("reference"), None] {
        let request = request(&place, reference);
        map(&request).unwrap();
        let expected = files(&place.output());
        for (number, (waiting, threads)) in [(1, 1), (3000, 2), (1 << 20, 3)].into_iter().enumerate() {
            let output = place.outputs().join(format!("{}-{number}.zarr", reference.is_some()));
            let output = output.to_str().map(str::to_owned);
            let request = MapRequest { output: output.clone(), threads: Some(threads), ..request.clone() };
            run_with(&request, &Progress::silent(), seams(waiting)).unwrap();
            assert_same(&files(Path::new(&output.unwrap())), &expected, &format!("{reference:?} {waiting}"));
        }
        std::fs::remove_dir_all(place.outputs()).unwrap();
        std::fs::create_dir(place.outputs()).unwrap();
    }
}

#[test]
fn a_run_past_which_matrices_go_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let request = request(&place, Some("reference"));
    map(&request).unwrap();
    let expected = files(&place.output());
    let mut interrupted = 0;
    for calls in [60, 110, 160, 210, 260] {
        let output = place.outputs().join(format!("{calls}.zarr"));
        let request = MapRequest { output: output.to_str().map(str::to_owned), ..request.clone() };
        let failing = Seams { vfs: Arc::new(Disk::failing(calls)), ..seams(3000) };
        if let Err(error) = run_with(&request, &Progress::silent(), failing) {
            assert_eq!(error.code(), "GM_IO", "{error}");
            interrupted += 1;
            let _ = std::fs::remove_file(output.with_added_extension("lock"));
            let request = MapRequest { resume: Some(true), ..request };
            run_with(&request, &Progress::silent(), seams(500)).unwrap();
        }
        assert_same(&files(&output), &expected, &format!("after {calls} calls"));
    }
    assert!(interrupted >= 3, "{interrupted}");
}

#[test]
fn what_does_not_fit_passes_by_and_the_plan_says_so() {
    let place = Place::new();
    let cells = place.cells("cells", 1).embedding("X_pca", 50, &noise(1, 50)).embedding("X_small", 2, &noise(1, 2));
    let cells = claim(cells, 10_000_000, &["obs/_index", "obsm/X_pca", "obsm/X_small"]);
    let planned = |memory: &str, keys: &[&str], symmetrize: &str| {
        let request = MapRequest {
            obsm_keys: Some(keys.iter().map(|&key| key.to_owned()).collect()),
            n_neighbors: Some(30),
            memory: Some(memory.into()),
            layout: None,
            kernel_method: Some("gauss".into()),
            symmetrize: Some(symmetrize.into()),
            ..place.request(&cells, None)
        };
        plan(&request).unwrap()
    };
    let told =
        |warnings: &[String]| warnings.iter().filter(|warning| warning.contains("pass")).cloned().collect::<Vec<_>>();
    for symmetrize in ["none", "max"] {
        let plan = planned("512MiB", &["X_pca", "X_small"], symmetrize);
        assert!(plan.memory.planned <= plan.memory.limit, "{:?}", plan.memory);
        let told = told(&plan.warnings);
        assert!(told.len() == 1 && told[0].contains("X_pca") && !told[0].contains("X_small"), "{told:?}");
    }
    let plan = planned("4GiB", &["X_pca", "X_small"], "none");
    assert_eq!(told(&plan.warnings), [""; 0]);
}
