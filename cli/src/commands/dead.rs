//! `tidemill dead`: lists dead-letter messages, why they are there, and the state of the job each refers to; or removes some.

mod remove;

use anyhow::Context;
use app::{dead_letters::DeadLetterCheck, item_failures::ItemFailures};
use aws::dead_letters::{DeadLetter, DeadLetters};
use domain::{
    dead_letter::Resolved,
    job::{Job, JobId, State},
    message::{self, Message},
    text::count,
};
use serde_json::{Value, json};

use super::{
    dead_messages::{Received, VISIBILITY_TIMEOUT, short, summary},
    deployment::Deployment,
    format_job::job_to_json,
    schedule,
};
use crate::{
    args::DeadArguments,
    dead_letter::job_of,
    output::{print, print_line},
    signals::{Asked, Signals},
};

/// Lists the messages. All of them are visible to others again at the end, also after an error.
pub(crate) async fn run(arguments: &DeadArguments) -> anyhow::Result<u8> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let deployment = Deployment::find(&arguments.target).await?;
    let pipelines = deployment.pipelines().await?;
    let queue = deployment.dead_letters()?;
    let check = DeadLetterCheck {
        ledger: deployment.ledger.clone(),
        records: deployment.records.clone(),
        // Without them, the job of an S3 event is not known.
        pipelines: pipelines.unwrap_or_default(),
    };
    if arguments.resolve {
        return remove::resolved(arguments, &check, &queue).await;
    }
    if let Some(id) = &arguments.remove {
        return remove::one(arguments, &queue, id).await;
    }
    let mut received = Received::default();
    let listed = list(arguments, &deployment, &check, &queue, &mut signals, &mut received).await;
    let given_back = queue.give_back(&received.receipts).await;
    let code = listed?;
    given_back?;
    Ok(code)
}

async fn list(
    arguments: &DeadArguments,
    deployment: &Deployment,
    check: &DeadLetterCheck,
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
                let entry = Entry::of(dead_letter, check).await;
                let Some(entry) = failures.record(item, entry) else { continue };
                if arguments.target.json { print_line(&entry.to_json())? } else { print(&entry.to_text())? }
            }
            listed += 1;
        }
        if is_end || came_round || listed >= limit || failures.should_give_up() {
            break;
        }
    }
    let failed_schedules = check_schedules(arguments, deployment).await?;
    failures.finish().context("some messages could not be listed")?;
    let counts = queue.counts().await?;
    let left = (listed.saturating_sub(limit) as u64).saturating_add(counts.visible);
    if listed == 0 && counts.in_flight == 0 {
        let but = if failed_schedules > 0 { "; schedules have failed" } else { "" };
        eprintln!("the dead-letter queue is empty{but}");
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

/// Prints the schedules whose last run has failed, and returns how many there are: they are in no queue.
async fn check_schedules(arguments: &DeadArguments, deployment: &Deployment) -> anyhow::Result<usize> {
    let runs = deployment.schedule_runs().await?;
    let failed = schedule::failed(&runs);
    for (name, run) in &failed {
        if arguments.target.json {
            let mut line = schedule::run_to_json(run);
            line["schedule"] = (*name).into();
            line["status"] = format!("run it again with `tidemill schedule run {name}`").into();
            print_line(&line)?;
        } else {
            let (at, ended) = (run.ended_at, schedule::ended(run));
            print(&format!(
                "{at:.0}  schedule {name} {ended}\n  run it again with `tidemill schedule run {name}`\n"
            ))?;
        }
    }
    Ok(failed.len())
}

/// A message, and the job that it refers to.
#[derive(Debug)]
struct Entry {
    dead_letter: DeadLetter,
    /// What it says.
    summary: String,
    about: Option<(JobId, Option<Box<Job>>)>,
    /// Why nothing is left to do about it.
    resolved: Option<Resolved>,
}

impl Entry {
    async fn of(dead_letter: DeadLetter, check: &DeadLetterCheck) -> anyhow::Result<Self> {
        let about = match job_of(&dead_letter.body, &check.pipelines) {
            Some(id) => Some((id.clone(), check.ledger.read(&id).await?.map(Box::new))),
            None => None,
        };
        let resolved = check.resolved(&dead_letter.body).await?;
        Ok(Self { summary: summary(&dead_letter.body), dead_letter, about, resolved })
    }

    /// The text of a message that nobody here can act on.
    fn unusable(&self) -> Option<&str> {
        match message::read(&self.dead_letter.body) {
            Message::Foreign | Message::S3Test { .. } | Message::Malformed { .. } => {
                Some(&self.dead_letter.body)
            }
            Message::S3(_) | Message::Object(_) | Message::Job(_) | Message::Failed(_) | Message::Task(_) => {
                None
            }
        }
    }

    /// What is left to do about it.
    fn status(&self) -> Option<String> {
        if let Some(why) = &self.resolved {
            return Some(format!("resolved: {why}; `tidemill dead --resolve` removes it"));
        }
        if self.unusable().is_some() {
            return Some(format!("remove it with `tidemill dead --remove {}`", self.dead_letter.id));
        }
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
            "resolved": self.resolved.is_some(),
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
        if let Some(unusable) = self.unusable() {
            text += &format!("  text: {}\n", short(unusable));
        }
        if let Some(status) = self.status() {
            text += &format!("  {status}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead_letter(body: &str, reason: Option<&str>) -> DeadLetter {
        DeadLetter {
            id: "m".into(),
            body: body.into(),
            receipt: aws::dead_letters::Receipt::default(),
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
        let entry = Entry {
            dead_letter: dead_letter(&body, Some("unknown_job")),
            summary: summary(&body),
            about,
            resolved: None,
        };
        assert_eq!(
            entry.to_text(),
            format!(
                "2026-11-21T12:00:00Z  unknown_job: in\\nwords\n  attempt 2 of job {id}\n  \
                 the ledger has no job {id}\n"
            )
        );
        let entry =
            Entry { dead_letter: dead_letter("{", None), summary: summary("{"), about: None, resolved: None };
        assert!(entry.to_text().ends_with("  text: {\n  remove it with `tidemill dead --remove m`\n"));
        assert!(entry.to_text().contains("its queue gave up"));
        assert!(entry.to_text().contains("an unreadable message: it is not JSON"));
        assert_eq!(entry.to_json()["job"], Value::Null);
    }
}
