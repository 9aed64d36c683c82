//! HDF5 files with flipped bits, and files cut short.

use super::everything::{errors, errors_of, fixture, is_typed};

const FILES: [&str; 4] = ["layouts.h5", "latest.h5", "anndata-v0.7.0-adata.h5ad", "single/text.h5"];
/// Bits flipped in each file.
const FLIPS: u64 = 250;

/// The next of a row of numbers that looks random (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut value = *state;
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[test]
fn whole_files_have_only_the_errors_that_were_made_for_them() {
    for (name, known) in FILES.into_iter().zip([4, 4, 1, 0]) {
        let found = errors(&fixture(name));
        assert!(found.len() <= known && found.iter().all(is_typed), "{name}: {found:?}");
    }
}

#[test]
fn flipped_bits_are_typed_errors_or_other_values() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 7;
    let mut refused = 0;
    for name in FILES {
        let whole = std::fs::read(fixture(name)).unwrap();
        for _ in 0..FLIPS {
            let mut damaged = whole.clone();
            let (at, bit) = (next(&mut state) as usize % whole.len(), next(&mut state) % 8);
            damaged[at] ^= 1 << bit;
            let path = folder.path().join("damaged.h5");
            std::fs::write(&path, damaged).unwrap();
            let found = errors(&path);
            assert!(found.iter().all(is_typed), "{name}: bit {bit} of byte {at}: {found:?}");
            refused += usize::from(!found.is_empty());
        }
    }
    assert!(refused > 0);
}

#[test]
fn bytes_of_metadata_set_to_their_extremes_are_typed_errors_or_other_values() {
    let folder = tempfile::tempdir().unwrap();
    // Files of one array are mostly metadata: every 8 bytes of them in turn become zeros and ones.
    for name in ["single/contiguous.h5", "single/gzip.h5", "single/text.h5"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for at in (0..whole.len().min(4096) - 8).step_by(8) {
            for value in [0, 0xff] {
                let mut damaged = whole.clone();
                damaged[at..at + 8].fill(value);
                let path = folder.path().join("damaged.h5");
                std::fs::write(&path, damaged).unwrap();
                let change = format!("{name}: 8 bytes at {at} are {value}");
                let found = errors_of(&path, &change);
                assert!(found.iter().all(is_typed), "{change}: {found:?}");
            }
        }
    }
}

#[test]
fn files_cut_short_are_typed_errors() {
    let folder = tempfile::tempdir().unwrap();
    for name in FILES {
        let whole = std::fs::read(fixture(name)).unwrap();
        for part in 1..25 {
            let path = folder.path().join("short.h5");
            std::fs::write(&path, &whole[..whole.len() * part / 25]).unwrap();
            let found = errors(&path);
            assert!(!found.is_empty() && found.iter().all(is_typed), "{name}: {part} of 25 parts: {found:?}");
        }
    }
}
