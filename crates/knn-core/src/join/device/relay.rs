//! What devices are asked, and what the processor decides meanwhile.
//!
//! Pieces of a join are asked for one after the other, each of the device that is free, and decided in the order in which they were asked for. While
//! one is decided by all threads, every device has another one at work. A device that fails is done without: what it was asked for is decided by
//! the processor, and the others are asked for what is left.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Desk, OnDevice, Stop, unsound};
use crate::error::Result;
use crate::gpu::{Batch, Block, Fault};

/// Pieces that a device is asked for at a time: while it works on one, the next is brought there.
pub(super) const DEPTH: usize = 2;

/// A join in pieces.
pub(super) struct Pieces<Next, Ask, Decide> {
    /// The next piece for this device; none where nothing is left.
    pub(super) next: Next,
    /// Asks a device for a piece; false where the processor does it sooner.
    pub(super) ask: Ask,
    /// Decides a piece by what a device found, or without one; false where what it found cannot be, and then the piece is done all the same.
    pub(super) decide: Decide,
}

/// A piece that is waited for.
struct Waiting<P> {
    piece: P,
    /// The device that was asked and the rows that it has; none where the processor does it alone.
    asked: Option<(usize, Arc<Block>)>,
}

/// Pieces that are asked for and not yet decided: some of each device, and one of the processor.
struct Queue<'a, P> {
    on: &'a mut OnDevice,
    waiting: VecDeque<Waiting<P>>,
}

impl OnDevice {
    /// Joins piece by piece. It ends early where the last device has failed: then what was decided is so, and what was not is as it was.
    pub(super) fn relay<P, Next, Ask, Decide>(
        &mut self,
        pieces: Pieces<Next, Ask, Decide>,
    ) -> std::result::Result<(), Stop>
    where
        P: Send,
        Next: FnMut(usize) -> Result<Option<P>> + Send,
        Ask: Fn(&P, &mut Desk) -> std::result::Result<bool, Stop> + Sync,
        Decide: FnMut(P, Option<(&Batch, &Block)>) -> std::result::Result<bool, Stop> + Send,
    {
        let Pieces { mut next, ask, mut decide } = pieces;
        let mut queue = Queue { on: self, waiting: VecDeque::new() };
        let ended = queue.fill(&mut next, &ask).and_then(|()| {
            while let Some(Waiting { piece, asked }) = queue.waiting.pop_front() {
                let answer = match asked {
                    Some((desk, block)) => queue.answer(desk)?.map(|batch| (desk, batch, block)),
                    None => None,
                };
                let found = answer.as_ref().map(|(_, batch, block)| (batch, &**block));
                let (filled, decided) = rayon::join(|| queue.fill(&mut next, &ask), || decide(piece, found));
                if let Some((desk, batch, _)) = answer {
                    queue.give_back(desk, batch, decided.as_ref().is_ok_and(|is_sound| !is_sound))?;
                }
                decided?;
                filled?;
            }
            Ok(())
        });
        queue.drain();
        ended
    }
}

impl<P> Queue<'_, P> {
    /// Asks every device that has too little to do. What the processor does alone waits until it is decided, with all that comes behind.
    fn fill(
        &mut self,
        next: &mut (impl FnMut(usize) -> Result<Option<P>> + Send),
        ask: &(impl Fn(&P, &mut Desk) -> std::result::Result<bool, Stop> + Sync),
    ) -> std::result::Result<(), Stop> {
        let devices = self.on.desks.len();
        for number in (0..DEPTH).flat_map(|_| 0..devices) {
            let of_device = |waiting: &&Waiting<P>| waiting.asked.as_ref().is_some_and(|(desk, _)| *desk == number);
            let is_alone = self.waiting.iter().any(|waiting| waiting.asked.is_none());
            if is_alone || self.waiting.iter().filter(of_device).count() == DEPTH {
                continue;
            }
            let Some(desk) = &mut self.on.desks[number] else { continue };
            let Some(piece) = next(number)? else { continue };
            match ask(&piece, desk) {
                Ok(true) => {
                    let asked = Some((number, desk.selector.block()));
                    self.waiting.push_back(Waiting { piece, asked });
                }
                Ok(false) => self.waiting.push_back(Waiting { piece, asked: None }),
                Err(Stop::Fault(fault)) => {
                    self.waiting.push_back(Waiting { piece, asked: None });
                    self.lose(number, fault)?;
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    /// What a device found; none where it failed, now or since.
    fn answer(&mut self, number: usize) -> std::result::Result<Option<Batch>, Stop> {
        let Some(desk) = &mut self.on.desks[number] else { return Ok(None) };
        match desk.selector.answer() {
            Ok(batch) => Ok(Some(batch)),
            Err(fault) => self.lose(number, fault).map(|()| None),
        }
    }

    /// Gives a batch back to its device, which is done without if what it found cannot be.
    fn give_back(&mut self, number: usize, batch: Batch, is_unsound: bool) -> std::result::Result<(), Stop> {
        // A device that failed meanwhile has no use for it.
        if let Some(desk) = &mut self.on.desks[number] {
            desk.selector.rest(batch);
            if is_unsound {
                return self.lose(number, unsound());
            }
        }
        Ok(())
    }

    /// Does without a device. An error where it was the last one.
    fn lose(&mut self, number: usize, fault: Fault) -> std::result::Result<(), Stop> {
        self.on.lose(number, fault.clone());
        if self.on.desks.iter().any(Option::is_some) { Ok(()) } else { Err(Stop::Fault(fault)) }
    }

    /// Waits for what nobody will decide, so that each device has its batches.
    fn drain(&mut self) {
        for (number, _) in std::mem::take(&mut self.waiting).into_iter().filter_map(|waiting| waiting.asked) {
            if let Some(desk) = &mut self.on.desks[number]
                && let Ok(batch) = desk.selector.answer()
            {
                desk.selector.rest(batch);
            }
        }
    }
}
