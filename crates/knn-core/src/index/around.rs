//! Where a search looks: the lists around the one that a row lies nearest to, nearest to the row first.
//!
//! A row is compared with the lists around its own and with no others. Which these are depends on that list alone, so they are found
//! once for all rows that lie nearest to it; of 4 096 lists, 128 hold what 18 probes at a recall of 0.99 look for.

use std::sync::OnceLock;

use super::coarse::Coarse;
use super::descent::{key, keyed};
use super::nearest::{Askers, Targets};
use super::probes::Probes;
use super::route::{BUFFER_BYTES, ROUTED_ROWS, Router, Scratch};
use crate::budget::{Lease, MemoryBudget};
use crate::distance::DistanceTile;

/// Lists that a row is compared with, at least.
const LEAST_AROUND: usize = 128;
/// Lists that a row is compared with for each one that it looks in, and for each of which it looks in the near ones.
const AROUND_NEAREST: usize = 8;
const AROUND_NEAR: usize = 4;

/// The lists around each list, as they are asked for.
#[derive(Debug)]
pub struct Around {
    count: usize,
    /// Kept once found; none where there is no room to keep them.
    lists: Option<Vec<OnceLock<Box<[u32]>>>>,
    _lease: Option<Lease>,
}

/// Buffers of one thread.
#[derive(Default)]
pub struct RouteScratch {
    finding: Scratch,
    around: Vec<u32>,
    targets: Targets,
    askers: Askers,
    members: Vec<u32>,
    values: Vec<i32>,
    keys: Vec<u64>,
}

impl RouteScratch {
    /// Bytes of one thread's buffers, where all of `nlist` lists are looked at.
    pub fn bytes(nlist: u64, dim: u64) -> u64 {
        // Their numbers, keys, and what finding them takes.
        Targets::bytes(nlist, dim) + nlist * (4 + 8 + 40)
    }
}

impl Around {
    /// How many lists around its own a row is compared with, so that it can look in so many.
    pub fn count_for(probes: Probes, nlist: usize) -> usize {
        let count = match probes {
            Probes::Nearest(most) => most.saturating_mul(AROUND_NEAREST),
            Probes::Near(most) => most.saturating_mul(AROUND_NEAR),
        };
        if probes.most() >= nlist { nlist } else { count.max(LEAST_AROUND).min(nlist) }
    }

    /// `count` lists around each of `nlist`. They are kept where an eighth of what `budget` has left is enough.
    pub fn new(count: usize, nlist: usize, budget: &MemoryBudget) -> Self {
        let bytes = nlist as u64 * (count as u64 * 4 + size_of::<OnceLock<Box<[u32]>>>() as u64);
        let fits = count < nlist && bytes <= budget.available() / 8;
        let lease = fits.then(|| budget.take("the lists around lists", bytes).ok()).flatten();
        let lists = lease.is_some().then(|| (0..nlist).map(|_| OnceLock::new()).collect());
        Self { count, lists, _lease: lease }
    }

    /// How many lists there are around each.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The lists that each row (row-major) looks in, nearest first, ties to the lower list: [`Probes::most`] places for each row, with
    /// `u32::MAX` behind the lists, and throughout for rows of no list. `own` is the list to search from for each row; rows of the same one
    /// lie side by side.
    #[allow(
        clippy::too_many_arguments,
        reason = "the levels of the index, the rows and where they look are what they are"
    )]
    pub fn route(
        &self,
        router: &Router,
        coarse: &Coarse,
        rows: &[f32],
        own: &[u32],
        probes: Probes,
        tile: &dyn DistanceTile,
        scratch: &mut RouteScratch,
        routes: &mut Vec<u32>,
    ) {
        let (dim, most) = (router.frame.dim(), probes.most());
        routes.clear();
        routes.resize(own.len() * most, u32::MAX);
        let mut first = 0;
        for alike in own.chunk_by(|a, b| a == b) {
            let last = first + alike.len();
            if alike[0] != u32::MAX {
                self.meet(router, coarse, alike[0], tile, scratch);
                let each = BUFFER_BYTES as usize / (scratch.around.len() * 4);
                let each = each.clamp(1, ROUTED_ROWS);
                let rows = rows[first * dim..last * dim].chunks(each * dim);
                for (rows, routes) in rows.zip(routes[first * most..last * most].chunks_mut(each * most)) {
                    choose(router, rows, probes, tile, scratch, routes);
                }
            }
            first = last;
        }
    }

    /// Packs the lists around a list.
    fn meet(&self, router: &Router, coarse: &Coarse, list: u32, tile: &dyn DistanceTile, scratch: &mut RouteScratch) {
        let RouteScratch { finding, around, targets, .. } = scratch;
        if self.count >= router.nlist && around.len() == router.nlist {
            return; // All lists are around each, and were met before.
        }
        if let Some(kept) = &self.lists {
            let kept = kept[list as usize].get_or_init(|| {
                router.around(list, self.count, coarse, tile, finding, around);
                around.as_slice().into()
            });
            around.clear();
            around.extend_from_slice(kept);
        } else {
            router.around(list, self.count, coarse, tile, finding, around);
        }
        targets.gather(around.iter().map(|&list| router.packed(list)));
    }
}

/// Chooses among the lists that were met for rows of the same list.
fn choose(
    router: &Router,
    rows: &[f32],
    probes: Probes,
    tile: &dyn DistanceTile,
    scratch: &mut RouteScratch,
    routes: &mut [u32],
) {
    let RouteScratch { around, targets, askers, members, values, keys, .. } = scratch;
    // Products say nothing of how far a list is.
    let probes = if router.frame.is_product() { Probes::Nearest(probes.most()) } else { probes };
    askers.fill(rows, &router.frame, tile);
    members.clear();
    members.extend(0..askers.len() as u32);
    let width = askers.values(members, targets, tile, values);
    let beyond = probes.reach(router.nlist).map(|beyond| beyond * router.spacing);
    keys.resize(around.len(), 0);
    for (row, (values, routes)) in values.chunks_exact(width).zip(routes.chunks_exact_mut(probes.most())).enumerate() {
        let values = &values[..around.len()];
        let most = values.iter().copied().fold(i32::MIN, i32::max);
        let least = beyond.map_or(i32::MIN, |beyond| askers.beyond(row, most, beyond));
        let mut found = 0;
        for (&value, &list) in values.iter().zip(&*around) {
            keys[found] = key(value, list);
            found += usize::from(value > least);
        }
        let mut keys = &mut keys[..found];
        if keys.len() > routes.len() {
            keys.select_nth_unstable(routes.len() - 1);
            keys = &mut keys[..routes.len()];
        }
        keys.sort_unstable();
        let excess = keys.iter().map(|&key| askers.farther(row, most, keyed(key).0) / router.spacing);
        let kept = probes.kept(router.nlist, excess).min(keys.len());
        routes.iter_mut().zip(&keys[..kept]).for_each(|(route, &key)| *route = keyed(key).1);
    }
}
