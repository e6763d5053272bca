//! `tidemill dead`: what is in the dead-letter queue, why, and how what it is about stands now.

use std::{collections::HashSet, time::Duration};

use anyhow::Context;
use app::item_failures::ItemFailures;
use aws::dead_letters::{DeadLetter, DeadLetters};
use domain::{
    job::{Job, JobId, State},
    message::{self, Message},
    object,
    pipelines::Pipelines,
};
use serde_json::{Value, json};

use super::{deployment::Deployment, format_job::job_to_json};
use crate::{
    args::DeadArguments,
    dead_letter::job_of,
    output::{one_line, print, print_line},
    signals::{Asked, Signals},
};

/// For so long a message that is looked at is hidden, if it is not given back before.
pub(super) const HIDDEN: Duration = Duration::from_secs(120);

/// Lists them. Whatever was received is given back, however this ends.
pub(crate) async fn run(arguments: &DeadArguments) -> anyhow::Result<u8> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let deployment = Deployment::find(&arguments.target).await?;
    let pipelines = deployment.pipelines().await?;
    let queue = deployment.dead_letters()?;
    let mut held = Held::default();
    let listed = list(arguments, &deployment, pipelines.as_ref(), &queue, &mut signals, &mut held).await;
    let given_back = queue.give_back(&held.receipts).await;
    let code = listed?;
    given_back?;
    Ok(code)
}

/// Messages that were received and are to be given back.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// What they are given back by.
    pub(super) receipts: Vec<String>,
    ids: HashSet<String>,
}

impl Held {
    /// Keeps one. False: it was here before, and came round because it was hidden for too short a time.
    pub(super) fn keep(&mut self, letter: &DeadLetter) -> bool {
        self.receipts.push(letter.receipt.clone());
        self.ids.insert(letter.id.clone())
    }

    /// Whether this one was kept before.
    pub(super) fn has(&self, letter: &DeadLetter) -> bool {
        self.ids.contains(&letter.id)
    }
}

async fn list(
    arguments: &DeadArguments,
    deployment: &Deployment,
    pipelines: Option<&Pipelines>,
    queue: &DeadLetters,
    signals: &mut Signals,
    held: &mut Held,
) -> anyhow::Result<u8> {
    let limit = arguments.limit as usize;
    let (mut listed, mut failures) = (0, ItemFailures::default());
    loop {
        if let Some(asked) = signals.was_asked() {
            return Ok(Asked::exit_code(asked));
        }
        let letters = queue.receive(HIDDEN).await?;
        let is_end = letters.is_empty();
        // All of them are held before the first is told of: telling may fail.
        let mut new = letters.into_iter().map(|letter| (held.keep(&letter), letter)).collect::<Vec<_>>();
        let came_round = new.iter().all(|(is_new, _)| !is_new);
        new.retain(|(is_new, _)| *is_new);
        for (_, letter) in new {
            if listed < limit {
                let item = what(&letter.body);
                let entry = Entry::of(letter, deployment, pipelines).await;
                let Some(entry) = failures.record(item, entry) else { continue };
                if arguments.target.json { print_line(&entry.to_json())? } else { print(&entry.to_text())? }
            }
            listed += 1;
        }
        if is_end || came_round || listed >= limit || failures.should_give_up() {
            break;
        }
    }
    failures.finish().context("failed to look up all entries")?;
    let counts = queue.counts().await?;
    let left = (listed.saturating_sub(limit) as u64).saturating_add(counts.visible);
    if listed == 0 && counts.in_flight == 0 {
        eprintln!("the dead-letter queue is empty");
    } else if listed == 0 {
        eprintln!("somebody else is looking at about {} entries: try again in a minute", counts.in_flight);
    } else if left > 0 {
        eprintln!("about {left} more entries are there: --limit tells how many are listed");
    }
    Ok(0)
}

/// An entry, and how what it is about stands.
#[derive(Debug)]
struct Entry {
    letter: DeadLetter,
    /// What it says.
    what: String,
    about: Option<(JobId, Option<Box<Job>>)>,
}

impl Entry {
    async fn of(
        letter: DeadLetter,
        deployment: &Deployment,
        pipelines: Option<&Pipelines>,
    ) -> anyhow::Result<Self> {
        let none = Pipelines::default();
        let about = match job_of(&letter.body, pipelines.unwrap_or(&none)) {
            Some(id) => Some((id.clone(), deployment.ledger.read(&id).await?.map(Box::new))),
            None => None,
        };
        Ok(Self { what: what(&letter.body), letter, about })
    }

    /// How it stands.
    fn stands(&self) -> Option<String> {
        let (id, job) = self.about.as_ref()?;
        let Some(job) = job else { return Some(format!("the ledger has no job {id}")) };
        Some(match (job.state, job.settled_at) {
            (State::Failed, _) => format!("the job {id} is failed still: tidemill replay --job {id}"),
            (state, Some(at)) => format!("the job {id} is {} since {at:.0}", state.as_str()),
            (state, None) => format!("the job {id} is {}, attempt {}", state.as_str(), job.attempt),
        })
    }

    fn to_json(&self) -> Value {
        let job = self.about.as_ref().and_then(|(_, job)| job.as_deref());
        json!({
            "id": self.letter.id,
            "sent_at": self.letter.sent_at,
            "reason": self.letter.reason,
            "detail": self.letter.detail,
            "what": self.what,
            "job": self.about.as_ref().map(|(id, _)| id),
            "stands": self.stands(),
            "now": job.map(job_to_json),
            "body": self.letter.body,
        })
    }

    fn to_text(&self) -> String {
        let DeadLetter { sent_at, reason, detail, .. } = &self.letter;
        let since = sent_at.map_or_else(|| "at a time unknown".to_owned(), |at| format!("{at:.0}"));
        let why = match (reason, detail) {
            (Some(reason), Some(detail)) => format!("{reason}: {detail}"),
            (Some(reason), None) => reason.clone(),
            (None, _) => "nobody could process it, however often it was tried".to_owned(),
        };
        let job = self.about.as_ref().and_then(|(_, job)| job.as_ref());
        let object = job.map(|job| format!(", of {}", job.object.uri())).unwrap_or_default();
        let mut text = format!("{since}  {}\n  {}{}\n", short(&why), short(&self.what), short(&object));
        if let Some(stands) = self.stands() {
            text += &format!("  {stands}\n");
        }
        text
    }
}

fn short(text: &str) -> String {
    domain::mail::shortened(&one_line(text), 400)
}

/// What a message says, in words.
pub(super) fn what(body: &str) -> String {
    match message::read(body) {
        Message::Job(due) => format!("attempt {} of the job {}", due.attempt, due.job),
        Message::Object(asked) => format!("somebody asks for {}", object::uri(&asked.bucket, &asked.key)),
        Message::Failed(failed) => format!("people are to be told of the job {}", failed.failed),
        Message::Created(created) => {
            let objects = created.iter().map(|created| object::uri(&created.bucket, &created.key));
            format!("S3 created {}", objects.collect::<Vec<_>>().join(", "))
        }
        Message::Task(change) => format!("the task {} stopped", change.task_arn),
        Message::Foreign => "an event that is none of ours".to_owned(),
        Message::Malformed { reason } => format!("a message that cannot be read: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(body: &str, reason: Option<&str>) -> DeadLetter {
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
    fn an_entry_says_why_and_what_on_lines_of_its_own() {
        let id = "00112233445566778899aabbccddeeff";
        let body = format!(r#"{{"tidemill":1,"job":"{id}","attempt":2}}"#);
        let about = Some((JobId::parse(id).unwrap(), None));
        let entry = Entry { letter: letter(&body, Some("unknown_job")), what: what(&body), about };
        assert_eq!(
            entry.to_text(),
            format!(
                "2026-11-21T12:00:00Z  unknown_job: in\\nwords\n  attempt 2 of the job {id}\n  \
                 the ledger has no job {id}\n"
            )
        );
        let entry = Entry { letter: letter("{", None), what: what("{"), about: None };
        assert!(entry.to_text().contains("nobody could process it"));
        assert!(entry.to_text().contains("a message that cannot be read: it is not JSON"));
        assert_eq!(entry.to_json()["job"], Value::Null);
    }

    #[test]
    fn what_comes_round_is_known() {
        let mut held = Held::default();
        assert!(held.keep(&letter("{}", None)));
        assert!(!held.keep(&letter("{}", None)));
        assert_eq!(held.receipts.len(), 2, "the newer receipt is the one that is good");
    }
}
