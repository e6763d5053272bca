//! Removing dead-letter messages: those about which nothing is left to do, and one that a person has read.

use app::dead_letters::{DeadLetterCheck, Removed};
use aws::dead_letters::DeadLetters;
use domain::text::count;
use serde_json::json;

use crate::{
    args::DeadArguments,
    commands::dead_messages::{Received, VISIBILITY_TIMEOUT, short, summary},
    output::{print, print_line},
};

/// The most messages that are received to find one.
const MOST_RECEIVED: usize = 10_000;

/// Removes the messages about which nothing is left to do, and prints each.
pub(super) async fn resolved(
    arguments: &DeadArguments,
    check: &DeadLetterCheck,
    queue: &DeadLetters,
) -> anyhow::Result<u8> {
    let (mut removed, dry_run) = (0_u64, arguments.dry_run);
    let (mut printed, verb) = (Ok(()), if dry_run { "would remove" } else { "removed" });
    let resolved = check.resolve(queue, dry_run, |Removed { id, body, why }| {
        removed += 1;
        // The first message that cannot be printed ends the printing, but not the removing.
        if printed.is_ok() {
            printed = if arguments.target.json {
                print_line(&json!({ "id": id, "summary": summary(&body), "why": why.to_string(), "dry_run": dry_run }))
            } else {
                print(&format!("{verb}  {}\n  {why}\n", short(&summary(&body))))
            };
        }
    });
    resolved.await?;
    printed?;
    if !arguments.target.json {
        eprintln!("{} {}", count(removed, "message"), if dry_run { "would be removed" } else { "removed" });
    }
    Ok(0)
}

/// Removes the message with this id.
pub(super) async fn one(arguments: &DeadArguments, queue: &DeadLetters, id: &str) -> anyhow::Result<u8> {
    let mut received = Received::default();
    let found = remove(queue, id, &mut received).await;
    let given_back = queue.give_back(&received.receipts).await;
    let found = found?;
    given_back?;
    anyhow::ensure!(found, "the dead-letter queue has no message {id}; `tidemill dead` lists them");
    if arguments.target.json {
        print_line(&json!({ "id": id, "removed": true }))?;
    } else {
        print(&format!("removed message {id}\n"))?;
    }
    Ok(0)
}

async fn remove(queue: &DeadLetters, id: &str, received: &mut Received) -> anyhow::Result<bool> {
    loop {
        let dead_letters = queue.receive(VISIBILITY_TIMEOUT).await?;
        let came_round = dead_letters.iter().all(|dead_letter| received.has(dead_letter));
        let mut is_removed = false;
        for dead_letter in dead_letters {
            if dead_letter.id == id {
                queue.delete(&dead_letter).await?;
                is_removed = true;
            } else {
                received.add(&dead_letter);
            }
        }
        if is_removed || came_round || received.receipts.len() >= MOST_RECEIVED {
            return Ok(is_removed);
        }
    }
}
