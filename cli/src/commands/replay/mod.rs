//! `tidemill replay`: failed jobs run again ([`app::replay`]).

mod dead_letters;

use anyhow::Context;
use app::{
    item_failures::ItemFailures,
    replay::{Outcome, Replay},
};
use domain::{
    job::{Job, JobId, ReasonCode, State},
    mail::shortened,
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
    let mut replay = Replaying::new(arguments, &deployment).await?;
    let asked = if let Some(id) = &job {
        let job = deployment.job(id).await?;
        let became = replay.replay.job(&job, deployment::now()).await?;
        replay.tell(&job.object.uri(), Some(id), &became)?;
        None
    } else if arguments.dead {
        dead_letters::replay(&mut replay, now).await?
    } else {
        let mut settled = SettledJobs::since(&deployment.ledger, since, now);
        while let Some(jobs) = settled.next().await? {
            for job in jobs.iter().filter(|job| wants(arguments, job)) {
                let became = replay.replay.job(job, deployment::now()).await.map_err(anyhow::Error::from);
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
    let is_verdict = |code: &ReasonCode| job.reason.as_ref().is_some_and(|reason| reason.code == *code);
    job.state == State::Failed
        && arguments.verdict.as_ref().is_none_or(is_verdict)
        && arguments.prefix.as_ref().is_none_or(|prefix| job.object.key.starts_with(prefix))
}

/// A replay, and what it has come to so far.
struct Replaying<'r> {
    deployment: &'r Deployment,
    replay: Replay,
    json: bool,
    replayed: u64,
    nothing: u64,
    refused: u64,
    failures: ItemFailures,
}

impl<'r> Replaying<'r> {
    async fn new(arguments: &ReplayArguments, deployment: &'r Deployment) -> anyhow::Result<Self> {
        Ok(Self {
            replay: Replay {
                ledger: deployment.ledger.clone(),
                uploads: deployment.queue("UploadsQueue")?,
                stops: deployment.queue("StopsQueue")?,
                who: deployment.caller().await?,
                dry_run: arguments.dry_run,
            },
            deployment,
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

    fn tell(&mut self, what: &str, job: Option<&JobId>, became: &Outcome) -> anyhow::Result<()> {
        let (counter, word, words) = match became {
            Outcome::Replayed(words) => (&mut self.replayed, "replayed", words),
            Outcome::Nothing(words) => (&mut self.nothing, "nothing", words),
            Outcome::Refused(words) => (&mut self.refused, "refused", words),
        };
        *counter += 1;
        if self.json {
            return print_line(&json!({
                "what": what,
                "job": job,
                "replayed": word == "replayed",
                "became": word,
                "dry_run": self.replay.dry_run,
                "words": words,
            }));
        }
        let word = if self.replay.dry_run && word == "replayed" { "would be" } else { word };
        let job = job.map(|job| format!(" ({job})")).unwrap_or_default();
        print(&format!("{word:8}  {}{job}: {}\n", shortened(&one_line(what), 400), one_line(words)))
    }

    fn summarise(&self) {
        let verb = if self.replay.dry_run { "would be replayed" } else { "replayed" };
        let nothing = match self.nothing {
            0 => String::new(),
            count => format!(", {count} needed nothing"),
        };
        eprintln!("{} {verb}{nothing}, {} could not be", self.replayed, self.refused);
    }
}
