//! The first pass over the query: an index and the recall of a search, neighbours by every way that they come about, and their units.

pub(super) mod rounding;
pub(super) mod reference;
pub(super) mod truth;
pub(super) mod joined;
pub(super) mod units;
pub(super) mod space;
pub(super) mod search_stage;
pub(super) mod work_rows;
pub(super) mod routed;
pub(super) mod list_order;
pub(super) mod gather;
pub(super) mod repair_stage;
pub(super) mod import_stage;
pub(super) mod join_stage;
