//! `tidemill dead`: lists dead-letter messages, why they are there, and the state of the job each refers to.

use std::{collections::HashSet, time::Duration};

use anyhow::Context;
use app::item_failures::ItemFailures;
use aws::dead_letters::{DeadLetter, DeadLetters};
use domain::{
    events::S3Change,
    job::{Job, JobId, State},
    message::{self, Message},
    object,
    pipelines::Pipelines,
    text::count,
};
use serde_json::{Value, json};

use super::{deployment::Deployment, format_job::job_to_json};
use crate::{
    args::DeadArguments,
    dead_letter::job_of,
    output::{one_line, print, print_line},
    signals::{Asked, Signals},
};

/// The visibility timeout of messages that are listed; they become visible earlier when the command ends.
pub(super) const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(120);

/// Lists the messages. All of them are visible to others again at the end, also after an error.
pub(crate) async fn run(arguments: &DeadArguments) -> anyhow::Result<u8> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let deployment = Deployment::find(&arguments.target).await?;
    let pipelines = deployment.pipelines().await?;
    let queue = deployment.dead_letters()?;
    let mut received = Received::default();
    let listed = list(arguments, &deployment, pipelines.as_ref(), &queue, &mut signals, &mut received).await;
    let given_back = queue.give_back(&received.receipts).await;
    let code = listed?;
    given_back?;
    Ok(code)
}

/// Messages that were received and must become visible again.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Their receipt handles.
    pub(super) receipts: Vec<String>,
    ids: HashSet<String>,
}

impl Received {
    /// Adds a message. False when it was received before: its visibility timeout has expired.
    pub(super) fn add(&mut self, dead_letter: &DeadLetter) -> bool {
        self.receipts.push(dead_letter.receipt.clone());
        self.ids.insert(dead_letter.id.clone())
    }

    /// Whether this message was received before.
    pub(super) fn has(&self, dead_letter: &DeadLetter) -> bool {
        self.ids.contains(&dead_letter.id)
    }
}

async fn list(
    arguments: &DeadArguments,
    deployment: &Deployment,
    pipelines: Option<&Pipelines>,
    queue: &DeadLetters,
    signals: &mut Signals,
    received: &mut Received,
) -> anyhow::Result<u8> {
    let limit = arguments.limit as usize;
    let (mut listed, mut failures) = (0, ItemFailures::default());
    loop {
        if let Some(asked) = signals.was_asked() {
            return Ok(Asked::exit_code(asked));
        }
        let dead_letters = queue.receive(VISIBILITY_TIMEOUT).await?;
        let is_end = dead_letters.is_empty();
        // All of them are added before the first is printed, because printing may fail.
        let mut new = dead_letters
            .into_iter()
            .map(|dead_letter| (received.add(&dead_letter), dead_letter))
            .collect::<Vec<_>>();
        let came_round = new.iter().all(|(is_new, _)| !is_new);
        new.retain(|(is_new, _)| *is_new);
        for (_, dead_letter) in new {
            if listed < limit {
                let item = summary(&dead_letter.body);
                let entry = Entry::of(dead_letter, deployment, pipelines).await;
                let Some(entry) = failures.record(item, entry) else { continue };
                if arguments.target.json { print_line(&entry.to_json())? } else { print(&entry.to_text())? }
            }
            listed += 1;
        }
        if is_end || came_round || listed >= limit || failures.should_give_up() {
            break;
        }
    }
    failures.finish().context("some messages could not be listed")?;
    let counts = queue.counts().await?;
    let left = (listed.saturating_sub(limit) as u64).saturating_add(counts.visible);
    if listed == 0 && counts.in_flight == 0 {
        eprintln!("the dead-letter queue is empty");
    } else if listed == 0 {
        eprintln!(
            "another reader holds about {}; try again in two minutes",
            count(counts.in_flight, "message")
        );
    } else if left > 0 {
        eprintln!("about {} are not listed; raise --limit", count(left, "more message"));
    }
    Ok(0)
}

/// A message, and the job that it refers to.
#[derive(Debug)]
struct Entry {
    dead_letter: DeadLetter,
    /// What it says.
    summary: String,
    about: Option<(JobId, Option<Box<Job>>)>,
}

impl Entry {
    async fn of(
        dead_letter: DeadLetter,
        deployment: &Deployment,
        pipelines: Option<&Pipelines>,
    ) -> anyhow::Result<Self> {
        let none = Pipelines::default();
        let about = match job_of(&dead_letter.body, pipelines.unwrap_or(&none)) {
            Some(id) => Some((id.clone(), deployment.ledger.read(&id).await?.map(Box::new))),
            None => None,
        };
        Ok(Self { summary: summary(&dead_letter.body), dead_letter, about })
    }

    /// The state of the job.
    fn status(&self) -> Option<String> {
        let (id, job) = self.about.as_ref()?;
        let Some(job) = job else { return Some(format!("the ledger has no job {id}")) };
        Some(match (job.state(), job.settled_at()) {
            (State::Failed, _) => {
                format!("job {id} is still failed; run it again with `tidemill replay --job {id}`")
            }
            (state, Some(at)) => format!("job {id} has been {} since {at:.0}", state.as_str()),
            (state, None) => format!("job {id} is {}, attempt {}", state.as_str(), job.attempt),
        })
    }

    fn to_json(&self) -> Value {
        let job = self.about.as_ref().and_then(|(_, job)| job.as_deref());
        json!({
            "id": self.dead_letter.id,
            "sent_at": self.dead_letter.sent_at,
            "reason": self.dead_letter.reason,
            "detail": self.dead_letter.detail,
            "summary": self.summary,
            "job": self.about.as_ref().map(|(id, _)| id),
            "status": self.status(),
            "current": job.map(job_to_json),
            "body": self.dead_letter.body,
        })
    }

    fn to_text(&self) -> String {
        let DeadLetter { sent_at, reason, detail, .. } = &self.dead_letter;
        let since = sent_at.map_or_else(|| "unknown time".to_owned(), |at| format!("{at:.0}"));
        let why = match (reason, detail) {
            (Some(reason), Some(detail)) => format!("{reason}: {detail}"),
            (Some(reason), None) => reason.clone(),
            (None, _) => "its queue gave up after too many failed receives".to_owned(),
        };
        let job = self.about.as_ref().and_then(|(_, job)| job.as_ref());
        let object = job.map(|job| format!(" ({})", job.object.uri())).unwrap_or_default();
        let mut text = format!("{since}  {}\n  {}{}\n", short(&why), short(&self.summary), short(&object));
        if let Some(status) = self.status() {
            text += &format!("  {status}\n");
        }
        text
    }
}

fn short(text: &str) -> String {
    domain::text::shortened(&one_line(text), 400)
}

/// What a message is, in a few words.
pub(super) fn summary(body: &str) -> String {
    match message::read(body) {
        Message::Job(due) => format!("attempt {} of job {}", due.attempt, due.job),
        Message::Object(asked) => format!("a request to process {}", object::uri(&asked.bucket, &asked.key)),
        Message::Failed(failed) => format!("the failure mail of job {}", failed.failed),
        Message::S3(changes) => {
            let objects: Vec<_> = changes.changes.iter().map(S3Change::uri).collect();
            format!("the S3 event of {}", objects.join(", "))
        }
        Message::S3Test { bucket } => format!("S3's announcement of its notifications of bucket {bucket}"),
        Message::Task(change) => format!("the stop event of task {}", change.task_arn),
        Message::Foreign => "an event of another system".to_owned(),
        Message::Malformed { reason } => format!("an unreadable message: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead_letter(body: &str, reason: Option<&str>) -> DeadLetter {
        DeadLetter {
            id: "m".into(),
            body: body.into(),
            receipt: "r".into(),
            sent_at: "2026-11-21T12:00:00Z".parse().ok(),
            reason: reason.map(str::to_owned),
            detail: reason.map(|_| "in\nwords".to_owned()),
        }
    }

    #[test]
    fn a_message_shows_its_reason_and_its_job() {
        let id = "00112233445566778899aabbccddeeff";
        let body = format!(r#"{{"tidemill":1,"job":"{id}","attempt":2}}"#);
        let about = Some((JobId::parse(id).unwrap(), None));
        let entry =
            Entry { dead_letter: dead_letter(&body, Some("unknown_job")), summary: summary(&body), about };
        assert_eq!(
            entry.to_text(),
            format!(
                "2026-11-21T12:00:00Z  unknown_job: in\\nwords\n  attempt 2 of job {id}\n  \
                 the ledger has no job {id}\n"
            )
        );
        let entry = Entry { dead_letter: dead_letter("{", None), summary: summary("{"), about: None };
        assert!(entry.to_text().contains("its queue gave up"));
        assert!(entry.to_text().contains("an unreadable message: it is not JSON"));
        assert_eq!(entry.to_json()["job"], Value::Null);
    }

    #[test]
    fn a_message_that_is_received_twice_is_known() {
        let mut received = Received::default();
        assert!(received.add(&dead_letter("{}", None)));
        assert!(!received.add(&dead_letter("{}", None)));
        assert_eq!(received.receipts.len(), 2, "only the newer receipt is valid");
    }
}
