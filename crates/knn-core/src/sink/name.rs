//! Names that are safe as zarr keys and as file names everywhere.
//!
//! A name from the data becomes a folder. Two that differ only in case would be one folder on some systems, so they are
//! refused on all: a store must not depend on where it was made.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// Refuses names that cannot be a member of a group.
pub fn check_name(name: &str) -> Result<()> {
    let wrong = |reason: &str| Err(Error::param("key", format!("{name:?}"), reason));
    if name.is_empty() {
        return wrong("a name has at least one letter");
    }
    if name.bytes().all(|byte| byte == b'.') {
        return wrong("a name is more than dots");
    }
    if name.contains(['/', '\\', '\0']) {
        return wrong("a name has no '/', no '\\' and no NUL, because it becomes a folder");
    }
    if name.starts_with("__") {
        return wrong("names that begin with '__' are zarr's own");
    }
    if name.eq_ignore_ascii_case("zarr.json") {
        return wrong("zarr keeps its metadata under this name");
    }
    if name.len() > 200 {
        return wrong("a name has at most 200 bytes");
    }
    Ok(())
}

/// Refuses names of one group of which two are the same but for case.
pub(super) fn check_group<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeMap::new();
    for name in names {
        check_name(name)?;
        if let Some(other) = seen.insert(name.to_lowercase(), name) {
            let reason = format!("differs from {other:?} only in case, if at all");
            return Err(Error::param("key", format!("{name:?}"), reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_names_are_refused() {
        let long = "x".repeat(201);
        for name in ["", ".", "..", "...", "a/b", "a\\b", "a\0", "__x", "zarr.json", "Zarr.JSON", &long] {
            assert_eq!(check_name(name).unwrap_err().code(), "GM_PARAM", "{name:?}");
        }
        for name in ["a", ".a", "_index", "Zellträger é 细胞", "a b", "c", "%2F"] {
            check_name(name).unwrap();
        }
    }

    #[test]
    fn names_equal_but_for_case_are_refused() {
        check_group(["a", "b"].into_iter()).unwrap();
        for pair in [["a", "A"], ["a", "a"], ["Ärzte", "ärzte"]] {
            assert_eq!(check_group(pair.into_iter()).unwrap_err().code(), "GM_PARAM");
        }
    }
}
