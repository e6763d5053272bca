//! Which files of a zip archive a pipeline reads.

use std::fmt;
use std::str::FromStr;

use glob::{MatchOptions, Pattern};
use serde::{Deserialize, Serialize};

/// A path inside a zip archive, or a pattern of paths such as `data/*.csv`: `*` stands for any part of a name without `/`, `**`
/// for any number of folders, `?` for one character, and `[ab]` for one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Entry(Pattern);

impl Entry {
    /// Whether the file of this name in an archive is read.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        self.0.matches_with(name, options)
    }

    /// The text that takes the file of this name and no other.
    #[must_use]
    pub fn of(name: &str) -> String {
        Pattern::escape(name)
    }
}

impl FromStr for Entry {
    type Err = glob::PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Pattern::new(text).map(Self)
    }
}

impl TryFrom<String> for Entry {
    type Error = glob::PatternError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Entry> for String {
    fn from(entry: Entry) -> Self {
        entry.to_string()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_files_by_their_paths() {
        for (pattern, taken, left) in [
            ("data/*.csv", &["data/a.csv", "data/.csv"][..], &["a.csv", "data/x/a.csv", "data/a.CSV"][..]),
            ("**/*.csv", &["a.csv", "data/a.csv", "data/x/a.csv"], &["a.json"]),
            ("*", &["a.csv"], &["data/a.csv"]),
            ("part-?.csv", &["part-1.csv"], &["part-10.csv"]),
            ("a[12].csv", &["a1.csv"], &["a3.csv", "a[12].csv"]),
            ("Åre 2024.csv", &["Åre 2024.csv"], &["Are 2024.csv"]),
        ] {
            let entry: Entry = pattern.parse().unwrap();
            assert!(taken.iter().all(|name| entry.takes(name)), "{pattern}");
            assert!(!left.iter().any(|name| entry.takes(name)), "{pattern}");
        }
        for name in ["a[1].csv", "what?.csv", "*.csv"] {
            let entry: Entry = Entry::of(name).parse().unwrap();
            assert!(entry.takes(name) && !entry.takes("a1.csv") && !entry.takes("whats.csv"), "{entry}");
        }
    }
}
