//! The formats that are read, as a list for people and programs. What a file is, is found by looking into it; only flat files need their suffix.

/// A format that cells are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Its name, as `inspect` tells it.
    pub name: &'static str,
    /// How such files or folders are usually called.
    pub endings: &'static [&'static str],
    /// What is read of it.
    pub holds: &'static str,
}

/// Every format that [`open`](super::open) opens.
pub const FORMATS: [Format; 11] = [
    Format {
        name: "zarr",
        endings: &[".zarr", ".zarr.zip"],
        holds: "AnnData 0.6 to 0.13, zarr v2 and v3, folders and zip archives; modalities of MuData",
    },
    Format { name: "h5ad", endings: &[".h5ad", ".h5mu"], holds: "AnnData 0.6 to 0.13 in HDF5; modalities of MuData" },
    Format {
        name: "parquet",
        endings: &[".parquet"],
        holds: "columns as obs; lists of fixed size, or columns name_0 … name_n, as obsm",
    },
    Format {
        name: "arrow",
        endings: &[".arrow", ".arrows", ".feather"],
        holds: "the same of Arrow IPC files and streams",
    },
    Format { name: "npy", endings: &[".npy"], holds: "a matrix of rows, C order" },
    Format { name: "fbin", endings: &[".fbin"], holds: "rows of f32 behind their number and width" },
    Format { name: "u8bin", endings: &[".u8bin"], holds: "the same of u8" },
    Format { name: "i8bin", endings: &[".i8bin"], holds: "the same of i8" },
    Format { name: "fvecs", endings: &[".fvecs"], holds: "rows of f32, each behind its width" },
    Format { name: "f32", endings: &[".<width>.f32"], holds: "rows of f32 and nothing else" },
    Format { name: "generated", endings: &[".cells.json"], holds: "cells that follow from a seed and parameters" },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::source::flat::SUFFIXES;
    use crate::source::open;

    fn all(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.extension().is_none_or(|ending| ending != "zarr") {
                all(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn whatever_opens_is_of_a_listed_format_and_every_listed_format_opens() {
        let names: BTreeSet<&str> = FORMATS.iter().map(|format| format.name).collect();
        let mut files = Vec::new();
        all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures"), &mut files);
        let mut opened: BTreeSet<&str> =
            files.iter().filter_map(|path| open(path).ok()).map(|one| one.format()).collect();
        assert!(opened.is_subset(&names), "{opened:?}");
        // Flat files are known by their suffixes.
        opened.extend(SUFFIXES);
        assert_eq!(opened, names);
    }
}
