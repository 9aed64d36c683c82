//! What a plan takes of the memory, by what takes it, and the parts that every plan has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::budget::MIB;

/// Node, the libraries' code and heaps, and what an allocator keeps: measured at 60 MiB at most.
pub(super) const PROCESS: u64 = 72 * MIB;
/// What open stores hold: cells that the caller gave, and which cells are chosen.
pub(super) const HELD: &str = "cells in memory";

/// The memory model of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct MemoryPlan {
    /// The declared budget, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub limit: u64,
    /// What the plan takes at its highest, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub planned: u64,
    /// Its parts, bytes each.
    #[cfg_attr(test, ts(type = "Record<string, number>"))]
    pub parts: BTreeMap<String, u64>,
}

/// What open stores hold as a part of a plan, where it is anything.
pub(super) fn held(bytes: u64) -> Option<(String, u64)> {
    (bytes > 0).then(|| (HELD.to_owned(), bytes))
}
