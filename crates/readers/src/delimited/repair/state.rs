//! What a table remembers from one repaired row to the next.

use super::Repair;

/// What is known while rows are repaired.
#[derive(Default)]
pub(in super::super) struct Repairing {
    /// How many fields a row should have; 0 until the header was read.
    pub(in super::super) columns: usize,
    /// What was done to the present row.
    pub(super) repairs: Vec<Repair>,
    /// The beginning of the present row as it stands in the object, if it was repaired.
    pub(super) raw: String,
    /// How much text was read, and how much of it looked at more than once.
    pub(super) read: u64,
    pub(super) looked_ahead: u64,
    /// What was done to the header, in words.
    pub(in super::super) header: Option<String>,
}
