//! Whether a version of an object may become the visible one of its key.
//!
//! Versions are ordered by S3's sequencer, and none takes the place of a newer one. There is one exception in each
//! direction, because an upload that went wrong is often empty: a version without a record takes the place of no version
//! that has some, and an older version with records takes the place of a newer one without any, which was merely faster. So
//! the same version is visible in the end, whatever order they are processed in. A pipeline with `allow_empty` says that
//! empty versions are meant.

use crate::{
    bad_input,
    job::{Change, Progress, Reason},
    manifest::Manifest,
    object::Sequencer,
    text::count,
    verdict::Kind,
};

/// Why a version does not become visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// A newer version of the key is visible.
    Superseded,
    /// The object was deleted after this version was put.
    ObjectDeleted,
    /// It has no record, and the version that is visible has this many.
    Empty {
        /// The records that stay visible.
        visible: u64,
    },
}

impl Obstacle {
    /// What becomes of the job of that version, and why. `progress` is what was read of it.
    #[must_use]
    pub fn leaves(self, progress: &Progress) -> (Change, Reason) {
        match self {
            Self::Superseded => {
                let newer = "a newer version of this key became visible first";
                (Change::Supersede, Reason::new(Kind::Superseded, newer))
            }
            Self::ObjectDeleted => {
                let deleted = "the object was deleted after this version was uploaded";
                (Change::SourceDeleted, Reason::new(Kind::SourceDeleted, deleted))
            }
            Self::Empty { visible } => {
                let read = match progress.rejected {
                    0 => "this version of the object has no record".to_owned(),
                    1 => "the only row of this version of the object is rejected".to_owned(),
                    rows => format!("all {} of this version of the object are rejected", count(rows, "row")),
                };
                let stay = format!("the {} of the version before stay visible", count(visible, "record"));
                (Change::Fail, Reason::new(bad_input::Reason::Empty, format!("{read}; {stay}")))
            }
        }
    }
}

/// Why a version from this place is not worth reading while `visible` is the manifest of its key; `None` if it is.
#[must_use]
pub fn overtaken(visible: Option<&Manifest>, place: &Sequencer) -> Option<Obstacle> {
    let later = visible.filter(|visible| visible.sequencer > *place && !visible.yields_to(place))?;
    Some(if later.deleted.is_some() { Obstacle::ObjectDeleted } else { Obstacle::Superseded })
}

/// Why `next` does not take the place of `visible`; `None` if it does.
#[must_use]
pub fn obstacle(visible: Option<&Manifest>, next: &Manifest) -> Option<Obstacle> {
    let visible = visible?;
    if let Some(overtaken) = overtaken(Some(visible), &next.sequencer) {
        return Some(overtaken);
    }
    match (&next.yields_above, visible.records) {
        (None, _) => None,
        // Two empty versions keep the order of their events.
        (Some(_), _) if visible.sequencer > next.sequencer => Some(Obstacle::Superseded),
        (Some(_), 0) => None,
        (Some(_), records) => Some(Obstacle::Empty { visible: records }),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{job::Job, manifest::Deleted};

    /// The manifest of a version at `place` with this number of records; `allow_empty` is its pipeline's.
    fn version(place: &str, records: u64, allow_empty: bool) -> Manifest {
        let mut job = Job::sample("", Timestamp::UNIX_EPOCH);
        job.object.sequencer = place.to_owned().into();
        job.pipeline.allow_empty = allow_empty;
        Manifest::of(&job, 1, records, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn an_empty_version_takes_the_place_of_no_version_with_records() {
        let with = version("05", 7, false);
        assert_eq!(obstacle(Some(&with), &version("06", 0, false)), Some(Obstacle::Empty { visible: 7 }));
        assert_eq!(obstacle(Some(&with), &version("06", 0, true)), None, "the pipeline says that it may");
        assert_eq!(obstacle(Some(&with), &version("06", 1, false)), None);
        assert_eq!(obstacle(Some(&version("05", 0, false)), &version("06", 0, false)), None);
        assert_eq!(obstacle(None, &version("06", 0, false)), None, "the first version of a key");
        let deleted = Deleted { at: Timestamp::UNIX_EPOCH, reason: None, replaced: None };
        let deleted = Manifest { records: 0, deleted: Some(deleted), yields_above: None, ..with };
        assert_eq!(obstacle(Some(&deleted), &version("06", 0, false)), None);
        assert_eq!(obstacle(Some(&deleted), &version("04", 3, false)), Some(Obstacle::ObjectDeleted));
    }

    #[test]
    fn every_order_of_processing_ends_with_the_same_version_visible() {
        // Version "06" is empty.
        for (allow_empty, ends_with) in [(false, "05"), (true, "06")] {
            let versions = ["04", "05", "06"].map(|it| version(it, u64::from(it != "06"), allow_empty));
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let visible = order.iter().fold(None, |visible, &next| publish(visible, &versions[next]));
                let ends_with = Sequencer::from(ends_with.to_owned());
                assert_eq!(visible.map(|it| it.sequencer), Some(ends_with), "{order:?}");
            }
        }
    }

    /// The manifest of a key after one more publish.
    fn publish(visible: Option<Manifest>, next: &Manifest) -> Option<Manifest> {
        match obstacle(visible.as_ref(), next) {
            None => Some(next.clone().in_place_of(visible.as_ref())),
            Some(_) => visible,
        }
    }

    #[test]
    fn no_version_from_before_a_deletion_takes_the_place_of_an_empty_one_after_it() {
        let deleted = Deleted { at: Timestamp::UNIX_EPOCH, reason: None, replaced: None };
        let deleted =
            Manifest { records: 0, deleted: Some(deleted), yields_above: None, ..version("03", 7, false) };
        let empty = publish(Some(deleted), &version("06", 0, false));
        let later = publish(empty, &version("07", 0, false));
        let visible = |next| publish(later.clone(), &version(next, 1, false)).unwrap().records;
        assert_eq!(["02", "05", "08"].map(visible), [0, 1, 1]);
    }

    #[test]
    fn a_repeated_publish_of_a_version_is_no_obstacle() {
        for (records, allow_empty) in [(0, false), (0, true), (4, false)] {
            let own = version("05", records, allow_empty);
            assert_eq!(obstacle(Some(&own), &own), None);
        }
    }

    #[test]
    fn the_reason_says_what_was_read_and_what_stays() {
        let said = |rejected| {
            let (change, reason) =
                Obstacle::Empty { visible: 3_376 }.leaves(&Progress { rejected, ..Progress::default() });
            assert_eq!((change, reason.code.as_str()), (Change::Fail, "empty"));
            reason.message
        };
        let stay = "the 3,376 records of the version before stay visible";
        assert_eq!(said(0), format!("this version of the object has no record; {stay}"));
        assert_eq!(said(1), format!("the only row of this version of the object is rejected; {stay}"));
        assert_eq!(said(12), format!("all 12 rows of this version of the object are rejected; {stay}"));
    }
}
