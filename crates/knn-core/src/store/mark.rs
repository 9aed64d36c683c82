//! The mark at the root of every store of ours, which says whose it is and whether it is finished.

/// The attribute of the root that holds it.
pub const MARK: &str = "gigamapper";
/// Its version.
pub const MARK_VERSION: u64 = 1;

/// Whether a store is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A run writes it, or was interrupted.
    Running,
    /// All of it is there.
    Complete,
}

impl Status {
    /// Its name in the mark.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
        }
    }
}
