//! gigamapper's Node-API addon: convert – call – convert, and nothing else.
//!
//! Requests, reports and progress cross as JSON text, because napi turns every integer above 2^32 into a `BigInt` and
//! sorts the fields of an object; text keeps numbers numbers and fields in their order. They are small: a report has
//! a few kilobytes. Neighbours alone leave as typed arrays, and cells in memory come as such. Work runs on a blocking thread and comes back as a promise; the event loop stays free.
//!
//! Not here: defaults, checks and decisions (core), signals, events and error classes (the facade in `ts/`).

pub mod capabilities;
pub mod cells;
pub mod clean;
pub mod doctor;
mod failure;
pub mod index;
mod injected;
pub mod inspect;
mod job;
pub mod map;
pub mod neighbors;
pub mod task;
