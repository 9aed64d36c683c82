//! A block of strings in two flat buffers, because a `Vec<String>` of a million names is a million allocations.

/// Strings one after the other, with the end of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringBlock {
    /// The text of all strings, UTF-8.
    pub bytes: Vec<u8>,
    /// Where each string ends in `bytes`.
    pub ends: Vec<usize>,
}

impl StringBlock {
    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One string. Empty if the public buffers were filled with something that is not UTF-8.
    pub fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        std::str::from_utf8(&self.bytes[start..self.ends[index]]).unwrap_or_default()
    }

    /// All strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Forgets the strings and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds one string.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }

    /// Adds all strings of another block.
    pub fn append(&mut self, other: &Self) {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| base + end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_as_pushed() {
        let mut block = StringBlock::default();
        for text in ["", "CD4+ T", "ß", ""] {
            block.push(text);
        }
        let copy = block.clone();
        block.append(&copy);
        assert_eq!(block.len(), 8);
        assert_eq!(block.iter().collect::<Vec<_>>(), ["", "CD4+ T", "ß", "", "", "CD4+ T", "ß", ""]);
        block.clear();
        assert!(block.is_empty());
    }
}
