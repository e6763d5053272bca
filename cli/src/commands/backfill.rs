//! `tidemill backfill`: processes objects that have no job, such as those that were in the bucket before.

use app::reconcile::{Reconcile, Reconciled};
use domain::{
    object::Object,
    sweep::{Range, SweepRequest, TimeArg},
    text::{count, grouped},
};
use jiff::Timestamp;
use serde_json::json;

use super::deployment::{self, Deployment};
use crate::{
    args::BackfillArguments,
    output::{one_line, print, print_line},
};

/// How many objects are named on the screen. With `--json`, all are.
const NAMED: u64 = 20;

/// Compares the bucket with the ledger, and prints what was found.
pub(crate) async fn run(arguments: &BackfillArguments) -> anyhow::Result<u8> {
    let request = SweepRequest {
        since: Some(TimeArg::try_from(arguments.since.clone())?),
        until: arguments.until.clone().map(TimeArg::try_from).transpose()?,
        prefix: arguments.prefix.clone(),
        dry_run: arguments.dry_run,
    };
    let range = request.range(deployment::now())?;
    let deployment = Deployment::find(&arguments.target).await?;
    let watched = deployment.watched()?;
    let (uploads, pipelines) = (deployment.queue("UploadsQueue")?, deployment.current_pipelines().await?);
    let reconcile = Reconcile {
        ledger: &deployment.ledger,
        records: &deployment.records,
        objects: &deployment.objects,
        uploads: &uploads,
        watched: &watched,
        pipelines: &pipelines,
        range,
        prefix: request.prefix.as_deref(),
        dry_run: request.dry_run,
    };
    let (mut counts, mut named, mut printed) = (Reconciled::default(), 0, Ok(()));
    let verb = if request.dry_run { "would queue" } else { "queued" };
    let mut found = |object: &Object, pipeline: &str| {
        named += 1;
        // A reader that closes the output keeps no object from being queued.
        if printed.is_ok() {
            printed = if arguments.target.json {
                let version = &object.version_id;
                print_line(
                    &json!({ "object": object.uri(), "version": version, "pipeline": pipeline, "dry_run": request.dry_run }),
                )
            } else if named <= NAMED {
                print(&format!("{verb}  {} ({pipeline})\n", one_line(&object.uri())))
            } else {
                Ok(())
            };
        }
    };
    let compared = reconcile.run(&mut counts, &mut found).await;
    printed?;
    if !arguments.target.json {
        print(&summary(counts, &request, range))?;
    }
    compared?;
    Ok(0)
}

/// What was found, in a few lines.
fn summary(counts: Reconciled, request: &SweepRequest, range: Range) -> String {
    let Reconciled { listed, ignored, found, deletions } = counts;
    let more = found.saturating_sub(NAMED);
    let mut text = if more > 0 { format!("… and {more} more\n") } else { String::new() };
    let under = request.prefix.as_ref().map(|prefix| format!(" under {}", one_line(prefix)));
    let minute = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M").to_string();
    text += &format!(
        "\nLooked at {}\nput from {} to {} UTC{}:\n",
        count(listed, "object version"),
        minute(range.since),
        minute(range.until),
        under.unwrap_or_default()
    );
    let has = listed.saturating_sub(ignored + found);
    let queued = match (request.dry_run, found) {
        (_, 0) => "have none",
        (true, _) => "have none and would be queued",
        (false, _) => "had none and are queued now; `tidemill jobs` shows them",
    };
    for (number, words) in [(has, "have a job"), (found, queued), (ignored, "match no pipeline")] {
        text += &format!("{:>12}  {words}\n", grouped(number));
    }
    if deletions > 0 {
        let queued = if request.dry_run { "would be queued" } else { "are queued now" };
        let words = format!("deleted, with records that go with their object; their deletions {queued}");
        text += &format!("{:>12}  {words}\n", grouped(deletions));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_what_was_looked_at_and_what_is_queued() {
        let request = SweepRequest { prefix: Some("uploads/a/".into()), ..SweepRequest::default() };
        let range = Range {
            since: "2026-10-29T01:30:00Z".parse().unwrap(),
            until: "2026-11-28T01:15:00Z".parse().unwrap(),
        };
        let counts = Reconciled { listed: 5_012, ignored: 12, found: 22, deletions: 0 };
        let deleted = summary(Reconciled { deletions: 3, ..counts }, &request, range);
        assert!(deleted.ends_with(
            "  3  deleted, with records that go with their object; their deletions are queued now\n"
        ));
        assert_eq!(
            summary(counts, &request, range),
            "… and 2 more\n\nLooked at 5,012 object versions\nput from 2026-10-29 01:30 to 2026-11-28 01:15 UTC under \
             uploads/a/:\n       \
             4,978  have a job\n          22  had none and are queued now; `tidemill jobs` shows them\n          \
             12  match no pipeline\n"
        );
    }
}
