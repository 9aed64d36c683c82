//! A column of texts taken as labels: what occurs in it are its categories, sorted, as pandas and scikit-learn would have them.

use std::collections::HashSet;

use super::categories::Categories;
use super::column::{ColumnKind, ObsColumn};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::source::StringBlock;
use crate::types::RowRange;

/// Different texts of a column at most, and their bytes: labels of cells are few, and names of cells are none.
const MOST_LABELS: usize = 1 << 16;
const MOST_BYTES: usize = 16 << 20;

impl ObsColumn {
    /// The column as labels. Any but one of texts is so already, if it can be; a column of texts is read once, to find what occurs. `GM_SCHEMA` where that is
    /// more than labels are.
    pub fn labelled(self, progress: &Progress) -> Result<Self> {
        if *self.kind() != ColumnKind::String {
            return Ok(self);
        }
        let mut found: HashSet<String> = HashSet::new();
        let (mut texts, mut missing, mut bytes, mut next) = (StringBlock::default(), Vec::new(), 0, 0);
        while next < self.rows() {
            let end = self.band_end(next).max(next + 1).min(self.rows());
            self.read_strings(RowRange::new(next, end), &mut texts, &mut missing)?;
            for (text, _) in texts.iter().zip(&missing).filter(|(_, missing)| !**missing) {
                if !found.contains(text) {
                    bytes += text.len();
                    found.insert(text.to_owned());
                }
                if found.len() > MOST_LABELS || bytes > MOST_BYTES {
                    let reason = format!(
                        "more than {MOST_LABELS} different texts, or {MOST_BYTES} bytes of them: those are no labels, unless they are stored as a categorical"
                    );
                    return Err(Error::schema(self.store(), format!("obs/{}", self.key()), "values", reason));
                }
            }
            progress.check()?;
            next = end;
        }
        let mut names: Vec<_> = found.into_iter().collect();
        names.sort_unstable();
        Ok(self.with_texts(Categories::Strings(names)))
    }
}

/// The place of each text among the sorted names; none where it is no name.
pub(super) fn codes<'a>(
    names: &'a [String],
    texts: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = Option<i32>> {
    // Labels of neighbours in a file are often the same.
    let mut last: Option<(&str, Option<i32>)> = None;
    texts.map(move |text| match last {
        Some((before, code)) if before == text => code,
        _ => {
            let code = names.binary_search_by(|name| name.as_str().cmp(text)).ok().map(|place| place as i32);
            last = Some((text, code));
            code
        }
    })
}
