//! A path with a condition: the path, and behind it the condition between brackets. A path that exists is itself, whatever is in its name.

use std::path::{Path, PathBuf};

use super::expression::Expression;
use crate::error::Result;

/// The path that names the cells of a store for which a condition holds; the path itself without one. A request calls the condition `name`.
///
/// `GM_PARAM` where the condition cannot be read.
pub fn filtered_path(path: &Path, name: &str, condition: Option<&str>) -> Result<PathBuf> {
    let Some(condition) = condition else { return Ok(path.to_path_buf()) };
    Ok(with(path, &Expression::parse(name, condition)?))
}

/// The condition that a path names, in the one form that it has; none of a path that is a store as it is. Of a part of a part it is what
/// holds for both.
pub fn condition(path: &Path) -> Result<Option<String>> {
    Ok(split(path)?.map(|(_, expression)| expression.to_string()))
}

fn with(path: &Path, expression: &Expression) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(format!("[{expression}]"));
    text.into()
}

/// The path before all conditions, and the condition: where there are several behind each other, all of them together.
pub(in crate::source) fn split(path: &Path) -> Result<Option<(PathBuf, Expression)>> {
    let Some((mut whole, mut expression)) = last(path)? else { return Ok(None) };
    while let Some((inner, before)) = last(&whole)? {
        // Read once more, because places are told in the text as a whole.
        expression = Expression::read(&before.and(expression).to_string())?;
        whole = inner;
    }
    Ok(Some((whole, expression)))
}

/// The path before its last condition, and that.
fn last(path: &Path) -> Result<Option<(PathBuf, Expression)>> {
    let text = path.to_str().filter(|text| text.ends_with(']') && path.symlink_metadata().is_err());
    let Some(inner) = text.and_then(|text| text.strip_suffix(']')) else { return Ok(None) };
    let mut first = None;
    for (at, _) in inner.match_indices('[').filter(|(at, _)| *at > 0) {
        let parsed = Expression::read(&inner[at + 1..]);
        match parsed {
            Ok(expression) => return Ok(Some((PathBuf::from(&inner[..at]), expression))),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    // Of several brackets, the first are those of a condition.
    first.map_or(Ok(None), Err)
}
