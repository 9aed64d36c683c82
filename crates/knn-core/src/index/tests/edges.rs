//! Data that no one hopes for.

use super::*;
use proptest::prelude::*;

fn built(how: &How, values: &[f32], dim: usize) -> (tempfile::TempDir, BuildReport) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gmx");
    let report = how.build(&path, values, dim).unwrap();
    check_rows(&path, values, dim);
    assert_eq!(report.manifest, *open(&path, Io::Mmap).unwrap().manifest());
    (folder, report)
}

fn longest(folder: &tempfile::TempDir) -> u64 {
    open(&folder.path().join("x.gmx"), Io::Pread).unwrap().longest_list()
}

#[test]
fn no_rows_and_only_rows_that_are_not_finite() {
    for (memory, most) in [(1 << 30, 64), (1 << 21, 64), (1 << 30, 0), (1 << 21, 0)] {
        let how = How { memory, spec: IndexSpec::default(), ..How::default() }.in_two_levels_to(most);
        let (_folder, report) = built(&how, &[], 3);
        assert_eq!((report.manifest.nlist, report.manifest.rows), (1, 0));
        let how = How { memory, ..How::default() }.in_two_levels_to(most);
        let (_folder, report) = built(&how, &[f32::NAN; 300], 3);
        assert_eq!((report.manifest.excluded, report.warnings.len()), (100, 2));
    }
}

#[test]
fn equal_rows_are_cut_into_lists() {
    for (memory, most) in [(1 << 30, 16), (3 << 20, 16), (1 << 30, 0), (3 << 20, 0)] {
        let how = How { memory, ..How::of_lists(16) }.in_two_levels_to(most);
        let (folder, _) = built(&how, &vec![1.5; 20_000 * 3], 3);
        assert_eq!(longest(&folder), 1250, "{memory}");
    }
}

#[test]
fn constant_columns_and_few_different_rows() {
    // All that differs is one column of six, and that in four values only.
    let values: Vec<f32> = (0..6000u16).flat_map(|row| [3.0, -1.0, f32::from(row % 4), 0.0, 1e5, -0.0]).collect();
    for (memory, most) in [(1 << 30, 40), (3 << 20, 40), (1 << 30, 0), (3 << 20, 0)] {
        let (folder, report) = built(&How { memory, ..How::of_lists(40) }.in_two_levels_to(most), &values, 6);
        assert!(longest(&folder) <= 4 * 150 && report.warnings.is_empty(), "{:?}", report.warnings);
        // What is told apart lies apart.
        for list in read(&folder.path().join("x.gmx"), Io::Pread).unwrap() {
            assert!(list.iter().all(|(_, row)| row[2].to_bits() == list[0].1[2].to_bits()));
        }
    }
}

#[test]
fn one_column_and_two_thousand() {
    let values: Vec<f32> = (0..5000u32).map(|i| (i * 7919 % 5000) as f32).collect();
    let (folder, _) = built(&How::of_lists(32), &values, 1);
    assert!(longest(&folder) <= 4 * 157);
    let (_folder, _) = built(&How::of_lists(4), &clumps(200, 2000), 2000);
}

#[test]
fn more_lists_than_rows_and_few_rows_for_the_lists() {
    let (_folder, report) = built(&How::of_lists(50), &clumps(20, 3), 3);
    assert_eq!((report.manifest.nlist, report.warnings.len()), (50, 1));
    let (_folder, report) = built(&How::of_lists(50).in_two_levels_to(0), &clumps(20, 3), 3);
    assert_eq!((report.manifest.nlist, report.manifest.levels), (50, 3));
    let (_folder, report) = built(&How::of_lists(50), &clumps(1000, 3), 3);
    assert_eq!(report.warnings.len(), 1);
    let (_folder, report) = built(&How::of_lists(1), &clumps(1000, 3), 3);
    assert_eq!(report.warnings.len(), 0);
}

#[test]
fn long_lists_are_split() {
    let values = clumps(8000, 6);
    let (folder, report) = built(&How::of_lists(64), &values, 6);
    assert!(longest(&folder) <= 4 * 125, "{}", longest(&folder));
    assert!(report.manifest.nlist >= 64);
    // Nearly all rows in one place.
    let crowded: Vec<f32> = values
        .chunks_exact(6)
        .enumerate()
        .flat_map(|(i, r)| if i % 20 == 0 { r.to_vec() } else { vec![0.25; 6] })
        .collect();
    for memory in [1 << 30, 3 << 20] {
        for most in MOST_IN_TWO_LEVELS {
            let (folder, _) = built(&How { memory, ..How::of_lists(64) }.in_two_levels_to(most), &crowded, 6);
            assert!(longest(&folder) <= 4 * 125);
        }
    }
}

#[test]
fn rows_far_out_and_far_from_the_origin() {
    let mut values = clumps(3000, 5);
    for value in &mut values {
        *value += 1e5;
    }
    values[10] = 1e30;
    values[500] = -3e38;
    let (folder, _) = built(&How::default(), &values, 5);
    assert!(longest(&folder) <= 4 * 47);
}

#[test]
fn what_half_precision_cannot_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let spec = IndexSpec { dtype: ListType::F16, ..IndexSpec::default() };
    let how = How { spec, ..How::default() };
    let error = how.build(&folder.path().join("x"), &[1.0, 2.0, 1e5], 1).unwrap_err();
    assert_eq!(error.code(), "GM_PARAM");
    assert!(error.to_string().contains("row 2"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let error =
        How { memory: 1000, ..How::default() }.build(&folder.path().join("x"), &clumps(6000, 40), 40).unwrap_err();
    assert_eq!(error.code(), "GM_BUDGET");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_finite_row_is_in_one_list(
        rows in 0usize..700, dim in 1usize..6, nlist in 1u32..40, seed: u64, spilled: bool, half: bool, three: bool,
        odd in prop::collection::vec((0usize..4000, prop::sample::select(vec![f32::NAN, f32::INFINITY, 0.0, 6e4, -0.0, 1e-40])), 0..9),
    ) {
        let mut values = clumps(rows, dim);
        for (place, value) in odd {
            if let Some(there) = values.get_mut(place) {
                *there = value;
            }
        }
        let dtype = if half { ListType::F16 } else { ListType::F32 };
        let most_in_two_levels = MOST_IN_TWO_LEVELS[usize::from(three)];
        let spec = IndexSpec { nlist: Some(nlist), dtype, seed, most_in_two_levels, ..IndexSpec::default() };
        // So few rows need little more than the buffers of a run.
        let memory = if spilled { 600_000 } else { 1 << 30 };
        let (_folder, report) = built(&How { spec, memory, ..How::default() }, &values, dim);
        prop_assert_eq!(report.manifest.levels, if three { 3 } else { 2 });
    }
}
