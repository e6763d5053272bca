//! What the deletion of an object does to the records of its key, where its pipeline says that they go with it.
//!
//! Deletions are ordered among the uploads of their key by S3's sequencer, as versions are: an upload after the deletion
//! becomes visible, whichever event arrives first. A deletion leaves a manifest behind that names no rows
//! ([`Manifest::deleted`]); it keeps jobs of older versions, which may be under way, from publishing.

mod removal;

use crate::{
    events::{DeletedVersion, S3Deleted},
    manifest::Manifest,
    object::Sequencer,
};

pub use removal::removal;

/// What a deletion does to the records of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// None of them is visible from now on. Versions from this place on may become visible again.
    Hide(Sequencer),
    /// What is visible stays.
    None(Unaffected),
}

/// Why a deletion changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unaffected {
    /// The pipelines file does not say that records go with their object.
    Kept,
    /// A newer version is visible, or a later deletion was processed before.
    Overtaken,
    /// This deletion was processed before.
    Repeated,
    /// The records are of another version than the one that was deleted.
    OtherVersion,
    /// The key has an object again, whose own event makes it visible.
    Present,
    /// Records under natural keys are not found by their object.
    NaturalKeys,
}

/// What `deletion` does where `visible` is the manifest of its key. `is_present` says whether the bucket has an object under
/// the key; only for what is [`DeletedVersion::Unversioned`].
#[must_use]
pub fn effect(deletion: &S3Deleted, visible: Option<&Manifest>, is_present: bool) -> Effect {
    if let Some(visible) = visible {
        let deleted_before = visible.deleted.is_some();
        if deleted_before && visible.job == crate::job::JobId::of_deletion(deletion) {
            return Effect::None(Unaffected::Repeated);
        }
        // A publish cannot come after a later event of its key.
        if visible.sequencer >= deletion.sequencer {
            // An older version with records may take the place of this empty one; it must not if the deletion came after it.
            let may_return = visible.yields_to(&deletion.sequencer) && visible.natural_key.is_none();
            if may_return && !matches!(deletion.version, DeletedVersion::Version(_)) {
                return Effect::Hide(deletion.sequencer.clone());
            }
            return Effect::None(Unaffected::Overtaken);
        }
        if visible.natural_key.is_some() {
            return Effect::None(Unaffected::NaturalKeys);
        }
    }
    match &deletion.version {
        DeletedVersion::Hidden(_) => Effect::Hide(deletion.sequencer.clone()),
        DeletedVersion::Version(id) => match visible {
            // Not from the place of the deletion on: another version that was put before it, and is under way, is now
            // the newest.
            Some(visible) if visible.deleted.is_none() && visible.version_id.as_ref() == Some(id) => {
                Effect::Hide(visible.sequencer.clone())
            }
            _ => Effect::None(Unaffected::OtherVersion),
        },
        DeletedVersion::Unversioned => {
            let is_of_a_version = |it: &Manifest| it.version_id.as_deref().is_some_and(|id| id != "null");
            match visible {
                Some(visible) if visible.deleted.is_none() && is_of_a_version(visible) => {
                    Effect::None(Unaffected::OtherVersion)
                }
                _ if is_present => Effect::None(Unaffected::Present),
                _ => Effect::Hide(deletion.sequencer.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
