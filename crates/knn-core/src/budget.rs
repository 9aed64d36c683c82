//! The declared memory of a run. Every large buffer is a [`Lease`] of it, so that going over is a typed error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;
/// The default budget is never smaller than this.
pub const SMALLEST_DEFAULT: u64 = 256 * MIB;

/// A process-wide allowance of bytes. Cloning shares it.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: u64,
    used: AtomicU64,
}

/// Bytes taken from a [`MemoryBudget`]; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    budget: MemoryBudget,
    bytes: u64,
}

impl MemoryBudget {
    /// A budget of `limit` bytes, of which nothing is taken.
    pub fn new(limit: u64) -> Self {
        Self { shared: Arc::new(Shared { limit, used: AtomicU64::new(0) }) }
    }

    /// All bytes of the budget.
    pub fn limit(&self) -> u64 {
        self.shared.limit
    }

    /// Bytes not taken.
    pub fn available(&self) -> u64 {
        self.shared.limit.saturating_sub(self.shared.used.load(Ordering::Relaxed))
    }

    /// Takes `bytes` for `what`, or says that they do not fit.
    pub fn take(&self, what: &str, bytes: u64) -> Result<Lease> {
        let grown = self.shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|&sum| sum <= self.shared.limit)
        });
        match grown {
            Ok(_) => Ok(Lease { budget: self.clone(), bytes }),
            Err(used) => Err(Error::Budget {
                what: what.to_owned(),
                needed: bytes,
                available: self.shared.limit.saturating_sub(used),
                remedy: format!("raise memory above {}", format_bytes(used.saturating_add(bytes))),
            }),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.shared.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads `4GiB`, `512 MiB`, `2GB` or a plain number of bytes.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let wrong = || Error::param("memory", text, "give bytes or a size such as 512MiB or 4GiB");
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..split].parse().map_err(|_| wrong())?;
    let unit: f64 = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "kb" => 1e3,
        "m" | "mib" => 1024.0 * 1024.0,
        "mb" => 1e6,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "gb" => 1e9,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "tb" => 1e12,
        _ => return Err(wrong()),
    };
    let bytes = number * unit;
    if bytes.is_finite() && (1.0..9e15).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

/// A size as people write it: `512.0 MiB`.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Memory this process may use: the smallest of the machine's and its cgroup's, in bytes.
pub fn machine_memory() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let cgroup = cgroup_limit();
    machine.into_iter().chain(cgroup).min().unwrap_or(4 * 1024 * MIB)
}

/// The memory limit of this process's cgroup, where there is one.
pub fn cgroup_limit() -> Option<u64> {
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok())
        .filter(|&limit| limit < 1 << 60)
}

/// A quarter of the machine's memory, but not less than 256 MiB.
pub fn default_limit() -> u64 {
    (machine_memory() / 4).max(SMALLEST_DEFAULT)
}

/// Anonymous memory of this process, bytes; 0 where the system does not tell. Mapped files and the page cache are not in it.
pub fn resident() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = text.lines().find(|line| line.starts_with("RssAnon:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_given_back() {
        let budget = MemoryBudget::new(100);
        let lease = budget.take("a", 60).unwrap();
        let error = budget.take("b", 41).unwrap_err();
        assert!(matches!(error, Error::Budget { needed: 41, available: 40, .. }), "{error}");
        drop(lease);
        assert!(budget.take("b", 100).is_ok());
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_bytes("256MiB").unwrap(), 256 * MIB);
        assert_eq!(parse_bytes("1.5 GiB").unwrap(), 1536 * MIB);
        assert_eq!(parse_bytes("1000").unwrap(), 1000);
        for wrong in ["", "MiB", "-1", "4 parsecs", "0"] {
            assert_eq!(parse_bytes(wrong).unwrap_err().code(), "GM_PARAM", "{wrong:?}");
        }
    }
}
