//! Bad input: a typed error that says what is wrong, before anything is written.

use std::fs;
use std::path::Path;

use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{MapRequest, plan};
use serde_json::json;

use super::cells::Cells;
use super::disk::{assert_same, files, listed};
use super::sample::{DIM, Place, map, noise, sample};
use super::zarr::group;

struct Stores {
    place: Place,
    query: Cells,
    reference: Cells,
}

impl Stores {
    fn new() -> Self {
        let place = Place::new();
        let (query, reference) = (sample(&place, "query", 81), sample(&place, "reference", 90));
        Self { place, query, reference }
    }

    fn request(&self) -> MapRequest {
        self.place.full_request(&self.query, Some(&self.reference))
    }

    /// Both `plan` and `run` refuse, and neither leaves a trace.
    #[track_caller]
    fn refused(&self, request: &MapRequest, code: &str, parts: &[&str]) -> Error {
        let before = files(&self.place.inputs());
        let planned = plan(request).unwrap_err();
        let error = map(request).unwrap_err();
        assert_eq!(planned.to_string(), error.to_string());
        let told = format!("{error}; {}", error.hint().unwrap_or_default());
        assert_eq!(error.code(), code, "{told}");
        for part in parts {
            assert!(told.contains(part), "{part:?} is not in: {told}");
        }
        assert_eq!(listed(&self.place.outputs()), Vec::<String>::new(), "{told}");
        assert_same(&files(&self.place.inputs()), &before, "inputs");
        error
    }
}

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

#[test]
fn a_missing_key_lists_the_keys_there_are() {
    let stores = Stores::new();
    let request = stores.request();
    let wrong = MapRequest { obs_keys: Some(keys(&["celltype"])), ..request.clone() };
    stores.refused(&wrong, "GM_NOT_FOUND", &["reference.zarr", "celltype", "cell type", "flag", "score", "count"]);
    let wrong = MapRequest { obsm_keys: Some(keys(&["X_tsne"])), ..request.clone() };
    stores.refused(&wrong, "GM_NOT_FOUND", &["reference.zarr", "X_tsne", "X_umap", "X_pca"]);
    let wrong = MapRequest { use_rep: Some("X_scvi".into()), ..request };
    stores.refused(&wrong, "GM_NOT_FOUND", &["query.zarr", "X_scvi", "X_umap", "X_pca"]);
}

#[test]
fn other_dimensions_name_both_stores_and_shapes() {
    let mut stores = Stores::new();
    stores.reference = stores.reference.embedding("X_pca", 4, &noise(1, 90 * 4));
    let parts = ["query.zarr/obsm/X_pca", "[81, 5]", "reference.zarr/obsm/X_pca", "[90, 4]"];
    stores.refused(&stores.request(), "GM_SHAPE", &parts);
}

#[test]
fn what_is_no_anndata_is_named() {
    let stores = Stores::new();
    let request = stores.request();
    let at = |name: &str| stores.place.inputs().join(name).to_str().unwrap().to_owned();
    let query = |name: &str| MapRequest { query: at(name), ..request.clone() };
    stores.refused(&query("absent.zarr"), "GM_NOT_FOUND", &["absent.zarr"]);
    fs::write(at("file.h5ad"), b"\x89HDF").unwrap();
    stores.refused(&query("file.h5ad"), "GM_UNSUPPORTED", &["file.h5ad", "HDF5"]);
    fs::create_dir(at("folder")).unwrap();
    stores.refused(&query("folder"), "GM_SCHEMA", &["folder", "zarr.json"]);
    group(Path::new(&at("plain.zarr")), "", &serde_json::json!({}));
    stores.refused(&query("plain.zarr"), "GM_SCHEMA", &["plain.zarr", "anndata"]);
    stores.refused(&MapRequest { reference: Some(at("plain.zarr")), ..request.clone() }, "GM_SCHEMA", &["plain.zarr"]);
    stores.refused(&query(""), "GM_SCHEMA", &["zarr.json"]);
    stores.refused(&MapRequest { query: String::new(), ..request.clone() }, "GM_PARAM", &["query"]);
}

type Damage = dyn Fn(&mut Vec<u8>);

#[test]
fn damage_to_a_shard_is_found_before_work_starts() {
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 7);
    let flip = |bytes: &mut Vec<u8>| {
        let at = bytes.len() - 20;
        bytes[at] ^= 0x10;
    };
    let damages: [(&str, &Damage); 3] =
        [("truncated", &cut), ("index", &flip), ("empty", &|bytes: &mut Vec<u8>| bytes.clear())];
    for store in ["query", "reference"] {
        for (what, damage) in damages {
            let stores = Stores::new();
            let file = stores.place.inputs().join(format!("{store}.zarr/obsm/X_pca/c/1/0"));
            let mut bytes = fs::read(&file).unwrap();
            damage(&mut bytes);
            fs::write(&file, bytes).unwrap();
            let error = stores.refused(&stores.request(), "GM_CORRUPT", &[&format!("{store}.zarr/obsm/X_pca/c/1/0")]);
            assert!(matches!(error, Error::Corrupt { .. }), "{what}");
        }
        let stores = Stores::new();
        fs::remove_file(stores.place.inputs().join(format!("{store}.zarr/obsm/X_pca/c/1/0"))).unwrap();
        stores.refused(&stores.request(), "GM_CORRUPT", &["obsm/X_pca"]);
    }
}

#[test]
fn the_output_must_be_free_and_apart_from_the_inputs() {
    let stores = Stores::new();
    let request = stores.request();
    let to = |path: &Path| MapRequest { output: Some(path.to_str().unwrap().to_owned()), ..request.clone() };
    let inside = stores.query.root.join("mapped.zarr");
    stores.refused(&to(&inside), "GM_PARAM", &["output", "query.zarr"]);
    stores.refused(&to(&stores.reference.root.join("not/there/yet.zarr")), "GM_PARAM", &["reference.zarr"]);
    stores.refused(&to(&stores.query.root.join("no/../../query.zarr/obsm/new")), "GM_PARAM", &["query.zarr"]);
    stores.refused(&to(&stores.place.inputs()), "GM_PARAM", &["output"]);
    stores.refused(&to(&stores.query.root), "GM_PARAM", &["output"]);
    stores.refused(&MapRequest { overwrite: Some(true), ..to(&stores.query.root) }, "GM_PARAM", &["output"]);
    #[cfg(unix)]
    {
        let link = stores.place.inputs().join("link");
        std::os::unix::fs::symlink(&stores.query.root, &link).unwrap();
        stores.refused(&to(&link.join("a/b.zarr")), "GM_PARAM", &["output"]);
        fs::remove_file(link).unwrap();
    }
    assert_eq!(map(&MapRequest { output: None, ..request.clone() }).unwrap_err().code(), "GM_PARAM");
    let output = stores.place.output();
    fs::create_dir(&output).unwrap();
    fs::write(output.join("mine.txt"), b"mine").unwrap();
    let error = map(&request).unwrap_err();
    assert!(error.code() == "GM_EXISTS" && error.hint().unwrap().contains("overwrite"), "{error}");
    let error = map(&MapRequest { overwrite: Some(true), ..request.clone() }).unwrap_err();
    assert_eq!(error.code(), "GM_EXISTS", "{error}");
    assert_eq!(map(&MapRequest { resume: Some(true), ..request }).unwrap_err().code(), "GM_EXISTS");
    assert_eq!(files(&stores.place.outputs()).into_keys().collect::<Vec<_>>(), ["mapped.zarr/mine.txt"]);
}

#[test]
fn parameters_out_of_range_and_of_later_versions_are_refused() {
    let stores = Stores::new();
    let request = stores.request();
    for n_neighbors in [0, -3, i64::MIN, 10_001] {
        let wrong = MapRequest { n_neighbors: Some(n_neighbors), ..request.clone() };
        stores.refused(&wrong, "GM_PARAM", &["nNeighbors", &n_neighbors.to_string()]);
    }
    let wrong = MapRequest { n_neighbors: Some(1), reference: None, ..request.clone() };
    stores.refused(&wrong, "GM_PARAM", &["at least 2"]);
    let some = |value: &str| Some(value.to_owned());
    let later = [MapRequest { io: some("direct"), ..request.clone() }];
    for request in &later {
        stores.refused(request, "GM_UNSUPPORTED", &["available now"]);
    }
    for within in ["umap", "adaptive_gauss"] {
        let wrong = MapRequest { kernel_method: some(within), ..request.clone() };
        stores.refused(&wrong, "GM_PARAM", &["kernelMethod", "self-mapping"]);
    }
    let wrong = MapRequest { symmetrize: some("max"), ..request.clone() };
    stores.refused(&wrong, "GM_PARAM", &["symmetrize", "self-mapping"]);
    let wrong = MapRequest { kernel_method: some("equal"), bandwidth: Some(2.0), ..request.clone() };
    stores.refused(&wrong, "GM_PARAM", &["bandwidth", "gauss and scarches"]);
    let (method, metric) = (some("ivfpq"), some("inner_product"));
    let product = MapRequest { method, metric, obs_keys: None, obsm_keys: None, ..request.clone() };
    stores.refused(&product, "GM_UNSUPPORTED", &["inner products"]);
    stores.refused(&MapRequest { kernel_method: some("gaus"), ..request.clone() }, "GM_PARAM", &["gauss"]);
    stores.refused(&MapRequest { memory: some("much"), ..request.clone() }, "GM_PARAM", &["512MiB"]);
    stores.refused(&MapRequest { resume: Some(true), overwrite: Some(true), ..request }, "GM_PARAM", &["overwrite"]);
}

#[test]
fn columns_that_cannot_be_transferred_or_stored_are_refused() {
    let mut stores = Stores::new();
    let labels = vec![0i8; 90];
    stores.reference = stores.reference.categorical("mapping", &labels, &["a"], false);
    stores.reference = stores.reference.categorical("Flag", &labels, &["a"], false).column("note", &[0i8; 90]);
    fs::remove_dir_all(stores.reference.root.join("obs/note")).unwrap();
    group(
        &stores.reference.root,
        "obs/note",
        &json!({ "encoding-type": "awkward-array", "encoding-version": "0.1.0" }),
    );
    let request = stores.request();
    // It would be stored beside `mapping_status`, which every store has.
    stores.refused(
        &MapRequest { obs_keys: Some(keys(&["mapping"])), ..request.clone() },
        "GM_PARAM",
        &["mapping_status"],
    );
    stores.refused(&MapRequest { obs_keys: Some(keys(&["flag", "Flag"])), ..request.clone() }, "GM_PARAM", &["case"]);
    stores.refused(
        &MapRequest { obs_keys: Some(keys(&["note"])), ..request },
        "GM_UNSUPPORTED",
        &["note", "awkward-array"],
    );
}

#[test]
fn a_reference_without_cells_is_refused() {
    let mut stores = Stores::new();
    let empty: [f32; 0] = [];
    stores.reference = stores.place.cells("nobody", 0).embedding("X_pca", DIM, &empty);
    let request = stores.place.request(&stores.query, Some(&stores.reference));
    stores.refused(&request, "GM_SCHEMA", &["nobody.zarr", "no cells"]);
}

#[test]
fn memory_that_is_too_small_says_what_would_do_and_that_does() {
    let stores = Stores::new();
    let request = MapRequest { memory: Some("20MiB".into()), ..stores.request() };
    let error = stores.refused(&request, "GM_BUDGET", &["would do"]);
    let hint = error.hint().unwrap();
    let enough = hint.strip_prefix("memory of ").and_then(|hint| hint.split_once(" would do")).unwrap().0;
    let planned = plan(&MapRequest { memory: Some(enough.to_owned()), ..request.clone() }).unwrap();
    assert!(planned.memory.planned <= planned.memory.limit);
    assert_eq!(planned.memory.parts.values().sum::<u64>(), planned.memory.planned);
    map(&MapRequest { memory: Some(enough.to_owned()), ..request }).unwrap();
}

/// Makes a store of one cell claim `n` cells that were never written: all of them are fill.
pub(crate) fn claim(cells: Cells, n: u64, arrays: &[&str]) -> Cells {
    for array in arrays {
        let folder = cells.root.join(array);
        fs::remove_dir_all(folder.join("c")).unwrap();
        let document = fs::read_to_string(folder.join("zarr.json")).unwrap();
        assert!(document.contains("\"shape\":[1"), "{document}");
        fs::write(folder.join("zarr.json"), document.replace("\"shape\":[1", &format!("\"shape\":[{n}"))).unwrap();
    }
    cells
}

#[test]
fn what_would_do_does_at_every_size_and_less_does_not() {
    for (n_query, n_ref) in [(1, 10), (1000, 5000), (200_000_000, 3000), (1_000_000, 2_000_000), (10, 700_000_000)] {
        let place = Place::new();
        let make = |name: &str| place.cells(name, 1).embedding("X_pca", 50, &noise(1, 50));
        let query = claim(make("query"), n_query, &["obs/_index", "obsm/X_pca"]);
        let reference = make("reference").categorical("type", &[1], &["a", "b"], false).embedding("X", 2, &[1f32, 2.0]);
        let reference = claim(reference, n_ref, &["obs/_index", "obsm/X_pca", "obsm/X", "obs/type/codes"]);
        for (obs, obsm, k, threads) in [(false, false, 30, 2), (true, false, 1, 64), (true, true, 1000, 8)] {
            let request = MapRequest {
                obs_keys: obs.then(|| vec!["type".into()]),
                obsm_keys: obsm.then(|| vec!["X".into()]),
                n_neighbors: Some(k),
                threads: Some(threads),
                layout: None,
                ..place.request(&query, Some(&reference))
            };
            let with =
                |mebibytes: u64| plan(&MapRequest { memory: Some(format!("{mebibytes}MiB")), ..request.clone() });
            let hint = with(1).unwrap_err().hint().unwrap();
            let enough: u64 = hint.split(' ').nth(2).unwrap().parse().unwrap();
            let planned = with(enough).unwrap_or_else(|error| panic!("{hint}, but {error}"));
            assert!(planned.memory.planned <= planned.memory.limit, "{:?}", planned.memory);
            assert_eq!(with(enough - 1).unwrap_err().code(), "GM_BUDGET", "{hint}");
            // More is never refused, and never makes more passes.
            let mut passes = planned.reference_passes;
            for more in [enough + 1, enough * 2, enough * 16, enough * 512] {
                let planned = with(more).unwrap();
                assert!(planned.memory.planned <= planned.memory.limit, "{:?}", planned.memory);
                assert!(planned.reference_passes <= passes, "{more} MiB: {} passes", planned.reference_passes);
                passes = planned.reference_passes;
            }
        }
    }
}
