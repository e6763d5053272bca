//! What becomes of an object's records when the object is deleted.

use serde::{Deserialize, Serialize};

/// What becomes of the records of an object that is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// They stay: many buckets delete what has been processed, by hand or by a lifecycle rule.
    #[default]
    Keep,
    /// They go with it.
    Remove,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_default(on_delete: &OnDelete) -> bool {
    *on_delete == OnDelete::Keep
}
