//! Storms: when many jobs fail for one cause, people get few mails of it and miss none.
//!
//! ```text
//!              the first 3 in 15 minutes, and 6 a minute of all causes
//! a failure ─┬──────────────────────────────────────────────────────────▶ a mail of its own, at once
//!            └─▶ counted ─▶ a folded mail after 1, 5, 15, 60, 60 … minutes, while more fail
//!                                    └─ 15 minutes without any ─▶ one mail that it is quiet
//! ```
//!
//! SNS suspends an address that gets more than ten mails a second, and people stop reading long before. All of this is
//! one small document ([`Storms`]) that λ stops and λ scaler change, each change whole or not at all; here is what a
//! change makes of it. Times are those of whoever changes it.

mod cause;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use cause::{Cause, Example, Source};

/// How many failures of one cause within [`WINDOW`] have mails of their own: one says what is wrong, three that it is
/// no accident.
pub const AT_ONCE: usize = 3;

/// Within this time.
pub const WINDOW: Duration = Duration::from_mins(15);

/// How many single mails there are within a minute, of all causes. With a folded mail a second, two flushes at once and
/// a digest it stays below the ten a second at which SNS suspends an address, even if all come in the same second.
/// <https://docs.aws.amazon.com/general/latest/gr/sns.html>
pub const SINGLES: usize = 6;

/// Within this time.
pub const MINUTE: Duration = Duration::from_mins(1);

/// When the next folded mail of a storm is due: after its beginning, and after each mail. The last goes for all others.
pub const INTERVALS: [Duration; 4] =
    [Duration::from_mins(1), Duration::from_mins(5), Duration::from_mins(15), Duration::from_mins(60)];

/// A storm is over when nothing has failed for this long.
pub const QUIET: Duration = Duration::from_mins(15);

/// How long a flush has to send a mail before another may: longer than λ scaler may run (`template.yaml`).
pub const SENDING: Duration = Duration::from_secs(50);

/// How many mails one flush sends; the next minute's goes on.
pub const FLUSHED: usize = 6;

/// How many causes are told apart. The document stays well below DynamoDB's 400 KB with all of them in full storm.
pub const CAUSES: usize = 20;

/// The layout of [`Storms`].
pub const LAYOUT: u32 = 1;

/// What has failed lately and what people were told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storms {
    /// The layout of this document.
    pub v: u32,
    /// When the single mails of the last minute were let out.
    pub singles: Vec<Timestamp>,
    /// The causes of late.
    pub causes: Vec<Cause>,
}

/// Something has failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it belongs to.
    pub source: Source,
    /// Why: the reason's code.
    pub code: String,
    /// When.
    pub at: Timestamp,
    /// The job's id, or the task's ARN: what tells it from others.
    pub id: String,
    /// What failed, for people: an object's URI, or a run's name.
    pub what: String,
    /// Why, in words.
    pub words: String,
    /// The object's key.
    pub key: Option<String>,
}

/// How people hear of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// By a mail of its own, which whoever asked is to send.
    AtOnce,
    /// By a folded mail, which a flush will send: it is counted.
    Counted,
}

/// Which folded mails are to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that are due.
    Due,
    /// All that would tell of anything: nobody will be there to send them when they are due.
    All,
}

/// A folded mail that is to be sent, by whoever was told so and nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// What failed.
    pub source: Source,
    /// Why: the reason's code.
    pub code: String,
    /// How many failed that no mail has told of before.
    pub count: u64,
    /// From when: the first of them, if there are any.
    pub counted_since: Timestamp,
    /// How many have failed since the storm began, those with mails of their own included.
    pub total: u64,
    /// When the first of all failed.
    pub since: Timestamp,
    /// When the last of all failed.
    pub last: Timestamp,
    /// Some of those that no mail has told of before.
    pub examples: Vec<Example>,
    /// What failed last: an object's whole URI, or a run's name.
    pub latest: String,
    /// What the keys of all begin with, up to a slash; empty if nothing.
    pub prefix: String,
    /// Whether the storm is over.
    pub over: bool,
    /// How long it takes at least until the next mail.
    pub next: Duration,
}

impl Storms {
    /// Decides how people hear of a failure. One that is asked about again, because whoever was to tell of it died, is
    /// not counted twice as long as it is among the latest; else it is, once more.
    pub fn tell(&mut self, failure: &Failure, now: Timestamp) -> Told {
        self.v = LAYOUT;
        self.singles.retain(|at| now.duration_since(*at) < signed(MINUTE));
        let room = self.singles.len() < SINGLES;
        let told = self.cause(failure, now).tell(failure, now, room);
        if told == Told::AtOnce {
            self.singles.push(now);
        }
        told
    }

    /// The folded mails to be sent now, at most [`FLUSHED`], those that wait longest first. Each is reserved for
    /// `holder` for a while: no other flush sends it. Storms that are over and small enough to be forgotten are.
    pub fn flush(&mut self, which: Which, holder: &str, now: Timestamp) -> Vec<Folded> {
        for cause in &mut self.causes {
            cause.forget(now);
        }
        let mut ready: Vec<(Timestamp, usize)> = self
            .causes
            .iter()
            .enumerate()
            .filter_map(|(n, cause)| Some((cause.ready_since(which, now)?, n)))
            .collect();
        ready.sort_unstable();
        ready.into_iter().take(FLUSHED).filter_map(|(_, n)| self.causes[n].fold(holder, now)).collect()
    }

    /// Notes that a folded mail was sent. Refused, as false, when it is no longer `holder`'s to send.
    pub fn sent(&mut self, folded: &Folded, holder: &str, now: Timestamp) -> bool {
        let cause = self.causes.iter_mut().find(|it| it.is_of(&folded.source, &folded.code));
        cause.is_some_and(|cause| cause.sent(holder, now))
    }

    /// Whether anything waits to be told.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.causes.iter().all(Cause::is_calm)
    }

    /// The cause of a failure. Too many causes at once are one.
    fn cause(&mut self, failure: &Failure, now: Timestamp) -> &mut Cause {
        let Failure { source, code, .. } = failure;
        let found = self.causes.iter().position(|it| it.is_of(source, code));
        let at = found.unwrap_or_else(|| {
            if self.causes.len() >= CAUSES {
                self.causes.retain(|cause| !cause.is_forgettable(now));
            }
            let (source, code) = if self.causes.len() < CAUSES {
                (source.clone(), code.clone())
            } else {
                (Source::Various, "various".to_owned())
            };
            let found = self.causes.iter().position(|it| it.is_of(&source, &code));
            found.unwrap_or_else(|| {
                self.causes.push(Cause::new(source, code));
                self.causes.len() - 1
            })
        });
        &mut self.causes[at]
    }
}

/// A duration as timestamps' differences are compared with.
fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}
