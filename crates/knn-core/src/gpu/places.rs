//! Where cuVS is looked for: where the environment says; else where the system's loader finds it; else, where that may take its time, where
//! `python3` has the module `libcuvs`.
//!
//! Its Python packages put the libraries that it needs into folders beside each other, where no loader finds them, so they are opened first.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::absent::Absent;
use super::driver;
use crate::budget::parse_bytes;

/// The variable of the environment that names `libcuvs_c.so`, or the folder of Python packages that it was installed to.
pub const LIBRARY_VARIABLE: &str = "GIGAMAPPER_CUVS";
/// The variable that says how much memory of each device may be used, as `8GiB`. Otherwise it is what is free.
pub const MEMORY_VARIABLE: &str = "GIGAMAPPER_CUDA_MEMORY";
/// The library's name.
pub(super) const NAME: &str = "libcuvs_c.so";

/// Below a folder of Python packages: the library, and what it needs, in the order in which it can be opened. What one version of CUDA does not
/// have is left out.
const BELOW_PACKAGES: &str = "libcuvs/lib64/libcuvs_c.so";
const NEEDED: [&str; 6] = [
    "nvidia/cu13/lib/libcudart.so.13",
    "rapids_logger/lib64/librapids_logger.so",
    "librmm/lib64/librmm.so",
    "libkvikio/lib64/libkvikio.so",
    "nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
    "nvidia/cu13/lib/libnvrtc.so.13",
];

/// How a device is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The library or the folder of packages; nothing else is tried then.
    pub named: Option<PathBuf>,
    /// Whether `python3` is asked where the library is, which takes a tenth of a second and more.
    pub asks_python: bool,
    /// Bytes of each device's memory that may be used, or as many as are free.
    pub memory: Option<u64>,
    /// CUDA's driver library, which knows all devices; without one cuVS computes on the first.
    pub driver: Option<PathBuf>,
}

impl Search {
    /// As the environment says. Without `asks_python` it takes a few milliseconds at most where there is no library.
    pub fn from_environment(asks_python: bool) -> Result<Self, Absent> {
        let named = std::env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let memory = std::env::var(MEMORY_VARIABLE).ok().filter(|value| !value.is_empty());
        let memory = memory.map(|value| parse_bytes(&value).map_err(|_| Absent::Setting { value })).transpose()?;
        Ok(Self { named, asks_python, memory, driver: Some(driver::NAME.into()) })
    }
}

/// A file to open, and what to open before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) library: PathBuf,
    pub(super) needed: Vec<PathBuf>,
}

impl Place {
    /// What the system's loader finds.
    pub(super) fn system() -> Self {
        Self { library: NAME.into(), needed: Vec::new() }
    }

    /// A library, or a folder with one; none where there is neither.
    pub(super) fn at(path: &Path) -> Option<Self> {
        if path.is_dir() {
            let library =
                [BELOW_PACKAGES, NAME].iter().map(|below| path.join(below)).find(|library| library.is_file())?;
            return Some(Self::of(library));
        }
        path.is_file().then(|| Self::of(path.to_path_buf()))
    }

    /// A library's file, and what lies beside it if it stands among Python packages.
    fn of(library: PathBuf) -> Self {
        let packages = library.ends_with(BELOW_PACKAGES).then(|| library.ancestors().nth(3)).flatten();
        let needed = packages.iter().flat_map(|packages| NEEDED.iter().map(|needed| packages.join(needed)));
        let needed = needed.filter(|needed| needed.is_file()).collect();
        Self { library, needed }
    }
}

/// The folder of packages in which `python3` has cuVS.
pub(super) fn packages_of_python() -> Option<PathBuf> {
    let ask =
        "import importlib.util as u; s = u.find_spec('libcuvs'); print(s.submodule_search_locations[0] if s else '')";
    let told = Command::new("python3").args(["-c", ask]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let module = PathBuf::from(String::from_utf8(told.stdout).ok()?.trim());
    module.parent().filter(|packages| !packages.as_os_str().is_empty()).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_among_packages_is_opened_behind_what_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path();
        assert_eq!(Place::at(packages), None);
        for file in [BELOW_PACKAGES, NEEDED[3], NEEDED[1], NEEDED[5], "libcuvs/lib64/libcuvs.so"] {
            std::fs::create_dir_all(packages.join(file).parent().unwrap()).unwrap();
            std::fs::write(packages.join(file), "").unwrap();
        }
        let library = packages.join(BELOW_PACKAGES);
        let needed = [NEEDED[1], NEEDED[3], NEEDED[5]].map(|needed| packages.join(needed)).to_vec();
        let expected = Some(Place { library: library.clone(), needed });
        assert_eq!((Place::at(packages), Place::at(&library)), (expected.clone(), expected));
        // A library of another install stands by itself, in its folder too.
        let beside = packages.join("libcuvs/lib64");
        std::fs::copy(&library, packages.join(NAME)).unwrap();
        assert_eq!(Place::at(&packages.join(NAME)).unwrap().needed, [] as [PathBuf; 0]);
        assert_eq!(Place::at(&beside).unwrap().library, library);
        assert_eq!(Place::at(&packages.join("none")), None);
    }
}
