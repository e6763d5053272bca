//! What it means that a task stopped, and what to do about it.
//!
//! ```text
//! Task State Change ─┐
//!                    ├─▶ verdict ─▶ Verdict ─┐
//! the job's facts ───┤                       ├─▶ next_step ─▶ retry (when, with what) | give up | nothing
//!                    └───────────────────────┘
//! ```
//!
//! Two plain functions. [`verdict()`] names the reason: the ledger outranks the worker's own word, which
//! outranks ECS's stop code, which outranks texts, which outrank a bare exit code. [`next_step`] bounds what
//! follows: by the object's attempts for what is counted against it to it, by [`UNCOUNTED_LIMIT`] for what is not.

mod kind;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use crate::events::TaskStateChange;
use crate::exit_code::ExitCode;
use crate::fargate::{Size, next_size};
use crate::job::{Attempt, Job, Reason, State};

pub use kind::{Change, Kind, Row, Rule};

/// The reason the sweep gives StopTask for a task past its deadline begins with this; ECS shows it back.
pub const OVERDUE: &str = "tidemill: overdue";

/// The reason the sweep gives StopTask for a task that does not start begins with this.
pub const NEVER_STARTED: &str = "tidemill: never started";

/// How many launches may end for reasons that are not the object's fault before its job fails: with the back-offs below,
/// after more than an hour. A replay runs it again.
pub const UNCOUNTED_LIMIT: u32 = 10;

/// The largest size that running out of memory leads to. The worker streams: what does not fit here is a
/// mistake, and one that would cost dollars an hour.
pub const LARGEST: (u32, u32) = (4_096, 30_720);

/// Spot capacity may be reclaimed this often before a job is launched on demand.
const SPOT_PATIENCE: usize = 2;

/// Whatever AWS says about a stop, this many characters of it are kept.
const DETAIL_CHARS: usize = 300;

/// Why a task stopped: the named reason, and what adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The named reason.
    pub kind: Kind,
    /// The exit code of a crash.
    pub exit_code: Option<i64>,
    /// What AWS said, on one line and of bounded length.
    pub detail: Option<String>,
}

impl Verdict {
    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// A plain sentence, with the exit code of a crash or with AWS's own words where they help.
    #[must_use]
    pub fn words(&self) -> String {
        let sentence = self.kind.sentence();
        match (&self.detail, self.exit_code) {
            (Some(detail), _) => format!("{sentence} (AWS says: {detail})"),
            (None, Some(code)) => crash_in_words(sentence, code),
            (None, None) => sentence.to_owned(),
        }
    }

    /// Whether it uses up one of the object's attempts.
    #[must_use]
    pub fn counts_against_object(&self) -> bool {
        self.kind.row().counts_against_object
    }

    /// The attempt that ended with this verdict, as the ledger keeps it. What the worker said of its own failure is
    /// nearer to the cause than this verdict's words. `task` is the task's ARN, or the pooled worker's name.
    #[must_use]
    pub fn of_attempt(&self, number: u32, job: &Job, task: &str, stopped_at: Timestamp) -> Attempt {
        let said_by_worker =
            |reason: &&Reason| self.kind.is_said_by_worker() && reason.code.verdict() == Some(self.kind);
        let words = job.reason().filter(said_by_worker).map(|reason| reason.message.clone());
        let verdict = Reason::new(self.kind, words.unwrap_or_else(|| self.words()));
        Attempt { number, task: task.to_owned(), verdict, stopped_at, paused: false }
    }
}

impl From<Kind> for Verdict {
    /// With nothing that AWS said.
    fn from(kind: Kind) -> Self {
        Self { kind, exit_code: None, detail: None }
    }
}

/// A shell counts a process ended by a signal as 128 + the signal; 101 is a panic that nobody caught.
fn crash_in_words(sentence: &str, code: i64) -> String {
    let cause = match code {
        101 => ": panic",
        132 => ": illegal instruction",
        134 => ": abort",
        135 => ": bus error",
        136 => ": arithmetic error",
        139 => ": segmentation fault",
        _ => "",
    };
    format!("{sentence} with exit code {code}{cause}")
}

/// What the ledger knows about the job a task was launched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFacts {
    /// The job's id, as it was passed to RunTask.
    pub id: String,
    /// Where the job is.
    pub state: State,
    /// The task of its present attempt, if the launch was noted.
    pub task: Option<String>,
    /// Of a job that has failed and whose failure was mailed to nobody yet: what its worker failed it for.
    pub untold: Option<Kind>,
    /// The tasks of attempts that have ended.
    pub past_tasks: Vec<String>,
    /// Attempts counted against it to the object so far, without the one that just ended.
    pub counted_attempts: u32,
    /// Attempts the object may use up.
    pub max_attempts: u32,
    /// Launches since the job was recorded or last replayed, with the one that just ended. Those whose end was put down
    /// to a wrong configuration do not count.
    pub launches: u32,
    /// Whether launches are paused because the configuration is known to be wrong: no job fails for that.
    pub paused: bool,
    /// How often Spot capacity was reclaimed before.
    pub reclaimed: usize,
    /// The size of the task that just ended.
    pub size: Size,
}

impl JobFacts {
    /// The facts of a job.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        Self {
            id: job.id.as_str().to_owned(),
            state: job.state(),
            task: job.task.clone(),
            untold: untold(job),
            past_tasks: job.history.iter().map(|ended| ended.task.clone()).collect(),
            counted_attempts: job.counted_attempts,
            max_attempts: job.pipeline.attempts,
            launches: launches(job),
            paused: false,
            reclaimed: count(&job.history, Kind::SpotReclaimed),
            size: adjusted(&job.history, job.pipeline.task).size,
        }
    }
}

fn untold(job: &Job) -> Option<Kind> {
    let reason = job.reason().filter(|_| job.state() == State::Failed && job.notified_at().is_none())?;
    reason.code.verdict()
}

fn launches(job: &Job) -> u32 {
    let present = job.history.iter().skip(job.replayed_from as usize).filter(|ended| !ended.paused);
    u32::try_from(present.count()).unwrap_or(u32::MAX).saturating_add(1)
}

/// How a job's next task is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjusted {
    /// The size of the task.
    pub size: Size,
    /// Whether Spot capacity has failed it often enough.
    pub on_demand: bool,
}

/// What the history of a job asks of its next launch: one size up for every time it ran out of memory, and
/// on demand once Spot was reclaimed twice. Derived each time, so there is nothing to keep in step.
#[must_use]
pub fn adjusted(history: &[Attempt], base: Size) -> Adjusted {
    let climbs = count(history, Kind::OutOfMemory);
    let size = (0..climbs).fold(base, |size, _| larger(size).unwrap_or(size));
    Adjusted { size, on_demand: count(history, Kind::SpotReclaimed) >= SPOT_PATIENCE }
}

/// How many attempts ended for this reason.
#[must_use]
pub fn count(history: &[Attempt], kind: Kind) -> usize {
    history.iter().filter(|ended| ended.verdict.code == kind).count()
}

fn larger(size: Size) -> Option<Size> {
    // A pipeline may ask for more than LARGEST from the start; then that is where it stays.
    next_size(size, Size::new(LARGEST.0, LARGEST.1).unwrap_or(Size::LARGEST))
}

/// Names why a task stopped.
#[must_use]
pub fn verdict(change: &TaskStateChange, facts: &JobFacts) -> Verdict {
    explained(kind_of(change, facts), change)
}

/// Names why a task stopped that was launched for no job: a pooled worker, a sweep or a command.
///
/// ```
/// use domain::{events::TaskStateChange, verdict::of_task};
///
/// let stopped = |container: serde_json::Value| -> TaskStateChange {
///     let change = serde_json::json!({
///         "taskArn": "arn:aws:ecs:eu-north-1:111122223333:task/tidemill/1dc5",
///         "lastStatus": "STOPPED",
///         "stopCode": "EssentialContainerExited",
///         "containers": [container],
///     });
///     serde_json::from_value(change).expect("a change")
/// };
/// let killed = serde_json::json!({ "name": "worker", "exitCode": 137, "reason": "OutOfMemoryError: Container killed" });
/// assert_eq!(of_task(&stopped(killed)).code(), "out_of_memory");
/// let done = serde_json::json!({ "name": "worker", "exitCode": 0 });
/// assert_eq!(of_task(&stopped(done)).code(), "succeeded");
/// ```
#[must_use]
pub fn of_task(change: &TaskStateChange) -> Verdict {
    match by_task(change) {
        // Without a job there is no ledger that could say otherwise.
        Kind::ExitedWithoutDone => Kind::Succeeded.into(),
        kind => explained(kind, change),
    }
}

/// Names why a schedule's command stopped: its exit codes are its own, and only 0 says success.
#[must_use]
pub fn of_command(change: &TaskStateChange) -> Verdict {
    let code = exit_code(change);
    if code == Some(0) {
        return Kind::Succeeded.into();
    }
    match by_task(change) {
        // What AWS says stands; a word of the worker's it is not. 137 is also how the kernel ends what needs too much memory.
        kind if kind != Kind::OutOfMemory && code.is_some_and(|code| kind == by_exit_code(code)) => {
            Verdict { kind: Kind::CommandCrashed, exit_code: code, detail: None }
        }
        kind => explained(kind, change),
    }
}

/// The verdict of this kind, with what the task's end says besides.
fn explained(kind: Kind, change: &TaskStateChange) -> Verdict {
    Verdict {
        kind,
        exit_code: if kind == Kind::Crashed { exit_code(change) } else { None },
        detail: if kind.row().aws_explains { detail(change) } else { None },
    }
}

fn kind_of(change: &TaskStateChange, facts: &JobFacts) -> Kind {
    if !change.is_stopped() {
        return Kind::NotStopped;
    }
    if !change.names(&facts.id) {
        return Kind::NotOurs;
    }
    if facts.past_tasks.contains(&change.task_arn)
        || facts.task.as_ref().is_some_and(|task| *task != change.task_arn)
    {
        return Kind::Duplicate;
    }
    let word = exit_code(change).and_then(ExitCode::from_code);
    match facts.state {
        // Done is done, however the process left afterwards.
        State::Done => return Kind::Succeeded,
        State::Superseded => return Kind::Superseded,
        State::SourceDeleted => return Kind::SourceDeleted,
        State::Failed if word == Some(ExitCode::BadInput) => return Kind::BadInput,
        // The worker may have died before its exit code could say so.
        State::Failed => return facts.untold.unwrap_or(Kind::Duplicate),
        State::Waiting | State::Running => {}
    }
    if word == Some(ExitCode::BadInput) {
        // Its note in the ledger was lost; the object is no better for it.
        return Kind::BadInput;
    }
    by_task(change)
}

/// What the task's own end says.
fn by_task(change: &TaskStateChange) -> Kind {
    texts(change)
        .find_map(by_memory)
        .or_else(|| by_stop_code(change))
        .or_else(|| texts(change).find_map(by_text))
        .or_else(|| failed_to_start(change))
        .unwrap_or_else(|| exit_code(change).map_or(Kind::Unknown, by_exit_code))
}

/// The stop codes that say all. `EssentialContainerExited` is not among them: success has it too.
fn by_stop_code(change: &TaskStateChange) -> Option<Kind> {
    match change.stop_code.as_deref()? {
        "SpotInterruption" => Some(Kind::SpotReclaimed),
        "TerminationNotice" if change.is_spot() => Some(Kind::SpotReclaimed),
        "TerminationNotice" | "InfrastructureHealth" => Some(Kind::Infrastructure),
        "ServiceSchedulerInitiated" => Some(Kind::StoppedByScheduler),
        "UserInitiated" => {
            let ours =
                |words| change.stopped_reason.as_deref().is_some_and(|reason| reason.starts_with(words));
            // A warned Spot task may come as UserInitiated with Spot's own words.
            let spot = texts(change).any(|text| text.starts_with(SPOT_TEXT));
            Some(match spot {
                _ if ours(OVERDUE) => Kind::TimedOut,
                _ if ours(NEVER_STARTED) => Kind::CannotStart,
                true => Kind::SpotReclaimed,
                false => Kind::Cancelled,
            })
        }
        _ => None,
    }
}

fn failed_to_start(change: &TaskStateChange) -> Option<Kind> {
    (change.stop_code.as_deref() == Some("TaskFailedToStart")).then_some(Kind::CannotStart)
}

const SPOT_TEXT: &str = "Your Spot Task was interrupted";

/// Matched by prefix, never whole: the texts go on differently from month to month.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>
const TEXTS: [(&str, Kind); 16] = [
    (SPOT_TEXT, Kind::SpotReclaimed),
    (OVERDUE, Kind::TimedOut),
    ("Task stopped by user", Kind::Cancelled),
    ("Scaling activity initiated by", Kind::StoppedByScheduler),
    ("CannotPull", Kind::ImagePull),
    ("ResourceInitializationError", Kind::Init),
    ("CannotCreateVolumeError", Kind::Init),
    ("CannotStartContainerError", Kind::CannotStart),
    ("CannotInspectContainerError", Kind::Infrastructure),
    ("CannotStopContainerError", Kind::Infrastructure),
    ("ContainerRuntimeTimeoutError", Kind::Infrastructure),
    ("ContainerRuntimeError", Kind::Infrastructure),
    ("InternalError", Kind::Infrastructure),
    ("Timeout waiting for network interface provisioning", Kind::Capacity),
    ("Capacity is unavailable", Kind::Capacity),
    ("You've reached the limit on the number of vCPUs", Kind::Capacity),
];

fn by_text(text: &str) -> Option<Kind> {
    TEXTS.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, kind)| *kind)
}

fn by_memory(text: &str) -> Option<Kind> {
    text.starts_with("OutOfMemory").then_some(Kind::OutOfMemory)
}

/// 137 is the worker's word, or SIGKILL from the kernel's memory killer: nobody asked the task to stop, or a stop code
/// would have said so.
fn by_exit_code(code: i64) -> Kind {
    ExitCode::from_code(code).and_then(Kind::of_exit_code).unwrap_or(Kind::Crashed)
}

/// The exit code that counts: of several containers, that of one which did not succeed.
fn exit_code(change: &TaskStateChange) -> Option<i64> {
    let codes = || change.containers.iter().filter_map(|container| container.exit_code);
    codes().find(|code| *code != 0).or_else(|| codes().next())
}

/// Everything AWS said, the containers' words first: they are nearer to the cause.
fn texts(change: &TaskStateChange) -> impl Iterator<Item = &str> {
    let of_containers = change.containers.iter().filter_map(|container| container.reason.as_deref());
    of_containers.chain(change.stopped_reason.as_deref())
}

fn detail(change: &TaskStateChange) -> Option<String> {
    let text = texts(change).find(|text| !text.trim().is_empty())?;
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut short: String = one_line.trim().chars().take(DETAIL_CHARS).collect();
    if one_line.trim().chars().count() > DETAIL_CHARS {
        short.push('…');
    }
    Some(short)
}

/// What follows a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Launch it again.
    Retry {
        /// After this wait, which is never above SQS's longest delay of 15 minutes.
        after: Duration,
        /// With this change.
        change: Change,
    },
    /// The job has failed for good.
    GiveUp,
    /// The job is left as it is: it has settled, or this stop says nothing new about it.
    Nothing,
}

/// Decides what follows. `jitter`, drawn from 0 to 1, spreads the waits.
#[must_use]
pub fn next_step(verdict: &Verdict, facts: &JobFacts, jitter: f64) -> NextStep {
    let (change, backoff) = match verdict.kind.row().rule {
        Rule::Ignore => return NextStep::Nothing,
        Rule::GiveUp => return NextStep::GiveUp,
        Rule::Retry(change, backoff) => (change, backoff),
    };
    let counts_against_object = verdict.counts_against_object();
    let counted_attempts = facts.counted_attempts.saturating_add(u32::from(counts_against_object));
    let uncounted = facts.launches.saturating_sub(counted_attempts);
    let is_worn_out = counted_attempts >= facts.max_attempts || uncounted >= UNCOUNTED_LIMIT;
    let counts = counts_against_object || !facts.paused;
    if is_worn_out && counts {
        return NextStep::GiveUp;
    }
    let change = match change {
        // The same size would run out of memory again.
        Change::Larger if larger(facts.size).is_none() => return NextStep::GiveUp,
        Change::OnDemand if facts.reclaimed + 1 < SPOT_PATIENCE => Change::Same,
        change => change,
    };
    let after = backoff.delay(facts.launches.saturating_sub(1), jitter);
    NextStep::Retry { after, change }
}
