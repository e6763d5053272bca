//! The timeline of one job, from its item in the ledger.

use domain::{
    audit::{AuditEntry, AuditKind},
    fargate::Size,
    job::{Attempt, Done, Failed, Job, JobState, Replaced, Running, State},
    pipelines::BadRows,
    routing::{DedicatedReason, Route, route},
    text::{count, escaped, grouped, shortened},
};
use jiff::Timestamp;

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// When it happened.
    pub(super) at: Timestamp,
    /// What happened, in one or two words.
    pub(super) event: String,
    /// The details.
    pub(super) text: String,
}

/// The most characters of a text that others wrote.
const LONGEST: usize = 400;

/// Everything that happened to a job, oldest first. `pooled` is the size of the deployment's pooled workers, if known.
pub(super) fn timeline(job: &Job, pooled: Option<Size>, now: Timestamp) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |at: Option<Timestamp>, event: &str, text: String| {
        lines.extend(at.map(|at| Line { at, event: event.to_owned(), text }));
    };
    add(job.event_at, "event", created(job));
    add(Some(job.created_at), "recorded", recorded(job, pooled));
    for note in &job.audit {
        add(Some(note.at), noted(note), safe(&with_task_ids(&note.words)));
    }
    add(job.claimed_at(), "claimed", claimed(job));
    for (index, ended) in job.history.iter().enumerate() {
        add(Some(ended.stopped_at), &format!("attempt {}", ended.number), attempt(job, index, ended));
    }
    add(job.settled_at(), job.state().as_str(), settled(job));
    if let Some(rejects) = job.rejects() {
        add(job.settled_at(), "rejected", safe(&rejects.to_string()));
    }
    if let Some(drifts) = job.drifts() {
        let words = format!("the object differs from earlier objects of the pipeline: {}", drifts.sentence());
        add(job.settled_at(), "drift", safe(&words));
    }
    add(job.notified_at(), "notified", "failure mail sent; added to the dead-letter queue".to_owned());
    if let Some(Replaced { at, by_deletion, .. }) = job.replaced() {
        let (event, words) = match by_deletion {
            true => ("deleted", "the object was deleted, and its records became invisible at once"),
            false => ("replaced", "a newer version's records replaced these"),
        };
        add(Some(at), event, words.to_owned());
    }
    if !job.state().is_settled() {
        add(Some(now), "now", present(job, now));
    }
    // The sort is stable: what happened at the same time stays in the order above, causes first. The ledger stores some
    // times to the microsecond and others finer.
    lines.sort_by_key(|line| line.at.as_microsecond());
    lines
}

/// Text that others wrote, on one line and shortened.
pub(super) fn safe(text: &str) -> String {
    shortened(&escaped(text), LONGEST)
}

/// The text with the id of a task in place of its ARN, which is longer than a line.
fn with_task_ids(text: &str) -> String {
    let short = |word: &str| match word.rsplit_once('/') {
        Some((arn, id)) if arn.starts_with("arn:") && arn.contains(":ecs:") => id.to_owned(),
        _ => word.to_owned(),
    };
    text.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

fn created(job: &Job) -> String {
    match job.object.size_bytes {
        _ if job.removal.is_some() => "S3 reported that the object was deleted".to_owned(),
        Some(bytes) => format!("S3 reported the object: {}", count(bytes, "byte")),
        None => "S3 reported the object".to_owned(),
    }
}

/// The pipeline that matched, where the job was routed, and why.
fn recorded(job: &Job, pooled: Option<Size>) -> String {
    let before = Job { history: Vec::new(), ..job.clone() };
    let above = grouped(job.pipeline.dedicated_above);
    let bytes = job.object.size_bytes.map(grouped);
    let decision = match (route(&before, pooled.unwrap_or(Size::LARGEST), None), bytes) {
        (Route::Pool, Some(bytes)) => {
            format!("pooled workers: its {bytes} bytes are not above dedicated_above ({above})")
        }
        (Route::Pool, None) => "pooled workers".to_owned(),
        (Route::Dedicated(DedicatedReason::Large), bytes) => {
            let bytes = bytes.unwrap_or_default();
            format!("a dedicated task: its {bytes} bytes are above dedicated_above ({above})")
        }
        (Route::Dedicated(DedicatedReason::Size | DedicatedReason::Suspect | DedicatedReason::Pinned), _) => {
            let task = size(job.pipeline.task);
            format!("a dedicated task: it needs {task}, more than pooled workers have")
        }
    };
    format!("pipeline {}, for {decision}", job.pipeline.name)
}

fn size(size: Size) -> String {
    format!("{} CPU units and {} MiB", grouped(size.cpu().into()), grouped(size.memory().into()))
}

fn noted(note: &AuditEntry) -> &'static str {
    match note.kind {
        AuditKind::Duplicate => "duplicate",
        AuditKind::Launched => "launched",
        AuditKind::Deferred => "deferred",
        AuditKind::Paused => "paused",
        AuditKind::Pooled => "pooled",
        AuditKind::Relaunched => "relaunched",
        AuditKind::Replayed => "replayed",
        AuditKind::Cancelled => "stopped",
        AuditKind::Other => "noted",
    }
}

fn claimed(job: &Job) -> String {
    // The job names only the worker of its last claim.
    let is_last = job.fence == 1;
    match job.pooled_worker().filter(|_| is_last) {
        Some(worker) => format!("pooled worker {} started it", safe(worker)),
        None => "a worker started it".to_owned(),
    }
}

/// How an attempt ended, and whether it was retried.
fn attempt(job: &Job, index: usize, ended: &Attempt) -> String {
    let Attempt { task, verdict, .. } = ended;
    let who = match task.as_str() {
        "" => "before a worker started".to_owned(),
        arn if arn.starts_with("arn:") => {
            format!("in task {}", safe(arn.rsplit('/').next().unwrap_or(arn)))
        }
        worker => format!("in pooled worker {}", safe(worker)),
    };
    let next = job.history.get(index + 1);
    // Whether a person replayed the job after this attempt.
    let is_replay = |note: &AuditEntry| {
        let before = next.is_none_or(|next| note.at <= next.stopped_at);
        note.kind == AuditKind::Replayed && note.at >= ended.stopped_at && before
    };
    let followed = match () {
        () if index + 1 == job.replayed_from as usize || job.audit.iter().any(is_replay) => "not retried",
        () if index + 1 < job.history.len() => "retried",
        () if !job.state().is_settled() => "will be retried",
        () if job.state() == State::Failed => "not retried",
        () => "retried",
    };
    format!("ended {who}: {}: {}; {followed}", safe(verdict.code.as_str()), safe(&verdict.message))
}

fn settled(job: &Job) -> String {
    match &job.state {
        JobState::Done(Done { progress, .. }) => {
            let format = progress.format.as_deref().unwrap_or("unknown");
            let records = count(progress.records, "record");
            let visible = match (&job.pipeline.destination, &job.pipeline.key) {
                (Some(destination), _) if job.removal.is_some() => {
                    let items = count(progress.table.map_or(0, |counts| counts.deleted), "item");
                    format!("table {}: {items} removed with the object", safe(destination.table.as_str()))
                }
                (Some(destination), _) => {
                    let counts = progress.table.map_or(records, |counts| counts.to_string());
                    format!("table {}: {counts} ({})", safe(destination.table.as_str()), safe(format))
                }
                (None, None) => format!("{records} became visible at once ({})", safe(format)),
                (None, Some(_)) => format!("{records} written under their own keys ({})", safe(format)),
            };
            let repaired = match progress.repaired {
                0 => String::new(),
                rows => format!("; {} repaired", count(rows, "row")),
            };
            format!("{visible}{}{repaired}", rejected(job, progress.rejected))
        }
        JobState::Superseded(_) => "a newer version of the object was published first".to_owned(),
        JobState::SourceDeleted(_) => "the object was deleted before its records were published".to_owned(),
        JobState::Failed(Failed { reason, .. }) => {
            let (code, message) = (safe(reason.code.as_str()), safe(&reason.message));
            let (counted, attempts) = (job.counted_attempts, count(job.pipeline.attempts, "attempt"));
            format!("{code}: {message}; {counted} of {attempts} counted against the object")
        }
        JobState::Waiting(_) | JobState::Running(_) => String::new(),
    }
}

fn rejected(job: &Job, rows: u64) -> String {
    match (rows, job.pipeline.bad_rows) {
        (0, _) => String::new(),
        (rows, BadRows::Quarantine | BadRows::Repair) => {
            let key = safe(&job.object.key);
            format!("; {} in rejects/{key}/{}.jsonl", count(rows, "rejected row"), job.id)
        }
        (rows, _) => format!("; {} rejected", count(rows, "row")),
    }
}

/// What an open job waits for, or who runs it.
fn present(job: &Job, now: Timestamp) -> String {
    match &job.state {
        JobState::Running(Running { lease_until: until, .. }) if *until < now => {
            format!(
                "its lease expired at {until:.0}: the worker is probably lost, and the job is retried automatically"
            )
        }
        JobState::Running(Running { lease_until: until, records, progress, .. }) => {
            let worker = job.pooled_worker().map_or("a dedicated task".to_owned(), safe);
            let rows = count(*records, "row");
            let progress = progress.as_deref().map(|said| format!(", progress {}", safe(said)));
            let progress = progress.unwrap_or_default();
            format!(
                "attempt {} in {worker}: {rows} written so far{progress}; lease until {until:.0}",
                job.attempt
            )
        }
        _ => match &job.task {
            Some(task) => {
                format!(
                    "attempt {} waits for task {} to start",
                    job.attempt,
                    safe(task.rsplit('/').next().unwrap_or(task))
                )
            }
            None => format!("attempt {} waits for a worker", job.attempt),
        },
    }
}
