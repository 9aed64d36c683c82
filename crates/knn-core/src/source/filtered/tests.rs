//! Chosen cells: conditions, what they are about, and that everything of a store is thinned out alike.

use std::path::PathBuf;

use serde_json::json;

use super::{Expression, filtered_path};
use crate::error::{Error, Result};
use crate::progress::{Cancel, Progress};
use crate::source::testing::{Spec, anndata, array, floats, group, strings};
use crate::source::{AnnDataStore, ColumnKind, StringBlock, inspect, inspect_where};
use crate::types::{DType, RowRange, SparseRows, Tile};

/// Cells of the store.
const CELLS: u64 = 40;
const LABELS: [&str; 3] = ["B cell", "T", "NK"];

struct One {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

fn is_unlabelled(cell: u64) -> bool {
    cell % 10 == 9
}

fn label(cell: u64) -> usize {
    (cell / 2 % 3) as usize
}

/// Columns of every kind, an embedding and a sparse `X`, all in chunks that no condition follows.
fn one() -> One {
    let (folder, root) = anndata(CELLS as usize, &["label", "stage", "whole", "number", "seen", "text", "a b"]);
    let cells = || 0..CELLS;
    for (key, ordered) in [("label", false), ("stage", true)] {
        let attributes = json!({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": ordered});
        group(&root, &format!("obs/{key}"), &attributes);
        let code = |cell: u64| if is_unlabelled(cell) { 255 } else { label(cell) as u8 };
        let codes: Vec<u8> = cells().map(code).collect();
        array(&root, &format!("obs/{key}/codes"), &Spec::new(DType::Int8, &[CELLS]).chunks(&[7]), &codes);
        strings(&root, &format!("obs/{key}/categories"), &Spec::new(DType::String, &[3]), &LABELS);
    }
    let wholes: Vec<u8> = cells().flat_map(|cell| (cell as i32 - 20).to_le_bytes()).collect();
    array(&root, "obs/whole", &Spec::new(DType::Int32, &[CELLS]).chunks(&[11]), &wholes);
    let number = |cell: u64| if cell % 8 == 3 { f32::NAN } else { cell as f32 / 4.0 };
    array(&root, "obs/number", &Spec::new(DType::Float32, &[CELLS]), &floats(cells().map(number)));
    array(&root, "obs/a b", &Spec::new(DType::Float32, &[CELLS]), &floats(cells().map(|cell| cell as f32)));
    group(&root, "obs/seen", &json!({"encoding-type": "nullable-boolean", "encoding-version": "0.1.0"}));
    let flags = |of: fn(u64) -> bool| -> Vec<u8> { cells().map(|cell| u8::from(of(cell))).collect() };
    array(&root, "obs/seen/values", &Spec::new(DType::Bool, &[CELLS]), &flags(|cell| cell.is_multiple_of(2)));
    array(&root, "obs/seen/mask", &Spec::new(DType::Bool, &[CELLS]), &flags(|cell| cell < 4));
    let texts: Vec<String> = cells().map(|cell| format!("donor \"{}\"", cell % 4)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    strings(&root, "obs/text", &Spec::new(DType::String, &[CELLS]).chunks(&[9]), &texts);
    let values = floats((0..CELLS * 3).map(|value| value as f32));
    array(&root, "obsm/X_pca", &Spec::new(DType::Float32, &[CELLS, 3]).chunks(&[6, 3]), &values);
    // Row i has the entries (i mod 4, i) and (3, 1), the latter only where i is odd.
    group(&root, "X", &json!({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [CELLS, 4]}));
    let (mut ends, mut columns, mut entries) = (vec![0_i64], Vec::new(), Vec::new());
    for cell in cells() {
        columns.push((cell % 4) as i32);
        entries.push(cell as f32);
        if cell % 2 == 1 {
            columns.push(3);
            entries.push(1.0);
        }
        ends.push(columns.len() as i64);
    }
    let count = columns.len() as u64;
    let (ends, columns): (Vec<u8>, Vec<u8>) = (
        ends.iter().flat_map(|end| end.to_le_bytes()).collect(),
        columns.iter().flat_map(|c| c.to_le_bytes()).collect(),
    );
    array(&root, "X/indptr", &Spec::new(DType::Int64, &[CELLS + 1]), &ends);
    array(&root, "X/indices", &Spec::new(DType::Int32, &[count]).chunks(&[13]), &columns);
    array(&root, "X/data", &Spec::new(DType::Float32, &[count]).chunks(&[13]), &floats(entries));
    One { _folder: folder, root }
}

fn chosen(one: &One, condition: &str) -> Result<AnnDataStore> {
    AnnDataStore::open(&filtered_path(&one.root, "where", Some(condition))?)
}

/// Which cells of the whole are left.
fn rows(store: &AnnDataStore) -> Vec<u64> {
    let mut numbers = Vec::new();
    let all = RowRange::new(0, store.n_obs());
    store.column("gigamapper_row").unwrap().read_numbers(all, &mut numbers).unwrap();
    numbers.into_iter().map(|number| number as u64).collect()
}

/// Whether a condition holds for a cell.
type Holds = Box<dyn Fn(u64) -> bool>;

#[test]
fn every_comparison_chooses_the_cells_that_it_says() {
    let one = one();
    let labelled = |cell: u64| !is_unlabelled(cell);
    let cases: Vec<(&str, Holds)> = vec![
        ("label == \"T\"", Box::new(move |c| labelled(c) && label(c) == 1)),
        ("label != 'T'", Box::new(move |c| labelled(c) && label(c) != 1)),
        ("not label == \"T\"", Box::new(move |c| labelled(c) && label(c) != 1)),
        ("label in [\"NK\", \"B cell\"]", Box::new(move |c| labelled(c) && label(c) != 1)),
        ("label not in [\"NK\", \"B cell\"]", Box::new(move |c| labelled(c) && label(c) == 1)),
        ("stage >= \"T\"", Box::new(move |c| labelled(c) && label(c) >= 1)),
        ("label is missing", Box::new(is_unlabelled)),
        ("label is not missing", Box::new(labelled)),
        ("not (label is missing)", Box::new(labelled)),
        ("whole < -15", Box::new(|c| c < 5)),
        ("whole <= -1.5e1 or whole > 18", Box::new(|c| c <= 5 || c > 38)),
        ("number > 2 and number <= 5", Box::new(|c| c % 8 != 3 && c > 8 && c <= 20)),
        ("not (number > 2)", Box::new(|c| c % 8 != 3 && c <= 8)),
        ("number is missing", Box::new(|c| c % 8 == 3)),
        ("number in [1, 2.5]", Box::new(|c| c == 4 || c == 10)),
        ("seen == true", Box::new(|c: u64| c >= 4 && c.is_multiple_of(2))),
        ("seen != True", Box::new(|c| c >= 4 && c % 2 == 1)),
        ("text == \"donor \\\"1\\\"\"", Box::new(|c| c % 4 == 1)),
        ("text < 'donor \"2\"'", Box::new(|c| c % 4 < 2)),
        ("`a b` > 35", Box::new(|c| c > 35)),
        // `and` binds closer than `or`; what is missing on one side does not hide the other.
        ("whole == 0 or whole > 5 and whole < 8", Box::new(|c| c == 20 || c == 26 || c == 27)),
        ("(whole == 0 or whole > 5) and whole < 8", Box::new(|c| c == 20 || c == 26 || c == 27)),
        ("label == \"T\" or whole == -11", Box::new(move |c| (labelled(c) && label(c) == 1) || c == 9)),
        ("whole > -100", Box::new(|_| true)),
        ("whole > 100", Box::new(|_| false)),
    ];
    for (condition, holds) in cases {
        let store = chosen(&one, condition).unwrap();
        let wanted: Vec<u64> = (0..CELLS).filter(|&cell| holds(cell)).collect();
        assert_eq!(rows(&store), wanted, "{condition}");
    }
}

#[test]
fn everything_of_the_store_is_thinned_out_alike() {
    let one = one();
    let whole = AnnDataStore::open(&one.root).unwrap();
    let store = chosen(&one, "whole > -18 and label != \"NK\"").unwrap();
    let kept = rows(&store);
    assert!(kept.len() > 10 && kept.len() < 30);
    let all = RowRange::new(0, kept.len() as u64);
    let every = RowRange::new(0, CELLS);
    let (mut names, mut wanted) = (StringBlock::default(), StringBlock::default());
    store.names().unwrap().read(all, &mut names).unwrap();
    whole.names().unwrap().read(every, &mut wanted).unwrap();
    let of_whole = |cell: &u64| wanted.get(*cell as usize).to_owned();
    assert_eq!(names.iter().collect::<Vec<_>>(), kept.iter().map(of_whole).collect::<Vec<_>>());

    let column = store.column("label").unwrap();
    assert!(matches!(column.kind(), ColumnKind::Categorical { categories, .. } if categories.len() == 3));
    let mut codes = Vec::new();
    column.read_codes(all, &mut codes).unwrap();
    assert_eq!(codes, kept.iter().map(|&cell| label(cell) as i32).collect::<Vec<_>>());
    let (mut texts, mut missing) = (StringBlock::default(), Vec::new());
    store.column("text").unwrap().read_strings(RowRange::new(3, 9), &mut texts, &mut missing).unwrap();
    assert_eq!(texts.get(0), format!("donor \"{}\"", kept[3] % 4));
    store.column("seen").unwrap().read_codes(all, &mut codes).unwrap();
    let seen = |&cell: &u64| if cell < 4 { -1 } else { i32::from(cell.is_multiple_of(2)) };
    assert_eq!(codes, kept.iter().map(seen).collect::<Vec<_>>());

    for start in [0, 1, 5] {
        let some = RowRange::new(start, all.end - 2);
        for key in ["X_pca", "X"] {
            let (few, many) = (store.representation(key).unwrap(), whole.representation(key).unwrap());
            assert_eq!((few.rows(), few.dim()), (all.end, many.dim()));
            let (mut tile, mut plain) = (Tile::default(), Tile::default());
            few.read(some, &mut tile).unwrap();
            many.read(every, &mut plain).unwrap();
            assert_eq!((tile.first_row, tile.rows()), (start, some.len()));
            for (row, cell) in kept[start as usize..all.end as usize - 2].iter().enumerate() {
                assert_eq!(tile.row(row), plain.row(*cell as usize), "{key} {cell}");
            }
        }
    }
    // Memory is kept for what is chosen.
    let entries = kept.iter().map(|cell| 1 + cell % 2).sum();
    assert_eq!(store.representation("X").unwrap().entries(), Some(entries));
    assert!(entries < whole.representation("X").unwrap().entries().unwrap());
    let (expression, mut found, mut row) = (store.representation("X").unwrap(), SparseRows::default(), 0);
    while row < all.end {
        assert!(expression.read_entries(RowRange::new(row, all.end), 3, &mut found).unwrap());
        assert_eq!(found.first_row, row);
        for at in 0..found.rows() {
            let cell = kept[row as usize + at];
            assert_eq!(found.values[found.starts[at]], cell as f32);
            assert_eq!(found.starts[at + 1] - found.starts[at], 1 + (cell % 2) as usize);
        }
        row += found.rows() as u64;
    }
}

#[test]
fn bands_end_where_those_of_the_whole_do() {
    let one = one();
    let store = chosen(&one, "whole < -10 or whole > 5").unwrap();
    let rows = store.representation("X_pca").unwrap();
    let (mut row, mut ends) = (0, Vec::new());
    while row < rows.rows() {
        let end = rows.band_end(row);
        assert!(end > row && end - row <= 6);
        ends.push(end);
        row = end;
    }
    // Chosen are 0 to 9 and 26 to 39, in bands of six.
    assert_eq!(ends, [6, 10, 14, 20, 24]);
}

#[test]
fn a_condition_is_part_of_the_identity_and_its_spelling_is_not() {
    let one = one();
    let print = |condition: &str| {
        let store = chosen(&one, condition).unwrap();
        store.representation("X_pca").unwrap().fingerprint(0).unwrap()
    };
    assert_eq!(print("whole>5"), print("  ( whole > 5.0 ) "));
    assert_ne!(print("whole > 5"), print("whole > 6"));
    let written = |text: &str| Expression::parse("where", text).unwrap().to_string();
    for (text, canonical) in [
        ("a=='x'", "a == \"x\""),
        ("`a`  in [1,'y' ,true]", "a in [1, \"y\", true]"),
        ("`in` is not missing", "not (`in` is missing)"),
        ("(a==1 or b==2) and not c<3", "(a == 1 or b == 2) and not (c < 3)"),
        ("(a==1 and b==2) or c==3", "a == 1 and b == 2 or c == 3"),
        ("`ä \\` b` == \"\\\\\"", "`ä \\` b` == \"\\\\\""),
    ] {
        assert_eq!(written(text), canonical);
        assert_eq!(written(canonical), canonical);
    }
}

fn reason(error: &Error) -> (&'static str, String) {
    (error.code(), error.to_string())
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let one = one();
    let deep = format!("{}a == 1{}", "(".repeat(70), ")".repeat(70));
    for (condition, place, what) in [
        ("label = \"T\"", "character 7", "=="),
        ("label == T", "character 10", "value"),
        ("label == \"T", "character 10", "never closed"),
        ("label == \"T\" and", "character 17", "the name of a column"),
        ("label == \"T\" && whole > 1", "character 14", "write and"),
        ("(label == \"T\"", "character 14", ")"),
        ("label in \"T\"", "character 10", "["),
        ("label in [\"T\"", "character 14", "]"),
        ("label", "character 6", "=="),
        ("label is", "character 9", "missing"),
        ("whole > 1e999", "character 9", "finite"),
        ("whole > 1 2", "character 11", "the end"),
        ("", "character 1", "the name of a column"),
        (&deep, "character", "within one another"),
        // Read, and wrong for what the column holds.
        ("whole == \"T\"", "character 1", "numbers"),
        ("whole > 1 and label > \"T\"", "character 15", "order"),
        ("stage > \"X\"", "character 1", "no label"),
        ("label == 3", "character 1", "quotes"),
        ("text == 3", "character 1", "quotes"),
    ] {
        let (code, text) = reason(&chosen(&one, condition).unwrap_err());
        assert_eq!(code, "GM_PARAM", "{condition}: {text}");
        assert!(text.contains(place) && text.contains(what), "{condition}: {text}");
    }
    let (code, text) = reason(&chosen(&one, "nothing == 3").unwrap_err());
    assert!(code == "GM_NOT_FOUND" && text.contains("nothing"), "{text}");
    assert!(Expression::parse("where", &"x".repeat(1 << 17)).is_err());
}

#[test]
fn brackets_of_a_path_that_exists_are_its_own() {
    let one = one();
    let named = one.root.with_file_name("a[whole > 5].zarr[whole > 5]");
    std::fs::rename(&one.root, &named).unwrap();
    assert_eq!(AnnDataStore::open(&named).unwrap().n_obs(), CELLS);
    let twice = filtered_path(&named, "where", Some("whole < 8")).unwrap();
    assert_eq!(AnnDataStore::open(&twice).unwrap().n_obs(), 28);
    // A part of a part, whose rows are still counted in the whole.
    let part = AnnDataStore::open(&filtered_path(&twice, "where", Some("`a b` >= 26")).unwrap()).unwrap();
    assert_eq!((part.n_obs(), rows(&part)), (2, vec![26, 27]));
}

#[test]
fn a_part_is_inspected_and_refuses_what_it_cannot_be() {
    let one = one();
    let report = inspect_where(&one.root, Some("label == \"T\" or label == \"X\"")).unwrap();
    let whole = inspect(&one.root).unwrap();
    assert!(report.n_obs < whole.n_obs && report.arrays.is_empty() && !whole.arrays.is_empty());
    assert_eq!(report.obsm["X_pca"].shape, [report.n_obs, 3]);
    assert_eq!((report.layers["X"].shape.clone(), report.layers["X"].nnz), (vec![report.n_obs, 4], None));
    assert_eq!(report.obs["label"].missing, 0);
    assert!(report.obs.contains_key("gigamapper_row"));
    let store = chosen(&one, "label == \"T\" or label == \"X\"").unwrap();
    assert_eq!(store.pairwise("distances").unwrap_err().code(), "GM_UNSUPPORTED");
    let warnings = store.filtered().unwrap().warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("\"X\""), "{warnings:?}");
    let none = chosen(&one, "whole > 100").unwrap();
    assert!(none.filtered().unwrap().warnings()[0].contains("none of 40"));
    assert_eq!(none.filtered().unwrap().described()["of"], 40);
}

#[test]
fn what_can_be_written_can_be_read_in_its_one_form() {
    let one = one();
    let deep = format!("{}whole > -100", "not ".repeat(60));
    assert_eq!(rows(&chosen(&one, &deep).unwrap()).len() as u64, CELLS);
    let long = format!("number not in [{}]", vec!["1e300"; 9000].join(","));
    assert_eq!(rows(&chosen(&one, &long).unwrap()).len(), (0..CELLS).filter(|cell| cell % 8 != 3).count());
    let written = |text: &str| Expression::parse("where", text).unwrap().to_string();
    assert_eq!(
        written("a in [1e300, -1e-300, 1e9, 0.30000000000000004]"),
        "a in [1e300, -1e-300, 1000000000, 0.30000000000000004]"
    );
}

#[test]
fn a_part_of_a_part_is_what_both_conditions_choose() {
    let one = one();
    let first = filtered_path(&one.root, "where", Some("whole > -10 or whole == -20")).unwrap();
    let path = filtered_path(&first, "where", Some("number > 3")).unwrap();
    let wanted = rows(&chosen(&one, "(whole > -10 or whole == -20) and number > 3").unwrap());
    assert_eq!(rows(&AnnDataStore::open(&path).unwrap()), wanted);
    let both = "(whole > -10 or whole == -20) and number > 3";
    assert_eq!(super::condition(&path).unwrap().as_deref(), Some(both));
    let error = AnnDataStore::open(&filtered_path(&first, "where", Some("nothing > 3")).unwrap()).unwrap_err();
    assert_eq!(error.code(), "GM_NOT_FOUND");
}

#[test]
fn a_condition_is_left_when_that_is_asked_for() {
    let one = one();
    let path = filtered_path(&one.root, "where", Some("whole > 3")).unwrap();
    let cancel = Cancel::default();
    let progress = Progress::new(cancel.clone(), None);
    assert_eq!(AnnDataStore::open_while(&path, &progress).unwrap().n_obs(), 16);
    cancel.cancel();
    assert_eq!(AnnDataStore::open_while(&path, &progress).unwrap_err().code(), "GM_CANCELLED");
    // Without a condition there is nothing to wait for.
    AnnDataStore::open_while(&one.root, &progress).unwrap();
}
