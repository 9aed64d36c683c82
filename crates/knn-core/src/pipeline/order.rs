//! The order of work of a join by lists: rows of the output, or lists of the index.
//!
//! In the order of rows a block of queries is final when it is joined, and every block may look in every list. In the order of lists
//! queries that lie near each other are joined together, so that little of the index is read again, and what is found goes through runs back
//! into the order of rows. Both give the same bytes.

use std::path::Path;

use crate::error::Result;
use crate::sink::begun_plan;
use crate::store::OsVfs;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Rows,
    Lists,
}

/// What decides: bytes, and blocks of queries in the order of rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    pub(super) blocks: u64,
    pub(super) index: u64,
    pub(super) query: u64,
    pub(super) results: u64,
    /// Whether the lists stay in memory beside the queries in flight.
    pub(super) stays: bool,
}

impl Order {
    /// Its name in requests, plans and journals.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Lists => "lists",
        }
    }

    /// The order of that name; `auto` is none.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Rows, Self::Lists].into_iter().find(|order| order.name() == name)
    }

    /// The order of rows, unless reading the index for every block is more than moving queries and results through runs: written once and
    /// read once. The queries of a block are sorted by list in memory, so with one block both orders are the same.
    pub(super) fn cheaper(traffic: Traffic) -> Self {
        let Traffic { blocks, index, query, results, stays } = traffic;
        if stays || blocks <= 1 || blocks.saturating_mul(index) <= query.saturating_add(results).saturating_mul(2) {
            Self::Rows
        } else {
            Self::Lists
        }
    }

    /// The order in which a run was begun whose output lies there.
    pub(super) fn begun(output: &Path, run: &str) -> Result<Option<Self>> {
        let plan = begun_plan(&OsVfs, output, run)?;
        Ok(plan.map(|plan| plan["order"].as_str().and_then(Self::from_name).unwrap_or(Self::Rows)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_not_read_more_often_than_everything_could_be_moved() {
        let traffic = Traffic { blocks: 4, index: 100, query: 80, results: 120, stays: false };
        assert_eq!(Order::cheaper(traffic), Order::Rows);
        assert_eq!(Order::cheaper(Traffic { blocks: 5, ..traffic }), Order::Lists);
        assert_eq!(Order::cheaper(Traffic { blocks: 5, stays: true, ..traffic }), Order::Rows);
        assert_eq!(Order::cheaper(Traffic { blocks: 1, index: 1000, ..traffic }), Order::Rows);
        assert_eq!(Order::cheaper(Traffic { blocks: 2, index: 1000, ..traffic }), Order::Lists);
        assert_eq!(Order::cheaper(Traffic { blocks: u64::MAX, query: u64::MAX, ..traffic }), Order::Rows);
    }

    #[test]
    fn names_are_read_as_they_are_told() {
        for order in [Order::Rows, Order::Lists] {
            assert_eq!(Order::from_name(order.name()), Some(order));
        }
        assert_eq!(Order::from_name("auto"), None);
    }
}
