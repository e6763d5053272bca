//! Alerts: when many jobs fail for one group, people get few mails of it and miss none.
//!
//! ```text
//!              the first 3 in 15 minutes, and 6 a minute of all groups
//! a failure ─┬──────────────────────────────────────────────────────────▶ a mail of its own, at once
//!            └─▶ counted ─▶ a grouped mail after 1, 5, 15, 60, 60 … minutes, while more fail
//!                                    └─ 15 minutes without any ─▶ one mail that it is quiet
//! ```
//!
//! SNS suspends an address that gets more than ten mails a second, and people stop reading long before that. All of this is
//! one small document ([`AlertState`]) that λ stops and λ scaler change, each change whole or not at all; here is what a
//! change makes of it. Times are those of the process that changes it.

mod group;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{document::StoredDocument, job::ReasonCode};

pub use group::{AlertGroup, Example, Source};

/// How many failures of one group within [`WINDOW`] have mails of their own: one says what is wrong, three that it is
/// no accident.
pub const AT_ONCE: usize = 3;

/// Within this time.
pub const WINDOW: Duration = Duration::from_mins(15);

/// How many single mails there are within a minute, of all groups. With a grouped mail a second, two flushes at once and
/// a digest it stays below the ten a second at which SNS suspends an address, even if all come in the same second.
/// <https://docs.aws.amazon.com/general/latest/gr/sns.html>
pub const SINGLES_PER_MINUTE: usize = 6;

/// Within this time.
pub const MINUTE: Duration = Duration::from_mins(1);

/// When the next grouped mail of a burst is due: after its beginning, and after each mail. The last goes for all others.
pub const INTERVALS: [Duration; 4] =
    [Duration::from_mins(1), Duration::from_mins(5), Duration::from_mins(15), Duration::from_mins(60)];

/// A burst is over when nothing has failed for this long.
pub const QUIET: Duration = Duration::from_mins(15);

/// How long a flush has to send a mail before another may: longer than λ scaler may run (`template.yaml`).
pub const SENDING: Duration = Duration::from_secs(50);

/// How many mails one flush sends; the next minute's goes on.
pub const MAILS_PER_FLUSH: usize = 6;

/// How many groups are counted separately. The document stays well below DynamoDB's 400 KB with all of them in full burst.
pub const MAX_GROUPS: usize = 20;

/// The layout of [`AlertState`].
pub const LAYOUT: u32 = 1;

/// What has failed lately, and which mails were sent of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    /// The layout of this document.
    pub v: u32,
    /// When the single mails of the last minute were let out.
    pub singles: Vec<Timestamp>,
    /// The groups of late.
    pub groups: Vec<AlertGroup>,
}

/// Something has failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it belongs to.
    pub source: Source,
    /// The code of the reason, by which failures are grouped.
    pub code: ReasonCode,
    /// When it failed.
    pub at: Timestamp,
    /// The job's id, or the task's ARN. A failure with the same id is the same failure.
    pub id: String,
    /// What failed, for people: an object's URI, or a run's name.
    pub what: String,
    /// Why, in words.
    pub words: String,
    /// The object's key.
    pub key: Option<String>,
}

/// How a failure is mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// By a mail of its own, which the caller sends.
    Immediate,
    /// By a grouped mail, which a flush will send: it is counted.
    Grouped,
}

/// Which grouped mails a flush sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that are due.
    Due,
    /// All that have anything to report: no flush will run when they are due.
    All,
}

/// A grouped mail to send. It is reserved for one flush; no other sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupedMail {
    /// The source of all these failures.
    pub source: Source,
    /// Why.
    pub code: ReasonCode,
    /// How many failed that were in no mail before.
    pub count: u64,
    /// From when: the first of them, if there are any.
    pub counted_since: Timestamp,
    /// How many have failed since the burst began, those with mails of their own included.
    pub total: u64,
    /// When the first of all failed.
    pub since: Timestamp,
    /// When the last of all failed.
    pub last: Timestamp,
    /// Some of those that were in no mail before.
    pub examples: Vec<Example>,
    /// What failed last: an object's whole URI, or a run's name.
    pub latest: String,
    /// What the keys of all begin with, up to a slash; empty if nothing.
    pub prefix: String,
    /// Whether the burst is over.
    pub over: bool,
    /// How long it takes at least until the next mail.
    pub next: Duration,
}

impl StoredDocument for AlertState {
    const NAME: &'static str = "alerts";
    const VERSION: u32 = LAYOUT;
}

impl AlertState {
    /// Decides how a failure is mailed. A failure that is recorded again, because the process that should have mailed it
    /// died, is not counted twice while it is among the latest; later it is.
    pub fn record(&mut self, failure: &Failure, now: Timestamp) -> Delivery {
        self.v = LAYOUT;
        self.singles.retain(|at| now.duration_since(*at) < signed(MINUTE));
        let room = self.singles.len() < SINGLES_PER_MINUTE;
        let delivery = self.group(failure, now).record(failure, now, room);
        if delivery == Delivery::Immediate {
            self.singles.push(now);
        }
        delivery
    }

    /// The grouped mails to be sent now, at most [`MAILS_PER_FLUSH`], those that wait longest first. Each is reserved for
    /// `holder` for a while: no other flush sends it. Alerts that are over and small enough to be forgotten are.
    pub fn flush(&mut self, which: Which, holder: &str, now: Timestamp) -> Vec<GroupedMail> {
        for group in &mut self.groups {
            group.forget(now);
        }
        let mut ready: Vec<(Timestamp, usize)> = self
            .groups
            .iter()
            .enumerate()
            .filter_map(|(n, group)| Some((group.ready_since(which, now)?, n)))
            .collect();
        ready.sort_unstable();
        ready
            .into_iter()
            .take(MAILS_PER_FLUSH)
            .filter_map(|(_, n)| self.groups[n].fold(holder, now))
            .collect()
    }

    /// Notes that a grouped mail was sent. Refused, as false, when it is no longer `holder`'s to send.
    pub fn sent(&mut self, grouped: &GroupedMail, holder: &str, now: Timestamp) -> bool {
        let group = self.groups.iter_mut().find(|it| it.is_of(&grouped.source, &grouped.code));
        group.is_some_and(|group| group.sent(holder, now))
    }

    /// Whether no failure waits for a mail.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.groups.iter().all(AlertGroup::is_calm)
    }

    /// The group of a failure. Too many groups at once are one.
    fn group(&mut self, failure: &Failure, now: Timestamp) -> &mut AlertGroup {
        let Failure { source, code, .. } = failure;
        let found = self.groups.iter().position(|it| it.is_of(source, code));
        let at = found.unwrap_or_else(|| {
            if self.groups.len() >= MAX_GROUPS {
                self.groups.retain(|group| !group.is_forgettable(now));
            }
            let (source, code) = if self.groups.len() < MAX_GROUPS {
                (source.clone(), code.clone())
            } else {
                (Source::Various, ReasonCode::Other("various".into()))
            };
            let found = self.groups.iter().position(|it| it.is_of(&source, &code));
            found.unwrap_or_else(|| {
                self.groups.push(AlertGroup::new(source, code));
                self.groups.len() - 1
            })
        });
        &mut self.groups[at]
    }
}

/// A duration as timestamps' differences are compared with.
fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}
