//! What is asked for in one request: parts of a file that lie close together, as long as little comes with them that nobody wants.

use std::ops::Range;

/// Share of the wanted bytes that may be fetched besides, in percent. Lists begin at multiples of 4 KiB, so that of two neighbours some bytes
/// between them are fetched; requests cost more than that.
const BESIDE: u64 = 5;

/// Ascending ranges that hold all of `wanted` (ascending, apart from each other) in few requests: the smallest gaps are fetched too, until
/// they are [`BESIDE`] percent.
pub(super) fn together(wanted: &[Range<u64>]) -> Vec<Range<u64>> {
    let total: u64 = wanted.iter().map(|range| range.end - range.start).sum();
    let gap = |at: usize| wanted[at].start - wanted[at - 1].end;
    let mut by_gap: Vec<usize> = (1..wanted.len()).collect();
    by_gap.sort_by_key(|&at| (gap(at), at));
    let mut joined = vec![false; wanted.len()];
    let mut beside = 0;
    for at in by_gap {
        beside += gap(at);
        if beside > total * BESIDE / 100 {
            break;
        }
        joined[at] = true;
    }
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for (range, joined) in wanted.iter().zip(joined) {
        match ranges.last_mut().filter(|_| joined) {
            Some(last) => last.end = range.end,
            None => ranges.push(range.clone()),
        }
    }
    ranges
}

/// What a request costs beside its bytes, in bytes: of rows that lie nearer to each other, what is between them comes too. At 50 Mbit a second and
/// 30 ms from question to answer a request of six at a time costs as much as 30 000 bytes, and where a connection carries many at once less than 1 000.
pub(super) const REQUEST: u64 = 8192;

/// Ascending ranges that hold all of `wanted` (ascending, apart from each other): what lies between two is fetched too where it is no more
/// than [`REQUEST`] bytes and nothing of it is there.
pub(super) fn near(wanted: &[Range<u64>], lacks: impl Fn(&Range<u64>) -> bool) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for range in wanted {
        let gap = ranges.last().map(|last| last.end..range.start);
        let joins = gap.is_some_and(|gap| gap.is_empty() || (gap.end - gap.start <= REQUEST && lacks(&gap)));
        match ranges.last_mut().filter(|_| joins) {
            Some(last) => last.end = range.end,
            None => ranges.push(range.clone()),
        }
    }
    ranges
}

/// What so many ranges cost, in bytes.
pub(super) fn cost(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start + REQUEST).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_near_each_other_are_fetched_together_unless_something_between_them_is_there() {
        let far = 900 + REQUEST + 1;
        let wanted = [0..100, 100..200, 800..900, far..far + 1];
        assert_eq!(near(&wanted, |_| true), [0..900, far..far + 1]);
        assert_eq!(near(&wanted, |gap| *gap != (200..800)), [0..200, 800..900, far..far + 1]);
        assert_eq!(near(&[], |_| true), []);
        assert_eq!(cost(&[0..100, 300..301]), 101 + 2 * REQUEST);
    }

    #[test]
    fn near_parts_are_fetched_together_and_little_else() {
        assert_eq!(together(&[]), []);
        assert_eq!(together(&[5..9, 900..901]), [5..9, 900..901]);
        assert_eq!(together(&[0..100, 100..200, 4096..4196]), [0..200, 4096..4196]);
        // Of gaps of 4, 3 and 9 bytes beside 300, the first two come to less than 5 percent.
        assert_eq!(together(&[0..100, 104..204, 207..257, 266..316]), [0..257, 266..316]);
        let pages: Vec<_> = (0..50).map(|page| page * 4096..page * 4096 + 3900).collect();
        let ranges = together(&pages);
        let fetched: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        assert!(ranges.len() < 50 && fetched <= 50 * 3900 * 105 / 100, "{fetched}");
        let held = |wanted: &Range<u64>| ranges.iter().any(|it| it.start <= wanted.start && wanted.end <= it.end);
        assert!(pages.iter().all(held));
    }
}
