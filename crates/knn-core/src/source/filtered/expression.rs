//! A condition as it is written: comparisons of columns with values, joined by `and`, `or` and `not`.
//!
//! Written out again it has one form, so that two spellings of a condition are one run.

use std::fmt::{Display, Formatter, Result, Write};

/// Words that are no names of columns unless they are quoted.
pub(super) const WORDS: [&str; 10] = ["and", "or", "not", "in", "is", "missing", "true", "false", "True", "False"];

/// Longer numbers are written with an exponent, where that is shorter.
const MOST_DIGITS: usize = 17;

/// A condition on the columns of `obs`.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A column compared with one value.
    Compare(Column, Operator, Value),
    /// A column that has one of these values.
    In(Column, Vec<Value>),
    /// A column without a value.
    Missing(Column),
    /// All of them.
    And(Vec<Self>),
    /// At least one of them.
    Or(Vec<Self>),
    /// The opposite; of a comparison with a value that is missing, it is missing too.
    Not(Box<Self>),
}

/// A column, and where it is named: the number of the character, from 1.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Where that begins.
    pub at: usize,
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        // The longer ones first, as they are read.
        (Self::Equal, "=="),
        (Self::NotEqual, "!="),
        (Self::LessOrEqual, "<="),
        (Self::GreaterOrEqual, ">="),
        (Self::Less, "<"),
        (Self::Greater, ">"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(operator, _)| *operator == self).map_or("", |(_, name)| name)
    }

    /// Whether it asks for an order and not only for sameness.
    pub(super) fn is_of_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    /// Whether it holds between two values.
    pub(super) fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// A value in a condition, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Between quotes.
    Text(String),
    /// Finite.
    Number(f64),
    /// `true` or `false`.
    Flag(bool),
}

impl Expression {
    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        let parts = |one: Self| if let Self::And(parts) = one { parts } else { vec![one] };
        Self::And([parts(self), parts(other)].concat())
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Text(text) => quoted(f, '"', text),
            Self::Number(number) => {
                // Hundreds of digits are none that anyone wrote.
                let (plain, short) = (format!("{number}"), format!("{number:e}"));
                f.write_str(if plain.len() > MOST_DIGITS && short.len() < plain.len() { &short } else { &plain })
            }
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

impl Display for Column {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let is_plain = self.name.chars().enumerate().all(|(place, letter)| is_of_name(letter, place == 0));
        if is_plain && !self.name.is_empty() && !WORDS.contains(&self.name.as_str()) {
            return f.write_str(&self.name);
        }
        quoted(f, '`', &self.name)
    }
}

/// Whether a letter may stand in a name without quotes.
pub(super) fn is_of_name(letter: char, is_first: bool) -> bool {
    letter.is_alphabetic() || letter == '_' || (!is_first && (letter.is_numeric() || letter == '.'))
}

fn quoted(f: &mut Formatter<'_>, quote: char, text: &str) -> Result {
    f.write_char(quote)?;
    for letter in text.chars() {
        if letter == quote || letter == '\\' {
            f.write_char('\\')?;
        }
        f.write_char(letter)?;
    }
    f.write_char(quote)
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let joined = |f: &mut Formatter<'_>, parts: &[Self], word: &str, is_within: fn(&Self) -> bool| {
            for (place, part) in parts.iter().enumerate() {
                if place > 0 {
                    write!(f, " {word} ")?;
                }
                if is_within(part) { write!(f, "{part}")? } else { write!(f, "({part})")? }
            }
            Ok(())
        };
        match self {
            Self::Compare(column, operator, value) => write!(f, "{column} {} {value}", operator.name()),
            Self::In(column, values) => {
                write!(f, "{column} in [")?;
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if place == 0 { "" } else { ", " })?;
                }
                f.write_char(']')
            }
            Self::Missing(column) => write!(f, "{column} is missing"),
            Self::And(parts) => joined(f, parts, "and", |part| !matches!(part, Self::And(_) | Self::Or(_))),
            Self::Or(parts) => joined(f, parts, "or", |part| !matches!(part, Self::Or(_))),
            Self::Not(part) => write!(f, "not ({part})"),
        }
    }
}
