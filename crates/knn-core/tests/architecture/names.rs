//! What Rust code names: words, paths within the crate, and modules that it declares. Read as text, because that is all that the rules need.

use std::iter::Peekable;
use std::str::Chars;

use super::Source;

/// The same lines without comments and without the contents of string literals.
pub(super) fn code(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| bytes.get(at + i) == Some(&c));
    while at < bytes.len() {
        if starts(at, "//") {
            while at < bytes.len() && bytes[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "r#\"") {
            at += 3;
            while at < bytes.len() && !starts(at, "\"#") {
                out.extend((bytes[at] == '\n').then_some('\n'));
                at += 1;
            }
            at += 2;
        } else if starts(at, "'\"'") {
            at += 3;
        } else if bytes[at] == '"' {
            at += 1;
            while at < bytes.len() && bytes[at] != '"' {
                out.extend((bytes[at] == '\n').then_some('\n'));
                at += if bytes[at] == '\\' && !starts(at, "\\\n") { 2 } else { 1 };
            }
            at += 1;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

/// The module that a file is: its path below the crate.
pub(super) fn module(source: &Source) -> Vec<String> {
    let path = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// Paths within the crate that the code names: behind `crate::`, and behind any number of `super::`, with braces taken apart.
pub(super) fn named(source: &Source) -> Vec<Vec<String>> {
    let text = code(&source.text);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = ["crate::", "super::"].iter().filter_map(|prefix| text[at..].find(prefix)).min() {
        let begin = at + next;
        let whole = !text[..begin].ends_with(|c: char| is_word(c) || c == ':');
        let (mut path, mut rest) = (module(source), &text[begin..]);
        while let Some(behind) = rest.strip_prefix("super::") {
            path.pop();
            rest = behind;
        }
        if let Some(behind) = rest.strip_prefix("crate::") {
            path.clear();
            rest = behind;
        }
        at = text.len() - rest.len();
        if whole {
            branches(&mut rest.chars().peekable(), path, &mut found);
        }
    }
    found
}

/// Adds the paths of what stands behind a path: a name, or names in braces.
fn branches(rest: &mut Peekable<Chars>, mut path: Vec<String>, found: &mut Vec<Vec<String>>) {
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.next_if_eq(&'{').is_some() {
            loop {
                branches(rest, path.clone(), found);
                // What it is called here stands between.
                while rest.next_if(|c| !matches!(c, ',' | '}')).is_some() {}
                if rest.next() != Some(',') {
                    return;
                }
            }
        }
        let mut word = String::new();
        while let Some(c) = rest.next_if(|c| is_word(*c)) {
            word.push(c);
        }
        if !word.is_empty() && word != "self" {
            path.push(word);
        }
        if rest.next_if_eq(&':').is_none() || rest.next_if_eq(&':').is_none() {
            found.push(path);
            return;
        }
    }
}

/// Modules that a file declares, in its order, but for those of tests.
pub(super) fn declared(text: &str) -> Vec<String> {
    let (mut found, mut is_test) = (Vec::new(), false);
    for line in code(text).lines().map(str::trim) {
        let words: Vec<_> = words(line).collect();
        if let (["mod", name] | ["pub", "mod", name] | ["pub", "super", "mod", name], true) =
            (words.as_slice(), line.ends_with(';') && !is_test)
        {
            found.push((*name).to_owned());
        }
        is_test = line == "#[cfg(test)]";
    }
    found
}
