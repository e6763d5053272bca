//! Telling people: of a failed job, sweep or command, in a mail of its own or counted in a folded one.
//!
//! ```text
//! failed ─▶ reserve the telling ─▶ dead letter ─▶ storms: at once? ─┬─▶ log tail, links ─▶ SNS ─┬─▶ note that it is told
//!                                                                   └─▶ counted ────────────────┘
//! ```
//! A telling that dies on the way is made again when its message comes again, behind the same door: the storms decide
//! anew whether there is room for a mail.

use std::time::Duration;

use aws::{
    CallError,
    ledger::Changed,
    logs::{self, Tail},
    tasks::LaunchedFor,
};
use domain::{
    events::TaskStateChange,
    job::{Attempt, Job, Reason, State},
    mail::{self, Letter, Log, Mail, Place},
    message::{JobMessage, SettledMessage},
    storm::{Failure, Source, Told},
    verdict::{self, Kind},
};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::finish_attempt::{Outcome, Stops};

/// How long one stop has to tell of a failure before another may. The template lets the function run for 30 s, and a
/// message comes again after 180 s: whoever died at it is past, and the message that comes again finds it so.
const TELLING: Duration = Duration::from_secs(60);

/// The note in the fleet table that people were told of a task.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    told_at: jiff::Timestamp,
}

impl Stops {
    /// A task that was launched for no job has ended. Of a sweep or command that did not succeed, people are told once:
    /// a second event finds it told, or that another is at it and may die, and then comes again to see.
    pub(crate) async fn ended(
        &self,
        what: LaunchedFor,
        change: &TaskStateChange,
    ) -> Result<Outcome, CallError> {
        let (kind, run) = match &what {
            LaunchedFor::Sweep(which) => {
                (verdict::of_task(change), Some((Source::Sweep, format!("the sweep {which}"))))
            }
            LaunchedFor::Command(schedule) => {
                let source = Source::Command(schedule.clone());
                (verdict::of_command(change), Some((source, format!("the command {schedule}"))))
            }
            LaunchedFor::Drain { .. } | LaunchedFor::Job { .. } => (verdict::of_task(change), None),
        };
        let outcome = Outcome::Ended { what, verdict: kind.code() };
        let Some((source, name)) = run else { return Ok(outcome) };
        if kind == Kind::Succeeded || !change.is_stopped() || !self.notify_on.of_failures() {
            return Ok(outcome);
        }
        let (task, now) = (&change.task_arn, self.clock.now());
        let note = format!("told:{task}");
        if self.fleet.kept::<Note>(&note).await?.is_some() {
            return Ok(outcome);
        }
        let holder = format!("{:032x}", fastrand::u128(..));
        if !self.fleet.lease(&note, &holder, now, now + TELLING).await? {
            return Err(CallError::exhausted(format!("tell of {name}"), "another stop is at it"));
        }
        let reason = Reason::new(kind.code(), kind.words());
        let failure = Failure {
            source,
            code: reason.code.clone(),
            at: change.stopped_at.unwrap_or(now),
            id: task.clone(),
            what: name.clone(),
            words: format!("{}, task {task}", reason.message),
            key: None,
        };
        match self.storms.tell(&failure, now).await? {
            Told::AtOnce => self.post.send(&mail::run_failed(&name, &reason, task, now)).await?,
            Told::Counted => {}
        }
        self.fleet.keep(&note, &Note { told_at: self.clock.now() }).await?;
        Ok(outcome)
    }

    /// A pooled worker gave a job up, and leaves the telling to this function.
    pub(crate) async fn failed_elsewhere(
        &self,
        body: &str,
        settled: &SettledMessage,
    ) -> Result<Outcome, CallError> {
        match self.ledger.read(&settled.settled).await? {
            Some(job) if job.state.is_settled() => self.settle(job, None).await,
            Some(job) => Ok(Outcome::Duplicate { job: job.id }),
            None => self.bury(body, Reason::new("unknown_job", "the ledger has no such job")).await,
        }
    }

    /// Tells of a failed job, once: it enters the dead-letter queue, and a mail goes out or the storms count it. `ended`
    /// is the attempt that settled it, where the ledger does not have it yet. Of a job that settled otherwise, the
    /// digest tells.
    pub(crate) async fn settle(&self, mut job: Job, ended: Option<&Attempt>) -> Result<Outcome, CallError> {
        if job.state != State::Failed {
            return Ok(Outcome::Settled { job: job.id, state: job.state });
        }
        if job.notified_at.is_some() {
            return Ok(Outcome::Duplicate { job: job.id });
        }
        let now = self.clock.now();
        match self.ledger.tell(&job.id, now, now + TELLING).await? {
            Changed::Yes(_) => {}
            Changed::No(Some(told)) if told.notified_at.is_some() => {
                return Ok(Outcome::Duplicate { job: job.id });
            }
            // Another stop of it is telling, and may die at it: come again and see.
            Changed::No(_) => {
                return Err(CallError::exhausted(format!("tell of job {}", job.id), "another stop is at it"));
            }
        }
        job.history.extend(ended.cloned());
        let reason = job.reason.clone().unwrap_or_else(|| Reason::new("unknown", "no reason was recorded"));
        let entry = JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
        self.dead_letters.bury(&entry, &reason).await?;
        if self.notify_on.of_failures() {
            match self.storms.tell(&failure(&job, &reason, now), now).await? {
                Told::AtOnce => self.post.send(&self.letter(&job).await).await?,
                // The count is durable, and a folded mail will tell of it. Whoever dies here is asked again when the
                // message comes again, and may then be counted a second time: a number in a mail, no second mail.
                Told::Counted => {}
            }
        }
        self.ledger.notified(&job.id, ended, self.clock.now()).await?;
        Ok(Outcome::Settled { job: job.id, state: job.state })
    }

    /// The mail of a failed job, with its last log lines. A log that cannot be read keeps no mail from going out.
    async fn letter(&self, job: &Job) -> Mail {
        let mut letter = Letter::of(job);
        let tail = match self.logs.tail(job, self.clock.now()).await {
            Ok(tail) => tail,
            Err(error) => {
                let reason = telemetry::causes(&error);
                warn!(job.id = %job.id, error = reason, "the log of a failed job cannot be read");
                letter.log = Log::Unread(reason);
                Tail::default()
            }
        };
        letter.links = self.links(job, &tail);
        if letter.log == Log::Unasked {
            letter.log = Log::Lines(tail.lines);
        }
        mail::compose(&letter)
    }

    /// Where to look besides: on AWS the console, on a machine of somebody's own the command.
    fn links(&self, job: &Job, tail: &Tail) -> Vec<(String, String)> {
        if self.place == Place::Local {
            return vec![("all jobs".to_owned(), "tidemill jobs".to_owned())];
        }
        let own = logs::own_task(job);
        // Of a pooled worker, the stream that has the job's lines is known once they are found.
        let stream = own.map(|task| self.logs.stream_of(task)).or_else(|| tail.stream.clone());
        let task = stream.as_deref().and_then(|stream| stream.rsplit('/').next());
        let (bucket, key) = (&job.object.bucket, &job.object.key);
        let pages = [
            ("log", stream.as_deref().and_then(|stream| self.place.log_stream(self.logs.group(), stream))),
            (
                if own.is_some() { "task" } else { "pooled worker" },
                task.and_then(|task| self.place.task(&self.cluster, task)),
            ),
            ("object", self.place.object(bucket, key, job.object.version_id.as_deref())),
        ];
        pages.into_iter().filter_map(|(name, page)| Some((name.to_owned(), page?))).collect()
    }
}

/// A failed job, as the storms know failures.
fn failure(job: &Job, reason: &Reason, now: jiff::Timestamp) -> Failure {
    Failure {
        source: Source::Pipeline(job.pipeline.name.clone()),
        code: reason.code.clone(),
        at: job.settled_at.unwrap_or(now),
        id: job.id.to_string(),
        what: job.object.uri(),
        words: reason.message.clone(),
        key: Some(job.object.key.clone()),
    }
}
