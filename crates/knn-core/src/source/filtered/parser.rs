//! Reads a condition. What is wrong is told with its place: the number of the character, from 1.
//!
//! ```text
//! any     = all ("or" all)*
//! all     = one ("and" one)*
//! one     = "not" one | "(" any ")" | test
//! test    = column ("==" | "!=" | "<" | "<=" | ">" | ">=") value
//!         | column ["not"] "in" "[" value ("," value)* "]"
//!         | column "is" ["not"] "missing"
//! column  = name | `any name`
//! value   = "text" | 'text' | number | true | false
//! ```

use super::expression::{Column, Expression, Operator, Value, WORDS, is_of_name};
use crate::error::{Error, Result};

/// Longer conditions are a mistake.
const LONGEST: usize = 1 << 16;
/// Parentheses and `not` nest no deeper.
const DEEPEST: usize = 64;
/// Written out in its one form a condition has spaces, digits and backslashes that it was given without, and parentheses behind each `not`.
const LONGEST_WRITTEN: usize = 4 * LONGEST;
const DEEPEST_WRITTEN: usize = 2 * DEEPEST + 2;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    /// A name between backquotes, which is no word of the grammar.
    Name(String),
    Value(Value),
    Operator(Operator),
    Sign(char),
    End,
}

impl Expression {
    /// Reads a condition, which a request calls `name`. `GM_PARAM` says where it is wrong and what may stand there.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(Error::param(name, format!("{} bytes", text.len()), format!("at most {LONGEST} bytes")));
        }
        Self::within(name, text, DEEPEST)
    }

    /// Reads a condition out of a path, where it may stand in its one form; what can be parsed can be read in that.
    pub(super) fn read(text: &str) -> Result<Self> {
        if text.len() > LONGEST_WRITTEN {
            return Err(Error::param("where", format!("{} bytes", text.len()), format!("at most {LONGEST} bytes")));
        }
        Self::within("where", text, DEEPEST_WRITTEN)
    }

    fn within(name: &str, text: &str, deepest: usize) -> Result<Self> {
        let wrong = |at: usize, reason: String| Error::param(name, text, format!("at character {at}: {reason}"));
        let tokens = tokens(text).map_err(|(at, reason)| wrong(at, reason))?;
        let mut parser = Parser { tokens, next: 0, deepest };
        parser.whole().map_err(|(at, reason)| wrong(at, reason))
    }
}

type Parsed<T> = std::result::Result<T, (usize, String)>;

fn tokens(text: &str) -> Parsed<Vec<(Token, usize)>> {
    let letters: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < letters.len() {
        let (letter, start) = (letters[at], at);
        let token = match letter {
            _ if letter.is_whitespace() => {
                at += 1;
                continue;
            }
            '"' | '\'' | '`' => {
                let content = quoted(&letters, &mut at)?;
                if letter == '`' { Token::Name(content) } else { Token::Value(Value::Text(content)) }
            }
            '(' | ')' | '[' | ']' | ',' => {
                at += 1;
                Token::Sign(letter)
            }
            '-' | '+' | '.' | '0'..='9' => {
                let is_of_number = |place: usize| {
                    letters[place].is_ascii_alphanumeric()
                        || letters[place] == '.'
                        || (matches!(letters[place], '-' | '+')
                            && (place == start || matches!(letters[place - 1], 'e' | 'E')))
                };
                while at < letters.len() && is_of_number(at) {
                    at += 1;
                }
                let digits: String = letters[start..at].iter().collect();
                let number = digits.parse::<f64>().ok().filter(|number| number.is_finite());
                let number = number.ok_or_else(|| (start + 1, format!("{digits:?} is no finite number")))?;
                Token::Value(Value::Number(number))
            }
            _ if is_of_name(letter, true) => {
                while at < letters.len() && is_of_name(letters[at], false) {
                    at += 1;
                }
                match letters[start..at].iter().collect::<String>() {
                    word if ["true", "True"].contains(&word.as_str()) => Token::Value(Value::Flag(true)),
                    word if ["false", "False"].contains(&word.as_str()) => Token::Value(Value::Flag(false)),
                    word => Token::Word(word),
                }
            }
            _ => {
                let rest: String = letters[at..].iter().take(2).collect();
                let known = Operator::ALL.into_iter().find(|(_, name)| rest.starts_with(name));
                let Some((operator, name)) = known else {
                    let remedy = match letter {
                        '=' => "write == to compare",
                        '&' => "write and",
                        '|' => "write or",
                        '!' | '~' => "write not",
                        _ => "quote texts by \", and names of columns with other signs by `",
                    };
                    return Err((at + 1, format!("{letter:?} has no meaning here: {remedy}")));
                };
                at += name.len();
                Token::Operator(operator)
            }
        };
        found.push((token, start + 1));
    }
    found.push((Token::End, letters.len() + 1));
    Ok(found)
}

/// What stands between the quote at `at` and the next one like it; a backslash lets a quote or a backslash stand for itself.
fn quoted(letters: &[char], at: &mut usize) -> Parsed<String> {
    let (quote, start) = (letters[*at], *at + 1);
    let mut content = String::new();
    *at += 1;
    while let Some(&letter) = letters.get(*at) {
        *at += 1;
        match letter {
            '\\' => match letters.get(*at) {
                Some(&escaped) if escaped == quote || escaped == '\\' => {
                    content.push(escaped);
                    *at += 1;
                }
                _ => return Err((*at, "a backslash stands before a quote or another backslash".into())),
            },
            _ if letter == quote => return Ok(content),
            _ => content.push(letter),
        }
    }
    Err((start, format!("the {quote} is never closed")))
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    deepest: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    fn at(&self) -> usize {
        self.tokens[self.next].1
    }

    /// The next token, which is not taken twice; the end stays.
    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Token::Word(found) if found == word);
        if is_next {
            self.take();
        }
        is_next
    }

    fn takes_sign(&mut self, sign: char) -> bool {
        let is_next = *self.peek() == Token::Sign(sign);
        if is_next {
            self.take();
        }
        is_next
    }

    fn expected<T>(&self, what: &str) -> Parsed<T> {
        let found = match self.peek() {
            Token::Word(word) => format!("{word:?}"),
            Token::Name(name) => format!("`{name}`"),
            Token::Value(value) => value.to_string(),
            Token::Operator(operator) => format!("{operator:?}"),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "the end".into(),
        };
        Err((self.at(), format!("expected {what}, found {found}")))
    }

    fn whole(&mut self) -> Parsed<Expression> {
        let expression = self.any(0)?;
        if *self.peek() == Token::End { Ok(expression) } else { self.expected("and, or, or the end") }
    }

    fn any(&mut self, depth: usize) -> Parsed<Expression> {
        if depth > self.deepest {
            return Err((self.at(), format!("more than {DEEPEST} conditions within one another")));
        }
        let mut parts = vec![self.all(depth)?];
        while self.takes_word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn all(&mut self, depth: usize) -> Parsed<Expression> {
        let mut parts = vec![self.one(depth)?];
        while self.takes_word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn one(&mut self, depth: usize) -> Parsed<Expression> {
        if depth > self.deepest {
            return Err((self.at(), format!("more than {DEEPEST} conditions within one another")));
        }
        if self.takes_word("not") {
            return Ok(Expression::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes_sign('(') {
            let inner = self.any(depth + 1)?;
            return if self.takes_sign(')') { Ok(inner) } else { self.expected("and, or, or )") };
        }
        self.test()
    }

    fn test(&mut self) -> Parsed<Expression> {
        let at = self.at();
        let name = match self.peek() {
            Token::Name(name) => name.clone(),
            Token::Word(word) if !WORDS.contains(&word.as_str()) => word.clone(),
            _ => return self.expected("the name of a column (between ` where it is no plain word)"),
        };
        self.take();
        let column = Column { name, at };
        if let Token::Operator(operator) = *self.peek() {
            self.take();
            return Ok(Expression::Compare(column, operator, self.value()?));
        }
        if self.takes_word("is") {
            let negated = self.takes_word("not");
            if !self.takes_word("missing") {
                return self.expected("missing");
            }
            return Ok(negate(Expression::Missing(column), negated));
        }
        let negated = self.takes_word("not");
        if !self.takes_word("in") {
            return self.expected(if negated { "in" } else { "==, !=, <, <=, >, >=, in, or is missing" });
        }
        if !self.takes_sign('[') {
            return self.expected("[ before a list of values");
        }
        let mut values = vec![self.value()?];
        while self.takes_sign(',') {
            values.push(self.value()?);
        }
        if !self.takes_sign(']') {
            return self.expected(", or ]");
        }
        Ok(negate(Expression::In(column, values), negated))
    }

    fn value(&mut self) -> Parsed<Value> {
        let Token::Value(value) = self.peek().clone() else {
            return self.expected("a value: a text in quotes, a number, true or false");
        };
        self.take();
        Ok(value)
    }
}

fn negate(expression: Expression, negated: bool) -> Expression {
    if negated { Expression::Not(Box::new(expression)) } else { expression }
}
