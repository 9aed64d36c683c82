//! Runs: the shuffle by which work of any size is put into another order in a bounded memory.
//!
//! Records of one width are collected in memory ([`RunBuffer`]) until the budget is used, sorted by a small key, and written
//! once to a file that appears whole. Later a reader ([`Run`]) takes the records of one key, or of a range of keys, out of every
//! run, and the caller brings that slice into whatever finer order it wants. Within a key, records keep the order in which they
//! were pushed, and [`merge`] keeps the order of the runs: so a sequence that was cut into runs at any places comes out the
//! same. Which runs there are is kept in a journal of their own ([`RunLedger`]).
//!
//! A file is `records · table · footer`: the records by key, then for each key where its records end and their xxh3, then a
//! footer that says how many there are of what and carries the checksum of the table and of itself. Everything is
//! little-endian. Nothing is believed before it was checked: the table when a run is opened, records when they are read.

mod buffer;
mod layout;
mod ledger;
mod merge;
mod reader;

pub use buffer::RunBuffer;
pub use layout::RunShape;
pub use ledger::RunLedger;
pub use merge::{FAN_IN, merge};
pub use reader::{KeyReader, Run};
