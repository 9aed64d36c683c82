//! Names inside a store, checked before they become paths of the file system.

/// Longer names than file systems allow are refused early.
const LONGEST_SEGMENT: usize = 255;

/// Whether every segment of a `/`-separated path is a plain name. Unicode, spaces and parentheses are fine, since obs
/// columns are named by people; what could leave the store or cut a path short is not.
pub(super) fn is_valid_path(path: &str) -> bool {
    path.split('/').all(is_valid_segment)
}

fn is_valid_segment(segment: &str) -> bool {
    is_plain_segment(segment) && !is_node_document(segment)
}

/// Whether a name can be that of a file in a store.
pub(super) fn is_plain_segment(segment: &str) -> bool {
    !segment.is_empty()
        && segment.len() <= LONGEST_SEGMENT
        && segment != "."
        && segment != ".."
        && !segment.chars().any(|c| c == '\\' || c.is_control())
}

/// Whether zarr keeps metadata in files of this name, so that no node can have it.
pub(super) fn is_node_document(name: &str) -> bool {
    matches!(name, "zarr.json" | ".zarray" | ".zgroup" | ".zattrs" | ".zmetadata")
}

/// A path below another one; the root of a store is the empty path.
pub(super) fn join(parent: &str, child: &str) -> String {
    if parent.is_empty() { child.to_owned() } else { format!("{parent}/{child}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_fine_and_escapes_are_not() {
        for fine in ["obs", "obsm/X_pca", "obs/cell type (größe)", "obs/__categories/a", "obs/n.genes", "obs/a:b"] {
            assert!(is_valid_path(fine), "{fine:?}");
        }
        let long = "x".repeat(256);
        for wrong in [
            "",
            "/",
            "..",
            "obs/..",
            "obs//a",
            "/obs",
            "a/.",
            "a\\b",
            "a\0b",
            "a\nb",
            "a/zarr.json",
            "a/.zarray",
            &long,
        ] {
            assert!(!is_valid_path(wrong), "{wrong:?}");
        }
    }
}
