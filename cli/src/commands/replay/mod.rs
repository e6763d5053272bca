//! `tidemill replay`: failed jobs run again.
//!
//! Of each job the ledger is told first, and then a message brings it to a worker. Whoever dies between the two leaves a
//! waiting job, which the hourly sweep relaunches; the other way round, the message might find the job still failed,
//! and be gone.

mod dead_letters;

use std::time::Duration;

use anyhow::Context;
use app::item_failures::ItemFailures;
use aws::{ledger::Changed, queue::Queue};
use domain::{
    audit::{AuditEntry, AuditKind},
    job::{Job, JobId, State},
    mail::shortened,
    message::JobMessage,
    replay::refusal,
};
use serde_json::json;

use super::{
    deployment::{self, Deployment},
    job_pages::SettledJobs,
    moment, uri,
};
use crate::{
    args::ReplayArguments,
    output::{one_line, print, print_line},
};

/// How far back --verdict and --prefix look when nobody says.
const SINCE: &str = "24h";

/// Replays what is asked for.
pub(crate) async fn run(arguments: &ReplayArguments) -> anyhow::Result<u8> {
    let job = arguments.job.as_deref().map(uri::job).transpose()?;
    let now = deployment::now();
    let since = moment(arguments.since.as_deref().unwrap_or(SINCE), now)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let mut replay = Replay::new(arguments, &deployment).await?;
    let asked = if let Some(id) = &job {
        let job = deployment.job(id).await?;
        let became = replay.job(&job).await?;
        replay.tell(&job.object.uri(), Some(id), &became)?;
        None
    } else if arguments.dead {
        dead_letters::replay(&mut replay, now).await?
    } else {
        let mut settled = SettledJobs::since(&deployment.ledger, since, now);
        while let Some(jobs) = settled.next().await? {
            for job in jobs.iter().filter(|job| wants(arguments, job)) {
                let became = replay.job(job).await;
                if let Some(became) = replay.record(&job.object.uri(), became) {
                    replay.tell(&job.object.uri(), Some(&job.id), &became)?;
                }
            }
            if replay.failures.should_give_up() {
                break;
            }
        }
        None
    };
    replay.summarise();
    let refused = replay.refused;
    replay.failures.finish().context("failed to replay everything that was asked for")?;
    Ok(asked.unwrap_or(u8::from(refused > 0)))
}

/// Whether a job is one of those that are asked for by what is common to them.
fn wants(arguments: &ReplayArguments, job: &Job) -> bool {
    let is_verdict = |code: &String| job.reason.as_ref().is_some_and(|reason| reason.code == *code);
    job.state == State::Failed
        && arguments.verdict.as_ref().is_none_or(is_verdict)
        && arguments.prefix.as_ref().is_none_or(|prefix| job.object.key.starts_with(prefix))
}

/// What became of something that was to be replayed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// It was, or in a dry run would be.
    Replayed(String),
    /// Nothing was left to be done about it.
    Nothing(String),
    /// It could not be, for this reason.
    Refused(String),
}

/// A replay under way.
struct Replay<'r> {
    deployment: &'r Deployment,
    uploads: Queue,
    stops: Queue,
    who: String,
    dry_run: bool,
    json: bool,
    replayed: u64,
    nothing: u64,
    refused: u64,
    failures: ItemFailures,
}

impl<'r> Replay<'r> {
    async fn new(arguments: &ReplayArguments, deployment: &'r Deployment) -> anyhow::Result<Self> {
        Ok(Self {
            uploads: deployment.queue("UploadsQueue")?,
            stops: deployment.queue("StopsQueue")?,
            who: deployment.caller().await?,
            deployment,
            dry_run: arguments.dry_run,
            json: arguments.target.json,
            replayed: 0,
            nothing: 0,
            refused: 0,
            failures: ItemFailures::default(),
        })
    }

    /// Returns the result of an item that did not fail; reports the failure of one that did, and keeps it for the end.
    fn record<T>(&mut self, item: &str, result: anyhow::Result<T>) -> Option<T> {
        if let Err(error) = &result {
            eprintln!("failed    {}: {error:#}", shortened(&one_line(item), 400));
        }
        self.failures.record(item, result)
    }

    /// A failed job runs again. Durable when this says so.
    async fn job(&self, job: &Job) -> anyhow::Result<Became> {
        let now = deployment::now();
        if let Some(refused) = refusal(job, now) {
            return Ok(Became::Refused(refused.to_string()));
        }
        let next = job.attempt.saturating_add(1);
        if self.dry_run {
            return Ok(Became::Replayed(format!("attempt {next} would be launched")));
        }
        let note = AuditEntry::new(now, AuditKind::Replayed, words(job, &self.who));
        match self.deployment.ledger.replay(job, &note, now).await? {
            Changed::Yes(job) => {
                self.launch(&job).await?;
                Ok(Became::Replayed(format!("attempt {next} is on its way")))
            }
            Changed::No(found) => {
                let why = found.and_then(|found| refusal(&found, now)).map(|refused| refused.to_string());
                Ok(Became::Refused(
                    why.unwrap_or_else(|| "somebody else has just changed it: try again".to_owned()),
                ))
            }
        }
    }

    /// Has λ uploads place a waiting job's present attempt.
    async fn launch(&self, job: &Job) -> anyhow::Result<()> {
        let message = JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
        self.uploads.send(&message, Duration::ZERO).await.map_err(|error| {
            let words = format!(
                "the job {} waits, but is not on its way: the hourly sweep sends it, or you, with \
                 {{\"tidemill\":1,\"job\":…,\"attempt\":…}} to the uploads queue",
                job.id
            );
            anyhow::Error::msg(telemetry::causes(&error)).context(words)
        })
    }

    fn tell(&mut self, what: &str, job: Option<&JobId>, became: &Became) -> anyhow::Result<()> {
        let (counter, word, words) = match became {
            Became::Replayed(words) => (&mut self.replayed, "replayed", words),
            Became::Nothing(words) => (&mut self.nothing, "nothing", words),
            Became::Refused(words) => (&mut self.refused, "refused", words),
        };
        *counter += 1;
        if self.json {
            return print_line(&json!({
                "what": what,
                "job": job,
                "replayed": word == "replayed",
                "became": word,
                "dry_run": self.dry_run,
                "words": words,
            }));
        }
        let word = if self.dry_run && word == "replayed" { "would be" } else { word };
        let job = job.map(|job| format!(" ({job})")).unwrap_or_default();
        print(&format!("{word:8}  {}{job}: {}\n", shortened(&one_line(what), 400), one_line(words)))
    }

    fn summarise(&self) {
        let verb = if self.dry_run { "would be replayed" } else { "replayed" };
        let nothing = match self.nothing {
            0 => String::new(),
            count => format!(", {count} needed nothing"),
        };
        eprintln!("{} {verb}{nothing}, {} could not be", self.replayed, self.refused);
    }
}

/// What the job's story says of it: who, and what of the failure is forgotten by it.
fn words(job: &Job, who: &str) -> String {
    let failed = match (&job.reason, job.settled_at) {
        (Some(reason), Some(at)) => {
            format!("; it had failed at {at:.0}: {}: {}", reason.code, shortened(&reason.message, 300))
        }
        _ => String::new(),
    };
    format!("by {who}{failed}")
}
