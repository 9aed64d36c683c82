//! Lists that are read while others are decided: each stays as it was read until nobody needs it any more.

use std::sync::Arc;

use crate::error::Result;
use crate::index::{IvfIndex, ListBuffer, ListView};

/// A list as it was read.
#[derive(Debug, Default)]
pub(super) struct Held {
    list: u32,
    buffer: ListBuffer,
}

impl Held {
    /// Its number.
    pub(super) fn list(&self) -> u32 {
        self.list
    }

    /// Its rows.
    pub(super) fn view<'a>(&'a self, index: &'a IvfIndex) -> Result<ListView<'a>> {
        index.list_again(self.list, &self.buffer)
    }
}

/// Room for as many lists as are needed at a time.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    held: Vec<Arc<Held>>,
}

impl Shelf {
    /// Reads a list, into room that is free; none where it has no rows.
    pub(super) fn read(&mut self, index: &IvfIndex, list: u32) -> Result<Option<Arc<Held>>> {
        let free = self.held.iter().position(|held| Arc::strong_count(held) == 1);
        let mut held = free.map_or_else(Arc::default, |place| self.held.swap_remove(place));
        // Nobody else has what is free.
        let room = Arc::get_mut(&mut held).map(|room| {
            room.list = list;
            index.list(list, &mut room.buffer).map(|view| view.is_empty())
        });
        let is_empty = room.transpose()?.unwrap_or(true);
        self.held.push(Arc::clone(&held));
        Ok((!is_empty).then_some(held))
    }
}
