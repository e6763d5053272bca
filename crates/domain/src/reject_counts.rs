//! The rejected rows of an object, counted by reason and column: what mails, `explain` and `run` say about them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::job::ReasonCode;
use crate::text::{count, escaped, grouped, shortened};

/// How many pairs of reason and column are told apart. There are some twenty reasons and up to 4,096 columns, and a job's
/// item and a mail have to hold them.
const GROUPS: usize = 10;

/// The most characters of a column's name that are kept of it. A name may have 65,535 bytes.
const NAME_CHARS: usize = 64;

/// The most characters that are kept of the first row's message.
const MESSAGE_CHARS: usize = 300;

/// How many rows were rejected for which reason.
///
/// ```
/// use domain::{bad_input::Reason, reject_counts::RejectCounts};
///
/// let mut counts = RejectCounts::default();
/// counts.add(Reason::WrongType, Some("total"), || "line 17: the value x of column total is no number".to_owned());
/// counts.add(Reason::RaggedRow, None, || "line 20: 2 fields".to_owned());
/// counts.add(Reason::WrongType, Some("total"), || "line 21: the value y of column total is no number".to_owned());
/// assert_eq!(counts.rows(), 3);
/// assert_eq!(
///     counts.to_string(),
///     "2 wrong_type in total, 1 ragged_row; the first: line 17: the value x of column total is no number"
/// );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RejectCounts {
    /// The first ten pairs of reason and column, in the order in which they were met.
    pub groups: Vec<RejectGroup>,
    /// Rows of all further pairs.
    #[serde(skip_serializing_if = "is_zero")]
    pub others: u64,
    /// Where the first rejected row is, and what is wrong with it. It may quote the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

/// The rows that were rejected for one reason in one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectGroup {
    /// The reason. A later release may know more of them than this one.
    pub reason: ReasonCode,
    /// The column that is at fault, shortened if its name is very long; none if it is the whole row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The number of rows.
    pub rows: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl RejectCounts {
    /// Counts a row. `first` says where it is and what is wrong with it; it is called for the first row only.
    pub fn add(
        &mut self,
        reason: impl Into<ReasonCode>,
        column: Option<&str>,
        first: impl FnOnce() -> String,
    ) {
        if self.first.is_none() {
            self.first = Some(shortened(&first(), MESSAGE_CHARS));
        }
        self.add_rows(reason, column, 1);
    }

    /// Counts rows of which none is the first.
    pub fn add_rows(&mut self, reason: impl Into<ReasonCode>, column: Option<&str>, rows: u64) {
        let reason = reason.into();
        // A long name is compared as it is kept.
        let long = column.filter(|column| column.len() > NAME_CHARS);
        let long = long.map(|column| shortened(column, NAME_CHARS));
        let column = long.as_deref().or(column);
        let is_of = |group: &RejectGroup| group.reason == reason && group.column.as_deref() == column;
        match self.groups.iter().position(is_of) {
            Some(at) => self.groups[at].rows += rows,
            None if rows == 0 => {}
            None if self.groups.len() == GROUPS => self.others += rows,
            None => {
                self.groups.push(RejectGroup { reason, column: column.map(str::to_owned), rows });
            }
        }
    }

    /// Adds what was counted of further rows.
    pub fn extend(&mut self, more: &Self) {
        for group in &more.groups {
            self.add_rows(group.reason.clone(), group.column.as_deref(), group.rows);
        }
        self.others += more.others;
        if self.first.is_none() {
            self.first.clone_from(&more.first);
        }
    }

    /// All rejected rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.others + self.groups.iter().map(|group| group.rows).sum::<u64>()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.others == 0
    }

    /// `9 wrong_type in total, 3 ragged_row`: the reasons with their rows, most rows first.
    #[must_use]
    pub fn reasons(&self) -> String {
        let mut groups: Vec<&RejectGroup> = self.groups.iter().collect();
        // Stable: of equally many, those that were met first come first.
        groups.sort_by_key(|group| std::cmp::Reverse(group.rows));
        let mut parts: Vec<String> = groups.into_iter().map(ToString::to_string).collect();
        if self.others > 0 {
            parts.push(format!("{} for other reasons", count(self.others, "row")));
        }
        parts.join(", ")
    }
}

impl fmt::Display for RejectGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", grouped(self.rows), escaped(self.reason.as_str()))?;
        match &self.column {
            Some(column) => write!(f, " in {}", escaped(column)),
            None => Ok(()),
        }
    }
}

/// The reasons, and the first row.
impl fmt::Display for RejectCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons())?;
        match &self.first {
            Some(first) => write!(f, "; the first: {}", escaped(first)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bad_input::Reason;

    #[test]
    fn the_most_frequent_reason_comes_first_and_the_first_row_stays_the_first() {
        let mut counts = RejectCounts::default();
        assert!(counts.is_empty());
        counts.add(Reason::RaggedRow, None, || "line 3: 2 fields".to_owned());
        for line in 4..1_004 {
            counts.add(Reason::WrongType, Some("total"), || format!("line {line}"));
        }
        counts.add(Reason::WrongType, Some("zip"), || "line 1005".to_owned());
        assert_eq!(
            counts.to_string(),
            "1,000 wrong_type in total, 1 ragged_row, 1 wrong_type in zip; the first: line 3: 2 fields"
        );
        assert_eq!(counts.rows(), 1_002);
    }

    #[test]
    fn reasons_and_texts_are_bounded_and_no_row_is_left_out() {
        let mut counts = RejectCounts::default();
        for column in 0..4_096 {
            let name = format!("{column}{}", "x".repeat(1_000));
            counts.add(Reason::WrongType, Some(&name), || "m".repeat(10_000));
            counts.add(Reason::WrongType, Some(&name), String::new);
        }
        assert_eq!(counts.rows(), 8_192);
        assert_eq!((counts.groups.len(), counts.groups[0].rows), (GROUPS, 2));
        assert!(serde_json::to_string(&counts).unwrap().len() < 2_500);
        assert!(counts.to_string().contains(", 8,172 rows for other reasons; the first: mmm"), "{counts}");
    }

    #[test]
    fn counts_are_added_up() {
        let mut counts = RejectCounts::default();
        counts.add(Reason::BadKey, None, || "line 9: no customer".to_owned());
        let mut more = RejectCounts::default();
        more.add(Reason::RaggedRow, None, || "line 2".to_owned());
        more.add(Reason::BadKey, None, || "line 3".to_owned());
        counts.extend(&more);
        assert_eq!(counts.to_string(), "2 bad_key, 1 ragged_row; the first: line 9: no customer");
    }

    #[test]
    fn a_name_or_a_message_cannot_begin_a_line() {
        let mut counts = RejectCounts::default();
        counts.add(Reason::WrongType, Some("a\nDONE"), || "line 2:\nDONE".to_owned());
        assert_eq!(counts.to_string(), "1 wrong_type in a\\nDONE; the first: line 2:\\nDONE");
    }

    #[test]
    fn what_a_later_release_stored_is_read() {
        let stored = r#"{"groups":[{"reason":"too_new","rows":2,"share":1}],"seen":3}"#;
        let counts: RejectCounts = serde_json::from_str(stored).unwrap();
        assert_eq!(counts.to_string(), "2 too_new");
        assert_eq!(serde_json::from_str::<RejectCounts>("{}").unwrap(), RejectCounts::default());
    }
}
