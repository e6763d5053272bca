//! `--dead`: sends every dead-letter message back to the queue it came from, then deletes it.

use std::collections::HashSet;

use anyhow::Context;
use app::replay::{Outcome, Replayed};
use aws::dead_letters::{DeadLetter, DeadLetters};
use domain::{
    job::JobId,
    message::{self, Message},
};
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
    let mut round = Round::default();
    let ended = entries(replay, &queue, &mut signals, &mut round, began_at).await;
    let given_back = queue.give_back(&round.received.receipts).await;
    let code = ended?;
    given_back?;
    Ok(code)
}

/// What was done so far.
#[derive(Default)]
struct Round {
    /// The messages that stay.
    received: Received,
    /// The jobs that were replayed. Each of a job's failures has a message, and one replay answers them all.
    replayed: HashSet<JobId>,
}

async fn entries(
    replay: &mut Progress<'_>,
    queue: &DeadLetters,
    signals: &mut Signals,
    round: &mut Round,
    began_at: Timestamp,
) -> anyhow::Result<Option<u8>> {
    loop {
        if let Some(asked) = signals.was_asked() {
            return Ok(Some(Asked::exit_code(asked)));
        }
        anyhow::ensure!(
            round.received.receipts.len() < MOST_RECEIVED,
            "{MOST_RECEIVED} messages cannot be replayed; fix or delete some first (`tidemill dead` lists them)"
        );
        let dead_letters = queue.receive(VISIBILITY_TIMEOUT).await?;
        // Messages that stay are received again when their visibility timeout has expired.
        let came_round = dead_letters.iter().all(|dead_letter| round.received.has(dead_letter));
        for dead_letter in dead_letters {
            let replayed = one(replay, queue, round, &dead_letter, began_at).await;
            if replay.record(&summary(&dead_letter.body), replayed).is_none() {
                round.received.add(&dead_letter);
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
    Round { received, replayed }: &mut Round,
    dead_letter: &DeadLetter,
    began_at: Timestamp,
) -> anyhow::Result<()> {
    // A message that failed again during this command would be replayed for ever.
    if received.has(dead_letter) || dead_letter.sent_at.is_some_and(|at| at > began_at) {
        received.add(dead_letter);
        return Ok(());
    }
    let Replayed { job, object, outcome } = match message::read(&dead_letter.body) {
        Message::Job(due) if replayed.contains(&due.job) => {
            let outcome = Outcome::NotNeeded("the job is already replayed".to_owned());
            Replayed { job: Some(due.job), object: None, outcome }
        }
        _ => replay.replay.dead_letter(&dead_letter.body, now()).await?,
    };
    if matches!(outcome, Outcome::Replayed(_)) {
        replayed.extend(job.clone());
    }
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
