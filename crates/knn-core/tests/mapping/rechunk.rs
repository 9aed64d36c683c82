//! Copies in chunks of whole rows: they hold what the original holds, to the bit, however they are disturbed.

use std::collections::BTreeMap;
use std::path::Path;

use gigamapper_core::error::{Error, Result};
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, RechunkReport, RechunkRequest, plan, rechunk_with};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::source::{AnnDataStore, StringBlock, inspect};
use gigamapper_core::types::RowRange;

use super::cells::Cells;
use super::disk::{Disk, files};
use super::mapped::Mapped;
use super::sample::{Place, sample};
use super::zarr::Grid;

pub(crate) fn request(place: &Place, input: &Cells) -> RechunkRequest {
    RechunkRequest {
        input: input.path(),
        output: Some(place.output().to_str().unwrap().to_owned()),
        memory: Some("256MiB".into()),
        threads: Some(2),
        layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 }),
        ..RechunkRequest::default()
    }
}

fn rechunk(request: &RechunkRequest) -> Result<RechunkReport> {
    rechunk_with(request, &Progress::silent(), Disk::quick())
}

fn texts(store: &AnnDataStore, key: &str) -> Vec<String> {
    let (mut block, mut missing) = (StringBlock::default(), Vec::new());
    store.column(key).unwrap().read_strings(RowRange::new(0, store.n_obs()), &mut block, &mut missing).unwrap();
    block.iter().map(str::to_owned).collect()
}

#[test]
fn a_copy_holds_what_the_original_holds() {
    let place = Place::new();
    let words: Vec<_> = (0..150).map(|cell| format!("é{}", "x".repeat(cell % 13))).collect();
    let input = sample(&place, "original", 150).texts("word", &words);
    let before = files(&place.inputs());
    let report = rechunk(&request(&place, &input)).unwrap();
    assert_eq!(files(&place.inputs()), before);
    assert_eq!((report.layout.parts, report.layout.units, report.warnings.len()), (3, 5, 0));
    let (copy, original) = (Mapped::open(&place.output()), Mapped::open(&input.root));
    assert_eq!(copy.names(), original.names());
    let bits = |cells: &Mapped| cells.matrix("X_pca").into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(&copy), bits(&original));
    assert_eq!(copy.categories("cell type"), original.categories("cell type"));
    for key in ["cell type", "flag"] {
        assert_eq!(copy.codes(key), original.codes(key), "{key}");
    }
    for key in ["score", "count", "flag"] {
        let bits = |cells: &Mapped| cells.numbers(key).into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(&copy), bits(&original), "{key}");
    }
    assert_eq!(copy.parts.iter().flat_map(|part| texts(part, "word")).collect::<Vec<_>>(), words);
    let part = inspect(&place.output().join("dataset_1")).unwrap();
    assert_eq!(part.arrays["obsm/X_pca"].chunks, [16, 5]);
    assert_eq!(part.arrays["obsm/X_pca"].shards, Some(vec![32, 5]));
    assert_eq!(part.obs["count"].dtype, "Int64");
    assert_eq!(part.obs["score"].dtype, "float32");
    assert_eq!(part.obs["cell type"].ordered, Some(true));
    assert_eq!(copy.parts[0].colors("cell type").unwrap(), original.parts[0].colors("cell type").unwrap());
    assert!(!part.obsm.contains_key("X_umap"));
}

#[test]
fn memory_threads_and_chunks_change_no_byte_of_a_copy() {
    let place = Place::new();
    let input = sample(&place, "original", 150);
    let stored = |change: &dyn Fn(&mut RechunkRequest)| {
        let mut request = RechunkRequest { overwrite: Some(true), ..request(&place, &input) };
        change(&mut request);
        rechunk(&request).unwrap();
        files(&place.output())
    };
    let expected = stored(&|_| {});
    assert!(stored(&|request| request.threads = Some(1)) == expected);
    assert!(stored(&|request| request.memory = Some("1GiB".into())) == expected);
}

#[test]
fn a_copy_that_is_disturbed_anywhere_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let input = sample(&place, "original", 80);
    let request = request(&place, &input);
    let whole = Disk::failing(i64::MAX);
    rechunk_with(&request, &Progress::silent(), std::sync::Arc::new(whole.clone())).unwrap();
    let calls = i64::MAX - whole.left();
    let expected = copied(&place);
    assert!(calls > 100, "{calls}");
    for failing in (1..calls).step_by(7) {
        std::fs::remove_dir_all(place.outputs()).unwrap();
        std::fs::create_dir(place.outputs()).unwrap();
        let disk = std::sync::Arc::new(Disk::failing(failing));
        let error = rechunk_with(&request, &Progress::silent(), disk).unwrap_err();
        assert_eq!(error.code(), "GM_IO", "call {failing}");
        // A process that died cannot hold a lock; this one, whose disk failed, still seems to.
        let _ = std::fs::remove_file(place.outputs().join("mapped.zarr.lock"));
        let begun = place.output().exists();
        rechunk(&RechunkRequest { resume: Some(begun), ..request.clone() }).unwrap();
        assert!(copied(&place) == expected, "call {failing}");
    }
    std::fs::remove_dir_all(place.outputs()).unwrap();
    std::fs::create_dir(place.outputs()).unwrap();
    let cancel = Cancel::default();
    let disk = std::sync::Arc::new(Disk::cancelling(calls / 2, cancel.clone()));
    let error = rechunk_with(&request, &Progress::new(cancel, None), disk).unwrap_err();
    assert_eq!(error.code(), "GM_CANCELLED");
    let report = rechunk(&RechunkRequest { resume: Some(true), ..request.clone() }).unwrap();
    assert!(report.resumed_units > 0);
    assert!(copied(&place) == expected);
}

/// The copy itself, without journal and lock beside it.
fn copied(place: &Place) -> BTreeMap<String, Vec<u8>> {
    files(&place.output())
}

#[test]
fn columns_are_all_that_can_be_read_or_those_that_were_named() {
    let place = Place::new();
    let input = place
        .cells("odd", 8)
        .embedding("X_pca", 2, &[1.0_f64; 16])
        .column("a", &[1_i16; 8])
        .column("A", &[2_i16; 8])
        .column("b", &[half::f16::from_f32(0.5); 8]);
    let document = input.root.join("obs/b/zarr.json");
    let strange = std::fs::read_to_string(&document).unwrap().replace("\"array\"", "\"awkward-array\"");
    let strange = strange.replace("\"node_type\":\"awkward-array\"", "\"node_type\":\"array\"");
    std::fs::write(&document, strange).unwrap();
    let report = rechunk(&request(&place, &input)).unwrap();
    let paths: Vec<_> = report.stored.iter().map(|stored| stored.path.as_str()).collect();
    assert_eq!(paths, ["obsm/X_pca", "obs/_index", "obs/a"]);
    assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
    assert!(report.warnings[0].contains("\"A\"") && report.warnings[1].contains("awkward-array"));
    let named = |key: &str| {
        let keys = Some(vec![key.to_owned()]);
        rechunk(&RechunkRequest { obs_keys: keys, overwrite: Some(true), ..request(&place, &input) })
    };
    assert_eq!(named("b").unwrap_err().code(), "GM_UNSUPPORTED");
    assert_eq!(named("c").unwrap_err().code(), "GM_NOT_FOUND");
    assert_eq!(named("A").unwrap().stored.last().unwrap().path, "obs/A");
}

#[test]
fn places_and_changed_inputs_are_refused() {
    let place = Place::new();
    let input = sample(&place, "original", 80);
    let request = request(&place, &input);
    let inside = Some(input.root.join("copy.zarr").to_str().unwrap().to_owned());
    assert_eq!(rechunk(&RechunkRequest { output: inside, ..request.clone() }).unwrap_err().code(), "GM_PARAM");
    rechunk(&request).unwrap();
    assert_eq!(rechunk(&request).unwrap_err().code(), "GM_EXISTS");
    let other = RechunkRequest { use_rep: Some("X_umap".into()), resume: Some(true), ..request.clone() };
    assert_eq!(rechunk(&other).unwrap_err().code(), "GM_STALE");
    assert_eq!(rechunk(&RechunkRequest { resume: Some(true), ..request }).unwrap().resumed_units, 3);
}

/// Claims one chunk of many rows, of which nothing is stored, so that all are zeros.
fn one_chunk(root: &Path, path: &str, shape: &[u64]) {
    let document = root.join(path).join("zarr.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&document).unwrap()).unwrap();
    json["shape"] = shape.into();
    json["chunk_grid"]["configuration"]["chunk_shape"] = shape.into();
    std::fs::write(&document, json.to_string()).unwrap();
    std::fs::remove_dir_all(root.join(path).join("c")).unwrap();
}

#[test]
fn chunks_beyond_the_memory_are_refused_with_what_would_do() {
    let place = Place::new();
    // Chunks that are read in place take no memory of their own.
    let compressed = Grid { zstd: true, ..Grid::chunks(64, 128) };
    let input = place.cells("large", 64).embedding_in("X_pca", 128, &vec![1.0_f32; 64 * 128], compressed);
    one_chunk(&input.root, "obsm/X_pca", &[200_000, 128]);
    one_chunk(&input.root, "obs/_index", &[200_000]);
    let small = RechunkRequest { memory: Some("128MiB".into()), layout: None, ..request(&place, &input) };
    let error = rechunk(&small).unwrap_err();
    let Error::Budget { what, needed, remedy, .. } = &error else { panic!("{error}") };
    assert!(what.contains("chunks of the embedding") && remedy.contains("would do"), "{what}: {remedy}");
    let enough = RechunkRequest { memory: Some(needed.to_string()), ..small };
    assert_eq!(rechunk(&enough).unwrap().memory.planned, *needed);

    let map = MapRequest { memory: Some("200MiB".into()), ..place.request(&input, None) };
    let error = plan(&MapRequest { output: None, ..map }).unwrap_err();
    assert_eq!(error.code(), "GM_BUDGET");
    assert!(error.hint().unwrap().contains("rechunk"), "{}", error.hint().unwrap());
}
