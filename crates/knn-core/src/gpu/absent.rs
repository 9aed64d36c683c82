//! Why there is no GPU to compute with, and what would give one.

use std::path::PathBuf;

use super::device::COARSE_VARIABLE;
use super::places::{LIBRARY_VARIABLE, MEMORY_VARIABLE};
use crate::budget::format_bytes;
use crate::error::Error;

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// cuVS is made for Linux only.
    Platform,
    /// The library was found in none of these places.
    NotFound {
        /// In words, in the order in which they were tried.
        looked: Vec<String>,
    },
    /// The library is there and cannot be opened, as a rule because one that it needs is missing.
    Unloadable {
        /// Its file, or its name where the system's loader was asked.
        library: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// It is of a version that is not known.
    Version {
        /// Its file.
        library: PathBuf,
        /// Its version.
        found: String,
    },
    /// It lacks a function.
    Symbol {
        /// Its file.
        library: PathBuf,
        /// The function's name.
        symbol: &'static str,
    },
    /// There is no driver, no device, or it does not answer.
    NoDevice {
        /// The library's file.
        library: PathBuf,
        /// The library's version.
        version: String,
        /// The first line of what cuVS says.
        reason: String,
    },
    /// The device has too little free memory.
    Memory {
        /// The most that could be taken, bytes.
        found: u64,
        /// What it takes at least, bytes.
        least: u64,
    },
    /// The environment makes CUDA compute with fewer digits.
    Coarse,
    /// A variable of the environment has no value that is understood.
    Setting {
        /// What it is set to.
        value: String,
    },
}

impl Absent {
    /// What is missing, in a sentence without a full stop.
    pub fn reason(&self) -> String {
        match self {
            Self::Platform => "cuVS, which computes on the GPU, is there for Linux only".into(),
            Self::NotFound { looked } => format!("cuVS (libcuvs_c.so) was not found: {}", looked.join("; ")),
            Self::Unloadable { library, reason } => format!("{} cannot be loaded: {reason}", library.display()),
            Self::Version { library, found } => {
                format!("{} is cuVS {found}, and versions 26 are known", library.display())
            }
            Self::Symbol { library, symbol } => format!("{} has no function {symbol}", library.display()),
            Self::NoDevice { library, version, reason } => {
                format!("cuVS {version} ({}) finds no device that answers: {reason}", library.display())
            }
            Self::Memory { found, least } => format!(
                "the GPU has {} of free memory, and it takes {} at least",
                format_bytes(*found),
                format_bytes(*least)
            ),
            Self::Coarse => {
                format!("{COARSE_VARIABLE} is set, so that products have fewer digits than results are proven with")
            }
            Self::Setting { value } => format!("{MEMORY_VARIABLE} is {value:?}, which is no size"),
        }
    }

    /// What would make a device available, in a sentence without a full stop.
    pub fn remedy(&self) -> String {
        match self {
            Self::Platform => "use backend \"auto\" or \"cpu\": the results are the same".into(),
            Self::NotFound { .. } => format!(
                "install cuVS 26, as pip install libcuvs-cu13 nvidia-cuda-runtime (or libcuvs-cu12) does, and let {LIBRARY_VARIABLE} name libcuvs_c.so or the site-packages folder that it is in"
            ),
            Self::Unloadable { .. } => format!(
                "install cuVS 26 with all packages that it depends on (libcuvs-cu13 needs nvidia-cuda-runtime too), and let {LIBRARY_VARIABLE} name the site-packages folder that they are in"
            ),
            Self::Version { .. } | Self::Symbol { .. } => {
                format!("install cuVS 26, and let {LIBRARY_VARIABLE} name it where there is another one")
            }
            Self::NoDevice { .. } => {
                "check that nvidia-smi lists a device and that its driver is as new as the CUDA that cuVS was made for"
                    .into()
            }
            Self::Memory { .. } => {
                "end what else uses the device, or use backend \"cpu\": the results are the same".into()
            }
            Self::Coarse => format!("unset {COARSE_VARIABLE}"),
            Self::Setting { .. } => format!("set {MEMORY_VARIABLE} to a size such as 8GiB, or unset it"),
        }
    }

    /// `GM_BACKEND`, for whoever asked for the device and nothing else.
    pub fn into_error(self) -> Error {
        Error::Backend { backend: "cuda".into(), reason: self.reason(), remedy: self.remedy() }
    }
}
