//! The rows on a device, as whoever reads what was found among them must know them.

use super::batch::Told;
use super::bound::Bound;

/// A block of rows on a device, as whoever reads what was found must know it.
#[derive(Debug, Default)]
pub struct Block {
    /// The row of each row of the device, where some were left out; otherwise they are the same.
    pub(super) kept: Vec<u32>,
    /// Rows that were left out because they are too long.
    pub(super) long: Vec<u32>,
    pub(super) rows: usize,
    /// How far values may be off.
    pub bound: Bound,
}

impl Block {
    /// Rows that are no part of a search and may be near all the same.
    pub fn long(&self) -> &[u32] {
        &self.long
    }

    /// The rows that were found, with their values: smaller is nearer. None where a device gives what cannot be: a row that is not, or one twice, or
    /// no number. `order` is scratch.
    pub fn read<'t>(
        &'t self,
        told: Told<'t>,
        order: &mut Vec<i64>,
    ) -> Option<impl Iterator<Item = (u32, f64)> + Clone + 't> {
        order.clear();
        order.extend_from_slice(told.rows);
        order.sort_unstable();
        let are_rows = order.first().is_none_or(|first| *first >= 0)
            && order.last().is_none_or(|last| *last < self.rows as i64)
            && order.is_sorted_by(|one, next| one < next)
            && told.values.iter().all(|value| value.is_finite());
        let sign = if self.bound.metric.is_product() { -1.0 } else { 1.0 };
        let number = |row: i64| if self.kept.is_empty() { row as u32 } else { self.kept[row as usize] };
        are_rows.then(|| {
            told.rows.iter().zip(told.values).map(move |(&row, &value)| (number(row), sign * f64::from(value)))
        })
    }

    /// No row that was not found has a smaller value; infinite where all were.
    pub fn least_other(&self, told: Told) -> f64 {
        if told.rows.len() >= self.rows {
            return f64::INFINITY;
        }
        let sign = if self.bound.metric.is_product() { -1.0 } else { 1.0 };
        told.values.iter().map(|value| sign * f64::from(*value)).fold(f64::NEG_INFINITY, f64::max)
    }
}
