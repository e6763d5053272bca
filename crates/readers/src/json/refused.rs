//! Why the text of a record is no record.

use domain::record::LEVELS;

use super::super::reason::Reason;

/// The reason and what was found, for a message that begins with the place.
pub(crate) type Refused = (Reason, String);

/// A record with too many levels of lists and objects.
pub(crate) fn too_deep() -> Refused {
    (Reason::JsonTooDeep, format!("lists and objects are nested more than {LEVELS} levels deep"))
}
