//! Stores for other readers: `read_with_anndata.py`, beside this file, opens them.

use std::path::PathBuf;

use super::sample::{complete, os, spec};
use crate::sink::MappingStore;

/// Name of the store, then its grid as in `spec`.
const STORES: [(&str, [u64; 4]); 6] = [
    ("empty", [0, 4, 2, 16]),
    ("one", [1, 4, 2, 16]),
    ("exact", [16, 4, 2, 16]),
    ("edge", [11, 2, 4, 16]),
    ("ordinary", [3000, 65_536, 16, 1 << 24]),
    ("parts", [23, 4, 2, 8]),
];

#[test]
#[ignore = "writes stores into the folder named by GIGAMAPPER_INTEROP for other readers to open"]
fn write_stores() {
    let folder = PathBuf::from(std::env::var("GIGAMAPPER_INTEROP").unwrap());
    for (name, [n, inner, per, part]) in STORES {
        let store = MappingStore::overwrite(os(), &folder.join(name), spec(n, inner, per, part), "0").unwrap();
        complete(store, 64).unwrap();
    }
    MappingStore::overwrite(os(), &folder.join("unfinished"), spec(9, 4, 2, 16), "0").unwrap();
}
