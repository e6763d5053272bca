//! `--dead`: every entry of the dead-letter queue goes back to where it came from, and is deleted when that is durable.

use std::time::Duration;

use anyhow::Context;
use aws::{
    dead_letters::{DeadLetter, DeadLetters},
    queue::Queue,
};
use domain::{
    job::{JobId, State},
    message::{self, JobMessage, Message},
};
use jiff::Timestamp;

use super::{Became, Replay};
use crate::{
    commands::dead::{HIDDEN, Held, what},
    signals::{Asked, Signals},
};

/// How many entries that stay are held until the end: then they are given back.
const MOST_HELD: usize = 10_000;

/// Goes through the queue once, and returns the exit code if it was asked to end.
pub(super) async fn replay(replay: &mut Replay<'_>, began_at: Timestamp) -> anyhow::Result<Option<u8>> {
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
    replay: &mut Replay<'_>,
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
    replay: &mut Replay<'_>,
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
    let Answer { what, job, became } = entry(replay, letter).await?;
    if replay.dry_run || matches!(became, Became::Refused(_)) {
        held.keep(letter);
    } else {
        queue.delete(letter).await?;
    }
    replay.tell(&what, job.as_ref(), &became)
}

/// What an entry is about, and what it becomes.
struct Answer {
    what: String,
    job: Option<JobId>,
    became: Became,
}

/// What an entry becomes; whatever it says of it is durable.
async fn entry(replay: &Replay<'_>, letter: &DeadLetter) -> anyhow::Result<Answer> {
    let body = &letter.body;
    let (job, became) = match message::read(body) {
        Message::Job(due) => return due_job(replay, due).await,
        Message::Created(_) | Message::Object(_) => {
            (None, send(replay, &replay.uploads, body, "uploads").await?)
        }
        Message::Failed(failed) => (Some(failed.failed), send(replay, &replay.stops, body, "stops").await?),
        Message::Task(_) => (None, send(replay, &replay.stops, body, "stops").await?),
        Message::Foreign => (None, Became::Refused("no queue of ours carries it: it stays".to_owned())),
        Message::Malformed { .. } => (None, Became::Refused("nobody can read it: it stays".to_owned())),
    };
    Ok(Answer { what: what(body), job, became })
}

async fn send(replay: &Replay<'_>, queue: &Queue, body: &str, name: &str) -> anyhow::Result<Became> {
    if replay.dry_run {
        return Ok(Became::Replayed(format!("it would go back to the {name} queue")));
    }
    queue.send(body, Duration::ZERO).await?;
    Ok(Became::Replayed(format!("it is back on the {name} queue")))
}

/// The entry of a job: that it failed, or a message that should have brought it to a worker.
async fn due_job(replay: &Replay<'_>, due: JobMessage) -> anyhow::Result<Answer> {
    let Some(job) = replay.deployment.ledger.read(&due.job).await? else {
        let became = Became::Refused("the ledger has no such job: it stays".to_owned());
        return Ok(Answer { what: format!("attempt {}", due.attempt), job: Some(due.job), became });
    };
    let became = match (job.state, &job.task) {
        (State::Failed, _) => replay.job(&job).await?,
        (State::Waiting, None) if job.attempt == due.attempt => {
            if !replay.dry_run {
                replay.launch(&job).await?;
            }
            Became::Replayed(format!("attempt {} waited for its message, which is sent again", job.attempt))
        }
        (State::Waiting | State::Running, _) => {
            Became::Nothing(format!("it is {} already, in attempt {}", job.state.as_str(), job.attempt))
        }
        (state, _) => Became::Nothing(format!("it is {} by now", state.as_str())),
    };
    Ok(Answer {
        what: format!("attempt {} of {}", due.attempt, job.object.uri()),
        job: Some(due.job),
        became,
    })
}
