//! The grid of an output: chunks, units and parts.

use serde::{Deserialize, Serialize};

/// Sizes of the output store's grid. They are recorded in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayoutRequest {
    /// Most rows of an inner chunk, default 65 536.
    #[cfg_attr(test, ts(type = "number"))]
    pub inner_rows: u64,
    /// Most inner chunks of a unit, default 16.
    #[cfg_attr(test, ts(type = "number"))]
    pub inner_per_unit: u64,
    /// Most rows of a part, a multiple of the unit's; default 2^24.
    #[cfg_attr(test, ts(type = "number"))]
    pub part_rows: u64,
}

/// Rows per inner chunk, inner chunks per unit and rows per part that `formats.md` fixes.
pub const DEFAULT_LAYOUT: LayoutRequest = LayoutRequest { inner_rows: 65_536, inner_per_unit: 16, part_rows: 1 << 24 };
