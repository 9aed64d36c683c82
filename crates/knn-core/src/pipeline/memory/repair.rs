//! How the budget is shared out while neighbours are repaired: a block of queries, and references that are there all the time or slab by slab.

use std::collections::BTreeMap;

use crate::join::{HOPS, Hop, Links, Repair};

/// Rows of references in memory that a block meets at least.
const LEAST_SLAB_ROWS: u64 = 4096;
/// Queries of a block at most where all references stay: beyond this nothing gets faster.
const MOST_BLOCK_ROWS: u64 = 1 << 18;
/// Where references come slab by slab, the part of the memory that slabs get. Every block reads all references, so queries get the rest.
const SLAB_SHARE: u64 = 8;

/// What the shares follow from.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct RepairNeeds {
    /// Rows of the query and of the reference, which are the same rows if `own`.
    pub(in crate::pipeline) n_query: u64,
    pub(in crate::pipeline) n_ref: u64,
    pub(in crate::pipeline) own: bool,
    pub(in crate::pipeline) dim: u64,
    pub(in crate::pipeline) k: u64,
    /// Neighbours that are known of each reference.
    pub(in crate::pipeline) theirs: u64,
    pub(in crate::pipeline) threads: u64,
    /// Rows that come back from runs together, and the most of a unit.
    pub(in crate::pipeline) bucket_rows: u64,
    pub(in crate::pipeline) unit_rows: u64,
    /// What is there besides queries and references, by name.
    pub(in crate::pipeline) parts: BTreeMap<&'static str, u64>,
}

/// The shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pipeline) struct RepairShares {
    /// Queries of a block; whole buckets, whatever this says.
    pub(in crate::pipeline) block_rows: u64,
    /// References whose rows are in memory at a time, and references whose links are.
    pub(in crate::pipeline) slab_rows: u64,
    pub(in crate::pipeline) link_rows: u64,
    /// Whether those are all.
    pub(in crate::pipeline) stays: bool,
    /// Bytes in all.
    pub(in crate::pipeline) bytes: u64,
    /// How often all references are read.
    pub(in crate::pipeline) passes: u64,
}

impl RepairShares {
    /// Takes other sizes, where a test gives them. Fewer references than all are met slab by slab.
    pub(in crate::pipeline) fn replace(&mut self, block_rows: Option<u64>, slab_rows: Option<u64>) {
        self.block_rows = block_rows.unwrap_or(self.block_rows);
        if let Some(rows) = slab_rows {
            (self.slab_rows, self.link_rows, self.stays) = (rows, rows, false);
        }
    }
}

impl RepairNeeds {
    /// The hop that takes most.
    fn hop(&self) -> Hop {
        let widest =
            HOPS.map(|hop| hop.among(self.theirs as usize, self.k as usize)).into_iter().max_by_key(|hop| hop.width());
        widest.unwrap_or(HOPS[0])
    }

    /// Bytes of a query of a block: its neighbours as they are found, in the order of work and as they are written; and its row, where that is
    /// not among the references that stay.
    fn row(&self, stays: bool) -> u64 {
        let own = self.k * (8 + 4) * 2 + 1 + 8 + if stays && self.own { 0 } else { self.dim * 4 };
        own + Repair::row_bytes(self.hop(), self.k, self.dim, stays)
    }

    fn link(&self) -> u64 {
        Links::row_bytes(self.hop().r1, self.n_ref)
    }

    fn fixed(&self) -> u64 {
        self.parts.values().sum::<u64>() + self.threads * Repair::scratch_bytes(self.hop(), self.k as usize)
    }

    fn least_block(&self) -> u64 {
        self.bucket_rows.min(self.n_query.max(1))
    }

    fn least_slabs(&self) -> u64 {
        // Links come a bucket at a time, where they come from runs.
        let links = if self.own { self.least_block() } else { LEAST_SLAB_ROWS.min(self.n_ref.max(1)) };
        (LEAST_SLAB_ROWS.min(self.n_ref.max(1)) * self.dim * 4).max(links * self.link())
    }

    fn all(&self) -> u64 {
        self.n_ref * (self.dim * 4 + self.link())
    }

    /// Bytes below which nothing can be done.
    pub(in crate::pipeline) fn least(&self) -> u64 {
        let [stays, slabs] = [true, false].map(|stays| self.least_block() * self.row(stays));
        self.fixed() + (stays + self.all()).min(slabs + self.least_slabs())
    }

    /// Bytes that are enough for all references.
    pub(in crate::pipeline) fn enough(&self) -> u64 {
        self.fixed() + self.least_block() * self.row(true) + self.all()
    }

    /// Shares out `memory` bytes, at least [`Self::least`].
    pub(in crate::pipeline) fn share(&self, memory: u64) -> RepairShares {
        let free = memory - self.fixed();
        let whole = |rows: u64| rows / self.bucket_rows * self.bucket_rows;
        if memory >= self.enough() {
            let block_rows = whole((free - self.all()) / self.row(true)).clamp(self.least_block(), MOST_BLOCK_ROWS);
            let block_rows = block_rows.min(self.unit_rows).max(self.least_block());
            let bytes = self.fixed() + self.all() + block_rows * self.row(true);
            return RepairShares {
                block_rows,
                slab_rows: self.n_ref.max(1),
                link_rows: self.n_ref.max(1),
                stays: true,
                bytes,
                passes: 1,
            };
        }
        let most = free - self.least_block() * self.row(false);
        let slabs = (free / SLAB_SHARE).max(self.least_slabs()).min(most);
        let block_rows = whole((free - slabs) / self.row(false)).clamp(self.least_block(), self.unit_rows.max(1));
        let rows = |bytes: u64| (slabs / bytes.max(1)).clamp(1, self.n_ref.max(1));
        RepairShares {
            block_rows,
            slab_rows: rows(self.dim * 4),
            link_rows: rows(self.link()),
            stays: false,
            bytes: self.fixed() + slabs + block_rows * self.row(false),
            passes: self.n_query.div_ceil(self.unit_rows.max(1))
                * self.unit_rows.min(self.n_query.max(1)).div_ceil(block_rows),
        }
    }

    /// What takes the bytes of these shares, by name.
    pub(in crate::pipeline) fn told(&self, shares: &RepairShares) -> BTreeMap<&'static str, u64> {
        let mut parts = self.parts.clone();
        parts.insert("threads", self.threads * Repair::scratch_bytes(self.hop(), self.k as usize));
        let queries = shares.block_rows * self.row(shares.stays);
        parts.insert("queries in flight", queries);
        parts.insert("references of a repair", shares.bytes - self.fixed() - queries);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(n: u64) -> RepairNeeds {
        cross(n, n, true)
    }

    fn cross(n_query: u64, n_ref: u64, own: bool) -> RepairNeeds {
        let parts = BTreeMap::from([("process", 1000)]);
        let (dim, k, theirs) = (50, 30, if own { 30 } else { 9 });
        RepairNeeds { n_query, n_ref, own, dim, k, theirs, threads: 2, bucket_rows: 8192, unit_rows: 1 << 20, parts }
    }

    #[test]
    fn shares_fit_the_memory_at_every_size() {
        let sizes = [0, 1, 8191, 100_000, 3_000_000, 1_000_000_000, 1 << 40];
        let all = sizes.map(|n| (n, n, true)).into_iter().chain(sizes.map(|n| (n, 1_000_000, false)));
        for (n_query, n, own) in all.chain(sizes.map(|n| (70_000, n, false))) {
            let needs = cross(n_query, n, own);
            let (least, enough) = (needs.least(), needs.enough());
            for memory in [least, least + 1, least * 2, enough.saturating_sub(1).max(least), enough, enough * 2] {
                let shares = needs.share(memory);
                assert!(shares.bytes <= memory, "{n} rows, {memory}: {shares:?}");
                assert_eq!(needs.told(&shares).values().sum::<u64>(), shares.bytes);
                assert_eq!(shares.stays, memory >= enough, "{n} rows, {memory}");
                assert!(shares.block_rows >= n_query.clamp(1, 8192) && shares.slab_rows >= n.clamp(1, LEAST_SLAB_ROWS));
                assert!(!shares.stays || (shares.slab_rows, shares.passes) == (n.max(1), 1));
            }
        }
        let (some, more) = (needs(1 << 24).share(1 << 28), needs(1 << 24).share(1 << 30));
        assert!(some.passes > more.passes && more.passes > 16, "{some:?}, {more:?}");
    }
}
