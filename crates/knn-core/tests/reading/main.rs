//! Reading whatever people have: every dialect as its own library reads it, and refusal of what is hostile.

mod allocated;
mod archive;
#[path = "../../../../fuzz/src/bundle.rs"]
mod bundle;
mod codecs;
mod corpus;
mod damaged_hdf5;
mod damaged_tables;
mod dialects;
mod everything;
mod hostile_archives;
mod hostile_claims;
mod hostile_hdf5;
mod hostile_sparse;
mod hostile_version2;
#[path = "../../../../fuzz/src/mutate.rs"]
mod mutate;
mod refusal;
#[path = "../../../../fuzz/src/seal.rs"]
mod seal;
mod shared;
#[path = "../../../../fuzz/src/target.rs"]
mod target;

use std::path::PathBuf;

use serde_json::Value;

/// Where fixtures of this kind lie, beside the script that made them.
fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/dialects")
}

/// What is expected of a store, from the file beside it.
fn expected(store: &std::path::Path) -> Value {
    let mut name = store.file_name().unwrap().to_os_string();
    name.push(".expected.json");
    let text = std::fs::read(store.with_file_name(name)).unwrap();
    serde_json::from_slice(&text).unwrap()
}
