//! Devices are at work while the processor decides, and what they fail with in between loses no piece.

use std::time::Duration;

use super::relay::{DEPTH, Pieces};
use super::{Desk, Stop};
use crate::distance::Metric;
use crate::gpu::{Batch, Block};
use crate::join::tests::device::Told;

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
