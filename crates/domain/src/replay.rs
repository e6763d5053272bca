//! How a person has an object version processed again: the same job once more, or a new one.
//!
//! A failed job runs again as it is while its pipeline says what it said. What a changed pipeline makes of the object is
//! another thing, and so is a second result of a job that is done: each is a job of its own, with rows of its own, and its
//! publish replaces what is visible until then in one step. So a replay that fails changes nothing that is visible.

use jiff::Timestamp;

use crate::{
    job::{Job, JobId, JobState, Notification, State},
    pipelines::Pipeline,
};

/// How an object version is processed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The last of its jobs, which has failed, runs again.
    Again,
    /// A new job of this number begins.
    Anew(u32),
}

/// Why an object version is not processed again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNeeded {
    /// A job of it has not settled yet.
    #[error("job {0} of it is already {state}", state = .1.as_str())]
    Open(JobId, State),
    /// It was processed again before.
    #[error("job {0} of it is done")]
    Done(JobId),
    /// A newer version of the object is visible.
    #[error("a newer version of its object is visible")]
    Newer,
    /// The object was deleted, and its records with it.
    #[error("its object was deleted")]
    Deleted,
}

/// How the object version of `job` is processed again with this pipeline. `jobs` are those that there are of the version and
/// of a pipeline of this name, in the order of their numbers. The job of a deletion runs again as it is.
///
/// # Errors
/// [`NotNeeded`], where nothing would come of it.
pub fn step(job: &Job, pipeline: &Pipeline, jobs: &[Job]) -> Result<Step, NotNeeded> {
    if job.removal.is_some() {
        return match &job.state {
            JobState::Failed(_) => Ok(Step::Again),
            JobState::Waiting(_) | JobState::Running(_) => Err(NotNeeded::Open(job.id.clone(), job.state())),
            JobState::Done(_) | JobState::Superseded(_) | JobState::SourceDeleted(_) => {
                Err(NotNeeded::Done(job.id.clone()))
            }
        };
    }
    let anew = Step::Anew(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
    let last = jobs.last().unwrap_or(job);
    match &last.state {
        JobState::Waiting(_) | JobState::Running(_) => Err(NotNeeded::Open(last.id.clone(), last.state())),
        JobState::Failed(_) if !jobs.is_empty() && last.pipeline.processes_like(pipeline) => Ok(Step::Again),
        JobState::Failed(_) => Ok(anew),
        JobState::Done(done) => match done.replaced {
            Some(replaced) if replaced.by_deletion => Err(NotNeeded::Deleted),
            Some(_) => Err(NotNeeded::Newer),
            None if last.id == job.id => Ok(anew),
            None => Err(NotNeeded::Done(last.id.clone())),
        },
        JobState::Superseded(_) => Err(NotNeeded::Newer),
        JobState::SourceDeleted(_) => Err(NotNeeded::Deleted),
    }
}

/// Whether the job was processed otherwise than the pipelines file in use says, whose pipeline for its object is `today`.
#[must_use]
pub fn is_outdated(job: &Job, today: Option<&Pipeline>) -> bool {
    today.is_none_or(|today| today.name != job.pipeline.name || !today.processes_like(&job.pipeline))
}

/// Why a job is not replayed, for the person who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReplayed {
    /// Only failed jobs run again.
    #[error("it is {}: only failed jobs run again", .0.as_str())]
    NotFailed(State),
    /// What an earlier attempt wrote is being deleted, and rows that a replay writes would be deleted with it.
    #[error("the sweep is deleting what its last attempt wrote: try again after {until:.0}")]
    Collecting {
        /// Until then at the latest.
        until: Timestamp,
    },
    /// λ stops is telling people that it failed, and would note that of the replayed job.
    #[error("its failure mail is just being sent: try again after {until:.0}")]
    Notifying {
        /// Until then at the latest.
        until: Timestamp,
    },
}

/// Why this job cannot be replayed now; the ledger's condition says the same.
#[must_use]
pub fn refusal(job: &Job, now: Timestamp) -> Option<NotReplayed> {
    let JobState::Failed(failed) = &job.state else { return Some(NotReplayed::NotFailed(job.state())) };
    if let Some(until) = failed.collecting_until.filter(|until| *until >= now) {
        return Some(NotReplayed::Collecting { until });
    }
    match failed.notification {
        Notification::Leased { until } if until >= now => Some(NotReplayed::Notifying { until }),
        Notification::Leased { .. } | Notification::Due | Notification::Sent { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::{Change, Done, Failed, Replaced, next},
        pipelines::Pipelines,
    };

    fn job(state: impl Into<JobState>) -> Job {
        Job::sample("", Timestamp::UNIX_EPOCH).in_state(state)
    }

    #[test]
    fn a_failed_job_is_replayed_and_no_other() {
        let now = Timestamp::UNIX_EPOCH;
        for state in State::ALL {
            let refused = refusal(&job(JobState::sample(state, now)), now);
            let legal = next(state, Change::Replay).is_ok();
            assert_eq!(refused, (!legal).then_some(NotReplayed::NotFailed(state)));
        }
    }

    #[test]
    fn no_replay_while_its_rows_are_deleted_or_its_failure_is_mailed() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let until = at(10);
        let failed = Failed::sample("crashed", at(0));
        let collecting = job(Failed { collecting_until: Some(until), ..failed.clone() });
        assert_eq!(refusal(&collecting, at(10)), Some(NotReplayed::Collecting { until }));
        assert_eq!(refusal(&collecting, at(11)), None, "that sweep is no more");
        let notified = |notification| job(Failed { notification, ..failed.clone() });
        let telling = notified(Notification::Leased { until });
        assert_eq!(refusal(&telling, at(10)), Some(NotReplayed::Notifying { until }));
        assert_eq!(refusal(&telling, at(11)), None);
        assert_eq!(refusal(&notified(Notification::Sent { at: at(9) }), at(10)), None, "told");
    }

    fn pipeline(keys: &str) -> Pipeline {
        Job::sample(keys, Timestamp::UNIX_EPOCH).pipeline
    }

    /// A job of this number in this state, with a pipeline of these keys.
    fn numbered(number: u32, keys: &str, state: impl Into<JobState>) -> Job {
        let object = Job::sample("", Timestamp::UNIX_EPOCH).object;
        Job::replayed(object, pipeline(keys), number, Timestamp::UNIX_EPOCH).in_state(state)
    }

    fn done(replaced: Option<bool>) -> Done {
        let at = Timestamp::UNIX_EPOCH;
        let replaced = replaced.map(|by_deletion| Replaced { at, by_deletion, collecting_until: None });
        Done { replaced, ..Done::sample(at) }
    }

    #[test]
    fn a_failed_job_runs_again_with_its_pipeline_and_anew_with_another() {
        let failed = numbered(0, "", Failed::sample("crashed", Timestamp::UNIX_EPOCH));
        let jobs = std::slice::from_ref(&failed);
        assert_eq!(step(&failed, &pipeline(""), jobs), Ok(Step::Again));
        assert_eq!(step(&failed, &pipeline("attempts = 5"), jobs), Ok(Step::Anew(1)));
        assert_eq!(step(&failed, &pipeline(""), &[]), Ok(Step::Anew(0)), "today another pipeline takes it");
        // What a pipeline takes, and what a deletion does, changes no job.
        let elsewhere = pipeline("match = { suffix = \"k\" }\non_delete = \"remove\"");
        assert_eq!(step(&failed, &elsewhere, jobs), Ok(Step::Again));
    }

    #[test]
    fn what_was_replayed_before_is_not_replayed_once_more() {
        let at = Timestamp::UNIX_EPOCH;
        let failed = numbered(0, "", Failed::sample("crashed", at));
        let with = |last: Job| step(&failed, &pipeline("attempts = 5"), &[failed.clone(), last]);
        let last = |state: JobState| numbered(1, "attempts = 5", state);
        let id = last(done(None).into()).id;
        assert_eq!(with(last(done(None).into())), Err(NotNeeded::Done(id.clone())));
        let waiting = JobState::sample(State::Waiting, at);
        assert_eq!(with(last(waiting)), Err(NotNeeded::Open(id, State::Waiting)));
        assert_eq!(with(last(Failed::sample("crashed", at).into())), Ok(Step::Again));
        assert_eq!(with(numbered(1, "", Failed::sample("crashed", at))), Ok(Step::Anew(2)));
        assert_eq!(with(last(JobState::sample(State::Superseded, at))), Err(NotNeeded::Newer));
        assert_eq!(with(last(JobState::sample(State::SourceDeleted, at))), Err(NotNeeded::Deleted));
    }

    #[test]
    fn the_job_of_a_deletion_runs_again_if_it_failed_and_never_anew() {
        let at = Timestamp::UNIX_EPOCH;
        let removal = Some(crate::job::Removal::Only);
        let of = |state: JobState| Job { removal, ..numbered(0, "", state) };
        let with = |job: Job| step(&job, &pipeline("attempts = 5"), &[]);
        assert_eq!(with(of(Failed::sample("crashed", at).into())), Ok(Step::Again));
        let done = of(done(None).into());
        assert_eq!(with(done.clone()), Err(NotNeeded::Done(done.id)));
    }

    #[test]
    fn a_job_that_is_done_is_processed_anew_while_its_version_counts() {
        for (replaced, said) in [
            (None, Ok(Step::Anew(1))),
            (Some(false), Err(NotNeeded::Newer)),
            (Some(true), Err(NotNeeded::Deleted)),
        ] {
            let job = numbered(0, "", done(replaced));
            assert_eq!(step(&job, &pipeline(""), std::slice::from_ref(&job)), said);
        }
    }

    #[test]
    fn a_job_is_outdated_when_its_object_would_be_processed_otherwise_today() {
        let job = numbered(0, "", done(None));
        assert!(!is_outdated(&job, Some(&pipeline(""))));
        assert!(is_outdated(&job, Some(&pipeline("bad_rows = \"skip\""))));
        assert!(is_outdated(&job, None));
        let named = "version = 1\n[[pipeline]]\nname = \"q\"\n";
        assert!(is_outdated(&job, Pipelines::parse(named, "p.toml").unwrap().get("q")));
    }
}
