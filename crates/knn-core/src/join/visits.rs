//! Which lists the queries of a slice visit, list by list, and where the lists' rows lie among the slots of the slice.

/// Pairs of list and query, sorted by list.
#[derive(Debug, Default)]
pub(super) struct Visits {
    /// Where the queries of each list end among the members.
    ends: Vec<u32>,
    members: Vec<u32>,
    /// Where a list is visited by all but its own: how many there are. They stand there twice.
    others: usize,
    /// Lists that are visited, ascending.
    pub(super) lists: Vec<u32>,
}

impl Visits {
    /// Sorts the pairs: `lists` has `probes` entries a query, nearest first, of which those in `ranks` count; no list is `u32::MAX`.
    pub(super) fn sort(&mut self, lists: &[u32], probes: usize, ranks: std::ops::Range<usize>, nlist: usize) {
        let Self { ends, members, others, lists: visited } = self;
        *others = 0;
        ends.clear();
        ends.resize(nlist + 1, 0);
        for row in lists.chunks_exact(probes) {
            for &list in row[ranks.clone()].iter().filter(|list| **list != u32::MAX) {
                ends[list as usize + 1] += 1;
            }
        }
        visited.clear();
        let mut total = 0;
        for (list, end) in ends.iter_mut().enumerate() {
            if *end > 0 {
                visited.push(list as u32 - 1);
            }
            total += *end;
            *end = total;
        }
        members.resize(total as usize, 0);
        // Each start moves to its end while the members are put down.
        for (query, row) in lists.chunks_exact(probes).enumerate() {
            for &list in row[ranks.clone()].iter().filter(|list| **list != u32::MAX) {
                let at = &mut ends[list as usize];
                members[*at as usize] = query as u32;
                *at += 1;
            }
        }
    }

    /// All pairs but those of each query with its list in `nearest`. A query without a nearest list is not finite and finds nothing
    /// anywhere.
    pub(super) fn everywhere_else(&mut self, nearest: &[u32], nlist: u32) {
        self.sort(nearest, 1, 0..1, nlist as usize);
        // Twice, so that what is before and what is behind a list's own lies side by side: pairs would take lists times the room.
        self.others = self.members.len();
        self.members.extend_from_within(..);
        self.lists.clear();
        self.lists.extend(0..nlist);
    }

    /// The queries that visit a list.
    pub(super) fn members(&self, list: u32) -> &[u32] {
        let start = if list == 0 { 0 } else { self.ends[list as usize - 1] } as usize;
        let end = self.ends[list as usize] as usize;
        if self.others == 0 { &self.members[start..end] } else { &self.members[end..self.others + start] }
    }

    /// Bytes for so many pairs, of `nlist` lists.
    pub(super) fn bytes(pairs: u64, nlist: u64) -> u64 {
        pairs * 4 + (nlist + 1) * 8
    }
}

/// Slots of the lists visited so far: sixteen to a block, as the tile has them.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// List of each block, and its first block.
    blocks: Vec<(u32, u32)>,
}

impl Places {
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Whether there are numbers for the slots of so many more blocks: with all lists of a large index there are not.
    pub(super) fn have_room(&self, blocks: usize, block_rows: usize) -> bool {
        i32::try_from((self.blocks.len() + blocks).saturating_mul(block_rows)).is_ok()
    }

    /// Room for the blocks of a list; returns its first slot.
    pub(super) fn begin(&mut self, list: u32, blocks: usize, block_rows: usize) -> u32 {
        let first = self.blocks.len() as u32;
        self.blocks.resize(self.blocks.len() + blocks, (list, first));
        first * block_rows as u32
    }

    /// The list of a slot, and the row within it.
    pub(super) fn find(&self, slot: u32, block_rows: usize) -> (u32, usize) {
        let (list, first) = self.blocks[slot as usize / block_rows];
        (list, slot as usize - first as usize * block_rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sorted_by_list_and_query() {
        let mut visits = Visits::default();
        visits.sort(&[2, 0, u32::MAX, 2, 5, 0], 2, 0..2, 6);
        assert_eq!(visits.lists, [0, 2, 5]);
        assert_eq!(visits.members(0), [0, 2]);
        assert_eq!(visits.members(1), [0; 0]);
        assert_eq!(visits.members(2), [0, 1]);
        assert_eq!(visits.members(5), [2]);
        visits.sort(&[2, 0, u32::MAX, 2, 5, 0], 2, 1..2, 6);
        assert_eq!(
            (visits.lists.as_slice(), visits.members(2), visits.members(5)),
            (&[0, 2][..], &[1][..], &[0; 0][..])
        );
    }

    #[test]
    fn every_list_but_its_own_is_visited_by_a_query() {
        let mut visits = Visits::default();
        visits.everywhere_else(&[2, 0, u32::MAX, 2, 3], 4);
        assert_eq!(visits.lists, [0, 1, 2, 3]);
        let expected = [&[0, 3, 4][..], &[0, 1, 3, 4], &[1, 4], &[0, 1, 3]];
        for (list, expected) in (0..).zip(expected) {
            let mut members = visits.members(list).to_vec();
            members.sort_unstable();
            assert_eq!(members, expected, "{list}");
        }
        visits.everywhere_else(&[u32::MAX; 3], 2);
        assert_eq!((visits.members(0), visits.members(1)), (&[][..], &[][..]));
        visits.sort(&[1], 1, 0..1, 2);
        assert_eq!((visits.members(0), visits.members(1)), (&[][..], &[0][..]));
    }

    #[test]
    fn slots_find_their_list() {
        let mut places = Places::default();
        assert!(places.have_room(i32::MAX as usize / 16, 16) && !places.have_room(i32::MAX as usize / 16 + 1, 16));
        assert_eq!(places.begin(7, 2, 16), 0);
        assert_eq!(places.begin(3, 1, 16), 32);
        assert_eq!(places.find(17, 16), (7, 17));
        assert_eq!(places.find(33, 16), (3, 1));
    }
}
