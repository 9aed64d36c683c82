//! What neighbours are to be sought with, as it is asked for. Which it becomes is decided when a run is planned.

use super::values::one_of;
use crate::error::Result;

/// A back end as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AskedBackend {
    /// A GPU where one is there, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU by CUDA, and nothing without one.
    Cuda,
}

impl AskedBackend {
    /// Names in requests, the default first.
    pub(in crate::pipeline) const NAMES: [&str; 3] = ["auto", "cpu", "cuda"];

    pub(super) fn resolve(given: Option<&str>) -> Result<Self> {
        Ok(match one_of("backend", given, &Self::NAMES, &[])?.as_str() {
            "cpu" => Self::Cpu,
            "cuda" => Self::Cuda,
            _ => Self::Auto,
        })
    }

    /// Its name in requests.
    pub(in crate::pipeline) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_it_is_resolved_from() {
        for name in AskedBackend::NAMES {
            assert_eq!(AskedBackend::resolve(Some(name)).unwrap().name(), name);
        }
        assert_eq!(AskedBackend::resolve(None).unwrap(), AskedBackend::Auto);
        let error = AskedBackend::resolve(Some("gpu")).unwrap_err();
        assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some("backend")));
    }
}
