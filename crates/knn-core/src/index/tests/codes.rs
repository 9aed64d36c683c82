//! Indexes with codes: the same bytes however they are built, codes that are those of the rows, and what cannot be.

use super::*;
use crate::distance::{DistanceTile as _, Metric};

const DIM: usize = 40;
/// Memory in which not all rows fit.
const RUNS: u64 = 1_450_000;

fn how(dtype: ListType) -> How {
    let spec = IndexSpec { nlist: Some(40), dtype, codes: true, ..IndexSpec::default() };
    How { spec, ..How::default() }
}

/// Checks that the codes of every list are the nearest codewords of its rows, and that rows lie about as far from what they stand for
/// as the index says. Returns the mean squared distance.
fn check_codes(path: &Path, values: &[f32]) -> f64 {
    let index = open(path, Io::Pread).unwrap();
    let books = index.codebooks().unwrap();
    let (mut buffer, mut squared, mut rows) = (ListBuffer::default(), 0.0, 0);
    for list in 0..index.nlist() {
        let view = index.list(list, &mut buffer).unwrap();
        let centroid = index.coarse().centroids(list..list + 1);
        for row in 0..view.len() {
            let id = view.ids.get(row) as usize;
            let residual: Vec<f32> =
                values[id * DIM..][..DIM].iter().zip(centroid).map(|(value, c)| value - c).collect();
            let mut codes = vec![0; books.spaces()];
            Lane::SCALAR.encode(books, &residual, &mut codes);
            for (space, code) in codes.iter().enumerate() {
                let half = view.codes[(row / 32 * books.spaces() + space) * 16 + row % 16];
                assert_eq!(if row % 32 < 16 { half & 15 } else { half >> 4 }, *code, "list {list}, row {row}");
            }
            for (column, value) in residual.iter().enumerate() {
                let word = books.columns()[column][usize::from(codes[column / books.width()])];
                squared += f64::from(value - word).powi(2);
            }
            rows += 1;
        }
    }
    squared / f64::from(rows)
}

#[test]
fn threads_memory_and_lane_change_no_byte() {
    let values = even(6000, DIM);
    for dtype in [ListType::F32, ListType::None] {
        let mut first: Option<BTreeMap<String, Vec<u8>>> = None;
        let ways = [1, 2, 8].into_iter().flat_map(|threads| [(threads, 1 << 30), (threads, RUNS)]);
        let lanes = Lane::available().into_iter().map(|lane| ((2, 1 << 30), lane));
        for ((threads, memory), lane) in ways.map(|way| (way, Lane::best())).chain(lanes) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.gmx");
            let report = How { memory, threads, lane, ..how(dtype) }.build(&path, &values, DIM).unwrap();
            assert_eq!(report.spilled, memory == RUNS);
            let built = files(&path);
            assert!(*first.get_or_insert_with(|| built.clone()) == built, "{threads}, {memory}, {}", lane.name());
        }
        let names: Vec<String> = first.unwrap().into_keys().collect();
        let expected =
            ["coarse.bin", "codes.bin", "excluded.bin", "lists.bin", "manifest.json", "offsets.bin", "pq.bin"];
        assert_eq!(names, expected);
    }
}

#[test]
fn codes_are_the_nearest_codewords_and_an_append_goes_on_with_them() {
    let values = even(5000, DIM);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gmx");
    let half = values.len() / 2 / DIM * DIM;
    how(ListType::F32).build(&path, &values[..half], DIM).unwrap();
    let error = check_codes(&path, &values);
    let told = open(&path, Io::Pread).unwrap().code_error();
    assert!(told > 0.0 && (0.7..1.4).contains(&(error / told)), "{error}, {told}");
    let books = open(&path, Io::Pread).unwrap().codebooks().unwrap().clone();
    how(ListType::F32).append(&path, &values, DIM).unwrap();
    check_codes(&path, &values);
    check_rows(&path, &values, DIM);
    let index = open(&path, Io::Pread).unwrap();
    assert_eq!((index.codebooks(), index.manifest().generation), (Some(&books), 2));
    assert_eq!(files(&path).len(), 7);
}

#[test]
fn codes_take_less_than_40_bytes_of_a_row_with_all_that_is_not_rows() {
    for (dim, rows) in [(50, 20_000), (200, 6000)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gmx");
        let spec = IndexSpec { dtype: ListType::None, codes: true, ..IndexSpec::default() };
        let report = How { spec, ..How::default() }.build(&path, &even(rows, dim), dim).unwrap();
        let bytes: u64 = report.manifest.files.values().map(|file| file.length).sum();
        // Centroids are not of rows: there are as many as there are lists.
        let levels = report.manifest.files["coarse.bin"].length;
        assert!(bytes - levels < 40 * rows as u64, "{dim}: {bytes}");
    }
}

#[test]
fn a_full_disk_at_any_call_is_a_typed_error_and_the_build_is_resumed_to_the_same_bytes() {
    let values = even(6000, DIM);
    let whole = tempfile::tempdir().unwrap();
    how(ListType::None).build(&whole.path().join("x.gmx"), &values, DIM).unwrap();
    let expected = files(&whole.path().join("x.gmx"));
    for memory in [1 << 30, RUNS] {
        let mut calls = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.gmx");
            let first = How { memory, threads: 1, ..how(ListType::None) };
            match first.build_on(Arc::new(FailingVfs::after(calls)), &path, &values, DIM) {
                Ok(_) => break assert!(files(&path) == expected),
                Err(error) => assert_eq!(error.code(), "GM_IO", "after {calls} calls: {error}"),
            }
            let _ = std::fs::remove_file(folder.path().join("x.gmx.lock"));
            How { start: Start::Resume, ..first }.build(&path, &values, DIM).unwrap();
            assert!(files(&path) == expected, "after {calls} calls");
            let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(left, ["x.gmx"], "after {calls} calls");
            calls += 1;
        }
        assert!(calls > 25, "{calls}");
    }
}

#[test]
fn what_codes_cannot_do_is_refused() {
    let (values, folder) = (clumps(500, 3), tempfile::tempdir().unwrap());
    let path = folder.path().join("x.gmx");
    let code = |spec: IndexSpec| How { spec, ..How::default() }.build(&path, &values, 3).unwrap_err().code();
    let coded = IndexSpec { codes: true, ..IndexSpec::default() };
    assert_eq!(code(IndexSpec { metric: Metric::InnerProduct, ..coded.clone() }), "GM_UNSUPPORTED");
    assert_eq!(code(IndexSpec { dtype: ListType::None, ..IndexSpec::default() }), "GM_PARAM");
    assert!(!path.exists());
    let none = How { spec: IndexSpec { dtype: ListType::None, ..coded }, ..How::default() };
    none.build(&path, &values[..900], 3).unwrap();
    let before = files(&path);
    let error = none.append(&path, &values, 3).unwrap_err();
    assert!(error.code() == "GM_UNSUPPORTED" && error.hint().unwrap().contains("build the index again"), "{error}");
    assert!(files(&path) == before);
}
