//! Diffusion along those of a finished mapping, and graphs that are refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gigamapper_core::error::Error;
use gigamapper_core::kernel::KernelMethod;
use gigamapper_core::pipeline::{
    DiffuseRequest, MapRequest, NeighborsRequest, Seams, diffuse_with, neighbors, plan_diffuse,
};
use gigamapper_core::progress::{Cancel, Progress};

use super::diffusion::{all, keys, plain, remove, to};
use super::disk::{Disk, assert_same, files};
use super::sample::{Place, map, output, quick, sample};

/// What a store holds beside metadata and `uns`.
fn arrays(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_array = |name: &str| !name.ends_with("zarr.json") && !name.contains("uns/");
    files(path).into_iter().filter(|(name, _)| is_array(name)).collect()
}

/// The diffusion of a mapping, along its neighbours that are stored in `neighbors`.
fn along(neighbors: &MapRequest, request: &MapRequest, place: &Place, name: &str) -> DiffuseRequest {
    let request = to(place, request, name);
    DiffuseRequest {
        neighbors: neighbors.output.clone().unwrap(),
        store_neighbors: Some(true),
        query: request.query,
        output: request.output,
        obs_keys: request.obs_keys,
        obsm_keys: request.obsm_keys,
        kernel_method: request.kernel_method,
        probabilities: request.probabilities,
        label_details: request.label_details,
        t: request.t,
        memory: request.memory,
        threads: request.threads,
        layout: request.layout,
        ..DiffuseRequest::default()
    }
}

#[test]
fn along_stored_neighbors_it_is_what_the_mapping_would_have_given() {
    let place = Place::new();
    let cells = sample(&place, "cells", 90);
    for kernel in [KernelMethod::Umap, KernelMethod::Gauss, KernelMethod::Hnoca] {
        let once = to(&place, &MapRequest { t: None, ..all(&place, &cells, kernel) }, "once.zarr");
        map(&once).unwrap();
        let before = files(output(&once));
        let mapped = to(&place, &all(&place, &cells, kernel), "mapped.zarr");
        map(&mapped).unwrap();
        let expected = arrays(output(&mapped));
        let request = along(&once, &mapped, &place, "along.zarr");
        let report = diffuse_with(&request, &Progress::silent(), &quick()).unwrap();
        let path = place.outputs().join("along.zarr");
        assert_same(&arrays(&path), &expected, kernel.name());
        assert_eq!((report.recall.method.as_str(), report.plan.pairs), ("imported", 0));
        assert_same(&files(output(&once)), &before, "neighbors are only read");
        let whole = files(&path);
        for at in (5..).step_by(97) {
            let cut = DiffuseRequest {
                output: place.outputs().join("cut.zarr").to_str().map(str::to_owned),
                ..request.clone()
            };
            let cancel = Cancel::default();
            let seams = Seams { vfs: Arc::new(Disk::cancelling(at, cancel.clone())), ..quick() };
            let ended = diffuse_with(&cut, &Progress::new(cancel, None), &seams);
            if ended.is_err() {
                let again = DiffuseRequest { resume: Some(true), ..cut.clone() };
                match diffuse_with(&again, &Progress::silent(), &quick()) {
                    Err(Error::NotFound { .. }) => diffuse_with(&cut, &Progress::silent(), &quick()),
                    other => other,
                }
                .unwrap();
            }
            assert_same(&files(&place.outputs().join("cut.zarr")), &whole, &format!("cancelled after {at} calls"));
            remove(&place, "cut.zarr");
            if ended.is_ok() {
                assert!(at > 97);
                break;
            }
        }
        for name in ["once.zarr", "mapped.zarr", "along.zarr"] {
            remove(&place, name);
        }
    }
}

#[test]
fn neighbors_of_other_cells_are_refused_before_anything_is_written() {
    let place = Place::new();
    let (cells, reference) = (sample(&place, "cells", 90), sample(&place, "reference", 80));
    let (own, across) = (place.request(&cells, None), place.request(&cells, Some(&reference)));
    let [graph, between, products] = ["graph.zarr", "between.zarr", "products.zarr"].map(|name| {
        let request = if name == "between.zarr" { &across } else { &own };
        let metric = (name == "products.zarr").then(|| "inner_product".to_owned());
        let output = place.inputs().join(name).to_str().unwrap().to_owned();
        let found = NeighborsRequest {
            query: request.query.clone(),
            reference: request.reference.clone(),
            output: Some(output.clone()),
            n_neighbors: Some(7),
            metric,
            ..NeighborsRequest::default()
        };
        neighbors(&found, &Progress::silent()).unwrap();
        output
    });
    let graph_path = graph.clone();
    let fine = DiffuseRequest {
        neighbors: graph,
        query: cells.path(),
        output: place.output().to_str().map(str::to_owned),
        obs_keys: Some(keys(&["score"])),
        ..DiffuseRequest::default()
    };
    // Cells of the same number with other names.
    let others = plain(&place, 90);
    let wrong = [
        ("GM_SHAPE", "of the query's cells", DiffuseRequest { neighbors: between, ..fine.clone() }),
        ("GM_SHAPE", "of the query's cells", DiffuseRequest { query: reference.path(), ..fine.clone() }),
        ("GM_SCHEMA", "cell 0", DiffuseRequest { query: others.path(), ..fine.clone() }),
        ("GM_NOT_FOUND", "nope", DiffuseRequest { obs_keys: Some(keys(&["nope"])), ..fine.clone() }),
        ("GM_NOT_FOUND", "nothing.zarr", DiffuseRequest { neighbors: "nothing.zarr".into(), ..fine.clone() }),
        ("GM_NOT_FOUND", "obsp", DiffuseRequest { neighbors: cells.path(), ..fine.clone() }),
        (
            "GM_PARAM",
            "overlaps",
            DiffuseRequest { output: Some(fine.neighbors.clone()), overwrite: Some(true), ..fine.clone() },
        ),
        ("GM_PARAM", "between 1", DiffuseRequest { t: Some(-3), ..fine.clone() }),
    ];
    for (code, told, request) in wrong {
        let error = diffuse_with(&request, &Progress::silent(), &quick()).unwrap_err();
        assert!(error.code() == code && error.to_string().contains(told), "{told}: {error}");
        assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0, "{told}");
    }
    let products = DiffuseRequest { neighbors: products, ..fine.clone() };
    let error = diffuse_with(&products, &Progress::silent(), &quick()).unwrap_err();
    assert!(error.to_string().contains("which is no distance"), "{error}");
    let fine = DiffuseRequest { overwrite: Some(true), ..fine };
    let told = diffuse_with(&fine, &Progress::silent(), &quick()).unwrap().plan;
    assert_eq!(
        (told.k, told.method_reason.as_str()),
        (6, format!("the neighbors are those of {graph_path}, and stay there").as_str())
    );
}

#[test]
fn a_plan_tells_what_diffusion_takes() {
    let place = Place::new();
    let cells = sample(&place, "cells", 90);
    let once = to(&place, &MapRequest { t: None, ..all(&place, &cells, KernelMethod::Umap) }, "once.zarr");
    map(&once).unwrap();
    let mapped = all(&place, &cells, KernelMethod::Umap);
    let request = along(&once, &mapped, &place, "along.zarr");
    let planned = plan_diffuse(&DiffuseRequest { output: None, ..request.clone() }).unwrap();
    assert!(!place.outputs().join("along.zarr").exists(), "a plan writes nothing");
    assert!(planned.search.run_bytes > 0 && planned.disk_bytes > 0);
    assert_eq!(diffuse_with(&request, &Progress::silent(), &quick()).unwrap().plan, planned);
    let small = DiffuseRequest { memory: Some("80MiB".into()), overwrite: Some(true), ..request };
    assert_eq!(plan_diffuse(&small).unwrap_err().code(), "GM_BUDGET");
}
