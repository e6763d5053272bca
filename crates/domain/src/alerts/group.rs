//! One group of failures: what was reported of it, and its burst while there is one.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::job::ReasonCode;

use super::{
    failure::{Delivery, Example, Failure, GroupedMail, Source, Which},
    limits::{AT_ONCE, INTERVALS, QUIET, SENDING, WINDOW, is_past},
};

/// How many examples a grouped mail has.
const EXAMPLES: usize = 10;

/// How much of an example's name, of its reason and of a prefix is kept, in bytes: the document has many.
const NAME_BYTES: usize = 300;
const WORDS_BYTES: usize = 200;
const PREFIX_BYTES: usize = 200;

/// Failures of one source and code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertGroup {
    /// The source of all failures of the group.
    pub source: Source,
    /// The code of the reason of all of them.
    pub code: ReasonCode,
    /// Those of late that had mails of their own.
    singles: Vec<Single>,
    /// The burst, while there is one.
    burst: Option<Burst>,
}

/// A failure that had a mail of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Single {
    id: String,
    mailed_at: Timestamp,
    failed_at: Timestamp,
    prefix: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Burst {
    since: Timestamp,
    /// When the last failure was, and when it was recorded.
    last: Timestamp,
    recorded_at: Timestamp,
    total: u64,
    latest: String,
    prefix: String,
    /// Grouped mails sent.
    mails: u32,
    due: Timestamp,
    /// Grouped, and in no mail yet.
    unreported: Count,
    sending: Option<Sending>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    count: u64,
    since: Timestamp,
    examples: Vec<Example>,
}

/// A mail on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sending {
    holder: String,
    until: Timestamp,
    over: bool,
    reported: Count,
    total: u64,
    last: Timestamp,
}

impl AlertGroup {
    pub(super) fn new(source: Source, code: ReasonCode) -> Self {
        Self { source, code, singles: Vec::new(), burst: None }
    }

    pub(super) fn is_of(&self, source: &Source, code: &ReasonCode) -> bool {
        (&self.source, &self.code) == (source, code)
    }

    /// Whether nothing waits to be reported.
    pub(super) fn is_calm(&self) -> bool {
        self.burst.is_none()
    }

    /// Whether it may be forgotten for the sake of another: at worst, more of its failures have mails of their own.
    pub(super) fn is_forgettable(&self, now: Timestamp) -> bool {
        self.burst.is_none() && self.singles.iter().all(|single| is_past(single.mailed_at, WINDOW, now))
    }

    pub(super) fn record(&mut self, failure: &Failure, now: Timestamp, room: bool) -> Delivery {
        self.singles.retain(|single| !is_past(single.mailed_at, WINDOW, now) || self.burst.is_some());
        // Recorded before, but its mail was not sent: the process that should have sent it died or was refused.
        let before = self.singles.len();
        self.singles.retain(|single| single.id != failure.id);
        let again = before - self.singles.len();
        let Some(burst) = &mut self.burst else {
            if room && self.singles.len() < AT_ONCE {
                self.singles.push(Single::of(failure, now));
                return Delivery::Immediate;
            }
            self.burst = Some(Burst::begin(&self.singles, failure, now));
            return Delivery::Grouped;
        };
        burst.total -= again as u64;
        let sending = burst.sending.iter().flat_map(|sending| &sending.reported.examples);
        if !burst.unreported.examples.iter().chain(sending).any(|example| example.id == failure.id) {
            burst.count(failure, now);
        }
        Delivery::Grouped
    }

    /// Ends a burst that needs no mail: all was reported, and there was hardly any.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let small = |burst: &Burst| {
            burst.is_over(now)
                && burst.sending.is_none()
                && burst.unreported.count == 0
                && burst.total <= AT_ONCE as u64
        };
        if self.burst.as_ref().is_some_and(small) {
            self.burst = None;
        }
    }

    /// Since when a mail of it waits, if one does.
    pub(super) fn ready_since(&self, which: Which, now: Timestamp) -> Option<Timestamp> {
        let burst = self.burst.as_ref()?;
        match &burst.sending {
            // The flush that had it died before the mail, or before it noted the mail: it is sent, perhaps for the second time.
            Some(sending) if sending.until <= now => Some(sending.until),
            Some(_) => None,
            None if burst.is_over(now) => Some(burst.recorded_at),
            None if burst.unreported.count > 0 && (burst.due <= now || which == Which::All) => {
                Some(burst.due)
            }
            None => None,
        }
    }

    /// Reserves the mail that waits for this holder.
    pub(super) fn fold(&mut self, holder: &str, now: Timestamp) -> Option<GroupedMail> {
        let burst = self.burst.as_mut()?;
        let until = now.checked_add(SENDING).unwrap_or(now);
        let mut sending = burst.sending.take().unwrap_or_else(|| Sending {
            holder: String::new(),
            until,
            over: burst.is_over(now),
            reported: std::mem::replace(&mut burst.unreported, Count::none(now)),
            total: burst.total,
            last: burst.last,
        });
        (sending.holder, sending.until) = (holder.to_owned(), until);
        let grouped = GroupedMail {
            source: self.source.clone(),
            code: self.code.clone(),
            count: sending.reported.count,
            counted_since: sending.reported.since,
            total: sending.total,
            since: burst.since,
            last: sending.last,
            examples: sending.reported.examples.clone(),
            latest: burst.latest.clone(),
            prefix: burst.prefix.clone(),
            over: sending.over,
            next: interval(burst.mails + 1),
        };
        burst.sending = Some(sending);
        Some(grouped)
    }

    /// The mail that was reserved for this holder was sent.
    pub(super) fn sent(&mut self, holder: &str, now: Timestamp) -> bool {
        let Some(burst) = self.burst.as_mut() else { return false };
        let Some(sending) = burst.sending.take_if(|sending| sending.holder == holder) else { return false };
        burst.mails = burst.mails.saturating_add(1);
        burst.due = after(now, interval(burst.mails));
        if sending.over {
            self.singles.clear();
            // What has failed while the mail was on its way is a burst of its own.
            let next = Burst {
                since: burst.unreported.since,
                total: burst.unreported.count,
                mails: 0,
                due: after(now, interval(0)),
                ..burst.clone()
            };
            self.burst = (next.unreported.count > 0).then_some(next);
        }
        true
    }
}

impl Single {
    fn of(failure: &Failure, now: Timestamp) -> Self {
        Self {
            id: failure.id.clone(),
            mailed_at: now,
            failed_at: failure.at,
            prefix: folder(failure.key.as_deref()),
        }
    }
}

impl Burst {
    /// With this failure, and those before it that had mails of their own.
    fn begin(singles: &[Single], failure: &Failure, now: Timestamp) -> Self {
        let mut burst = Self {
            since: failure.at,
            last: failure.at,
            recorded_at: now,
            total: singles.len() as u64,
            latest: String::new(),
            prefix: folder(failure.key.as_deref()),
            mails: 0,
            due: after(now, interval(0)),
            unreported: Count::none(now),
            sending: None,
        };
        for single in singles {
            burst.since = burst.since.min(single.failed_at);
            burst.prefix = common(&burst.prefix, &single.prefix);
        }
        burst.count(failure, now);
        burst
    }

    fn count(&mut self, failure: &Failure, now: Timestamp) {
        let Count { count, since, examples } = &mut self.unreported;
        *since = if *count == 0 { failure.at } else { failure.at.min(*since) };
        *count = count.saturating_add(1);
        if examples.len() < EXAMPLES {
            examples.push(Example {
                id: failure.id.clone(),
                what: cut(&failure.what, NAME_BYTES),
                words: cut(&failure.words, WORDS_BYTES),
            });
        }
        self.total = self.total.saturating_add(1);
        self.latest.clone_from(&failure.what);
        self.since = self.since.min(failure.at);
        self.last = self.last.max(failure.at);
        self.recorded_at = self.recorded_at.max(now);
        self.prefix = common(&self.prefix, &folder(failure.key.as_deref()));
    }

    fn is_over(&self, now: Timestamp) -> bool {
        is_past(self.recorded_at, QUIET, now)
    }
}

impl Count {
    fn none(now: Timestamp) -> Self {
        Self { count: 0, since: now, examples: Vec::new() }
    }
}

/// The wait before the next grouped mail, after this number of them.
fn interval(mails: u32) -> Duration {
    INTERVALS[(mails as usize).min(INTERVALS.len() - 1)]
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn cut(text: &str, bytes: usize) -> String {
    match text.floor_char_boundary(bytes) {
        end if end < text.len() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

/// The folder of a key, as far as it can stand in a command without quotes: those who upload choose the keys.
fn folder(key: Option<&str>) -> String {
    let key = key.unwrap_or_default();
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '=' | '+' | ':' | ',' | '-');
    let safe = key.find(|c| !plain(c)).unwrap_or(key.len()).min(PREFIX_BYTES);
    // An option's value must not look like an option.
    let begins = key.starts_with(|c: char| c.is_ascii_alphanumeric());
    to_slash(if begins { &key[..safe] } else { "" })
}

/// What both begin with, up to a slash.
fn common(one: &str, other: &str) -> String {
    // Both are ASCII.
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    to_slash(&one[..same])
}

fn to_slash(text: &str) -> String {
    text[..text.rfind('/').map_or(0, |at| at + 1)].to_owned()
}
