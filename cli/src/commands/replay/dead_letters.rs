//! `--dead`: sends every dead-letter message back to the queue it came from, then deletes it.

use anyhow::Context;
use app::replay::{Outcome, Replayed};
use aws::dead_letters::{DeadLetter, DeadLetters};
use domain::message::{self, Message};
use jiff::Timestamp;

use super::progress::Progress;
use crate::{
    commands::{
        dead_messages::{Received, VISIBILITY_TIMEOUT, summary},
        deployment::now,
    },
    signals::{Asked, Signals},
};

/// The most messages that are received and not deleted; all become visible again at the end.
const MOST_RECEIVED: usize = 10_000;

/// Goes through the queue once. Returns the exit code of the signal that ended it, if one did.
pub(super) async fn replay(replay: &mut Progress<'_>, began_at: Timestamp) -> anyhow::Result<Option<u8>> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let queue = replay.deployment.dead_letters()?;
    let mut received = Received::default();
    let ended = entries(replay, &queue, &mut signals, &mut received, began_at).await;
    let given_back = queue.give_back(&received.receipts).await;
    let code = ended?;
    given_back?;
    Ok(code)
}

async fn entries(
    replay: &mut Progress<'_>,
    queue: &DeadLetters,
    signals: &mut Signals,
    received: &mut Received,
    began_at: Timestamp,
) -> anyhow::Result<Option<u8>> {
    loop {
        if let Some(asked) = signals.was_asked() {
            return Ok(Some(Asked::exit_code(asked)));
        }
        anyhow::ensure!(
            received.receipts.len() < MOST_RECEIVED,
            "{MOST_RECEIVED} messages cannot be replayed; fix or delete some first (`tidemill dead` lists them)"
        );
        let dead_letters = queue.receive(VISIBILITY_TIMEOUT).await?;
        // Messages that stay are received again when their visibility timeout has expired.
        let came_round = dead_letters.iter().all(|dead_letter| received.has(dead_letter));
        for dead_letter in dead_letters {
            let replayed = one(replay, queue, received, &dead_letter, began_at).await;
            if replay.record(&summary(&dead_letter.body), replayed).is_none() {
                received.add(&dead_letter);
            }
        }
        if replay.failures.should_give_up() {
            return Ok(None);
        }
        if came_round {
            return Ok(None);
        }
    }
}

/// Replays one message, and deletes it once its replay is durable. A message that stays becomes visible again later.
async fn one(
    replay: &mut Progress<'_>,
    queue: &DeadLetters,
    received: &mut Received,
    dead_letter: &DeadLetter,
    began_at: Timestamp,
) -> anyhow::Result<()> {
    // A message that failed again during this command would be replayed for ever.
    if received.has(dead_letter) || dead_letter.sent_at.is_some_and(|at| at > began_at) {
        received.add(dead_letter);
        return Ok(());
    }
    let Replayed { job, object, outcome } = replay.replay.dead_letter(&dead_letter.body, now()).await?;
    if replay.replay.dry_run || matches!(outcome, Outcome::Refused(_)) {
        received.add(dead_letter);
    } else {
        queue.delete(dead_letter).await?;
    }
    replay.report(&about(&dead_letter.body, object.as_deref()), job.as_ref(), &outcome)
}

/// What a message is about: the object of a job that the ledger has.
fn about(body: &str, object: Option<&str>) -> String {
    match (message::read(body), object) {
        (Message::Job(due), Some(object)) => format!("attempt {} of {object}", due.attempt),
        (Message::Job(due), None) => format!("attempt {}", due.attempt),
        _ => summary(body),
    }
}
