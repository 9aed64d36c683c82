//! Stores that claim more cells than anyone has, of which nothing is stored: what is looked at is bounded by what is there.

use std::path::Path;

use gigamapper_core::source::inspect;
use serde_json::{Value, json};

use super::allocated::measured;

/// Cells that are claimed.
const CLAIMED: u64 = 1 << 40;

fn write(folder: &Path, path: &str, metadata: &Value) {
    let folder = folder.join(path);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("zarr.json"), metadata.to_string()).unwrap();
}

fn group(attributes: &Value) -> Value {
    json!({ "zarr_format": 3, "node_type": "group", "attributes": attributes })
}

fn array(cells: u64, chunk: u64, dtype: &str) -> Value {
    json!({
        "zarr_format": 3, "node_type": "array", "shape": [cells], "data_type": dtype, "fill_value": 0,
        "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": [chunk] } },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
        "codecs": [{ "name": "bytes", "configuration": { "endian": "little" } }],
        "attributes": { "encoding-type": "array", "encoding-version": "0.2.0" },
    })
}

/// A store of so many cells with the column `n`.
fn cells(folder: &Path, cells: u64, chunk: u64, dtype: &str) {
    write(folder, "", &group(&json!({ "encoding-type": "anndata", "encoding-version": "0.1.0" })));
    let frame = json!({
        "encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index", "column-order": ["n"],
    });
    write(folder, "obs", &group(&frame));
    write(folder, "obs/_index", &array(cells, 1 << 20, "int64"));
    write(folder, "obs/n", &array(cells, chunk, dtype));
}

#[test]
fn cells_that_are_claimed_and_not_stored_are_not_summarised() {
    for (chunk, dtype) in [(1, "int8"), (1 << 20, "float64"), (1 << 24, "int16")] {
        let folder = tempfile::tempdir().unwrap();
        cells(folder.path(), CLAIMED, chunk, dtype);
        let (report, bytes) = measured(|| inspect(folder.path()).unwrap());
        assert_eq!((report.n_obs, report.obs.len()), (CLAIMED, 0));
        let [skipped] = &report.skipped[..] else { panic!("{:?}", report.skipped) };
        assert_eq!(skipped.path, "obs/n");
        assert!(skipped.reason.contains("0 bytes are stored"), "{}", skipped.reason);
        assert!(bytes < 64 << 20, "{bytes}");
    }
    // As many as fill values are believed.
    let folder = tempfile::tempdir().unwrap();
    cells(folder.path(), 1 << 20, 1 << 16, "float64");
    assert_eq!(inspect(folder.path()).unwrap().obs["n"].sum, Some(0.0));
}
