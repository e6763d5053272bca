//! Whether two different spellings of one number occur in a column: 1.10 and 1.1 are then no numbers but versions,
//! months or sections.
//!
//! Numbers whose fraction is zero are left out: 7 and 7.0 are one number wherever they come from.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The most different fractions that are compared. A column of measurements has more, a column of versions has fewer.
const COMPARED: usize = 4_096;

/// The fractions of one column so far.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    /// How many zeros stand at the end of each number, by the number's digits.
    seen: BTreeMap<u64, usize>,
}

impl Spellings {
    /// Takes note of a plain number; true if it was spelled in another way before.
    pub(super) fn differ(&mut self, field: &str) -> bool {
        let bytes = field.as_bytes();
        if self.seen.len() == COMPARED || memchr::memchr(b'.', bytes).is_none() || bytes.contains(&b'e') {
            return false;
        }
        let digits = field.trim_end_matches('0');
        if digits.ends_with('.') || digits.contains('E') {
            return false;
        }
        let zeros = field.len() - digits.len();
        let mut hasher = DefaultHasher::new();
        digits.hash(&mut hasher);
        *self.seen.entry(hasher.finish()).or_insert(zeros) != zeros
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_spellings_of_one_fraction_differ() {
        for (values, expected) in [
            (&["1.9", "1.10", "1.1"][..], true),
            (&["2025.1", "2025.10"], true),
            (&["0.25", "0.10", "0.05"], false),
            (&["7", "12.50"], false),
            (&["1001", "1001.0", "1001.00"], false),
            (&["0.5", "1.0", "0.0"], false),
            (&["1.5e3", "1.50e3"], false),
        ] {
            let mut spellings = Spellings::default();
            let mut differ = false;
            for value in values {
                differ |= spellings.differ(value);
            }
            assert_eq!(differ, expected, "{values:?}");
        }
    }
}
