//! Whether a dead-letter message still needs somebody.
//!
//! A message about a failed job waits for a person. When the person has fixed the object and uploaded it again, or somebody has
//! replayed the job, nothing is left to do, and the message is only in the way.

use crate::{
    job::{Job, JobId, JobState},
    manifest::Manifest,
};

/// Why nothing is left to do about a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Resolved {
    /// The job that it is about is done.
    #[error("job {0} is done")]
    Done(JobId),
    /// A newer attempt of the job is under way, or has a message of its own.
    #[error("a later attempt of job {0} has begun")]
    LaterAttempt(JobId),
    /// Another job has processed the same version of the object.
    #[error("job {0} has processed the object")]
    ProcessedAgain(JobId),
    /// A newer version of the object is visible.
    #[error("a newer version of the object is visible")]
    Newer,
    /// The object was deleted.
    #[error("the object was deleted")]
    Deleted,
    /// All objects of the event have their jobs.
    #[error("every object of the event has its job")]
    Recorded,
    /// The failure was mailed, or the job does not fail any more.
    #[error("what the message asked for is done")]
    Settled,
}

/// Why nothing is left to do about the message of `attempt` of a job, as the job and the manifest of its object are now.
#[must_use]
pub fn resolved(job: &Job, attempt: u32, visible: Option<&Manifest>) -> Option<Resolved> {
    let is_past = attempt < job.attempt;
    match &job.state {
        JobState::Done(_) => Some(Resolved::Done(job.id.clone())),
        JobState::Superseded(_) => Some(Resolved::Newer),
        JobState::SourceDeleted(_) => Some(Resolved::Deleted),
        JobState::Waiting(_) | JobState::Running(_) => {
            is_past.then(|| Resolved::LaterAttempt(job.id.clone()))
        }
        JobState::Failed(failed) => {
            // What a deletion has left in a table stays there, whatever is visible.
            let visible = visible.filter(|_| job.removal.is_none());
            let visible = visible.and_then(|visible| covered(job, visible));
            visible.or_else(|| {
                // The later failure has a message of its own once it is mailed.
                let is_mailed = failed.notified_at().is_some();
                (is_past && is_mailed).then(|| Resolved::LaterAttempt(job.id.clone()))
            })
        }
    }
}

/// Whether what is visible of a key covers the version of a failed job.
fn covered(job: &Job, visible: &Manifest) -> Option<Resolved> {
    let place = &job.object.sequencer;
    if visible.sequencer < *place || visible.job == job.id || visible.yields_to(place) {
        return None;
    }
    Some(match (&visible.deleted, visible.sequencer == *place) {
        (Some(_), _) => Resolved::Deleted,
        (None, true) => Resolved::ProcessedAgain(visible.job.clone()),
        (None, false) => Resolved::Newer,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::job::{Done, Failed, Notification, Running, State};

    fn job(state: impl Into<JobState>) -> Job {
        let mut job = Job::sample("", Timestamp::UNIX_EPOCH).in_state(state);
        job.attempt = 2;
        job.object.sequencer = "05".to_owned().into();
        job
    }

    fn failed(notification: Notification) -> Job {
        job(Failed { notification, ..Failed::sample("crashed", Timestamp::UNIX_EPOCH) })
    }

    /// The manifest of another job of the key, at this place.
    fn visible(place: &str, records: u64) -> Manifest {
        let object = job(Done::sample(Timestamp::UNIX_EPOCH)).object;
        let pipeline = Job::sample("", Timestamp::UNIX_EPOCH).pipeline;
        let mut other = Job::replayed(object, pipeline, 1, Timestamp::UNIX_EPOCH);
        other.object.sequencer = place.to_owned().into();
        Manifest::of(&other, 1, records, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_failure_is_resolved_when_its_object_was_fixed() {
        let failed = failed(Notification::Sent { at: Timestamp::UNIX_EPOCH });
        let of = |visible: &Manifest| resolved(&failed, 2, Some(visible));
        assert_eq!(resolved(&failed, 2, None), None);
        assert_eq!(of(&visible("04", 3)), None, "what is visible is older");
        assert_eq!(of(&visible("06", 3)), Some(Resolved::Newer));
        assert_eq!(of(&visible("06", 0)), None, "a newer version without a record");
        let removal = Job { removal: Some(crate::job::Removal::Only), ..failed.clone() };
        assert_eq!(resolved(&removal, 2, Some(&visible("06", 3))), None, "its items are still there");
        let again = visible("05", 3);
        assert_eq!(of(&again), Some(Resolved::ProcessedAgain(again.job.clone())));
        let deleted = crate::manifest::Deleted { at: Timestamp::UNIX_EPOCH, reason: None, replaced: None };
        assert_eq!(of(&Manifest { deleted: Some(deleted), ..visible("06", 3) }), Some(Resolved::Deleted));
    }

    #[test]
    fn the_message_of_an_attempt_is_resolved_by_what_came_after_it() {
        let at = Timestamp::UNIX_EPOCH;
        let mailed = failed(Notification::Sent { at });
        let later = Some(Resolved::LaterAttempt(mailed.id.clone()));
        assert_eq!(resolved(&mailed, 1, None), later);
        assert_eq!(resolved(&failed(Notification::Due), 1, None), None, "it has no message of its own yet");
        assert_eq!(resolved(&job(Running::sample("w", at)), 1, None), later);
        assert_eq!(resolved(&job(Running::sample("w", at)), 2, None), None, "its launch may be lost");
        assert_eq!(resolved(&job(Done::sample(at)), 2, None), Some(Resolved::Done(mailed.id)));
        for (state, said) in [(State::Superseded, Resolved::Newer), (State::SourceDeleted, Resolved::Deleted)]
        {
            assert_eq!(resolved(&job(JobState::sample(state, at)), 2, None), Some(said));
        }
    }
}
