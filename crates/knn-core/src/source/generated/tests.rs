//! Rows follow from their numbers alone, lie as the parameters say, and have the same bits everywhere.

use std::path::PathBuf;

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::source::{AnnDataStore, StringBlock, inspect};
use crate::types::{RowRange, Tile};

/// A folder, and generated cells in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, parameters: &Value) -> PathBuf {
        let mut all = json!({ "format": "gigamapper-cells", "version": 1, "rows": 3000 });
        for (field, value) in parameters.as_object().unwrap() {
            all[field] = value.clone();
        }
        let path = self.0.path().join("some.cells.json");
        std::fs::write(&path, all.to_string()).unwrap();
        path
    }

    fn open(&self, parameters: &Value) -> Result<AnnDataStore> {
        AnnDataStore::open(&self.file(parameters))
    }

    fn rows(&self, parameters: &Value, rows: RowRange) -> Tile {
        let mut tile = Tile::default();
        let source = self.open(parameters).unwrap().representation("X_pca").unwrap();
        source.read(rows, &mut tile).unwrap();
        tile
    }

    fn codes(&self, parameters: &Value, key: &str) -> Vec<i32> {
        let (store, mut codes) = (self.open(parameters).unwrap(), Vec::new());
        let column = store.column(key).unwrap();
        column.read_codes(RowRange::new(0, store.n_obs()), &mut codes).unwrap();
        codes
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn digest(values: &[f32]) -> u64 {
    xxh3_64(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

#[test]
fn a_row_is_the_same_alone_in_a_block_and_in_a_longer_set() {
    let place = Place::new();
    let planted = json!({ "duplicates": 0.2, "outside": 0.1, "rareFrequency": 0.01 });
    let all = place.rows(&planted, RowRange::new(0, 3000));
    for row in [0, 1, 1023, 1024, 1777, 2999] {
        let alone = place.rows(&planted, RowRange::new(row, row + 1));
        assert_eq!(bits(&alone.values), bits(all.row(row as usize)), "row {row}");
    }
    let mut longer = planted.clone();
    longer["rows"] = json!(1_000_000_000_000u64);
    assert_eq!(bits(&place.rows(&longer, RowRange::new(0, 3000)).values), bits(&all.values));
    let mut some = planted.clone();
    (some["rows"], some["first"], some["stride"]) = (json!(10), json!(700), json!(200));
    let every = place.rows(&some, RowRange::new(0, 10));
    for row in 0..10 {
        assert_eq!(bits(every.row(row)), bits(all.row(700 + 200 * row)), "row {row} of some");
    }
    let mut names = StringBlock::default();
    place.open(&some).unwrap().names().unwrap().read(RowRange::new(0, 3), &mut names).unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["700", "900", "1100"]);
    let classes = place.codes(&planted, "cell_type");
    let picked: Vec<_> = (0..10).map(|row| classes[700 + 200 * row]).collect();
    assert_eq!(place.codes(&some, "cell_type"), picked);
}

/// Any machine must give these. They were made by this code; a change of them is a change of the data, and a new version.
#[test]
fn bits_are_the_same_everywhere() {
    let place = Place::new();
    let planted = json!({ "duplicates": 0.1, "outside": 0.1, "rareFrequency": 0.01 });
    let digests = [
        digest(&place.rows(&json!({}), RowRange::new(0, 3000)).values),
        digest(&place.rows(&json!({ "preset": "lid20", "seed": 5, "atlas": 9 }), RowRange::new(0, 3000)).values),
        digest(&place.rows(&planted, RowRange::new(0, 3000)).values),
        xxh3_64(&place.codes(&planted, "cell_type").into_iter().flat_map(i32::to_le_bytes).collect::<Vec<u8>>()),
    ];
    assert_eq!(
        digests.map(|digest| format!("{digest:016x}")),
        ["bf15e62665078073", "1f2f2021a00754f4", "49dfe22a1ee05a52", "bfe53002ae555d6c"]
    );
}

#[test]
fn cells_lie_as_the_parameters_say() {
    let place = Place::new();
    let plain = json!({
        "rows": 60_000, "columns": 5, "clusters": 3, "latent": [1, 2], "rareClasses": 0, "duplicates": 0, "batchOffset": 0,
        "noise": { "size": 0.5, "decay": 0.5 },
    });
    let (tile, classes) = (place.rows(&plain, RowRange::new(0, 60_000)), place.codes(&plain, "cell_type"));
    // Without noise a cluster is what its centre and its axes span, and axes are differences between its cells.
    let mut bare = plain.clone();
    bare["noise"]["size"] = json!(0);
    let bare = place.rows(&bare, RowRange::new(0, 60_000));
    for class in 0..3 {
        let members: Vec<usize> = (0..60_000).filter(|&row| classes[row] == class).collect();
        let mean = |of: &Tile, axis: usize| {
            members.iter().map(|&row| f64::from(of.row(row)[axis])).sum::<f64>() / members.len() as f64
        };
        let covariance = |of: &Tile, [left, right]: [usize; 2]| {
            let means = [mean(of, left), mean(of, right)];
            let product =
                |&row: &usize| (f64::from(of.row(row)[left]) - means[0]) * (f64::from(of.row(row)[right]) - means[1]);
            members.iter().map(product).sum::<f64>() / members.len() as f64
        };
        let error = 1.0 / (members.len() as f64).sqrt();
        for left in 0..5 {
            let noise = 0.25 / (left + 1) as f64;
            assert!((mean(&tile, left) - mean(&bare, left)).abs() < 5.0 * noise.sqrt() * error, "mean {class} {left}");
            for right in 0..5 {
                let own = covariance(&bare, [left, right]);
                let wanted = own + if left == right { noise } else { 0.0 };
                let scale = (covariance(&tile, [left, left]) * covariance(&tile, [right, right])).sqrt();
                let found = covariance(&tile, [left, right]);
                assert!((found - wanted).abs() < 6.0 * scale * error, "{class} {left} {right}: {found} {wanted}");
            }
        }
        // One or two dimensions: every minor of three rows and columns vanishes.
        let minor = |rows: [usize; 3]| {
            let at = |i: usize, j: usize| covariance(&bare, [rows[i], rows[j]]);
            at(0, 0) * (at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1))
                - at(0, 1) * (at(1, 0) * at(2, 2) - at(1, 2) * at(2, 0))
                + at(0, 2) * (at(1, 0) * at(2, 1) - at(1, 1) * at(2, 0))
        };
        assert!(minor([0, 1, 2]).abs() < 1e-3 && minor([2, 3, 4]).abs() < 1e-3 && covariance(&bare, [0, 0]) > 0.01);
    }
}

#[test]
fn classes_and_what_is_planted_come_as_often_as_they_should() {
    let place = Place::new();
    let rows = 400_000;
    let planted = json!({
        "rows": rows, "columns": 2, "rareFrequency": 0.001, "outside": 0.02, "duplicates": 0.05, "skew": 1.0,
    });
    let near = |found: usize, share: f64| {
        let wanted = share * f64::from(rows);
        (found as f64 - wanted).abs() < 5.0 * wanted.sqrt()
    };
    let classes = place.codes(&planted, "cell_type");
    let count = |from: i32, to: i32| classes.iter().filter(|&&class| (from..to).contains(&class)).count();
    for rare in 120..125 {
        assert!(near(count(rare, rare + 1), 0.001), "rare {rare}: {}", count(rare, rare + 1));
    }
    for outside in 125..128 {
        assert!(near(count(outside, outside + 1), 0.02 / 3.0), "outside {outside}");
    }
    assert_eq!(count(0, 128), classes.len());
    let flagged = |key: &str| place.codes(&planted, key).iter().filter(|&&code| code == 1).count();
    assert_eq!([flagged("rare"), flagged("out_of_reference")], [count(120, 125), count(125, 128)]);
    // Sizes of 120 clusters of σ = 1: the largest is many times the smallest, and none is empty.
    let sizes: Vec<usize> = (0..120).map(|class| count(class, class + 1)).collect();
    let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!(*least > 0 && most / least > 20, "{least} {most}");
    let batches = place.codes(&planted, "batch");
    assert!((0..4).all(|batch| near(batches.iter().filter(|&&code| code == batch).count(), 0.25)));

    let tile = place.rows(&planted, RowRange::new(0, rows as u64));
    let mut keys: Vec<_> = tile.values.chunks_exact(2).map(bits).collect();
    keys.sort_unstable();
    let repeated = keys.windows(2).filter(|pair| pair[0] == pair[1]).count();
    // Cells that repeat one that nobody has, because that one repeats another, are not seen to.
    assert!((f64::from(rows) * 0.045..f64::from(rows) * 0.051).contains(&(repeated as f64)), "{repeated}");
    // Nothing that is planted changes another cell.
    let mut without = planted.clone();
    (without["outside"], without["duplicates"]) = (json!(0), json!(0));
    let without = place.rows(&without, RowRange::new(0, 2000));
    let same = (0..2000).filter(|&row| bits(without.row(row)) == bits(tile.row(row))).count();
    assert!((1800..1920).contains(&same), "{same}");
}

/// Otherwise no search could find them, and nobody could tell which one does.
#[test]
fn cells_of_rare_classes_lie_next_to_each_other() {
    let place = Place::new();
    for preset in ["lid10", "lid20"] {
        let some = json!({ "preset": preset, "rows": 20_000, "rareFrequency": 0.001, "duplicates": 0 });
        let (tile, classes) = (place.rows(&some, RowRange::new(0, 20_000)), place.codes(&some, "cell_type"));
        let rare: Vec<usize> = (0..20_000).filter(|&row| classes[row] >= 120).collect();
        let nearest = |row: usize| {
            let square = |other: usize| -> f32 {
                tile.row(row).iter().zip(tile.row(other)).map(|(left, right)| (left - right) * (left - right)).sum()
            };
            (0..20_000)
                .filter(|&other| other != row)
                .min_by(|&left, &right| square(left).total_cmp(&square(right)))
                .unwrap()
        };
        let found = rare.iter().filter(|&&row| classes[nearest(row)] == classes[row]).count();
        assert!(rare.len() > 50 && found * 10 > rare.len() * 9, "{preset}: {found} of {}", rare.len());
    }
}

#[test]
fn generated_cells_are_an_anndata() {
    let place = Place::new();
    let file = place.file(&json!({ "outside": 0.1, "clusters": 2, "rareClasses": 1, "batches": 2 }));
    let report = inspect(&file).unwrap();
    assert_eq!((report.format.as_str(), report.n_obs, report.n_vars), ("generated", 3000, 0));
    assert_eq!(report.obs_names_first, ["0", "1", "2"]);
    let categories = report.obs["cell_type"].categories.clone().unwrap();
    assert_eq!(categories, ["type 000", "type 001", "rare 00", "outside 00", "outside 01", "outside 02"]);
    assert_eq!(report.obs["batch"].categories.clone().unwrap(), ["batch 0", "batch 1"]);
    assert_eq!(
        (report.obs["rare"].kind.as_str(), report.obs["out_of_reference"].kind.as_str()),
        ("boolean", "boolean")
    );
    assert_eq!(report.obsm["X_pca"].shape, [3000, 50]);
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    let store = AnnDataStore::open(&file).unwrap();
    assert!(store.container().held_bytes() > 5 * 10 * 50 * 4);
    assert_eq!(store.representation("X_umap").err().unwrap().code(), "GM_NOT_FOUND");
    assert_eq!(store.column("batches").err().unwrap().code(), "GM_NOT_FOUND");
}

#[test]
fn other_parameters_are_other_content_wherever_the_file_lies() {
    let hash = |parameters: &Value| {
        Place::new().open(parameters).unwrap().representation("X_pca").unwrap().fingerprint(0).unwrap()
    };
    assert_eq!(hash(&json!({})), hash(&json!({ "seed": 1, "preset": "lid10" })));
    for other in [json!({ "seed": 2 }), json!({ "rows": 3001 }), json!({ "stride": 2 }), json!({ "preset": "lid20" })] {
        assert_ne!(hash(&json!({})), hash(&other), "{other}");
    }
}

#[test]
fn parameters_that_are_wrong_are_refused_by_the_field() {
    let place = Place::new();
    let cases = [
        ("format", json!({ "format": "cells" })),
        ("version", json!({ "version": 2 })),
        ("preset", json!({ "preset": "lid15" })),
        ("preset", json!({ "preset": 10 })),
        ("rows", json!({ "rows": -1 })),
        ("rows", json!({ "rows": null })),
        ("first", json!({ "first": 0.5 })),
        ("stride", json!({ "stride": 0 })),
        ("stride", json!({ "stride": 1u64 << 40 })),
        ("seed", json!({ "seed": 1u64 << 60 })),
        ("atlas", json!({ "atlas": "7" })),
        ("columns", json!({ "columns": 0 })),
        ("clusters", json!({ "clusters": 0 })),
        ("clusters", json!({ "clusters": 4096, "columns": 4096 })),
        ("latent", json!({ "latent": [3, 2] })),
        ("latent", json!({ "latent": 3 })),
        ("skew", json!({ "skew": 9 })),
        ("spread", json!({ "spread": -1 })),
        ("extent", json!({ "extent": "2" })),
        ("noise", json!({ "noise": 1 })),
        ("noise.size", json!({ "noise": { "size": -1 } })),
        ("noise.power", json!({ "noise": { "power": 1 } })),
        ("rareClasses", json!({ "rareClasses": 9999 })),
        ("rareFrequency", json!({ "rareFrequency": 1 })),
        ("rareFrequency", json!({ "rareFrequency": 0.01, "rareClasses": 30 })),
        ("duplicates", json!({ "duplicates": 0.6 })),
        ("outside", json!({ "outside": true })),
        ("outsideClusters", json!({ "outsideClusters": 0 })),
        ("batches", json!({ "batches": 0 })),
        ("batchOffset", json!({ "batchOffset": [] })),
        ("dim", json!({ "dim": 50 })),
    ];
    for (field, parameters) in cases {
        match place.open(&parameters).unwrap_err() {
            Error::Schema { field: named, store, .. } => {
                assert_eq!(named, field, "{parameters}");
                assert!(store.ends_with("some.cells.json"));
            }
            other => panic!("{parameters}: {other}"),
        }
    }
    let path = place.0.path().join("other.cells.json");
    for text in ["", "[]", "{", &"x".repeat(70_000)] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(AnnDataStore::open(&path), Err(Error::Schema { field, .. }) if field == "json"));
    }
}
