//! What a job removes that is the job of a deletion.

use serde::{Deserialize, Serialize};

/// What the job of a deletion removes: items of versions of its object up to the place of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum Removal {
    /// Items of that version and of all older ones.
    UpTo {
        /// How many versions up to that place were published that may still have items, if that is known: those of them that the bucket has
        /// can be read again for the keys of their items.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        versions: Option<u64>,
    },
    /// Items of that version alone, which was deleted for good before it was published.
    Only,
}
