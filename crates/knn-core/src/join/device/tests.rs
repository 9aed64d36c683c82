//! Devices are at work while the processor decides, and what they fail with in between loses no piece.

use std::time::Duration;

use super::groups::{Extent, Groups, Spare};
use super::relay::{DEPTH, Pieces};
use super::{Desk, Stop};
use crate::distance::Metric;
use crate::gpu::{Batch, Block};
use crate::index::Io;
use crate::join::tests::device::Told;
use crate::join::tests::{Indexed, clumps};

const PIECES: i64 = 9;

/// A piece by its number.
struct Piece(i64);

/// Every piece has rows of its own.
fn ask(&Piece(number): &Piece, desk: &mut Desk) -> Result<bool, Stop> {
    let first = number as f32;
    let query = [first, 1.0];
    assert!(desk.selector.load(&[first, 1.0, first + 1.0, 1.0])?);
    desk.selector.ask(1, |_| &query)?;
    Ok(true)
}

#[test]
fn while_one_piece_is_decided_every_device_has_the_next_ones() {
    for devices in 1..=3 {
        let told = Told::of(0, devices);
        let mut on = told.at_work(Metric::Euclidean, 2, 1).unwrap();
        let (before, mut pieces, mut decided) = (told.mock.begun(), 0..PIECES, 0);
        let decide = |Piece(piece): Piece, found: Option<(&Batch, &Block)>| {
            let (batch, block) = found.unwrap();
            let mut rows: Vec<u32> = block.read(batch.of(0), &mut Vec::new()).unwrap().map(|(row, _)| row).collect();
            rows.sort_unstable();
            assert_eq!((piece, rows.as_slice()), (decided, [0, 1].as_slice()));
            decided += 1;
            // Those that nobody asks for before this one is decided never begin.
            let expected = (piece + 1 + DEPTH as i64 * devices).min(PIECES);
            let have_begun = (0..30_000).any(|_| {
                std::thread::sleep(Duration::from_millis(1));
                told.mock.begun() - before == expected
            });
            assert!(have_begun, "{piece} of {devices} devices");
            Ok(true)
        };
        assert!(on.relay(Pieces { next: |_| Ok(pieces.next().map(Piece)), ask, decide }).is_ok());
        assert_eq!(decided, PIECES);
        drop(on);
        told.is_clean();
    }
}

#[test]
fn every_piece_is_decided_once_and_in_order_where_calls_fail() {
    let told = Told::of(0, 2);
    let relayed = |call: i64| {
        let mut on = told.at_work(Metric::Euclidean, 2, 1).unwrap();
        told.mock.set("fail_at", call);
        let (before, mut pieces, mut decided, mut alone) = (told.mock.calls(), 0..PIECES, Vec::new(), 0);
        let decide = |Piece(piece): Piece, found: Option<(&Batch, &Block)>| {
            decided.push(piece);
            alone += usize::from(found.is_none());
            Ok(true)
        };
        assert!(on.relay(Pieces { next: |_| Ok(pieces.next().map(Piece)), ask, decide }).is_ok(), "{call}");
        let calls = told.mock.calls() - before;
        drop(on);
        told.is_clean();
        assert_eq!(decided, (0..PIECES).collect::<Vec<_>>(), "{call}");
        (calls, alone)
    };
    let (calls, alone) = relayed(0);
    assert_eq!(alone, 0);
    for call in 1..=calls {
        let alone = relayed(call).1;
        assert!((1..=DEPTH).contains(&alone), "{alone} after {call} of {calls}");
    }
}

#[test]
fn a_group_has_the_lists_of_its_queries_as_far_as_there_is_room() {
    let indexed = Indexed::by(Metric::Euclidean, clumps(1, 600, 3, 5), 3, 6);
    let index = indexed.open(Io::Pread);
    let rows = |list: u32| index.list_rows(list) as usize;
    // Two lists for each query; the fourth looks in one, and the fifth, which is not finite, in none.
    let none = u32::MAX;
    let lists = [0, 1, 1, 0, 2, 3, 4, none, none, none, 5, 4];
    let spare = Spare::default();
    let groups = |extent: Extent| {
        let mut groups = Groups::new(&index, (&lists, 2), extent, &spare);
        let mut all = Vec::new();
        while let Some(group) = groups.next().unwrap() {
            let of = group.rows.map(|rows| {
                let mut of = rows.lists.clone();
                of.dedup();
                for (row, &list) in rows.lists.iter().enumerate() {
                    let id = rows.ids[row] as usize;
                    assert_eq!(
                        rows.values[row * 3..(row + 1) * 3],
                        indexed.rows.values[id * 3..(id + 1) * 3],
                        "{list}"
                    );
                }
                assert_eq!(rows.lists.len(), of.iter().map(|&list| index.list_rows(list) as usize).sum::<usize>());
                spare.put(rows);
                of
            });
            all.push((group.places, of));
        }
        all
    };
    let large = Extent { rows: 600, queries: 100, fewest_pairs: 0 };
    assert_eq!(groups(large), [(0..6, Some((0..6).collect()))]);
    let two = groups(Extent { queries: 2, ..large });
    assert_eq!(two, [(0..2, Some(vec![0, 1])), (2..4, Some(vec![2, 3, 4])), (4..6, Some(vec![4, 5]))]);
    // No room for a third list: the third query begins a group.
    let narrow = groups(Extent { rows: (rows(0) + rows(1)).max(rows(2) + rows(3)), ..large });
    assert_eq!((&narrow[0], narrow[1].0.start), (&(0..2, Some(vec![0, 1])), 2));
    assert_eq!(narrow.last().unwrap().0.end, 6);
    // Nor for one of two lists: the processor joins it.
    let none = groups(Extent { rows: 1, ..large });
    assert!(none.iter().all(|(_, rows)| rows.is_none()), "{none:?}");
    assert_eq!(none.iter().map(|(places, _)| places.len()).sum::<usize>(), 6);
    // Too little for a device.
    assert_eq!(groups(Extent { fewest_pairs: 6 * 600 + 1, ..large }), [(0..6, None)]);
}
