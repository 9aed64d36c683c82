//! A condition on the columns of one store: which of its cells it holds for.
//!
//! A comparison with a value that is missing is neither true nor false, and so is its opposite; what remains so at the end does not hold
//! (Kleene's strong logic, as in SQL). What an expression compares is checked against what the columns hold before a cell is read.

use super::expression::{Column, Expression, Operator, Value};
use super::selection::{GRANULE, Selection};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::source::inspect::claimed;
use crate::source::{AnnDataStore, Categories, ColumnKind, ObsColumn, StringBlock};
use crate::types::RowRange;

/// False, neither, and true: `and` is the least of them and `or` the largest.
const FALSE: u8 = 0;
const UNKNOWN: u8 = 1;
const TRUE: u8 = 2;
/// Names that an error shows.
const SHOWN: usize = 8;

/// A condition with the columns that it is about.
pub(super) struct Condition<'a> {
    store: &'a AnnDataStore,
    text: String,
    columns: Vec<ObsColumn>,
    /// Values that no cell can have.
    warnings: Vec<String>,
}

/// A condition whose comparisons are settled.
enum Node {
    /// Of the column at this place.
    Test(usize, Test),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
}

enum Test {
    /// By category.
    Table(Vec<u8>),
    Numbers(Operator, Vec<f64>),
    Texts(Operator, Vec<String>),
    Missing,
}

/// What a column has for a granule of cells.
enum Values {
    Codes(Vec<i32>),
    Numbers(Vec<f64>),
    Texts(StringBlock, Vec<bool>),
}

impl<'a> Condition<'a> {
    /// Which cells of `store` an expression holds for, and what the user should know of it.
    pub(super) fn choose(
        store: &'a AnnDataStore,
        expression: &Expression,
        progress: &Progress,
    ) -> Result<(Selection, Vec<String>)> {
        let text = expression.to_string();
        let mut condition = Self { store, text, columns: Vec::new(), warnings: Vec::new() };
        let root = condition.settle(expression)?;
        for column in &condition.columns {
            column.preflight()?;
            if let Some(reason) = claimed(column) {
                return Err(Error::schema(store.name(), format!("obs/{}", column.key()), "shape", reason));
            }
        }
        Ok((condition.selection(&root, progress)?, condition.warnings))
    }

    /// Granules are read together where a chunk holds more than one, so that none is decoded twice.
    fn selection(&self, root: &Node, progress: &Progress) -> Result<Selection> {
        let natural = self.columns.iter().map(ObsColumn::natural_tile_rows).max().unwrap_or(1);
        let step = natural.div_ceil(GRANULE).max(1).saturating_mul(GRANULE);
        let mut selection = Selection::new();
        for rows in RowRange::new(0, self.store.n_obs()).pieces(step) {
            progress.check()?;
            let values = self.columns.iter().map(|column| values(column, rows)).collect::<Result<Vec<_>>>()?;
            let holds: Vec<bool> = truth(root, &values, rows.len()).into_iter().map(|truth| truth == TRUE).collect();
            holds.chunks(GRANULE as usize).for_each(|granule| selection.add(granule));
        }
        Ok(selection)
    }

    fn wrong(&self, column: &Column, reason: impl std::fmt::Display) -> Error {
        Error::param("where", &self.text, format!("at character {}: {column} {reason}", column.at))
    }

    fn settle(&mut self, expression: &Expression) -> Result<Node> {
        let mut all = |parts: &[Expression]| parts.iter().map(|part| self.settle(part)).collect::<Result<Vec<_>>>();
        Ok(match expression {
            Expression::And(parts) => Node::And(all(parts)?),
            Expression::Or(parts) => Node::Or(all(parts)?),
            Expression::Not(part) => Node::Not(Box::new(self.settle(part)?)),
            Expression::Missing(column) => Node::Test(self.place(column)?, Test::Missing),
            Expression::In(column, values) => self.test(column, Operator::Equal, values)?,
            Expression::Compare(column, operator, value) => {
                self.test(column, *operator, std::slice::from_ref(value))?
            }
        })
    }

    /// The place of a column, which is opened once.
    fn place(&mut self, column: &Column) -> Result<usize> {
        if let Some(place) = self.columns.iter().position(|known| known.key() == column.name) {
            return Ok(place);
        }
        let opened = self.store.column(&column.name)?;
        let compared = match opened.kind() {
            kind if kind.is_time() => Err(kind.name()),
            ColumnKind::Other(kind) => Err(&**kind),
            _ => Ok(()),
        };
        compared.map_err(|kind| self.wrong(column, format!("is {kind:?}, which is not read")))?;
        self.columns.push(opened);
        Ok(self.columns.len() - 1)
    }

    fn test(&mut self, column: &Column, operator: Operator, values: &[Value]) -> Result<Node> {
        let place = self.place(column)?;
        let known = &self.columns[place];
        let test = match known.kind() {
            ColumnKind::Categorical { categories, ordered } => {
                let (table, unknown) = self.table(column, (categories, *ordered), operator, values)?;
                self.warnings.extend(unknown);
                Test::Table(table)
            }
            ColumnKind::Boolean => {
                Test::Table(self.table(column, (&Categories::booleans(), false), operator, values)?.0)
            }
            ColumnKind::String => {
                let text = |value: &Value| match value {
                    Value::Text(text) => Ok(text.clone()),
                    other => Err(self.wrong(column, format!("holds texts: write \"{other}\" in quotes"))),
                };
                Test::Texts(operator, values.iter().map(text).collect::<Result<_>>()?)
            }
            ColumnKind::Numeric(_)
            | ColumnKind::Datetime { .. }
            | ColumnKind::Timedelta { .. }
            | ColumnKind::Other(_) => {
                let number = |value: &Value| match value {
                    Value::Number(number) => Ok(*number),
                    other => Err(self.wrong(column, format!("holds numbers, and {other} is none"))),
                };
                Test::Numbers(operator, values.iter().map(number).collect::<Result<_>>()?)
            }
        };
        Ok(Node::Test(place, test))
    }

    /// For which categories a comparison holds, and a warning of values that are none of them.
    fn table(
        &self,
        column: &Column,
        (categories, ordered): (&Categories, bool),
        operator: Operator,
        values: &[Value],
    ) -> Result<(Vec<u8>, Option<String>)> {
        let labels: Vec<String> = (0..categories.len()).map(|index| categories.label(index)).collect();
        let shown = || {
            let more = if labels.len() > SHOWN { ", …" } else { "" };
            format!("{}{more}", labels.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "))
        };
        let (mut table, mut unknown) = (vec![FALSE; labels.len()], Vec::new());
        for value in values {
            let numbers = match value {
                Value::Number(_) => labels.iter().map(|label| label.parse::<f64>().ok()).collect::<Option<Vec<_>>>(),
                _ => None,
            };
            let holds: Vec<bool> = match (value, numbers) {
                (Value::Number(number), Some(numbers)) => {
                    numbers.iter().map(|label| operator.holds(label, number)).collect()
                }
                (Value::Number(_), None) => {
                    return Err(self.wrong(column, format!("holds labels ({}): write \"{value}\" in quotes", shown())));
                }
                (Value::Text(_) | Value::Flag(_), _) => {
                    let text = match value {
                        Value::Text(text) => text.clone(),
                        Value::Flag(true) => "True".into(),
                        other => {
                            if *other == Value::Flag(false) {
                                "False".into()
                            } else {
                                other.to_string()
                            }
                        }
                    };
                    let found = labels.iter().position(|label| *label == text);
                    if operator.is_of_order() {
                        let Some(found) = found.filter(|_| ordered) else {
                            let reason = if ordered {
                                format!("has no label {value}: it has {}", shown())
                            } else {
                                "has labels without an order: compare them by ==, != or in".into()
                            };
                            return Err(self.wrong(column, reason));
                        };
                        (0..labels.len()).map(|label| operator.holds(&label, &found)).collect()
                    } else {
                        unknown.extend(found.is_none().then(|| value.to_string()));
                        let is_equal = operator == Operator::Equal;
                        (0..labels.len()).map(|label| (Some(label) == found) == is_equal).collect()
                    }
                }
            };
            for (entry, holds) in table.iter_mut().zip(holds) {
                *entry = (*entry).max(if holds { TRUE } else { FALSE });
            }
        }
        let warning = (!unknown.is_empty()).then(|| {
            format!("{}: no cell has {column} {}: its labels are {}", self.text, unknown.join(" or "), shown())
        });
        Ok((table, warning))
    }
}

fn values(column: &ObsColumn, rows: RowRange) -> Result<Values> {
    Ok(match column.kind() {
        ColumnKind::Categorical { .. } | ColumnKind::Boolean => {
            let mut codes = Vec::new();
            column.read_codes(rows, &mut codes)?;
            Values::Codes(codes)
        }
        ColumnKind::String => {
            let (mut texts, mut missing) = (StringBlock::default(), Vec::new());
            column.read_strings(rows, &mut texts, &mut missing)?;
            Values::Texts(texts, missing)
        }
        ColumnKind::Numeric(_) | ColumnKind::Datetime { .. } | ColumnKind::Timedelta { .. } | ColumnKind::Other(_) => {
            let mut numbers = Vec::new();
            column.read_numbers(rows, &mut numbers)?;
            Values::Numbers(numbers)
        }
    })
}

/// What a condition is for each of `rows` cells.
fn truth(node: &Node, columns: &[Values], rows: usize) -> Vec<u8> {
    let joined = |parts: &[Node], neutral: u8, join: fn(u8, u8) -> u8| {
        parts.iter().fold(vec![neutral; rows], |mut joined, part| {
            joined.iter_mut().zip(truth(part, columns, rows)).for_each(|(one, other)| *one = join(*one, other));
            joined
        })
    };
    match node {
        Node::And(parts) => joined(parts, TRUE, u8::min),
        Node::Or(parts) => joined(parts, FALSE, u8::max),
        Node::Not(part) => truth(part, columns, rows).into_iter().map(|truth| TRUE - truth).collect(),
        Node::Test(place, test) => tested(test, &columns[*place]),
    }
}

fn tested(test: &Test, values: &Values) -> Vec<u8> {
    let known = |holds: bool| if holds { TRUE } else { FALSE };
    match (values, test) {
        (Values::Codes(codes), Test::Table(table)) => codes
            .iter()
            .map(|code| usize::try_from(*code).ok().and_then(|code| table.get(code)).copied().unwrap_or(UNKNOWN))
            .collect(),
        (Values::Codes(codes), _) => codes.iter().map(|code| known(*code < 0)).collect(),
        (Values::Numbers(numbers), Test::Numbers(operator, wanted)) => {
            let one = |number: &f64| {
                if number.is_nan() {
                    UNKNOWN
                } else {
                    known(wanted.iter().any(|wanted| operator.holds(number, wanted)))
                }
            };
            numbers.iter().map(one).collect()
        }
        (Values::Numbers(numbers), _) => numbers.iter().map(|number| known(number.is_nan())).collect(),
        (Values::Texts(texts, missing), Test::Texts(operator, wanted)) => {
            let one = |(text, missing): (&str, &bool)| {
                if *missing {
                    UNKNOWN
                } else {
                    known(wanted.iter().any(|wanted| operator.holds(text, wanted.as_str())))
                }
            };
            texts.iter().zip(missing).map(one).collect()
        }
        (Values::Texts(_, missing), _) => missing.iter().map(|missing| known(*missing)).collect(),
    }
}
