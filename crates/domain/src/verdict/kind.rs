//! The named reasons, each with all that is fixed about it.

use std::time::Duration;

/// What to change for the next launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Same,
    /// The next legal size.
    Larger,
    /// On-demand capacity in place of Spot.
    OnDemand,
}

/// The named reason why a task stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The ledger says done.
    Succeeded,
    /// The ledger says superseded.
    Superseded,
    /// The ledger says gone.
    SourceDeleted,
    /// The object is at fault.
    BadInput,
    /// The worker met trouble that passes.
    TryAgain,
    /// Killed for using more memory than its task has.
    OutOfMemory,
    /// Stopped for being past its deadline.
    TimedOut,
    /// AWS took the Spot capacity back.
    SpotReclaimed,
    /// There was no capacity to start it.
    Capacity,
    /// Its image did not come.
    ImagePull,
    /// Its network, secrets, logs or storage could not be set up.
    Init,
    /// Its container did not start.
    CannotStart,
    /// Its process ended with a code the worker does not use.
    Crashed(i64),
    /// The pipeline's command ended otherwise than its contract allows.
    CommandCrashed,
    /// The worker found an error in itself.
    InternalError,
    /// The deployment is wrong.
    Misconfigured,
    /// It was asked to stop by a signal nobody explains.
    Terminated,
    /// A person stopped it.
    Cancelled,
    /// The machine under it failed or was retired.
    Infrastructure,
    /// A service's scheduler stopped it.
    StoppedByScheduler,
    /// The pooled worker that had it ended, or went silent, without giving it back.
    WorkerLost,
    /// It ended with success, but the ledger says it is not done.
    ExitedWithoutDone,
    /// Nothing known fits.
    Unknown,
    /// It was not launched for this job.
    NotOurs,
    /// This stop was dealt with, or the task is not the job's present one.
    Duplicate,
    /// It has not stopped yet: a warning, or an earlier change.
    NotStopped,
}

impl Kind {
    /// The stable word for it, as stored, logged and printed.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Superseded => "superseded",
            Self::SourceDeleted => "source_deleted",
            Self::BadInput => "bad_input",
            Self::TryAgain => "try_again",
            Self::OutOfMemory => "out_of_memory",
            Self::TimedOut => "timed_out",
            Self::SpotReclaimed => "spot_reclaimed",
            Self::Capacity => "capacity",
            Self::ImagePull => "image_pull",
            Self::Init => "init",
            Self::CannotStart => "cannot_start",
            Self::Crashed(_) => "crashed",
            Self::CommandCrashed => "command_crashed",
            Self::InternalError => "internal_error",
            Self::Misconfigured => "misconfigured",
            Self::Terminated => "terminated",
            Self::Cancelled => "cancelled",
            Self::Infrastructure => "infrastructure",
            Self::StoppedByScheduler => "stopped_by_scheduler",
            Self::WorkerLost => "worker_lost",
            Self::ExitedWithoutDone => "exited_without_done",
            Self::Unknown => "unknown",
            Self::NotOurs => "not_ours",
            Self::Duplicate => "duplicate",
            Self::NotStopped => "not_stopped",
        }
    }

    /// Whether this word is that of a kind. A worker's own reasons for refusing an object have words of theirs.
    #[must_use]
    pub fn is_code(word: &str) -> bool {
        const ALL: [Kind; 25] = [
            Kind::Succeeded,
            Kind::Superseded,
            Kind::SourceDeleted,
            Kind::BadInput,
            Kind::TryAgain,
            Kind::OutOfMemory,
            Kind::TimedOut,
            Kind::SpotReclaimed,
            Kind::Capacity,
            Kind::ImagePull,
            Kind::Init,
            Kind::CannotStart,
            Kind::Crashed(0),
            Kind::InternalError,
            Kind::Misconfigured,
            Kind::Terminated,
            Kind::Cancelled,
            Kind::Infrastructure,
            Kind::StoppedByScheduler,
            Kind::WorkerLost,
            Kind::ExitedWithoutDone,
            Kind::Unknown,
            Kind::NotOurs,
            Kind::Duplicate,
            Kind::NotStopped,
        ];
        ALL.iter().any(|kind| kind.code() == word)
    }

    /// A plain sentence for a person who has just been woken.
    #[must_use]
    pub fn words(self) -> String {
        let words = match self {
            Self::Succeeded => "all records of the object were published",
            Self::Superseded => "a newer version of the object was published first",
            Self::SourceDeleted => "the object version was deleted before it was read",
            Self::BadInput => "the object cannot be read as its pipeline says",
            Self::TryAgain => "a service the worker needs did not answer in time",
            Self::OutOfMemory => "the task ran out of memory",
            Self::TimedOut => "the task ran longer than the pipeline's timeout and was stopped",
            Self::SpotReclaimed => "AWS took back the Spot capacity the task ran on",
            Self::Capacity => "AWS had no capacity to start the task, or the account's limit is reached",
            Self::ImagePull => "the worker's container image could not be pulled",
            Self::Init => "AWS could not set up the task's network, secrets, logs or storage",
            Self::CannotStart => "the worker's container could not be started",
            Self::Crashed(code) => return crash_in_words(code),
            Self::CommandCrashed => "the pipeline's command crashed",
            Self::InternalError => "the worker stopped on an error in itself",
            Self::Misconfigured => "the deployment is wrong: a setting, permission or resource is missing",
            Self::Terminated => "the task was told to stop before it was finished",
            Self::Cancelled => "somebody stopped the task",
            Self::Infrastructure => "the machine under the task failed or was retired by AWS",
            Self::StoppedByScheduler => "an ECS service's scheduler stopped the task",
            Self::WorkerLost => "the pooled worker that had the job ended without giving it back",
            Self::ExitedWithoutDone => "the worker left with success, but the ledger does not say done",
            Self::Unknown => "the task stopped, and nothing says why",
            Self::NotOurs => "the task was not launched for this job",
            Self::Duplicate => "this stop was dealt with before",
            Self::NotStopped => "the task has not stopped yet",
        };
        words.to_owned()
    }

    /// Whether it uses up one of the object's attempts: only what the object may have caused.
    #[must_use]
    pub fn counts_against_object(self) -> bool {
        match self {
            Self::BadInput
            | Self::OutOfMemory
            | Self::TimedOut
            | Self::Crashed(_)
            | Self::CommandCrashed
            | Self::InternalError
            | Self::ExitedWithoutDone
            | Self::Unknown => true,
            Self::Succeeded
            | Self::Superseded
            | Self::SourceDeleted
            | Self::TryAgain
            | Self::SpotReclaimed
            | Self::Capacity
            | Self::ImagePull
            | Self::Init
            | Self::CannotStart
            | Self::Misconfigured
            | Self::Terminated
            | Self::Cancelled
            | Self::Infrastructure
            | Self::StoppedByScheduler
            | Self::WorkerLost
            | Self::NotOurs
            | Self::Duplicate
            | Self::NotStopped => false,
        }
    }

    /// Whether another launch may help, and with what change.
    #[must_use]
    pub fn retry(self) -> Option<Change> {
        match self {
            Self::TryAgain
            | Self::TimedOut
            | Self::Capacity
            | Self::ImagePull
            | Self::Init
            | Self::CannotStart
            | Self::Crashed(_)
            | Self::CommandCrashed
            | Self::InternalError
            | Self::Misconfigured
            | Self::Terminated
            | Self::Infrastructure
            | Self::StoppedByScheduler
            | Self::WorkerLost
            | Self::ExitedWithoutDone
            | Self::Unknown => Some(Change::Same),
            Self::OutOfMemory => Some(Change::Larger),
            Self::SpotReclaimed => Some(Change::OnDemand),
            Self::Succeeded
            | Self::Superseded
            | Self::SourceDeleted
            | Self::BadInput
            | Self::Cancelled
            | Self::NotOurs
            | Self::Duplicate
            | Self::NotStopped => None,
        }
    }

    /// Whether the job is to be left as it is: the ledger has settled it, or this stop is not about it.
    pub(super) fn changes_nothing(self) -> bool {
        matches!(
            self,
            Self::Succeeded
                | Self::Superseded
                | Self::SourceDeleted
                | Self::NotOurs
                | Self::Duplicate
                | Self::NotStopped
        )
    }

    /// The first wait before another launch, and the longest.
    pub(super) fn backoff(self) -> (Duration, Duration) {
        // SQS delays a message by 15 minutes at most.
        let longest = Duration::from_mins(15);
        match self {
            // Nothing is wrong that waiting would mend.
            Self::SpotReclaimed
            | Self::OutOfMemory
            | Self::Terminated
            | Self::Infrastructure
            | Self::WorkerLost
            | Self::StoppedByScheduler => (Duration::from_secs(5), Duration::from_mins(2)),
            // A person has to mend it, or AWS has to find machines.
            Self::Misconfigured | Self::ImagePull | Self::Init | Self::CannotStart | Self::Capacity => {
                (Duration::from_mins(1), longest)
            }
            _ => (Duration::from_secs(15), longest),
        }
    }

    /// The kind behind a reason that a worker gives for returning a job. Other reasons end a job and are no kinds of
    /// their own.
    #[must_use]
    pub fn of_return(code: &str) -> Self {
        match code {
            "stopped" => Self::Terminated,
            "timed_out" => Self::TimedOut,
            "misconfigured" => Self::Misconfigured,
            "internal" => Self::InternalError,
            "command_crashed" => Self::CommandCrashed,
            "out_of_memory" => Self::OutOfMemory,
            _ => Self::TryAgain,
        }
    }

    /// Whether the worker told the reason itself, in its exit code and in the ledger.
    pub(super) fn is_the_workers_word(self) -> bool {
        matches!(
            self,
            Self::BadInput
                | Self::TryAgain
                | Self::CommandCrashed
                | Self::Misconfigured
                | Self::InternalError
                | Self::Terminated
        )
    }

    /// Whether AWS's own words add to ours. "Essential container in task exited" never does.
    pub(super) fn wants_detail(self) -> bool {
        matches!(
            self,
            Self::Capacity
                | Self::ImagePull
                | Self::Init
                | Self::CannotStart
                | Self::Infrastructure
                | Self::Cancelled
                | Self::Unknown
        )
    }
}

/// A shell counts a process ended by a signal as 128 + the signal.
fn crash_in_words(code: i64) -> String {
    let signal = match code {
        101 => return "the worker panicked (exit code 101)".to_owned(),
        132 => "illegal instruction",
        134 => "abort",
        135 => "bus error",
        136 => "arithmetic error",
        139 => "segmentation fault",
        _ => return format!("the worker crashed with exit code {code}"),
    };
    format!("the worker crashed with exit code {code}: {signal}")
}
