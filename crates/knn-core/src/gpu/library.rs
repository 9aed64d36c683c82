//! cuVS, opened: its functions, file and version, and what it says when a call fails.

use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::abi::{CEnum, SUCCESS};
use super::absent::Absent;
use super::places::{LIBRARY_VARIABLE, NAME, Place, Search, packages_of_python};
use super::table::Table;

/// The major version whose headers [`Table`] was written from.
const MAJOR: u16 = 26;
/// More of an error's text is cut off: the line behind the first is a trace of C++.
const MOST_TEXT: usize = 300;

/// An open library. It is never closed: CUDA has threads of its own, which would go on in code that is gone.
#[derive(Debug)]
pub(super) struct Cuvs {
    pub(super) table: Table,
    pub(super) path: PathBuf,
    pub(super) version: (u16, u16, u16),
}

/// A call of cuVS or of CUDA's driver that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The function.
    pub call: &'static str,
    /// The first line of what it says.
    pub text: String,
}

impl Cuvs {
    /// Looks for the library and opens it.
    pub(super) fn find(search: &Search) -> Result<Arc<Self>, Absent> {
        if let Some(named) = &search.named {
            let place = Place::at(named).ok_or_else(|| Absent::NotFound {
                looked: vec![format!("{LIBRARY_VARIABLE} is {}, where it is not", named.display())],
            })?;
            return Self::open(&place);
        }
        let mut looked = vec![format!("{LIBRARY_VARIABLE} is not set")];
        let found = match Self::open(&Place::system()) {
            // Of what the loader says it is the first word that tells which file is missing.
            Err(Absent::Unloadable { reason, .. }) if reason.starts_with(NAME) => None,
            other => Some(other),
        };
        if let Some(Ok(found)) = found {
            return Ok(found);
        }
        looked.push("the system's loader does not find it".into());
        if !search.asks_python {
            looked.push("python3 was not asked".into());
        } else if let Some(place) = packages_of_python().and_then(|packages| Place::at(&packages)) {
            return Self::open(&place);
        } else {
            looked.push("python3 has no module libcuvs".into());
        }
        found.unwrap_or(Err(Absent::NotFound { looked }))
    }

    fn open(place: &Place) -> Result<Arc<Self>, Absent> {
        for needed in &place.needed {
            // What is really missing is told when the library itself is opened.
            let _ = load(needed);
        }
        let path = place.library.clone();
        let library = load(&path).map_err(|reason| Absent::Unloadable { library: path.clone(), reason })?;
        let lacks = |symbol| Absent::Symbol { library: path.clone(), symbol };
        // Before anything else is looked for: another version may lack it.
        let version = version_of(&library).map_err(lacks)?;
        if version.0 != MAJOR {
            return Err(Absent::Version { library: path, found: in_words(version) });
        }
        let table = Table::resolve(&library).map_err(lacks)?;
        Ok(Arc::new(Self { table, path, version }))
    }

    /// As `26.10.0`.
    pub(super) fn version(&self) -> String {
        in_words(self.version)
    }

    /// Whether a call did what was asked, or what went wrong. To be asked by the thread that called.
    pub(super) fn check(&self, call: &'static str, returned: CEnum) -> Result<(), Fault> {
        if returned == SUCCESS {
            return Ok(());
        }
        // SAFETY: the function takes nothing, and returns null or a text that ends with zero and stays as it is until this thread calls again.
        let text = unsafe {
            let text = (self.table.last_error)();
            if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
        };
        Err(Fault { call, text: first_line(&text) })
    }
}

fn in_words((major, minor, patch): (u16, u16, u16)) -> String {
    format!("{major}.{minor:02}.{patch}")
}

/// The version that a library says it has, zero if it does not say; or the name of the function that it lacks.
fn version_of(library: &libloading::Library) -> Result<(u16, u16, u16), &'static str> {
    let symbol = "cuvsVersionGet";
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: the function takes three places for numbers of 16 bits, in every version that has it.
    unsafe {
        let ask = library.get::<unsafe extern "C" fn(*mut u16, *mut u16, *mut u16) -> CEnum>(symbol);
        ask.map_err(|_| symbol)?(&raw mut major, &raw mut minor, &raw mut patch);
    }
    Ok((major, minor, patch))
}

/// The first line that says something, and not all of a long one; of an error of CUDA its reason, without the place in the code of cuVS.
fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
    let reason = line.split_once("Reason=").map_or(line, |(_, reason)| reason.trim_end_matches("')"));
    reason.chars().take(MOST_TEXT).collect()
}

/// Opens a library for ever.
#[cfg(unix)]
pub(super) fn load(path: &Path) -> Result<ManuallyDrop<libloading::Library>, String> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: what runs when the library is opened is that of cuVS, of a package that it needs or of the device's driver, which the user
    // installed; with all symbols bound at once none is missing later.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    library.map(|library| ManuallyDrop::new(library.into())).map_err(|error| loader_text(&error))
}

#[cfg(not(unix))]
pub(super) fn load(_: &Path) -> Result<ManuallyDrop<libloading::Library>, String> {
    Err("there is none for this platform".into())
}

/// What the loader says, without what was asked of it.
#[cfg(unix)]
fn loader_text(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    first_line(&source.unwrap_or_else(|| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_trace_the_first_line_is_told() {
        assert_eq!(first_line("\n  CUDA error: no driver\nObtained 3 stack frames\n#1 …"), "CUDA error: no driver");
        let of_cuda = "CUDA error encountered at: file=a.hpp line=7: call='cudaMemGetInfo(&free, &total)', Reason=cudaErrorNoDevice: no device\n#1 …";
        assert_eq!(first_line(of_cuda), "cudaErrorNoDevice: no device");
        assert_eq!(first_line(""), "no reason given");
        assert_eq!(first_line(&"é".repeat(1000)).chars().count(), MOST_TEXT);
    }

    #[test]
    fn where_the_library_is_not_it_is_said_where_it_was_looked_for() {
        let named = Search { named: Some("/nowhere/libcuvs_c.so".into()), ..Search::default() };
        let absent = Cuvs::find(&named).unwrap_err();
        assert!(absent.reason().contains("/nowhere/libcuvs_c.so"), "{absent:?}");
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join(NAME);
        std::fs::write(&library, "no library").unwrap();
        let absent = Cuvs::find(&Search { named: Some(library.clone()), ..Search::default() }).unwrap_err();
        assert!(matches!(&absent, Absent::Unloadable { library: at, .. } if *at == library), "{absent:?}");
        assert!(absent.reason().contains("too short") || absent.reason().contains("invalid"), "{}", absent.reason());
    }
}
