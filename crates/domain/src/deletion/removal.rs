//! What a deletion removes from a table of the user's own. Items there are visible one by one, so no manifest hides them: a
//! job of the deletion deletes each, on the condition that no later version of the object and no other object has written it.
//!
//! A newer version that is visible already does not make the deletion void, as it does in the records table: what older
//! versions wrote and the newer one did not write again is removed, whichever event arrives first.

use super::{Effect, Unaffected};
use crate::{
    events::{DeletedVersion, S3Deleted},
    job::Removal,
    manifest::Manifest,
    object::Sequencer,
};

/// The place up to which items are removed, and which, where `effect` is that of `deletion` on the manifest `visible`.
#[must_use]
pub fn removal(
    deletion: &S3Deleted,
    visible: Option<&Manifest>,
    effect: &Effect,
) -> Option<(Sequencer, Removal)> {
    // Behind a delete marker the versions are still there.
    let is_marker = matches!(deletion.version, DeletedVersion::Hidden(_));
    let up_to = |place: &Sequencer, versions: Option<u64>| {
        Some((place.clone(), Removal::UpTo { versions: versions.filter(|_| is_marker) }))
    };
    match (effect, visible) {
        // What the deletion before has left is being removed.
        (Effect::Hide(place), Some(visible)) if visible.deleted.is_some() => up_to(place, Some(0)),
        (Effect::Hide(place), visible) => up_to(place, visible.map_or(Some(0), Manifest::versions)),
        (Effect::None(Unaffected::Repeated), Some(hidden)) => up_to(&hidden.sequencer, hidden.versions()),
        (Effect::None(Unaffected::Overtaken), Some(newer))
            if newer.deleted.is_none() && !matches!(deletion.version, DeletedVersion::Version(_)) =>
        {
            // How many of the older versions were published after the deletion is not known.
            up_to(&deletion.sequencer, newer.older_versions.filter(|older| *older == 0))
        }
        // The visible version was deleted, and the one that the key has now is not visible yet.
        (Effect::None(Unaffected::Present), Some(visible)) if visible.deleted.is_none() => {
            up_to(&visible.sequencer, None)
        }
        (Effect::None(_), _) => None,
    }
}
