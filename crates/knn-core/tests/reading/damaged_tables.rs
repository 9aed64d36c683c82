//! Parquet and Arrow files with flipped bits: typed errors or other values, and no memory beyond what is justified.

use std::path::{Path, PathBuf};

use super::everything::{errors, is_typed};

const FILES: [&str; 7] =
    ["none.parquet", "zstd.parquet", "plain.arrow", "zstd.feather", "plain.arrows", "times.parquet", "times.arrow"];
/// Bits flipped in each file.
const FLIPS: usize = 300;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/columnar").join(name)
}

#[test]
fn flipped_bits_of_tables_are_typed_errors_or_other_values() {
    let folder = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for name in FILES {
        let whole = std::fs::read(fixture(name)).unwrap();
        assert!(errors(&fixture(name)).iter().all(is_typed));
        // Spread over the file and its bits by a step that shares no factor with its length.
        for flip in 0..FLIPS {
            let (at, bit) = (flip * 7919 % whole.len(), flip % 8);
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            let path = folder.path().join(name);
            std::fs::write(&path, damaged).unwrap();
            let found = errors(&path);
            assert!(found.iter().all(is_typed), "{name}: bit {bit} of byte {at}: {found:?}");
            refused += usize::from(!found.is_empty());
        }
    }
    assert!(refused > 0);
}
