//! An index with its cells is a reference by itself: mapping onto it is mapping onto the atlas by the same index.

use std::path::Path;

use gigamapper_core::pipeline::{
    IndexRequest, MapRequest, NeighborsRequest, build_index, describe_index, plan, plan_neighbors,
};
use gigamapper_core::progress::Progress;

use super::mapped::Mapped;
use super::sample::{Place, map, noise, sample};

fn index(place: &Place, reference: &str, name: &str) -> IndexRequest {
    IndexRequest {
        reference: reference.to_owned(),
        output: Some(place.outputs().join(name).to_str().unwrap().to_owned()),
        nlist: Some(8),
        memory: Some("256MiB".into()),
        ..IndexRequest::default()
    }
}

fn found(place: &Place, request: &MapRequest) -> (Vec<i64>, Vec<i32>, Vec<u64>, Vec<String>) {
    map(&MapRequest { overwrite: Some(true), ..request.clone() }).unwrap();
    let mapped = Mapped::open(&place.output());
    let scores = mapped.numbers("score_pred").iter().map(|number| number.to_bits()).collect();
    (mapped.neighbors().ids, mapped.codes("cell type_pred"), scores, mapped.categories("cell type_pred"))
}

#[test]
fn it_maps_without_the_atlas_as_with_it() {
    for dtype in ["f32", "f16"] {
        let place = Place::new();
        let (query, reference) = (sample(&place, "query", 120), sample(&place, "ref", 190));
        let request = IndexRequest {
            bundle: Some(true),
            list_dtype: Some(dtype.into()),
            ..index(&place, &reference.path(), "atlas.gmx")
        };
        let report = build_index(&request, &Progress::silent()).unwrap();
        assert!(report.stored.iter().any(|array| array.path == "obs/cell type"), "{:?}", report.stored);
        let built = request.output.unwrap();
        assert!(describe_index(Path::new(&built)).unwrap().bundled);
        let by = MapRequest {
            index: Some(built.clone()),
            obs_keys: Some(vec!["cell type".into(), "score".into()]),
            recall: Some(0.9),
            overwrite: Some(true),
            ..place.request(&query, Some(&reference))
        };
        let expected = found(&place, &by);
        // The atlas is gone.
        std::fs::rename(reference.path(), place.inputs().join("away")).unwrap();
        let alone = MapRequest { reference: None, ..by };
        assert_eq!(found(&place, &alone), expected, "{dtype}");
        assert_eq!(plan(&alone).unwrap().mode, "cross");
        // What needs the rows by themselves says so.
        for other in [
            MapRequest { kernel_method: Some("jaccard".into()), ..alone.clone() },
            MapRequest { repair: Some("always".into()), ..alone.clone() },
        ] {
            assert_eq!(plan(&other).unwrap_err().code(), "GM_UNSUPPORTED");
        }
        let unknown = MapRequest { obsm_keys: Some(vec!["X_umap".into()]), ..alone.clone() };
        assert_eq!(plan(&unknown).unwrap_err().code(), "GM_NOT_FOUND");
    }
}

#[test]
fn cells_of_another_index_are_not_taken_for_its_own() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 90), sample(&place, "ref", 190));
    let request = index(&place, &reference.path(), "atlas.gmx");
    build_index(&request, &Progress::silent()).unwrap();
    let alone = MapRequest { index: request.output.clone(), ..place.request(&query, None) };
    // Without its cells an index is no reference.
    assert_eq!(plan(&alone).unwrap_err().code(), "GM_UNSUPPORTED");
    let few = IndexRequest {
        bundle: Some(true),
        resume: Some(true),
        obs_keys: Some(vec!["cell type".into()]),
        ..request.clone()
    };
    let report = build_index(&few, &Progress::silent()).unwrap();
    assert_eq!(report.stored.len(), 2, "{:?}", report.stored);
    plan(&alone).unwrap();
    // Another reference of as many cells under the same name, and the cells of the one before.
    let other = sample(&place, "another", 190);
    let again = IndexRequest { overwrite: Some(true), ..index(&place, &other.path(), "atlas.gmx") };
    let (cells, aside) = (place.outputs().join("atlas.gmx/cells.zarr"), place.outputs().join("aside.zarr"));
    std::fs::rename(&cells, &aside).unwrap();
    build_index(&again, &Progress::silent()).unwrap();
    assert_eq!(plan(&alone).unwrap_err().code(), "GM_UNSUPPORTED");
    std::fs::rename(&aside, &cells).unwrap();
    assert_eq!(plan(&alone).unwrap_err().code(), "GM_STALE");
    build_index(&IndexRequest { bundle: Some(true), ..again }, &Progress::silent()).unwrap();
    plan(&alone).unwrap();
}

#[test]
fn what_it_was_is_not_what_it_is_after_an_append() {
    let place = Place::new();
    let told = |index: &IndexRequest| {
        let described = describe_index(Path::new(index.output.as_ref().unwrap())).unwrap();
        (described.bundled, described.stale_cells)
    };
    let reference = sample(&place, "ref", 190);
    let plain = index(&place, &reference.path(), "atlas.gmx");
    build_index(&plain, &Progress::silent()).unwrap();
    assert_eq!(told(&plain), (false, false));
    let bundle = IndexRequest { bundle: Some(true), resume: Some(true), ..plain.clone() };
    build_index(&bundle, &Progress::silent()).unwrap();
    assert_eq!(told(&plain), (true, false));
    // The same cells and some more.
    std::fs::remove_dir_all(reference.path()).unwrap();
    sample(&place, "ref", 230);
    let append = IndexRequest { append: Some(true), nlist: None, ..plain.clone() };
    build_index(&append, &Progress::silent()).unwrap();
    assert_eq!(told(&plain), (false, true));
    // Built again it has its own.
    let again = IndexRequest { bundle: Some(true), overwrite: Some(true), ..plain.clone() };
    build_index(&again, &Progress::silent()).unwrap();
    assert_eq!(told(&plain), (true, false));
}

#[test]
fn it_knows_what_its_rows_are() {
    let place = Place::new();
    let query = sample(&place, "query", 120).embedding("X_latent", 2, &noise(3, 240));
    let reference = sample(&place, "ref", 190);
    let bundle = |use_rep: Option<&str>, name: &str| {
        let request = IndexRequest {
            use_rep: use_rep.map(str::to_owned),
            bundle: Some(true),
            ..index(&place, &reference.path(), name)
        };
        build_index(&request, &Progress::silent()).unwrap();
        request.output
    };
    let onto = |index: &Option<String>| MapRequest { index: index.clone(), ..place.request(&query, None) };
    let other = bundle(Some("X_umap"), "umap.gmx");
    let warned = |request: &MapRequest, what: &str| {
        let warnings = plan(request).unwrap().warnings;
        warnings.iter().any(|warning| warning.contains(what))
    };
    // Its own representation is the default, and another is told.
    let by_default = plan(&onto(&other)).unwrap();
    assert_eq!(by_default.parameters.use_rep, "X_umap");
    let named = |key: &str| MapRequest { use_rep: Some(key.into()), ..onto(&other) };
    assert_eq!(plan(&named("X_umap")).unwrap().run, by_default.run);
    let both = "the index is of X_umap, and its queries are X_latent";
    assert!(warned(&named("X_latent"), both) && !warned(&named("obsm/X_umap"), "one space"));
    map(&onto(&other)).unwrap();
    std::fs::remove_dir_all(place.output()).unwrap();
    let own = bundle(None, "atlas.gmx");
    assert_eq!(plan(&onto(&own)).unwrap().parameters.use_rep, "X_pca");
    // What it was built from is no query of its own.
    let itself = MapRequest { query: reference.path(), ..onto(&own) };
    assert!(warned(&itself, "its own nearest") && !warned(&onto(&own), "its own nearest"));
}

#[test]
fn graphs_from_its_cells_are_refused_and_those_of_the_query_are_not() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 120), sample(&place, "ref", 190));
    let built = IndexRequest { bundle: Some(true), ..index(&place, &reference.path(), "atlas.gmx") };
    build_index(&built, &Progress::silent()).unwrap();
    let graphs = |names: &[&str]| NeighborsRequest {
        query: query.path(),
        index: built.output.clone(),
        graphs: Some(names.iter().map(|&name| name.to_owned()).collect()),
        n_neighbors: Some(7),
        memory: Some("256MiB".into()),
        ..NeighborsRequest::default()
    };
    for names in [&["yx", "xx"][..], &["yx", "xy"], &["yx", "xx", "yy", "xy"]] {
        assert_eq!(plan_neighbors(&graphs(names)).unwrap_err().code(), "GM_UNSUPPORTED", "{names:?}");
    }
    let (alone, with) = (plan_neighbors(&graphs(&["yx"])).unwrap(), plan_neighbors(&graphs(&["yx", "yy"])).unwrap());
    assert!(with.pairs > alone.pairs);
}
