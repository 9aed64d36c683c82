//! Every kind of column, missing values included, and what is said of stores that are not as they should be.

use std::path::Path;

use serde_json::{Value, json};

use super::{AnnDataStore, Categories, ColumnKind};
use crate::error::Result;
use crate::source::testing::{Spec, anndata, array, floats, group, node, strings};
use crate::source::{ColumnReport, StringBlock, inspect};
use crate::types::{DType, RowRange, Tile};

const N: u64 = 6;
const ALL: RowRange = RowRange { start: 0, end: N };

fn encoded(kind: &str) -> Value {
    json!({"encoding-type": kind, "encoding-version": "0.1.0"})
}

fn column(root: &Path, path: &str, dtype: DType, bytes: &[u8]) {
    let shards = Spec::new(dtype, &[N]).shards(&[4], &[2]).codecs(&["zstd"]);
    array(root, path, &shards, bytes);
}

fn codes(root: &Path, key: &str) -> Vec<i32> {
    let mut codes = Vec::new();
    AnnDataStore::open(root).unwrap().column(key).unwrap().read_codes(ALL, &mut codes).unwrap();
    codes
}

fn numbers(root: &Path, key: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    AnnDataStore::open(root).unwrap().column(key).unwrap().read_numbers(ALL, &mut numbers).unwrap();
    numbers.iter().map(f64::to_string).collect()
}

fn code(result: Result<impl Sized>) -> &'static str {
    result.err().map_or("ok", |error| error.code())
}

const COLUMNS: [&str; 11] =
    ["cell type (größe)", "cluster", "ok", "seen", "age", "score", "half", "note", "named", "when", "broken"];

/// One column of every kind, each with what can be missing in it.
fn store() -> (tempfile::TempDir, std::path::PathBuf) {
    let (folder, root) = anndata(N as usize, &COLUMNS);
    let root = root.as_path();
    let path = "obs/cell type (größe)";
    group(root, path, &json!({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": true}));
    column(root, &format!("{path}/codes"), DType::Int8, &[0, 1, 255, 1, 0, 0]);
    strings(root, &format!("{path}/categories"), &Spec::new(DType::String, &[2]).codecs(&["zstd"]), &["B", "T"]);
    // Numeric categories that are neither contiguous nor sorted, with a mask.
    group(root, "obs/cluster", &encoded("categorical"));
    column(root, "obs/cluster/codes", DType::UInt16, &[2, 0, 1, 0, 0, 0, 9, 0, 2, 0, 0, 0]);
    let ids: Vec<u8> = [7i64, -3, 100].iter().flat_map(|id| id.to_le_bytes()).collect();
    array(root, "obs/cluster/categories", &Spec::new(DType::Int64, &[3]), &ids);
    column(root, "obs/cluster/mask", DType::Bool, &[0, 0, 0, 1, 0, 0]);
    column(root, "obs/ok", DType::Bool, &[1, 0, 0, 1, 1, 0]);
    group(root, "obs/seen", &encoded("nullable-boolean"));
    column(root, "obs/seen/values", DType::Bool, &[1, 1, 0, 0, 1, 0]);
    column(root, "obs/seen/mask", DType::Bool, &[0, 1, 0, 0, 0, 1]);
    group(root, "obs/age", &encoded("nullable-integer"));
    let ages: Vec<u8> = [5i32, 6, -7, 8, 9, 10].iter().flat_map(|age| age.to_le_bytes()).collect();
    column(root, "obs/age/values", DType::Int32, &ages);
    column(root, "obs/age/mask", DType::Bool, &[0, 0, 0, 0, 0, 1]);
    column(root, "obs/score", DType::Float32, &floats([0.5, f32::NAN, 1.0, 0.0, 0.0, -2.0]));
    let halves: Vec<u8> =
        [1.5f32, 0.25].iter().cycle().take(6).flat_map(|h| half::f16::from_f32(*h).to_le_bytes()).collect();
    column(root, "obs/half", DType::Float16, &halves);
    let texts = Spec::new(DType::String, &[N]).chunks(&[4]);
    strings(root, "obs/note", &texts, &["", "a", "b", "", "c", "d"]);
    group(root, "obs/named", &encoded("nullable-string-array"));
    strings(root, "obs/named/values", &texts, &["x", "", "y", "", "", "z"]);
    column(root, "obs/named/mask", DType::Bool, &[0, 1, 0, 0, 0, 0]);
    let times: Vec<u8> = [5, i64::MIN, 7, 8, -9, 10].iter().flat_map(|time| time.to_le_bytes()).collect();
    column(root, "obs/when", DType::Int64, &times);
    let mut dates = Spec::new(DType::Int64, &[N]).shards(&[4], &[2]).codecs(&["zstd"]).json(&encoded("array"));
    dates["data_type"] = json!({"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 1}});
    dates["fill_value"] = json!("NaT");
    node(root, "obs/when", &dates);
    group(root, "obs/broken", &encoded("awkward-array"));
    (folder, root.to_owned())
}

#[test]
fn every_kind_of_column_is_read_with_its_missing_values() {
    let (_folder, root) = store();
    let open = AnnDataStore::open(&root).unwrap();
    assert_eq!(open.obs_keys(), COLUMNS);
    assert_eq!(codes(&root, COLUMNS[0]), [0, 1, -1, 1, 0, 0]);
    assert_eq!(codes(&root, "cluster"), [2, 1, 0, -1, 2, 0]);
    assert_eq!(codes(&root, "ok"), [1, 0, 0, 1, 1, 0]);
    assert_eq!(codes(&root, "seen"), [1, -1, 0, 0, 1, -1]);
    assert_eq!(numbers(&root, "age"), ["5", "6", "-7", "8", "9", "NaN"]);
    assert_eq!(numbers(&root, "score"), ["0.5", "NaN", "1", "0", "0", "-2"]);
    assert_eq!(numbers(&root, "half"), ["1.5", "0.25", "1.5", "0.25", "1.5", "0.25"]);
    assert_eq!(numbers(&root, "seen"), ["1", "NaN", "0", "0", "1", "NaN"]);
    let types = Categories::Strings(vec!["B".into(), "T".into()]);
    assert_eq!(open.column(COLUMNS[0]).unwrap().kind(), &ColumnKind::Categorical { categories: types, ordered: true });
    let cluster = open.column("cluster").unwrap();
    let ids = cluster.categories().unwrap();
    assert_eq!((0..ids.len()).map(|i| ids.label(i)).collect::<Vec<_>>(), ["7", "-3", "100"]);
    let flag = open.column("ok").unwrap();
    assert_eq!(flag.kind(), &ColumnKind::Boolean);
    assert_eq!(flag.categories().unwrap().label(1), "True");
    let (mut block, mut missing) = (StringBlock::default(), Vec::new());
    open.column("named").unwrap().read_strings(ALL, &mut block, &mut missing).unwrap();
    assert_eq!((block.get(5), missing), ("z", vec![false, true, false, false, false, false]));
    assert_eq!(open.column("when").unwrap().kind(), &ColumnKind::Datetime { unit: "ns".into() });
    assert_eq!(numbers(&root, "when"), ["5", "NaN", "7", "8", "-9", "10"]);
    assert_eq!(open.column("broken").unwrap().kind(), &ColumnKind::Other("awkward-array".into()));
    assert_eq!(code(open.column("score").unwrap().read_codes(ALL, &mut Vec::new())), "GM_SCHEMA");
    assert_eq!(code(cluster.read_numbers(ALL, &mut Vec::new())), "GM_SCHEMA");
    for key in COLUMNS {
        let column = open.column(key).unwrap();
        column.preflight().unwrap();
        assert_eq!(column.fingerprint(1).unwrap(), open.column(key).unwrap().fingerprint(1).unwrap());
    }
    let mut part = Vec::new();
    cluster.read_codes(RowRange::new(1, 4), &mut part).unwrap();
    assert_eq!(part, [1, 0, -1]);
}

#[test]
fn codes_outside_the_categories_are_refused() {
    let (_folder, root) = store();
    for wrong in [2u8, 254] {
        column(&root, "obs/cell type (größe)/codes", DType::Int8, &[0, 1, wrong, 1, 0, 0]);
        let column = AnnDataStore::open(&root).unwrap().column(COLUMNS[0]).unwrap();
        let error = column.read_codes(ALL, &mut Vec::new()).unwrap_err();
        assert!(error.code() == "GM_SCHEMA" && error.to_string().contains("row 2"), "{error}");
    }
}

#[test]
fn the_index_may_be_nullable_and_is_found_by_its_attribute() {
    let (_folder, root) = anndata(N as usize, &[]);
    let mut names = StringBlock::default();
    let open = AnnDataStore::open(&root).unwrap();
    open.names().unwrap().read(RowRange::new(2, 5), &mut names).unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["cell2", "cell3", "cell4"]);
    let index = |name: &str| {
        group(&root, "obs", &json!({"encoding-type": "dataframe", "_index": name, "column-order": []}));
    };
    index("index");
    group(&root, "obs/index", &encoded("nullable-string-array"));
    let spec = Spec::new(DType::String, &[N]).shards(&[6], &[3]).codecs(&["zstd"]);
    strings(&root, "obs/index/values", &spec, &["a", "b", "c", "d", "e", "f"]);
    column(&root, "obs/index/mask", DType::Bool, &[0, 0, 0, 0, 1, 0]);
    let open = AnnDataStore::open(&root).unwrap();
    open.names().unwrap().preflight().unwrap();
    open.names().unwrap().read(ALL, &mut names).unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["a", "b", "c", "d", "nan", "f"]);
    index("numbers");
    array(&root, "obs/numbers", &Spec::new(DType::Int16, &[2]), &[7, 0, 255, 255]);
    AnnDataStore::open(&root).unwrap().names().unwrap().read(RowRange::new(0, 2), &mut names).unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["7", "-1"]);
    index("../obsm");
    assert_eq!(code(AnnDataStore::open(&root)), "GM_SCHEMA");
    index("absent");
    assert_eq!(code(AnnDataStore::open(&root)), "GM_SCHEMA");
}

#[test]
fn representations_are_converted_and_checked() {
    let (_folder, root) = anndata(N as usize, &[]);
    let doubles: Vec<u8> = (0..12).flat_map(|i| f64::from(i).to_le_bytes()).collect();
    array(
        &root,
        "obsm/X_pca",
        &Spec::new(DType::Float64, &[N, 2]).shards(&[4, 2], &[2, 1]).codecs(&["zstd"]),
        &doubles,
    );
    array(&root, "obsm/flat", &Spec::new(DType::UInt8, &[N]), &[1, 2, 3, 4, 5, 255]);
    array(&root, "obsm/short", &Spec::new(DType::Float32, &[5, 2]), &floats((0..10u8).map(f32::from)));
    group(&root, "obsm/frame", &encoded("dataframe"));
    group(&root, "obsm/nested", &encoded("awkward-array"));
    let open = AnnDataStore::open(&root).unwrap();
    assert_eq!(open.obsm_keys(), ["X_pca", "flat", "frame", "nested", "short"]);
    let mut tile = Tile::default();
    let pca = open.representation("X_pca").unwrap();
    assert_eq!((pca.rows(), pca.dim(), pca.dtype(), pca.natural_tile_rows()), (N, 2, DType::Float64, 2));
    pca.preflight().unwrap();
    pca.read(RowRange::new(1, 4), &mut tile).unwrap();
    assert_eq!((tile.first_row, tile.values.as_slice()), (1, &[2.0, 3.0, 4.0, 5.0, 6.0, 7.0][..]));
    open.representation("flat").unwrap().read(RowRange::new(4, 6), &mut tile).unwrap();
    assert_eq!((tile.dim, tile.values.as_slice()), (1, &[5.0, 255.0][..]));
    assert_eq!(code(open.representation("short").map(drop)), "GM_SHAPE");
    assert_eq!(code(open.representation("frame").map(drop)), "GM_SCHEMA");
    assert_eq!(code(open.representation("nested").map(drop)), "GM_UNSUPPORTED");
    let error = open.representation("X_umap").map(drop).unwrap_err();
    assert!(error.hint().unwrap().contains("X_pca"), "{error}");
    assert_eq!(code(open.representation("../obs").map(drop)), "GM_NOT_FOUND");
    assert_eq!(code(open.column("nope")), "GM_NOT_FOUND");
}

#[test]
fn colors_are_optional() {
    let (_folder, root) = anndata(2, &[]);
    strings(&root, "uns/louvain_colors", &Spec::new(DType::String, &[2]), &["#ff0000", "#00ff00"]);
    let open = AnnDataStore::open(&root).unwrap();
    assert_eq!(open.colors("louvain").unwrap().unwrap(), ["#ff0000", "#00ff00"]);
    assert_eq!(open.colors("other").unwrap(), None);
    assert_eq!(open.colors("../x").unwrap(), None);
}

#[test]
fn what_is_no_anndata_is_named() {
    let (_folder, root) = anndata(2, &[]);
    // Before version 0.8 the root said nothing of itself.
    group(&root, "", &json!({}));
    assert_eq!(AnnDataStore::open(&root).unwrap().n_obs(), 2);
    group(&root, "", &encoded("raw"));
    assert_eq!(code(AnnDataStore::open(&root)), "GM_SCHEMA");
    group(&root, "", &encoded("MuData"));
    assert_eq!(code(AnnDataStore::open(&root)), "GM_UNSUPPORTED");
    std::fs::remove_dir_all(root.join("obs")).unwrap();
    group(&root, "", &json!({}));
    assert_eq!(code(AnnDataStore::open(&root)), "GM_SCHEMA");
}

#[test]
fn an_inspection_tells_what_is_there_and_what_is_not_read() {
    let (_folder, root) = store();
    array(
        &root,
        "obsm/X_pca",
        &Spec::new(DType::Float32, &[N, 2]).shards(&[4, 2], &[2, 1]),
        &floats((0..12u8).map(f32::from)),
    );
    group(&root, "X", &json!({"encoding-type": "csr_matrix", "shape": [N, 3]}));
    array(&root, "X/data", &Spec::new(DType::Float32, &[4]), &floats([1.0; 4]));
    array(&root, "layers/counts", &Spec::new(DType::Int32, &[N, 3]), &[1; 72]);
    let report = inspect(&root).unwrap();
    assert_eq!((report.n_obs, report.n_vars), (N, 3));
    assert_eq!(report.obs_names_first, ["cell0", "cell1", "cell2"]);
    let column = |key: &str| -> &ColumnReport { &report.obs[key] };
    assert_eq!((column("cluster").missing, column("cluster").ordered), (1, Some(false)));
    assert_eq!(column(COLUMNS[0]).categories.as_deref().unwrap(), ["B", "T"]);
    assert_eq!(
        (column("seen").dtype.as_str(), column("seen").true_count, column("seen").missing),
        ("boolean", Some(2), 2)
    );
    assert_eq!((column("age").dtype.as_str(), column("age").sum, column("age").missing), ("Int32", Some(21.0), 1));
    assert_eq!((column("score").sum, column("score").missing), (Some(-0.5), 1));
    assert_eq!((column("named").kind.as_str(), column("named").missing), ("string", 1));
    assert_eq!(column("when").kind, "datetime");
    assert_eq!(report.obsm["X_pca"].kind, "array");
    assert_eq!((report.layers["X"].kind.as_str(), report.layers["X"].nnz), ("csr", Some(4)));
    assert_eq!(
        (report.layers["counts"].kind.as_str(), report.layers["counts"].shape.as_slice()),
        ("dense", &[N, 3][..])
    );
    let skipped: Vec<&str> = report.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
    assert_eq!(skipped, ["obs/broken"]);
    let pca = &report.arrays["obsm/X_pca"];
    assert_eq!(
        (pca.chunks.as_slice(), pca.shards.as_deref(), pca.codec.as_str()),
        (&[2, 1][..], Some(&[4, 2][..]), "raw")
    );
    assert!((pca.read_amplification - 1.0).abs() < 1e-9);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["obs"]["seen"]["true"], 2);
    assert_eq!(json["zarrFormat"], 3);
}

/// The stores that CellMapper's golden cases come with, where they lie beside the project.
#[test]
fn golden_stores_are_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    let Ok(cases) = std::fs::read_dir(&golden) else {
        println!("skipped: {} is not there", golden.display());
        return;
    };
    let mut seen = 0;
    for case in cases {
        for side in ["query.zarr", "reference.zarr"] {
            let path = case.as_ref().unwrap().path().join(side);
            if !path.is_dir() {
                continue;
            }
            seen += 1;
            let open = AnnDataStore::open(&path).unwrap();
            let report = inspect(&path).unwrap();
            assert!(report.skipped.is_empty(), "{path:?}: {:?}", report.skipped);
            assert_eq!(report.obs.len(), open.obs_keys().len());
            for key in open.obsm_keys() {
                let rows = open.representation(&key).unwrap();
                rows.preflight().unwrap();
                let mut tile = Tile::default();
                rows.read(RowRange::new(0, rows.rows()), &mut tile).unwrap();
                assert!(tile.values.iter().any(|value| *value != 0.0), "{path:?} {key}");
            }
        }
    }
    assert!(seen > 0);
    let pbmc = AnnDataStore::open(&golden.join("pbmc_cross/query.zarr")).unwrap();
    assert_eq!((pbmc.n_obs(), pbmc.n_vars()), (200, 765));
    assert_eq!(pbmc.obs_keys(), ["bulk_labels", "louvain", "n_genes", "percent_mito"]);
    assert_eq!(pbmc.colors("bulk_labels").unwrap().unwrap().len(), 10);
}
