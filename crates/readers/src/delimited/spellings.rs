//! Whether two different spellings of one number occur in a column: 1.10 and 1.1 are then no numbers but versions,
//! months or sections.
//!
//! Numbers whose fraction is zero are left out: 7 and 7.0 are one number wherever they come from.
//!
//! Two spellings differ in the zeros at their ends. So a column whose fractions all have the same number of digits has no
//! two, nor has one without such zeros, however many values there are. Only of other columns the fractions are kept, and
//! where there are too many to keep, two spellings are assumed: text loses nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The most fractions that are kept, in all columns together: about 6 MB.
const KEPT: usize = 256 * 1_024;

/// The fewest that are kept of each column.
const LEAST_KEPT: usize = 64;

/// The fractions of one column so far.
#[derive(Debug)]
pub(super) struct Spellings {
    /// How many zeros stand at the end of each number, by the number's digits.
    seen: HashMap<u64, u8>,
    most: usize,
    /// There were more than are kept.
    overflowed: bool,
    /// How many digits the fractions have, and whether some have more than others.
    digits: Option<usize>,
    is_mixed: bool,
    /// Some have zeros at the end.
    has_zeros: bool,
    differ: bool,
}

/// What is known about the spellings of a column's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No number has two.
    One,
    /// One number has two.
    Two,
    /// There are too many numbers to tell.
    Unknown,
}

impl Spellings {
    /// Of one of `columns` columns.
    pub(super) fn new(columns: usize) -> Self {
        Self {
            seen: HashMap::new(),
            most: (KEPT / columns.max(1)).max(LEAST_KEPT),
            overflowed: false,
            digits: None,
            is_mixed: false,
            has_zeros: false,
            differ: false,
        }
    }

    /// Takes note of a plain number; true if it was spelled in another way before.
    pub(super) fn differ(&mut self, field: &str) -> bool {
        let Some(point) = memchr::memchr(b'.', field.as_bytes()) else { return false };
        let digits = field.trim_end_matches('0');
        if digits.ends_with('.') || field.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
            return false;
        }
        let (length, zeros) = (field.len() - point, field.len() - digits.len());
        self.is_mixed |= *self.digits.get_or_insert(length) != length;
        self.has_zeros |= zeros > 0;
        if self.seen.len() == self.most {
            self.overflowed = true;
            return false;
        }
        let mut hasher = DefaultHasher::new();
        digits.hash(&mut hasher);
        let zeros = u8::try_from(zeros).unwrap_or(u8::MAX);
        self.differ |= *self.seen.entry(hasher.finish()).or_insert(zeros) != zeros;
        self.differ
    }

    /// What all values have shown.
    pub(super) fn found(&self) -> Found {
        if self.differ {
            Found::Two
        } else if self.overflowed && self.is_mixed && self.has_zeros {
            Found::Unknown
        } else {
            Found::One
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: impl Iterator<Item = String>) -> Found {
        let mut spellings = Spellings::new(KEPT / LEAST_KEPT);
        for value in values {
            spellings.differ(&value);
        }
        spellings.found()
    }

    #[test]
    fn only_two_spellings_of_one_fraction_differ() {
        for (values, expected) in [
            (&["1.9", "1.10", "1.1"][..], Found::Two),
            (&["2025.1", "2025.10"], Found::Two),
            (&["0.25", "0.10", "0.05"], Found::One),
            (&["7", "12.50"], Found::One),
            (&["1001", "1001.0", "1001.00"], Found::One),
            (&["0.5", "1.0", "0.0"], Found::One),
            (&["1.5e3", "1.50e3"], Found::One),
        ] {
            assert_eq!(found(values.iter().map(|value| (*value).to_owned())), expected, "{values:?}");
        }
    }

    #[test]
    fn any_number_of_fractions_is_told_in_the_same_memory() {
        let prices =
            |from: u32| (from..from + 1_000).map(|cents| format!("{}.{:02}", cents / 100, cents % 100));
        assert_eq!(found(prices(1)), Found::One);
        let measured = || (1..1_000).map(|value| format!("{}.{}1", value, value % 7));
        assert_eq!(found(measured()), Found::One);
        assert_eq!(found(measured().chain(["0.123".to_owned()])), Found::One);
        assert_eq!(found(prices(1).chain(["0.1".to_owned()])), Found::Unknown);
    }
}
