//! What was wrong with a row, or with a whole object. The reasons themselves are the domain's: see [`Reason`].

use std::{io, sync::Arc};

use domain::reject_counts::RejectCounts;

use super::position::Place;

pub use domain::bad_input::{Reason, Scope};

/// Why an object cannot be turned into records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct BadInput {
    /// The named reason.
    pub reason: Reason,
    /// Where the row begins that it was found in; none when it is no row's fault.
    pub place: Option<Place>,
    /// What was found, for the person who uploaded the object. Bounded, but it may quote the object.
    pub message: String,
}

impl BadInput {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, place: None, message: message.into() }
    }

    pub(crate) fn at(reason: Reason, place: Place, message: impl Into<String>) -> Self {
        Self { reason, place: Some(place), message: message.into() }
    }

    /// The line that the row begins with, counted from 1.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.place.map(Place::line)
    }
}

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes did not arrive. Nothing is known about the object: try again.
    #[error("failed to receive the object's bytes")]
    Source(#[source] io::Error),
    /// The object is not what it should be: trying again changes nothing.
    #[error(transparent)]
    Bad(#[from] BadInput),
}

impl ReadError {
    /// What an error of a stream means. A stream that unpacks what it passes on wraps a [`BadInput`] in its error.
    pub(crate) fn received(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<BadInput>()) {
            Some(bad) => Self::Bad(bad.clone()),
            None => Self::Source(error),
        }
    }
}

/// A row that is refused while the rest of the object goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The named reason.
    pub reason: Reason,
    /// The column whose value is at fault; none if it is the whole row, or if the column is not known.
    pub column: Option<Arc<str>>,
    /// Where the row begins.
    pub place: Place,
    /// What was found.
    pub message: String,
    /// The beginning of the row as it stood in the object, in UTF-8, bounded; what is no text is shown as `�`.
    pub raw: String,
}

impl Reject {
    /// Adds this row to the counts of its reason and column.
    pub fn count(&self, counts: &mut RejectCounts) {
        counts.add(self.reason, self.column.as_deref(), || self.words());
    }

    /// Where the row is, and what was found.
    pub(crate) fn words(&self) -> String {
        format!("{}: {}", self.place, self.message)
    }
}

/// The beginning of a row as text: bounded, without the line end, with a mark for what is no UTF-8.
pub(crate) fn raw_text(raw: &[u8], most: usize) -> String {
    let cut = &raw[..raw.len().min(most)];
    let text = String::from_utf8_lossy(cut);
    text.trim_end_matches(['\r', '\n']).to_owned()
}

/// `text` as it may stand in a message: short and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_CHARS: usize = 64;
    let mut out: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        out.push('…');
    }
    format!("\"{out}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_page_lists_every_reason() {
        let page = include_str!("lib.rs");
        for reason in Reason::ALL {
            assert!(page.contains(&format!("`{reason}`")), "{reason} is missing");
        }
    }

    #[test]
    fn what_a_message_quotes_is_short_and_harmless() {
        assert_eq!(shown("a\nb\u{1b}[31m"), "\"a\\nb\\u{1b}[31m\"");
        assert!(shown(&"x".repeat(1_000_000)).len() < 100);
    }
}
