//! What is diffused, as numbers in lanes beside each other.
//!
//! Wide lanes are f64. A label column has one lane for every category that occurs, with 1 for the cells of it: after t steps a cell's row is what its
//! vote goes by. Cells whose label may not be predicted have a lane too, and those without one where they vote for none. A column of numbers has three: whether there is
//! a value, the value less the middle of the column, and the square of that; missing values are left out of all, so that means and deviations are
//! of the values there are. Narrow lanes are f32: coordinates of embeddings and genes.

use std::ops::Range;
use std::sync::Arc;

use super::finals::Key;
use crate::error::Result;
use crate::operator::{MISSING, OTHER, StateNumber};
use crate::pipeline::inputs::ColumnInput;
use crate::pipeline::inputs::bands::band_rows;
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::source::{Categories, ObsColumn, RowSource};
use crate::types::{RowRange, Tile};

/// Where the numbers of some lanes come from.
enum Source<'a> {
    Labels { input: &'a ColumnInput, codes: Vec<i32> },
    Numbers { column: &'a ObsColumn, middle: f64 },
    Rows { rows: &'a Arc<dyn RowSource>, columns: Vec<usize> },
}

impl Source<'_> {
    fn width(&self) -> u64 {
        match self {
            Self::Labels { codes, .. } => codes.len() as u64,
            Self::Numbers { .. } => 3,
            Self::Rows { columns, .. } => columns.len() as u64,
        }
    }
}

/// Sources of one width beside each other.
#[derive(Default)]
pub(super) struct Group<'a> {
    sources: Vec<(u64, Source<'a>)>,
    lanes: u64,
}

/// All lanes of a run, and what they are of.
pub(super) struct Lanes<'a> {
    pub(super) wide: Group<'a>,
    pub(super) narrow: Group<'a>,
    pub(super) keys: Vec<Key>,
}

impl<'a> Group<'a> {
    /// How many there are.
    pub(super) fn lanes(&self) -> u64 {
        self.lanes
    }

    fn push(&mut self, source: Source<'a>) -> Range<usize> {
        let first = self.lanes;
        self.lanes += source.width();
        self.sources.push((first, source));
        first as usize..self.lanes as usize
    }

    /// Fills `values`, rows × lanes, row-major, with what some rows have in some lanes before the first step.
    pub(super) fn fill<T: StateNumber>(
        &self,
        rows: RowRange,
        lanes: &Range<u64>,
        values: &mut [T],
        progress: &Progress,
    ) -> Result<()> {
        values.fill(T::of(0.0));
        for (first, source) in &self.sources {
            // Lanes of this source that are asked for, counted within it, and the place of its first lane among those asked for.
            let start = lanes.start.max(*first);
            let end = lanes.end.min(first + source.width());
            if start >= end {
                continue;
            }
            let own = (start - first) as usize..(end - first) as usize;
            let mut rest = Places { values: &mut *values, width: (lanes.end - lanes.start) as usize };
            rest.fill(source, rows, &own, (start - lanes.start) as usize, progress)?;
        }
        Ok(())
    }
}

struct Places<'v, T> {
    values: &'v mut [T],
    width: usize,
}

impl<T: StateNumber> Places<'_, T> {
    fn set(&mut self, row: usize, lane: usize, value: f64) {
        self.values[row * self.width + lane] = T::of(value);
    }

    /// Sets the lanes `own` of a source, of which the first goes to lane `at`.
    fn fill(
        &mut self,
        source: &Source,
        rows: RowRange,
        own: &Range<usize>,
        at: usize,
        progress: &Progress,
    ) -> Result<()> {
        let (mut codes, mut numbers, mut tile) = (Vec::new(), Vec::new(), Tile::default());
        let mut next = rows.start;
        while next < rows.end {
            let piece = |band_end: u64| RowRange::new(next, band_end.clamp(next + 1, rows.end));
            let before = (next - rows.start) as usize;
            let read = match source {
                Source::Labels { input, codes: lanes } => {
                    let piece = piece(input.column.band_end(next));
                    read_codes(input, piece, &mut codes)?;
                    for (row, code) in codes.iter().enumerate() {
                        let lane = lanes.binary_search(code).ok().filter(|lane| own.contains(lane));
                        if let Some(lane) = lane {
                            self.set(before + row, at + lane - own.start, 1.0);
                        }
                    }
                    piece
                }
                Source::Numbers { column, middle } => {
                    let piece = piece(column.band_end(next));
                    column.read_numbers(piece, &mut numbers)?;
                    for (row, number) in numbers.iter().enumerate().filter(|(_, number)| !number.is_nan()) {
                        let away = number - middle;
                        let lanes = [1.0, away, away * away];
                        own.clone().for_each(|lane| self.set(before + row, at + lane - own.start, lanes[lane]));
                    }
                    piece
                }
                Source::Rows { rows: source, columns } => {
                    // Up to where a band ends, if there is such a place.
                    let (most, band) = (next + band_rows(*source), source.natural_tile_rows().max(1));
                    let end = if most / band * band > next { most / band * band } else { most };
                    let piece = piece(end);
                    source.read(piece, &mut tile)?;
                    for row in 0..tile.rows() {
                        let values = tile.row(row);
                        for lane in own.clone() {
                            self.set(before + row, at + lane - own.start, f64::from(values[columns[lane]]));
                        }
                    }
                    piece
                }
            };
            next = read.end;
            progress.check()?;
        }
        Ok(())
    }
}

/// Codes of some rows, in which those that may not be predicted are others.
fn read_codes(input: &ColumnInput, rows: RowRange, codes: &mut Vec<i32>) -> Result<()> {
    input.column.read_codes(rows, codes)?;
    for code in codes.iter_mut() {
        *code = match usize::try_from(*code) {
            Err(_) => MISSING,
            Ok(at) if input.predicted.as_ref().is_some_and(|predicted| !predicted[at]) => OTHER,
            Ok(_) => *code,
        };
    }
    Ok(())
}

impl<'a> Lanes<'a> {
    /// Looks through the columns for the categories that occur and the ends of the numbers.
    pub(super) fn of(prepared: &'a Prepared, progress: &Progress) -> Result<Self> {
        let Prepared { inputs, resolved, .. } = prepared;
        let missing_votes = resolved.parameters.labels.missing == "category";
        let mut lanes = Self { wide: Group::default(), narrow: Group::default(), keys: Vec::new() };
        for input in &inputs.columns {
            let column = &input.column;
            if let Some((categories, _)) = input.labels() {
                let codes = occurring(input, categories, missing_votes, progress)?;
                let key = Key::Labels { codes: codes.clone(), lanes: 0..0 };
                let place = lanes.wide.push(Source::Labels { input, codes });
                lanes.keys.push(key.at(place));
            } else {
                let middle = middle(column, progress)?;
                let place = lanes.wide.push(Source::Numbers { column, middle });
                lanes.keys.push(Key::Numbers { middle, lanes: place });
            }
        }
        for (_, rows) in &inputs.embeddings {
            let columns = (0..rows.dim()).collect();
            let place = lanes.narrow.push(Source::Rows { rows, columns });
            lanes.keys.push(Key::Rows { lanes: place });
        }
        if let Some(expression) = &inputs.expression {
            let place = lanes.narrow.push(Source::Rows { rows: &expression.rows, columns: expression.columns() });
            lanes.keys.push(Key::Rows { lanes: place });
        }
        Ok(lanes)
    }
}

/// Codes that have a lane, ascending.
fn occurring(
    input: &ColumnInput,
    categories: &Categories,
    missing_votes: bool,
    progress: &Progress,
) -> Result<Vec<i32>> {
    let mut seen = vec![false; categories.len()];
    let (mut others, mut missing, mut codes) = (false, false, Vec::new());
    for rows in RowRange::new(0, input.column.rows()).pieces(input.column.natural_tile_rows().max(1)) {
        read_codes(input, rows, &mut codes)?;
        for &code in &codes {
            match code {
                OTHER => others = true,
                MISSING => missing = missing_votes,
                code => seen[code as usize] = true,
            }
        }
        progress.check()?;
    }
    let special = [(OTHER, others), (MISSING, missing)];
    let occurring = (0..).zip(seen).filter(|(_, seen)| *seen);
    Ok(special.into_iter().filter(|(_, seen)| *seen).chain(occurring).map(|(code, _)| code).collect())
}

/// The middle between the least and the largest number that is finite: a column of one value is 0 around it, and stays that value to the bit.
fn middle(column: &ObsColumn, progress: &Progress) -> Result<f64> {
    let (mut least, mut most, mut numbers) = (f64::INFINITY, f64::NEG_INFINITY, Vec::new());
    for rows in RowRange::new(0, column.rows()).pieces(column.natural_tile_rows().max(1)) {
        column.read_numbers(rows, &mut numbers)?;
        for &number in numbers.iter().filter(|number| number.is_finite()) {
            (least, most) = (least.min(number), most.max(number));
        }
        progress.check()?;
    }
    Ok(if least <= most { f64::midpoint(least, most) } else { 0.0 })
}
