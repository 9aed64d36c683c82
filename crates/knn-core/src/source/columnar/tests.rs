//! The table of `test/fixtures/columnar/make.py` in every format and compression, and files that are damaged.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::source::{AnnDataStore, ColumnKind, ObsColumn, StringBlock, inspect};
use crate::types::{RowRange, Tile};

const ROWS: u64 = 53;
const COLUMNS: u64 = 7;
const FILES: [&str; 8] = [
    "none.parquet",
    "zstd.parquet",
    "snappy.parquet",
    "lz4.parquet",
    "plain.arrow",
    "zstd.feather",
    "lz4.arrow",
    "plain.arrows",
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/columnar").join(name)
}

fn expected(rows: std::ops::Range<u64>) -> Vec<f32> {
    rows.flat_map(|row| (0..COLUMNS).map(move |column| ((7 * row + 3 * column) % 101) as f32)).collect()
}

/// A row without values, where a column may have such.
fn missing(row: u64) -> bool {
    row.is_multiple_of(5)
}

fn rows(store: &AnnDataStore, key: &str, rows: std::ops::Range<u64>) -> Vec<f32> {
    let mut tile = Tile::default();
    store.representation(key).unwrap().read(RowRange::new(rows.start, rows.end), &mut tile).unwrap();
    tile.values
}

fn numbers(column: &ObsColumn, rows: RowRange) -> Vec<Option<f64>> {
    let mut numbers = Vec::new();
    column.read_numbers(rows, &mut numbers).unwrap();
    numbers.into_iter().map(|number| (!number.is_nan()).then_some(number)).collect()
}

#[test]
fn every_format_reads_as_what_was_written() {
    for name in FILES {
        let store = AnnDataStore::open(&fixture(name)).unwrap();
        assert_eq!((store.n_obs(), store.n_vars()), (ROWS, 0), "{name}");
        assert_eq!(store.obsm_keys(), ["X_pca", "half", "umap"], "{name}");
        assert_eq!(store.obs_keys(), ["label", "count", "small", "score", "flag", "text", "when"], "{name}");
        for key in ["X_pca", "half", "umap"] {
            for range in [0..ROWS, 19..21, 3..4, 40..53, 7..7] {
                assert_eq!(rows(&store, key, range.clone()), expected(range), "{name} {key}");
            }
        }
        let mut names = StringBlock::default();
        store.names().unwrap().read(RowRange::new(18, 42), &mut names).unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), (18..42).map(|row| format!("cell{row}")).collect::<Vec<_>>());
    }
}

#[test]
fn columns_keep_their_types_and_what_is_missing() {
    for name in FILES {
        let store = AnnDataStore::open(&fixture(name)).unwrap();
        let column = |key: &str| store.column(key).unwrap();
        let all = RowRange::new(0, ROWS);
        let some = |value: &dyn Fn(u64) -> f64| -> Vec<Option<f64>> {
            (0..ROWS).map(|row| (!missing(row)).then(|| value(row))).collect()
        };
        let label = column("label");
        let ColumnKind::Categorical { categories, ordered: false } = label.kind() else { panic!("{label:?}") };
        let mut codes = Vec::new();
        label.read_codes(all, &mut codes).unwrap();
        for (row, &code) in (0..ROWS).zip(&codes) {
            let wanted = (!missing(row)).then(|| ["B", "T", "NK"][(row / 9 % 3) as usize].to_owned());
            assert_eq!((code >= 0).then(|| categories.label(code as usize)), wanted, "{name} row {row}");
        }
        assert_eq!(
            numbers(&column("count"), all),
            (0..ROWS).map(|row| Some((7 * row % 101) as f64)).collect::<Vec<_>>()
        );
        assert_eq!(numbers(&column("small"), all), some(&|row| (7 * row % 101) as f64), "{name}");
        assert_eq!(numbers(&column("score"), all), some(&|row| row as f64 / 4.0), "{name}");
        assert_eq!(numbers(&column("flag"), all), some(&|row| f64::from(u8::from(row % 2 == 0))), "{name}");
        let (mut texts, mut gone) = (StringBlock::default(), Vec::new());
        column("text").read_strings(all, &mut texts, &mut gone).unwrap();
        for row in 0..ROWS {
            assert_eq!(gone[row as usize], missing(row));
            assert!(missing(row) || texts.get(row as usize) == format!("t{row}"));
        }
        assert_eq!(column("when").kind().name(), "datetime");
    }
}

/// In the unit that the file has, which for seconds in Parquet is milliseconds; where one is missing it is so here.
#[test]
fn points_and_lengths_of_time_are_numbers_of_their_unit() {
    let start = 1_700_000_000_u64;
    for name in ["times.parquet", "times.arrow"] {
        let store = AnnDataStore::open(&fixture(name)).unwrap();
        let keys = store.obs_keys();
        assert_eq!(keys, ["s", "ms", "us", "ns", "day", "date", "lapse_s", "lapse_ns"], "{name}");
        for key in &keys {
            let column = store.column(key).unwrap();
            let (unit, is_length) = match column.kind() {
                ColumnKind::Datetime { unit } => (unit.as_str(), false),
                ColumnKind::Timedelta { unit } => (unit.as_str(), true),
                other => panic!("{name} {key}: {other:?}"),
            };
            assert_eq!(is_length, key.starts_with("lapse"), "{name} {key}");
            let each = match unit {
                "D" => 1.0 / 86_400.0,
                "s" => 1.0,
                "ms" => 1e3,
                "us" => 1e6,
                "ns" => 1e9,
                other => panic!("{name} {key}: {other}"),
            };
            assert!(
                name.ends_with("parquet") || matches!(key.as_str(), "day" | "date") || key.ends_with(unit),
                "{key}"
            );
            let found = numbers(&column, RowRange::new(0, ROWS));
            for (row, found) in (0..ROWS).zip(found) {
                let is_day = ["day", "date"].contains(&key.as_str());
                let seconds = if is_day { (start / 86_400 + row) * 86_400 } else { start + row };
                let wanted = (!missing(row)).then_some(seconds as f64 * each);
                let is_same = |(found, wanted): (f64, f64)| (found - wanted).abs() <= 256.0 * (each / 1e9).min(1.0);
                assert_eq!(found.is_some(), wanted.is_some(), "{name} {key} {row}");
                assert!(found.zip(wanted).is_none_or(is_same), "{name} {key} {row}: {found:?} {wanted:?}");
            }
            assert_eq!(column.fingerprint(1).unwrap(), store.column(key).unwrap().fingerprint(1).unwrap());
        }
        let report = inspect(&fixture(name)).unwrap();
        assert_eq!((report.obs["ns"].dtype.as_str(), report.obs["ns"].missing), ("datetime64[ns]", 11), "{name}");
        assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    }
}

#[test]
fn a_table_can_be_inspected_and_its_content_hashed() {
    let prints: Vec<u128> = ["none.parquet", "plain.arrow", "plain.arrows"]
        .into_iter()
        .map(|name| {
            let report = inspect(&fixture(name)).unwrap();
            assert_eq!((report.n_obs, report.obs["label"].missing, report.obs["small"].missing), (ROWS, 11, 11));
            let store = AnnDataStore::open(&fixture(name)).unwrap();
            store.representation("X_pca").unwrap().fingerprint(0).unwrap()
        })
        .collect();
    assert!(prints.iter().all(|print| *print == prints[0]));
}

/// Reads everything of a table.
fn read_all(path: &Path) -> Result<()> {
    let store = AnnDataStore::open(path)?;
    let all = RowRange::new(0, store.n_obs());
    store.names()?.read(all, &mut StringBlock::default())?;
    for key in store.obsm_keys() {
        store.representation(&key)?.read(all, &mut Tile::default())?;
    }
    for key in store.obs_keys() {
        let column = store.column(&key)?;
        match column.kind() {
            ColumnKind::Categorical { .. } | ColumnKind::Boolean => column.read_codes(all, &mut Vec::new())?,
            ColumnKind::Numeric(_) | ColumnKind::Datetime { .. } | ColumnKind::Timedelta { .. } => {
                column.read_numbers(all, &mut Vec::new())?;
            }
            ColumnKind::String => column.read_strings(all, &mut StringBlock::default(), &mut Vec::new())?,
            ColumnKind::Other(_) => {}
        }
    }
    Ok(())
}

#[test]
fn tables_cut_short_are_typed_errors() {
    let folder = tempfile::tempdir().unwrap();
    for name in FILES.into_iter().chain(["times.parquet", "times.arrow"]) {
        let whole = fs::read(fixture(name)).unwrap();
        for part in 1..20 {
            let path = folder.path().join(name);
            fs::write(&path, &whole[..whole.len() * part / 20]).unwrap();
            match read_all(&path) {
                Err(error) => {
                    assert!(["GM_CORRUPT", "GM_SCHEMA", "GM_NOT_FOUND"].contains(&error.code()), "{name}: {error}");
                }
                // A stream may end after any message.
                Ok(()) => assert!(name.ends_with("arrows"), "{name}: {part} of 20 parts"),
            }
        }
    }
}
