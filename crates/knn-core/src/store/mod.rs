//! Everything that reaches the disk goes through here.
//!
//! A run that may take a day must survive being killed at any instruction, so every write obeys one protocol: a file
//! appears under its own name only when it is whole ([`AtomicFile`]), and counts only when a line of the [`Journal`]
//! says so. What is too large for memory is brought into another order through runs ([`RunBuffer`]). [`Vfs`] is the seam below both; a test that replaces it can fail any single call, or keep any prefix of
//! what was written, which proves nothing if one write goes around it.
//!
//! It knows neither zarr nor AnnData, and it reads foreign data nowhere: `source` does that.

mod atomic;
mod checksum;
mod journal;
mod lock;
mod mark;
mod os;
mod positioned;
mod runs;
mod vfs;
#[cfg(test)]
mod failing;

pub use atomic::{
    AtomicFile, SealedFile, Written, beside, is_temporary, make_dirs, make_many_dirs, recover, temporary_name,
    write_atomic,
};
pub use checksum::{hash_bytes, hash_file};
pub use journal::{Contents, Header, Journal, ObjectRecord, Record, Stage, standing};
pub use lock::{Lock, Standing};
pub use mark::{MARK, MARK_VERSION, Status};
pub use os::OsVfs;
pub use positioned::PositionedFile;
pub use runs::{FAN_IN, KeyReader, Run, RunBuffer, RunLedger, RunShape, merge};
pub use vfs::{Vfs, VfsFile};

#[cfg(test)]
pub(crate) use failing::FailingVfs;
