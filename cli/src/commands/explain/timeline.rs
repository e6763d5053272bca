//! One job's story in order of time, from what the ledger holds of it.

use domain::{
    audit::{AuditEntry, AuditKind},
    fargate::Size,
    job::{Attempt, Job, State},
    mail::{escaped, grouped, shortened},
    pipelines::BadRows,
    routing::{DedicatedReason, Route, route},
};
use jiff::Timestamp;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// When.
    pub(super) at: Timestamp,
    /// What, in a word.
    pub(super) what: String,
    /// The rest.
    pub(super) words: String,
}

/// How much of what others say is shown.
const WORDS: usize = 400;

/// All that happened to a job, oldest first. `pooled` is the size of the deployment's pooled workers, where it is known.
pub(super) fn timeline(job: &Job, pooled: Option<Size>, now: Timestamp) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |at: Option<Timestamp>, what: &str, words: String| {
        lines.extend(at.map(|at| Line { at, what: what.to_owned(), words }));
    };
    add(job.event_at, "event", created(job));
    add(Some(job.created_at), "recorded", recorded(job, pooled));
    for note in &job.audit {
        add(Some(note.at), noted(note), safe(&note.words));
    }
    add(job.claimed_at, "claimed", claimed(job));
    for (index, ended) in job.history.iter().enumerate() {
        add(Some(ended.stopped_at), &format!("attempt {}", ended.number), attempt(job, index, ended));
    }
    add(job.settled_at, job.state.as_str(), settled(job));
    add(job.notified_at, "told", "people were told, and the dead-letter queue has an entry of it".to_owned());
    let replaced = "a newer version's records took the place of these".to_owned();
    add(job.replaced_at, "replaced", replaced);
    if !job.state.is_settled() {
        add(Some(now), "now", present(job, now));
    }
    // What happened at the same time stays in the order above, which is the order of causes. The ledger keeps some times
    // to the microsecond and others finer.
    lines.sort_by_key(|line| line.at.as_microsecond());
    lines
}

/// Text from strangers, on one line and not too long.
pub(super) fn safe(text: &str) -> String {
    shortened(&escaped(text), WORDS)
}

fn created(job: &Job) -> String {
    match job.object.size_bytes {
        Some(bytes) => format!("S3 told that the object was created, of {} bytes", grouped(bytes)),
        None => "S3 told that the object was created".to_owned(),
    }
}

/// Which pipeline took it, and where it was to be worked on and why.
fn recorded(job: &Job, pooled: Option<Size>) -> String {
    let before = Job { history: Vec::new(), ..job.clone() };
    let above = grouped(job.pipeline.dedicated_above);
    let bytes = job.object.size_bytes.map(grouped);
    let decision = match (route(&before, pooled.unwrap_or(Size::LARGEST), None), bytes) {
        (Route::Pool, Some(bytes)) => {
            format!("for the pooled workers: {bytes} bytes are not above its dedicated_above of {above}")
        }
        (Route::Pool, None) => "for the pooled workers".to_owned(),
        (Route::Dedicated(DedicatedReason::Large), bytes) => {
            let bytes = bytes.unwrap_or_default();
            format!("for a task of its own: {bytes} bytes are above its dedicated_above of {above}")
        }
        (Route::Dedicated(DedicatedReason::Size | DedicatedReason::Suspect | DedicatedReason::Pinned), _) => {
            let task = size(job.pipeline.task);
            format!("for a task of its own: it asks for {task}, which pooled workers do not have")
        }
    };
    format!("the pipeline {} takes it, {decision}", job.pipeline.name)
}

fn size(size: Size) -> String {
    format!("{} cpu units and {} MiB", grouped(size.cpu().into()), grouped(size.memory().into()))
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
    // The name is that of the last claim.
    let is_last = job.fence == 1;
    match job.pooled_worker().filter(|_| is_last) {
        Some(worker) => format!("the pooled worker {} began with it", safe(worker)),
        None => "a worker began with it".to_owned(),
    }
}

/// How an attempt ended, and what followed.
fn attempt(job: &Job, index: usize, ended: &Attempt) -> String {
    let Attempt { task, verdict, .. } = ended;
    let who = match task.as_str() {
        "" => String::new(),
        arn if arn.starts_with("arn:") => {
            format!("in the task {} ", safe(arn.rsplit('/').next().unwrap_or(arn)))
        }
        worker => format!("in the pooled worker {} ", safe(worker)),
    };
    let next = job.history.get(index + 1);
    // A person had it run again after this one.
    let is_replay = |note: &AuditEntry| {
        let before = next.is_none_or(|next| note.at <= next.stopped_at);
        note.kind == AuditKind::Replayed && note.at >= ended.stopped_at && before
    };
    let followed = match () {
        () if index + 1 == job.replayed_from as usize || job.audit.iter().any(is_replay) => "it was given up",
        () if index + 1 < job.history.len() => "it was tried again",
        () if !job.state.is_settled() => "it is tried again",
        () if job.state == State::Failed => "it was given up",
        () => "it was tried again",
    };
    format!("{who}ended: {}: {}; {followed}", safe(verdict.code.as_str()), safe(&verdict.message))
}

fn settled(job: &Job) -> String {
    let why = job
        .reason
        .as_ref()
        .map(|reason| format!("{}: {}", safe(reason.code.as_str()), safe(&reason.message)));
    match job.state {
        State::Done => {
            let format = job.format.as_deref().unwrap_or("unknown");
            let records = match job.records {
                1 => "1 record".to_owned(),
                records => format!("{} records", grouped(records)),
            };
            let visible = match job.pipeline.key {
                None => format!("{records} became visible, all at once ({})", safe(format)),
                Some(_) => format!("under their own keys: {records} ({})", safe(format)),
            };
            format!("{visible}{}", left_out(job))
        }
        State::Superseded => "a newer version of the object was visible first".to_owned(),
        State::SourceDeleted => "the object version was deleted before it was read".to_owned(),
        State::Failed => {
            let limit = format!(
                "{} of {} attempts count against the object",
                job.counted_attempts, job.pipeline.attempts
            );
            format!("{}; {limit}", why.unwrap_or_else(|| "no reason was recorded".to_owned()))
        }
        State::Waiting | State::Running => String::new(),
    }
}

fn left_out(job: &Job) -> String {
    match (job.rejected, job.pipeline.bad_rows) {
        (0, _) => String::new(),
        (rows, BadRows::Quarantine) => {
            let key = safe(&job.object.key);
            format!(", and {} rejected rows are in rejects/{key}/{}.jsonl", grouped(rows), job.id)
        }
        (rows, _) => format!(", and {} rows were left out", grouped(rows)),
    }
}

/// Where an open job is at this moment.
fn present(job: &Job, now: Timestamp) -> String {
    match (job.state, job.lease_until) {
        (State::Running, Some(until)) if until < now => {
            format!(
                "its worker was last heard of before {until:.0}, and is probably lost: it is tried again by itself"
            )
        }
        (State::Running, until) => {
            let worker = job.pooled_worker().map_or("a task of its own".to_owned(), safe);
            let until = until.map(|until| format!(", its claim holds until {until:.0}")).unwrap_or_default();
            format!(
                "attempt {} in {worker}: {} rows written so far{until}",
                job.attempt,
                grouped(job.records)
            )
        }
        (_, _) => match &job.task {
            Some(task) => {
                format!(
                    "attempt {} waits for the task {} to start",
                    job.attempt,
                    safe(task.rsplit('/').next().unwrap_or(task))
                )
            }
            None => format!("attempt {} waits for a worker", job.attempt),
        },
    }
}
