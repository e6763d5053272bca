//! The shelves of the ledger's index: what they are called.

use jiff::Timestamp;

/// The parts that every shelf has, so that no partition of the index takes all writes.
pub const SHELF_PARTS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// The shelf of jobs that have not settled.
#[must_use]
pub fn open_shelf(part: char) -> String {
    format!("open:{part}")
}

/// The shelf of jobs that settled, or were replaced, in the hour of this time.
#[must_use]
pub fn settled_shelf(part: char, at: Timestamp) -> String {
    format!("settled:{}:{part}", at.strftime("%Y-%m-%dT%H"))
}

/// The shelf of jobs that were on this one and whose rows, which nobody could see, are deleted.
#[must_use]
pub fn collected_shelf(shelf: &str) -> Option<String> {
    shelf.strip_prefix("settled:").map(|rest| format!("collected:{rest}"))
}
