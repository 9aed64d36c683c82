//! Cells that nobody stored are mapped like those that somebody did.

use std::path::Path;

use gigamapper_core::error::Result;
use gigamapper_core::pipeline::{MapRequest, RechunkRequest, rechunk_with};
use gigamapper_core::progress::Progress;
use serde_json::{Value, json};

use super::disk::{Disk, files};
use super::mapped::Mapped;
use super::sample::{self, Place};

/// A file of generated cells.
fn cells(folder: &Path, name: &str, more: &Value) -> String {
    let mut all =
        json!({ "format": "gigamapper-cells", "version": 1, "clusters": 12, "columns": 10, "latent": [3, 4] });
    for (field, value) in more.as_object().unwrap() {
        all[field] = value.clone();
    }
    let path = folder.join(format!("{name}.cells.json"));
    std::fs::write(&path, all.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn map(place: &Place, request: &Value) -> Result<Mapped> {
    let mut all = json!({
        "obsKeys": ["cell_type", "rare"], "nNeighbors": 8, "method": "ivf", "nlist": 64, "recall": 0.9, "memory": "256MiB", "threads": 2,
        "output": place.output(), "overwrite": true,
    });
    for (field, value) in request.as_object().unwrap() {
        all[field] = value.clone();
    }
    let request: MapRequest = serde_json::from_value(all).unwrap();
    sample::map(&request)?;
    Ok(Mapped::open(&place.output()))
}

#[test]
fn generated_cells_map_as_their_copy_does() {
    let place = Place::new();
    let reference = cells(&place.inputs(), "reference", &json!({ "rows": 4000, "duplicates": 0.05 }));
    let query = cells(&place.inputs(), "query", &json!({ "rows": 500, "seed": 2, "outside": 0.05 }));
    let copy = |of: &str, name: &str| {
        let output = place.inputs().join(name);
        let output = output.to_str().unwrap().to_owned();
        let request =
            RechunkRequest { input: of.to_owned(), output: Some(output.clone()), ..RechunkRequest::default() };
        rechunk_with(&request, &Progress::silent(), Disk::quick()).unwrap();
        output
    };
    let stored = [copy(&query, "query.zarr"), copy(&reference, "reference.zarr")];
    for names in [&[&query, &reference][..], &[&reference][..]] {
        let copies = if names.len() == 2 { vec![&stored[0], &stored[1]] } else { vec![&stored[1]] };
        let [generated, copied] = [names.to_vec(), copies].map(|stores| {
            let mut request = json!({ "query": stores[0] });
            if let Some(reference) = stores.get(1) {
                request["reference"] = json!(reference);
            }
            let mapped = map(&place, &request).unwrap();
            let neighbors = mapped.neighbors();
            (
                neighbors.ids,
                neighbors.distances.iter().map(|distance| distance.to_bits()).collect::<Vec<_>>(),
                mapped.codes("cell_type_pred"),
            )
        });
        assert!(generated == copied, "{names:?}");
    }
}

#[test]
fn memory_and_threads_change_no_byte_of_a_map_of_generated_cells() {
    let place = Place::new();
    let query = cells(&place.inputs(), "cells", &json!({ "rows": 5000 }));
    let stored = |change: Value| {
        let mut request = json!({ "query": query });
        for (field, value) in change.as_object().unwrap() {
            request[field] = value.clone();
        }
        map(&place, &request).unwrap();
        files(&place.output())
    };
    let expected = stored(json!({}));
    assert!(stored(json!({ "threads": 1 })) == expected);
    assert!(stored(json!({ "memory": "1GiB" })) == expected);
}
