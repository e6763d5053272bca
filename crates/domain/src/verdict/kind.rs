//! The verdicts: one row for each, with everything that is fixed about it.
//!
//! A new verdict needs one row here, and a line where a stop is recognised as one (`by_stop_code`, `TEXTS` or an exit
//! code). Mails, `tidemill explain`, exit codes, retries and `docs/verdicts.md` follow from the row.

use crate::{
    exit_code::ExitCode,
    retry::{Backoff, JOB_FAILED, JOB_INTERRUPTED, JOB_NOT_STARTED},
    table::table,
};

/// What to change for the next launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The next launch is like the last one.
    Same,
    /// The next legal size.
    Larger,
    /// On-demand capacity in place of Spot.
    OnDemand,
}

/// What follows an attempt that ended with a verdict, within the limits of attempts and launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Another launch may help.
    Retry(Change, Backoff),
    /// Another launch would end in the same way: the job has failed.
    GiveUp,
    /// The job is left as it is: the ledger has settled it, or this stop is not about it.
    Ignore,
}

/// What is fixed about a verdict, besides its code and its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Whether it uses up one of the object's attempts: only what the object may have caused.
    pub counts_against_object: bool,
    /// What follows the attempt, within the limits of attempts and launches.
    pub rule: Rule,
    /// The exit codes by which a worker says it; a worker that returns a job for this reason exits with the first.
    pub exit_codes: &'static [ExitCode],
    /// Whether AWS's own words add to the sentence. "Essential container in task exited" never does.
    pub aws_explains: bool,
    /// What a person can do about a job that failed with it. The command that replays the job follows it.
    pub advice: &'static str,
}

use Rule::{GiveUp, Ignore, Retry};

table! {
    /// The named reason why a task stopped.
    Kind: Row {
        Succeeded = "succeeded", "all records of the object were published" {
            counts_against_object: false, rule: Ignore, exit_codes: &[], aws_explains: false,
            advice: "There is nothing to do.",
        }
        Superseded = "superseded", "a newer version of the object was published first" {
            counts_against_object: false, rule: Ignore, exit_codes: &[], aws_explains: false,
            advice: "There is nothing to do: the records of the newer version are visible.",
        }
        SourceDeleted = "source_deleted", "the object was deleted before its records were published" {
            counts_against_object: false, rule: Ignore, exit_codes: &[], aws_explains: false,
            advice: "There is nothing to do. If the object was deleted by mistake, upload it again.",
        }
        BadInput = "bad_input", "the object cannot be read as its pipeline says" {
            counts_against_object: true, rule: GiveUp, exit_codes: &[ExitCode::BadInput], aws_explains: false,
            advice: "Fix the object and upload it again.",
        }
        TryAgain = "try_again", "a service the worker needs did not answer in time" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_FAILED), exit_codes: &[ExitCode::TryAgain],
            aws_explains: false,
            advice: "The object is not at fault. Replay the job when the service that did not answer works again.",
        }
        OutOfMemory = "out_of_memory", "the task ran out of memory" {
            counts_against_object: true, rule: Retry(Change::Larger, JOB_INTERRUPTED), exit_codes: &[ExitCode::OutOfMemory],
            aws_explains: false,
            advice: "Upload the data in smaller objects; or give the pipeline a larger task in the pipelines file, then replay the \
                     job.",
        }
        TimedOut = "timed_out", "the task ran longer than the pipeline's timeout and was stopped" {
            counts_against_object: true, rule: Retry(Change::Same, JOB_FAILED), exit_codes: &[ExitCode::TimedOut],
            aws_explains: false,
            advice: "Raise the pipeline's timeout in the pipelines file, then replay the job.",
        }
        SpotReclaimed = "spot_reclaimed", "AWS took back the Spot capacity the task ran on" {
            counts_against_object: false, rule: Retry(Change::OnDemand, JOB_INTERRUPTED), exit_codes: &[], aws_explains: false,
            advice: "The object is not at fault. Replay the job.",
        }
        Capacity = "capacity", "AWS had no capacity to start the task, or the account's limit is reached" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_NOT_STARTED), exit_codes: &[], aws_explains: true,
            advice: "The object is not at fault. Raise the account's Fargate quota if it is reached, then replay the job.",
        }
        ImagePull = "image_pull", "the worker's container image could not be pulled" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_NOT_STARTED), exit_codes: &[], aws_explains: true,
            advice: "The object is not at fault. Fix the worker's image or the task's access to it, then replay the job.",
        }
        Init = "init", "AWS could not set up the task's network, secrets, logs or storage" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_NOT_STARTED), exit_codes: &[], aws_explains: true,
            advice: "The object is not at fault. Fix the task's network, secrets, log group or storage, then replay the \
                     job.",
        }
        CannotStart = "cannot_start", "the worker's container could not be started" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_NOT_STARTED), exit_codes: &[], aws_explains: true,
            advice: "The object is not at fault. Fix the worker's image or task definition, then replay the job.",
        }
        Crashed = "crashed", "the worker crashed" {
            counts_against_object: true, rule: Retry(Change::Same, JOB_FAILED), exit_codes: &[], aws_explains: false,
            advice: "The worker's log lines with this job's id say more. Fix the worker, then replay the job.",
        }
        CommandCrashed = "command_crashed", "the command crashed" {
            counts_against_object: true, rule: Retry(Change::Same, JOB_FAILED), exit_codes: &[ExitCode::CommandCrashed],
            aws_explains: false,
            advice: "What the command printed is in the worker's log lines with this job's id. Fix the command, then \
                     replay the job.",
        }
        InternalError = "internal_error", "the worker stopped on an error in itself" {
            counts_against_object: true, rule: Retry(Change::Same, JOB_FAILED), exit_codes: &[ExitCode::Software],
            aws_explains: false,
            advice: "The worker's log lines with this job's id say more. Fix the worker, then replay the job.",
        }
        Misconfigured = "misconfigured", "the deployment is wrong: a setting, permission or resource is missing" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_NOT_STARTED),
            exit_codes: &[ExitCode::Config, ExitCode::Usage], aws_explains: false,
            advice: "The object is not at fault. Fix the setting, permission or resource, then replay the job.",
        }
        Terminated = "terminated", "the task was told to stop before it was finished" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_INTERRUPTED), exit_codes: &[ExitCode::Terminated],
            aws_explains: false,
            advice: "The object is not at fault. Replay the job.",
        }
        Cancelled = "cancelled", "somebody stopped the task" {
            counts_against_object: false, rule: GiveUp, exit_codes: &[], aws_explains: true,
            advice: "A person stopped the job. Replay it when it may run again.",
        }
        Infrastructure = "infrastructure", "the machine under the task failed or was retired by AWS" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_INTERRUPTED), exit_codes: &[], aws_explains: true,
            advice: "The object is not at fault. Replay the job.",
        }
        StoppedByScheduler = "stopped_by_scheduler", "an ECS service's scheduler stopped the task" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_INTERRUPTED), exit_codes: &[], aws_explains: false,
            advice: "The object is not at fault. Find the ECS service that stops the tasks, then replay the job.",
        }
        WorkerLost = "worker_lost", "the pooled worker that had the job ended without giving it back" {
            counts_against_object: false, rule: Retry(Change::Same, JOB_INTERRUPTED), exit_codes: &[], aws_explains: false,
            advice: "The object is not at fault, as far as is known. Replay the job; if its worker is lost again, that \
                     worker's log lines say more.",
        }
        ExitedWithoutDone = "exited_without_done", "the worker left with success, but the ledger does not say done" {
            counts_against_object: true, rule: Retry(Change::Same, JOB_FAILED), exit_codes: &[ExitCode::Done],
            aws_explains: false,
            advice: "The worker's log lines with this job's id say more. Fix the worker, then replay the job.",
        }
        Unknown = "unknown", "the task stopped, and nothing says why" {
            counts_against_object: true, rule: Retry(Change::Same, JOB_FAILED), exit_codes: &[], aws_explains: true,
            advice: "The worker's log lines with this job's id may say more. When the cause is fixed, replay the job.",
        }
        NotOurs = "not_ours", "the task was not launched for this job" {
            counts_against_object: false, rule: Ignore, exit_codes: &[], aws_explains: false,
            advice: "There is nothing to do.",
        }
        Duplicate = "duplicate", "this stop was dealt with before" {
            counts_against_object: false, rule: Ignore, exit_codes: &[], aws_explains: false,
            advice: "There is nothing to do.",
        }
        NotStopped = "not_stopped", "the task has not stopped yet" {
            counts_against_object: false, rule: Ignore, exit_codes: &[], aws_explains: false,
            advice: "There is nothing to do.",
        }
    }
}

impl Kind {
    /// The verdict that follows from a worker's exit code alone; none for a code that the worker does not use.
    #[must_use]
    pub fn of_exit_code(exit: ExitCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.row().exit_codes.contains(&exit))
    }

    /// What a worker exits with that returns a job for this reason. Whatever only others can find out about a task is
    /// said as trouble that passes.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        self.row().exit_codes.first().copied().unwrap_or(ExitCode::TryAgain)
    }

    /// Whether a worker says it itself, in its exit code and in the ledger, where its message is nearer to the cause.
    pub(super) fn is_said_by_worker(self) -> bool {
        self.row().exit_codes.iter().any(|exit| *exit != ExitCode::Done)
    }
}
