//! What some states of a job have, for those who show it whatever its state is. A decision matches on the state instead.

use jiff::Timestamp;

use super::{Claimed, Job, JobState, Progress, Reason, ReasonCode, Replaced, State};
use crate::{bad_input, drift::Drifts, fault, pipelines::Format, reject_counts::RejectCounts, verdict::Kind};

impl Job {
    /// The plain name of its state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.name()
    }

    /// When its object version was created, as its event says; where the event was lost, when the job was recorded.
    #[must_use]
    pub fn version_at(&self) -> Timestamp {
        self.event_at.unwrap_or(self.created_at)
    }

    /// Why it is where it is, when that is not plain success.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match &self.state {
            JobState::Waiting(waiting) => waiting.reason.as_ref(),
            JobState::Running(_) | JobState::Done(_) => None,
            JobState::Failed(failed) => Some(&failed.reason),
            JobState::Superseded(dropped) | JobState::SourceDeleted(dropped) => Some(&dropped.reason),
        }
    }

    /// Its claims since it was recorded or last replayed.
    #[must_use]
    pub fn claimed(&self) -> Option<&Claimed> {
        match &self.state {
            JobState::Waiting(waiting) => waiting.claimed.as_ref(),
            JobState::Running(running) => Some(&running.claimed),
            JobState::Done(done) => Some(&done.claimed),
            JobState::Failed(failed) => failed.claimed.as_ref(),
            JobState::Superseded(dropped) | JobState::SourceDeleted(dropped) => Some(&dropped.claimed),
        }
    }

    /// When it was first claimed since it was recorded or last replayed.
    #[must_use]
    pub fn claimed_at(&self) -> Option<Timestamp> {
        self.claimed().map(|claimed| claimed.first_at)
    }

    /// The name of the pooled worker that made the last claim, if one did.
    #[must_use]
    pub fn pooled_worker(&self) -> Option<&str> {
        self.claimed()?.holder.rsplit_once('/').map(|(worker, _)| worker)
    }

    /// The task or worker that the present attempt was launched for or claimed by: its own task's ARN, or the pooled
    /// worker's name.
    #[must_use]
    pub fn runner(&self) -> Option<&str> {
        self.task.as_deref().or_else(|| self.pooled_worker())
    }

    /// When it settled.
    #[must_use]
    pub fn settled_at(&self) -> Option<Timestamp> {
        match &self.state {
            JobState::Waiting(_) | JobState::Running(_) => None,
            JobState::Done(done) => Some(done.settled_at),
            JobState::Failed(failed) => Some(failed.settled_at),
            JobState::Superseded(dropped) | JobState::SourceDeleted(dropped) => Some(dropped.settled_at),
        }
    }

    /// How far its last worker came, once it has settled.
    #[must_use]
    pub fn progress(&self) -> Option<&Progress> {
        match &self.state {
            JobState::Waiting(_) | JobState::Running(_) => None,
            JobState::Done(done) => Some(&done.progress),
            JobState::Failed(failed) => Some(&failed.progress),
            JobState::Superseded(dropped) | JobState::SourceDeleted(dropped) => Some(&dropped.progress),
        }
    }

    /// The records of a job that is done; the rows that a worker has written of any other, 0 while it waits.
    #[must_use]
    pub fn records(&self) -> u64 {
        match &self.state {
            JobState::Running(running) => running.records,
            _ => self.progress().map_or(0, |progress| progress.records),
        }
    }

    /// Its records that became visible.
    #[must_use]
    pub fn published(&self) -> u64 {
        match &self.state {
            JobState::Done(done) => done.progress.records,
            _ => 0,
        }
    }

    /// Rows that the pipeline's policy let it leave out, once it has settled.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.progress().map_or(0, |progress| progress.rejected)
    }

    /// These rows by reason; none of a job that settled without any, or before reasons were counted.
    #[must_use]
    pub fn rejects(&self) -> Option<&RejectCounts> {
        self.progress().map(|progress| &progress.rejects).filter(|rejects| !rejects.is_empty())
    }

    /// Records of rows that were repaired, once it has settled.
    #[must_use]
    pub fn repaired(&self) -> u64 {
        self.progress().map_or(0, |progress| progress.repaired)
    }

    /// The format found, once it has settled.
    #[must_use]
    pub fn format(&self) -> Option<&str> {
        self.progress()?.format.as_deref()
    }

    /// How its object's columns differ from those of earlier objects, once it has settled, if they do.
    #[must_use]
    pub fn drifts(&self) -> Option<&Drifts> {
        self.progress().map(|progress| &progress.drifts).filter(|drifts| !drifts.is_empty())
    }

    /// Write request units that its records took; 0 unless it is done.
    #[must_use]
    pub fn write_units(&self) -> u64 {
        match &self.state {
            JobState::Done(done) => done.write_units,
            _ => 0,
        }
    }

    /// When its failure was mailed.
    #[must_use]
    pub fn notified_at(&self) -> Option<Timestamp> {
        match &self.state {
            JobState::Failed(failed) => failed.notified_at(),
            _ => None,
        }
    }

    /// That its records were visible and are not any more.
    #[must_use]
    pub fn replaced(&self) -> Option<Replaced> {
        match &self.state {
            JobState::Done(done) => done.replaced,
            _ => None,
        }
    }

    /// When its records stopped being visible.
    #[must_use]
    pub fn replaced_at(&self) -> Option<Timestamp> {
        self.replaced().map(|replaced| replaced.at)
    }

    /// The verdict on the attempt whose worker has just returned this job, from the reason that the worker left.
    #[must_use]
    pub fn returned_for(&self) -> Kind {
        self.reason().and_then(|reason| reason.code.verdict()).unwrap_or(Kind::TryAgain)
    }

    /// What a person can do about this job, which has failed. The command that replays it follows.
    #[must_use]
    pub fn advice(&self) -> String {
        let code = self.reason().map(|reason| &reason.code);
        match (code, self.pipeline.format) {
            (Some(ReasonCode::BadInput(reason)), Format::Command)
                if !matches!(reason, bad_input::Reason::OutputTooLarge | bad_input::Reason::Empty) =>
            {
                "This is in what the command printed. Fix the command, then replay the job.".to_owned()
            }
            (Some(ReasonCode::BadInput(reason)), _) => {
                super::reason::uploaded(&fault::advice(*reason, &self.pipeline))
            }
            (code, _) => code.unwrap_or(&ReasonCode::Verdict(Kind::Unknown)).advice(),
        }
    }
}
