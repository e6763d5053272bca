//! `--dead`: every entry of the dead-letter queue goes back to where it came from, and is deleted when that is durable.

use anyhow::Context;
use app::replay::{Outcome, Replayed};
use aws::dead_letters::{DeadLetter, DeadLetters};
use domain::message::{self, Message};
use jiff::Timestamp;

use super::Replaying;
use crate::{
    commands::dead::{HIDDEN, Held, what},
    commands::deployment::now,
    signals::{Asked, Signals},
};

/// How many entries that stay are held until the end: then they are given back.
const MOST_HELD: usize = 10_000;

/// Goes through the queue once, and returns the exit code if it was asked to end.
pub(super) async fn replay(replay: &mut Replaying<'_>, began_at: Timestamp) -> anyhow::Result<Option<u8>> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let queue = replay.deployment.dead_letters()?;
    let mut held = Held::default();
    let ended = entries(replay, &queue, &mut signals, &mut held, began_at).await;
    let given_back = queue.give_back(&held.receipts).await;
    let code = ended?;
    given_back?;
    Ok(code)
}

async fn entries(
    replay: &mut Replaying<'_>,
    queue: &DeadLetters,
    signals: &mut Signals,
    held: &mut Held,
    began_at: Timestamp,
) -> anyhow::Result<Option<u8>> {
    loop {
        if let Some(asked) = signals.was_asked() {
            return Ok(Some(Asked::exit_code(asked)));
        }
        anyhow::ensure!(
            held.receipts.len() < MOST_HELD,
            "{MOST_HELD} entries stay in the dead-letter queue: have them mended or deleted first (`tidemill dead`)"
        );
        let letters = queue.receive(HIDDEN).await?;
        // Those that stay come round when they were hidden for long enough.
        let came_round = letters.iter().all(|letter| held.has(letter));
        for letter in letters {
            let replayed = one(replay, queue, held, &letter, began_at).await;
            if replay.record(&what(&letter.body), replayed).is_none() {
                held.keep(&letter);
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

/// Replays one entry, and deletes it when that is durable; one that stays is kept to be given back.
async fn one(
    replay: &mut Replaying<'_>,
    queue: &DeadLetters,
    held: &mut Held,
    letter: &DeadLetter,
    began_at: Timestamp,
) -> anyhow::Result<()> {
    // What came back while this was at work would be replayed for ever.
    if held.has(letter) || letter.sent_at.is_some_and(|at| at > began_at) {
        held.keep(letter);
        return Ok(());
    }
    let Replayed { job, object, outcome } = replay.replay.dead_letter(&letter.body, now()).await?;
    if replay.replay.dry_run || matches!(outcome, Outcome::Refused(_)) {
        held.keep(letter);
    } else {
        queue.delete(letter).await?;
    }
    replay.tell(&about(&letter.body, object.as_deref()), job.as_ref(), &outcome)
}

/// What an entry is about: of a job that the ledger has, its object.
fn about(body: &str, object: Option<&str>) -> String {
    match (message::read(body), object) {
        (Message::Job(due), Some(object)) => format!("attempt {} of {object}", due.attempt),
        (Message::Job(due), None) => format!("attempt {}", due.attempt),
        _ => what(body),
    }
}
