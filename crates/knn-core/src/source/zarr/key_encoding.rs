//! How chunk objects are named below their array: `c/3/0`, or `3.0` as in zarr v2.

use std::fmt::Write as _;

use super::metadata::{At, Named};
use crate::error::Result;

/// How the coordinates of an object become its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyEncoding {
    /// `default` keys begin with `c`; those of `v2` do not.
    prefixed: bool,
    separator: char,
}

impl KeyEncoding {
    /// Reads `chunk_key_encoding`.
    pub(super) fn parse_metadata(named: Option<&Named>, at: &At<'_>) -> Result<Self> {
        let named = named.ok_or_else(|| at.schema("chunk_key_encoding", "is missing"))?;
        let prefixed = match named.name() {
            "default" => true,
            "v2" => false,
            other => return Err(at.unsupported(&format!("chunk key encoding {other:?}"))),
        };
        let separator = match named.field::<&str>("separator") {
            Some("/") => '/',
            Some(".") => '.',
            None => {
                if prefixed {
                    '/'
                } else {
                    '.'
                }
            }
            Some(other) => return Err(at.schema("chunk_key_encoding", format!("separator {other:?}"))),
        };
        Ok(Self { prefixed, separator })
    }

    /// Key of an object below its array.
    pub(super) fn key(self, object: &[u64]) -> String {
        let mut key = String::from(if self.prefixed { "c" } else { "" });
        for (axis, number) in object.iter().enumerate() {
            if self.prefixed || axis > 0 {
                key.push(self.separator);
            }
            let _ = write!(key, "{number}");
        }
        if key.is_empty() { "0".into() } else { key }
    }

    /// The coordinates that a path below the array stands for, if it is a key.
    pub(super) fn parse(self, path: &str, dimensions: usize) -> Option<Vec<u64>> {
        let numbers = if self.prefixed { path.strip_prefix('c')?.strip_prefix(self.separator)? } else { path };
        let object: Vec<u64> = numbers.split(self.separator).map(str::parse).collect::<Result<_, _>>().ok()?;
        // Only the canonical spelling is a key: `c/+1` and `c/01` are somebody else's files.
        (object.len() == dimensions && self.key(&object) == path).then_some(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        for (prefixed, separator, key) in
            [(true, '/', "c/3/0"), (true, '.', "c.3.0"), (false, '.', "3.0"), (false, '/', "3/0")]
        {
            let keys = KeyEncoding { prefixed, separator };
            assert_eq!(keys.key(&[3, 0]), key);
            assert_eq!(keys.parse(key, 2), Some(vec![3, 0]));
            for other in ["c/03/0", "zarr.json", "c/3", "c/3/0/1", "c/+3/0", ""] {
                assert_eq!(keys.parse(other, 2), None, "{other}");
            }
        }
        assert_eq!(KeyEncoding { prefixed: false, separator: '.' }.key(&[]), "0");
    }
}
