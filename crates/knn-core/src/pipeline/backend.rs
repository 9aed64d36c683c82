//! Which back end seeks the neighbours of a run: decided once, when the run is planned, and told with the reason.
//!
//! Every back end finds the same bits, so the choice is no part of a run's identity, and a run may go on by another one. A GPU only compares
//! rows: training, routing, codes, repairs and whatever is stored are the CPU's.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::request::{AskedBackend, Resolved};
use crate::budget::{MIB, resident};
use crate::error::{Error, Result};
use crate::gpu::{Absent, Backend, Device, LIBRARY_VARIABLE, Search, probe};

/// Anonymous memory that opening the library took, bytes; 0 as long as none is open. It is of the process, because a library that is open stays so.
static OPENED: AtomicU64 = AtomicU64::new(0);
/// Opening it takes no more: what another thread takes meanwhile is not its.
const MOST_OPENED: u64 = 512 * MIB;

/// What the open library takes of a budget, where there is one, whether or not it has found a device.
pub(super) fn opened() -> Option<(&'static str, u64)> {
    Some(("GPU library", OPENED.load(Ordering::Relaxed))).filter(|(_, bytes)| *bytes > 0)
}

/// What neighbours are sought with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct BackendPlan {
    /// `cpu` or `cuda`.
    pub name: String,
    /// Why this one, in one sentence.
    pub reason: String,
    /// The devices, by number, name and memory, and the library that drives them; null for the CPU.
    pub device: Option<String>,
}

/// What a search compares, as far as it decides who can.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    /// `exact`, `ivf` or `ivfpq`; `imported` where nothing is sought.
    pub(super) method: &'a str,
    /// Whether references of a query's own batch are left out.
    pub(super) bars: bool,
}

impl<'a> Work<'a> {
    /// That of a run whose method is chosen.
    pub(super) fn of(resolved: &'a Resolved) -> Self {
        let parameters = &resolved.parameters;
        Self { method: &parameters.method, bars: parameters.exclude_batch.is_some() }
    }

    /// Why no GPU does it; none where one can.
    pub(super) fn kept_from_gpu(self) -> Option<&'static str> {
        match self {
            Self { method: "imported", .. } => Some("the neighbors were found before, so nothing is compared"),
            Self { method: "ivfpq", .. } => Some("codes of ivfpq are compared by the CPU alone"),
            Self { bars: true, .. } => Some("with excludeBatch, cells are compared by the CPU alone"),
            _ => None,
        }
    }

    /// Why the CPU does it where nobody asked for a GPU by name; none where a GPU is sooner.
    fn as_soon_by_cpu(self) -> Option<&'static str> {
        self.kept_from_gpu().or((self.method == "ivf").then_some(AS_SOON))
    }
}

/// Why `auto` leaves lists to the CPU: with two threads as with sixteen, beside an H100 (`docs/design/gpu.md`).
const AS_SOON: &str = "the CPU searches lists as soon as a GPU; backend cuda has a GPU do it";

/// The C library that this build is for, as the compiler calls it.
pub(super) fn environment() -> &'static str {
    match () {
        () if cfg!(target_env = "gnu") => "gnu",
        () if cfg!(target_env = "musl") => "musl",
        () if cfg!(target_env = "msvc") => "msvc",
        () => "",
    }
}

/// Why no library can be loaded where the compiler calls system, processor and C library so; none where one can.
pub(super) fn no_loader([os, arch, env]: [&str; 3]) -> Option<&'static str> {
    match (os, arch, env) {
        ("linux", "x86_64" | "aarch64", "gnu") => None,
        ("linux", "x86_64" | "aarch64", _) => Some("cuVS is built for the C library glibc alone"),
        _ => Some("cuVS is built for Linux on x86_64 and aarch64 alone"),
    }
}

/// Why there is no GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// What is missing, in one sentence without its end.
    pub(super) reason: String,
    /// What would help.
    pub(super) remedy: String,
    /// Whether the library is there, so that somebody meant to have a GPU.
    pub(super) is_meant: bool,
}

/// Decides for a run whose method is chosen, by what is found on this machine. Where a GPU was asked for by name, other programs are asked too where the
/// library is, which takes longer.
pub(super) fn choose(resolved: &Resolved) -> Result<Decision<Vec<Device>>> {
    let asked = resolved.backend;
    decide(asked, Work::of(resolved), || look(asked == AskedBackend::Cuda))
}

impl Decision<Vec<Device>> {
    /// What the run is carried out by. Where GPUs were only taken because they are there, the CPU goes on when the last of them fails.
    pub(super) fn backend(&self, asked: AskedBackend) -> Backend {
        let cuda = |devices| Backend::Cuda { devices, or_cpu: asked == AskedBackend::Auto };
        self.device.clone().map_or(Backend::Cpu, cuda)
    }
}

/// A decision, with the device where one was taken.
#[derive(Debug)]
pub(super) struct Decision<D> {
    /// What is told of it.
    pub(super) told: BackendPlan,
    /// The device, for `cuda`.
    device: Option<D>,
    /// What the user should know: that something runs elsewhere than was asked or meant.
    pub(super) warning: Option<String>,
}

/// Decides. `probe` looks for a device, with what is told of it, and is asked once at most; `GM_BACKEND` where `cuda` was asked for and there is none.
pub(super) fn decide<D>(
    asked: AskedBackend,
    work: Work,
    probe: impl FnOnce() -> Result<(D, String), Missing>,
) -> Result<Decision<D>> {
    let cpu = |reason: String, warning: Option<String>| Decision {
        told: BackendPlan { name: "cpu".into(), reason, device: None },
        device: None,
        warning,
    };
    let kept = work.kept_from_gpu();
    match (asked, work.as_soon_by_cpu()) {
        (AskedBackend::Cpu, _) => return Ok(cpu("it was asked for".into(), None)),
        (AskedBackend::Auto, Some(reason)) => return Ok(cpu(reason.into(), None)),
        _ => {}
    }
    match (probe(), kept) {
        (Err(missing), _) if asked == AskedBackend::Cuda => {
            Err(Error::Backend { backend: "cuda".into(), reason: missing.reason, remedy: missing.remedy })
        }
        (Err(Missing { reason, remedy, is_meant }), _) => {
            let warning = is_meant
                .then(|| format!("there is no GPU for this run, so the CPU does all of it: {reason}; {remedy}"));
            Ok(cpu(format!("there is no GPU: {reason}"), warning))
        }
        (Ok(_), Some(reason)) => Ok(cpu(reason.into(), Some(format!("backend cuda was asked for, but {reason}")))),
        (Ok((device, told)), None) => {
            let reason = if asked == AskedBackend::Cuda { "it was asked for" } else { "a GPU is there" };
            let told = BackendPlan { name: "cuda".into(), reason: reason.into(), device: Some(told) };
            Ok(Decision { told, device: Some(device), warning: None })
        }
    }
}

/// Looks for devices. With `asks_python` other programs are asked too where the library is, which takes longer.
pub(super) fn look(asks_python: bool) -> Result<(Vec<Device>, String), Missing> {
    let search = Search::from_environment(asks_python);
    let is_named = search.as_ref().is_ok_and(|search| search.named.is_some());
    if let Some(reason) = no_loader([std::env::consts::OS, std::env::consts::ARCH, environment()]) {
        let remedy = "ask for backend \"auto\" or \"cpu\": the results are the same";
        return Err(Missing { reason: reason.into(), remedy: remedy.into(), is_meant: is_named });
    }
    let before = resident();
    let probed = search.and_then(|search| probe(&search));
    let is_untouched = |absent: &Absent| {
        matches!(absent, Absent::NotFound { .. } | Absent::Platform | Absent::Setting { .. } | Absent::Coarse)
    };
    if !probed.as_ref().is_err_and(is_untouched) {
        let taken = resident().saturating_sub(before).next_multiple_of(MIB).clamp(MIB, MOST_OPENED);
        OPENED.fetch_max(taken, Ordering::Relaxed);
    }
    let devices = probed.map_err(|absent| Missing {
        reason: absent.reason(),
        remedy: absent.remedy(),
        is_meant: is_named || !matches!(absent, Absent::NotFound { .. } | Absent::Platform),
    })?;
    let told = in_words(&devices);
    Ok((devices, told))
}

/// How many devices there are, what each is, and what drives them.
fn in_words(devices: &[Device]) -> String {
    let each: Vec<String> = devices.iter().map(Device::in_words).collect();
    let (count, s) = match devices.len() {
        1 => (String::new(), ""),
        count => (format!("{count} "), "s"),
    };
    let by = devices
        .first()
        .map_or_else(String::new, |device| format!(", by cuVS {} ({})", device.version(), device.library().display()));
    format!("{count}CUDA device{s} {}{by}", each.join(" and "))
}

/// Why `auto` does not find a device that `cuda` finds, and what would let it.
pub(super) fn hidden(library: &Path) -> (String, String) {
    let packages = library.ancestors().nth(3).unwrap_or(library);
    (
        "python3 knows where cuVS is, and backend auto does not ask it: only cuda finds this device".into(),
        format!("let {LIBRARY_VARIABLE} be {}", packages.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Work = Work { method: "exact", bars: false };

    fn missing(is_meant: bool) -> Missing {
        Missing { reason: "the library is nowhere".into(), remedy: "install it".into(), is_meant }
    }

    fn device() -> ((), String) {
        ((), "device 0".into())
    }

    fn never() -> Result<((), String), Missing> {
        panic!("nobody asked for a device")
    }

    #[test]
    fn auto_takes_what_is_there_and_says_why() {
        let found = decide(AskedBackend::Auto, EXACT, || Ok(device())).unwrap();
        assert_eq!((found.told.name.as_str(), found.told.device.as_deref()), ("cuda", Some("device 0")));
        assert!(found.device.is_some() && found.warning.is_none());
        let without = decide::<()>(AskedBackend::Auto, EXACT, || Err(missing(false))).unwrap();
        assert_eq!((without.told.name.as_str(), without.warning), ("cpu", None));
        assert!(without.told.reason.contains("the library is nowhere"), "{}", without.told.reason);
    }

    #[test]
    fn a_library_without_a_device_is_warned_of() {
        let warning = decide::<()>(AskedBackend::Auto, EXACT, || Err(missing(true))).unwrap().warning.unwrap();
        assert!(warning.contains("the library is nowhere") && warning.contains("install it"), "{warning}");
    }

    #[test]
    fn the_cpu_and_work_of_the_cpu_ask_for_no_device() {
        assert_eq!(decide(AskedBackend::Cpu, EXACT, never).unwrap().told.name, "cpu");
        for work in [
            Work { method: "ivfpq", bars: false },
            Work { method: "imported", bars: false },
            Work { method: "ivf", bars: true },
        ] {
            let decision = decide(AskedBackend::Auto, work, never).unwrap();
            assert_eq!((decision.told.name.as_str(), decision.warning), ("cpu", None), "{work:?}");
            assert_eq!(Some(decision.told.reason.as_str()), work.kept_from_gpu());
        }
    }

    #[test]
    fn lists_are_searched_by_a_gpu_only_where_it_is_asked_for_by_name() {
        let lists = Work { method: "ivf", bars: false };
        let auto = decide(AskedBackend::Auto, lists, never).unwrap();
        assert_eq!((auto.told.name.as_str(), auto.told.reason.as_str(), auto.warning), ("cpu", AS_SOON, None));
        let cuda = decide(AskedBackend::Cuda, lists, || Ok(device())).unwrap();
        assert!(cuda.told.name == "cuda" && cuda.device.is_some() && cuda.warning.is_none());
    }

    #[test]
    fn what_was_asked_for_is_there_or_an_error_and_what_runs_elsewhere_is_warned_of() {
        let error = decide::<()>(AskedBackend::Cuda, EXACT, || Err(missing(false))).unwrap_err();
        assert_eq!((error.code(), error.hint().as_deref()), ("GM_BACKEND", Some("install it")));
        assert!(error.to_string().contains("cuda is not available: the library is nowhere"), "{error}");
        let codes = Work { method: "ivfpq", bars: false };
        assert_eq!(decide::<()>(AskedBackend::Cuda, codes, || Err(missing(true))).unwrap_err().code(), "GM_BACKEND");
        let elsewhere = decide(AskedBackend::Cuda, codes, || Ok(device())).unwrap();
        assert!(elsewhere.device.is_none() && elsewhere.told.name == "cpu");
        assert!(elsewhere.warning.unwrap().contains("ivfpq"));
        assert_eq!(decide(AskedBackend::Cuda, EXACT, || Ok(device())).unwrap().told.reason, "it was asked for");
    }
}
