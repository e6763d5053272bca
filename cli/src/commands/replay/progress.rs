//! A replay in progress: its counts, and what it prints.

use app::{
    item_failures::ItemFailures,
    replay::{Outcome, Replay},
};
use domain::{job::JobId, text::shortened};
use serde_json::json;

use crate::{
    args::ReplayArguments,
    commands::deployment::Deployment,
    output::{columns, hanging, one_line, print, print_line},
};

/// A replay in progress, and its counts so far.
pub(super) struct Progress<'r> {
    pub(super) deployment: &'r Deployment,
    pub(super) replay: Replay,
    json: bool,
    replayed: u64,
    not_needed: u64,
    pub(super) refused: u64,
    pub(super) failures: ItemFailures,
}

impl<'r> Progress<'r> {
    pub(super) async fn new(arguments: &ReplayArguments, deployment: &'r Deployment) -> anyhow::Result<Self> {
        Ok(Self {
            replay: Replay {
                ledger: deployment.ledger.clone(),
                uploads: deployment.queue("UploadsQueue")?,
                stops: deployment.queue("StopsQueue")?,
                pipelines: match arguments.as_recorded {
                    true => None,
                    false => Some(deployment.current_pipelines().await?),
                },
                done: arguments.done,
                outdated: arguments.outdated,
                who: deployment.caller().await?,
                dry_run: arguments.dry_run,
            },
            deployment,
            json: arguments.target.json,
            replayed: 0,
            not_needed: 0,
            refused: 0,
            failures: ItemFailures::default(),
        })
    }

    /// Returns the result of an item that did not fail; reports the failure of one that did, and keeps it for the end.
    pub(super) fn record<T>(&mut self, item: &str, result: anyhow::Result<T>) -> Option<T> {
        if let Err(error) = &result {
            eprintln!("{:12}  {}: {error:#}", "failed", shortened(&one_line(item), 400));
        }
        self.failures.record(item, result)
    }

    pub(super) fn report(
        &mut self,
        item: &str,
        job: Option<&JobId>,
        outcome: &Outcome,
    ) -> anyhow::Result<()> {
        let (counter, word, message) = match outcome {
            Outcome::Replayed(message) => (&mut self.replayed, "replayed", message),
            Outcome::NotNeeded(message) => (&mut self.not_needed, "not needed", message),
            Outcome::Refused(message) => (&mut self.refused, "refused", message),
        };
        *counter += 1;
        if self.json {
            return print_line(&json!({
                "item": item,
                "job": job,
                "replayed": word == "replayed",
                "outcome": word.replace(' ', "_"),
                "dry_run": self.replay.dry_run,
                "message": message,
            }));
        }
        let word = if self.replay.dry_run && word == "replayed" { "would replay" } else { word };
        let job = job.map(|job| format!(" ({job})")).unwrap_or_default();
        let text = format!("{}{job}: {}", shortened(&one_line(item), 400), one_line(message));
        print(&hanging(&format!("{word:12}  "), &text, columns().unwrap_or(usize::MAX)))
    }

    pub(super) fn summarise(&self) {
        let verb = if self.replay.dry_run { "would be replayed" } else { "replayed" };
        let not_needed = match self.not_needed {
            0 => String::new(),
            count => format!(", {count} not needed"),
        };
        eprintln!("{} {verb}{not_needed}, {} refused", self.replayed, self.refused);
    }
}
