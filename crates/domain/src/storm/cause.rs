//! One cause of failures: what was told of it, and its storm while there is one.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AT_ONCE, Failure, Folded, INTERVALS, QUIET, SENDING, Told, WINDOW, Which, signed};

/// How many examples a folded mail has.
const EXAMPLES: usize = 10;

/// How much of an example's name, of its reason and of a prefix is kept, in bytes: the document has many.
const NAME_BYTES: usize = 300;
const WORDS_BYTES: usize = 200;
const PREFIX_BYTES: usize = 200;

/// What failures belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Jobs of the pipeline of this name.
    Pipeline(String),
    /// The sweep.
    Sweep,
    /// The command of the schedule of this name.
    Command(String),
    /// More causes at once than are told apart.
    Various,
}

/// Failures of one source and code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What failed.
    pub source: Source,
    /// Why: the reason's code.
    pub code: String,
    /// Those of late that had mails of their own.
    singles: Vec<Single>,
    /// The storm, while there is one.
    storm: Option<Storm>,
}

/// A failure that had a mail of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Single {
    id: String,
    told_at: Timestamp,
    failed_at: Timestamp,
    prefix: String,
}

/// A failure that stands for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The job's id, or the task's ARN.
    pub id: String,
    /// What failed: an object's URI, or a run's name; its beginning, if it is long.
    pub what: String,
    /// Why, in words.
    pub words: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Storm {
    since: Timestamp,
    /// When the last failure was, and when it was heard of.
    last: Timestamp,
    heard_at: Timestamp,
    total: u64,
    latest: String,
    prefix: String,
    /// Folded mails sent.
    mails: u32,
    due: Timestamp,
    /// Counted, and in no mail yet.
    untold: Count,
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
    told: Count,
    total: u64,
    last: Timestamp,
}

impl Cause {
    pub(super) fn new(source: Source, code: String) -> Self {
        Self { source, code, singles: Vec::new(), storm: None }
    }

    pub(super) fn is_of(&self, source: &Source, code: &str) -> bool {
        (&self.source, self.code.as_str()) == (source, code)
    }

    /// Whether nothing waits to be told.
    pub(super) fn is_calm(&self) -> bool {
        self.storm.is_none()
    }

    /// Whether it may be forgotten for the sake of another: at worst, more of its failures have mails of their own.
    pub(super) fn is_forgettable(&self, now: Timestamp) -> bool {
        self.storm.is_none() && self.singles.iter().all(|single| is_past(single.told_at, WINDOW, now))
    }

    pub(super) fn tell(&mut self, failure: &Failure, now: Timestamp, room: bool) -> Told {
        self.singles.retain(|single| !is_past(single.told_at, WINDOW, now) || self.storm.is_some());
        // Let out before, and whoever was to send its mail died or was refused: it is asked about anew.
        let before = self.singles.len();
        self.singles.retain(|single| single.id != failure.id);
        let again = before - self.singles.len();
        let Some(storm) = &mut self.storm else {
            if room && self.singles.len() < AT_ONCE {
                self.singles.push(Single::of(failure, now));
                return Told::AtOnce;
            }
            self.storm = Some(Storm::begin(&self.singles, failure, now));
            return Told::Counted;
        };
        storm.total -= again as u64;
        let sending = storm.sending.iter().flat_map(|sending| &sending.told.examples);
        if !storm.untold.examples.iter().chain(sending).any(|example| example.id == failure.id) {
            storm.count(failure, now);
        }
        Told::Counted
    }

    /// Ends a storm that needs no mail: all was told, and there was hardly any.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let small = |storm: &Storm| {
            storm.is_over(now)
                && storm.sending.is_none()
                && storm.untold.count == 0
                && storm.total <= AT_ONCE as u64
        };
        if self.storm.as_ref().is_some_and(small) {
            self.storm = None;
        }
    }

    /// Since when a mail of it waits, if one does.
    pub(super) fn ready_since(&self, which: Which, now: Timestamp) -> Option<Timestamp> {
        let storm = self.storm.as_ref()?;
        match &storm.sending {
            // Whoever had it has died before the mail or before the note of it: it is sent, perhaps once more.
            Some(sending) if sending.until <= now => Some(sending.until),
            Some(_) => None,
            None if storm.is_over(now) => Some(storm.heard_at),
            None if storm.untold.count > 0 && (storm.due <= now || which == Which::All) => Some(storm.due),
            None => None,
        }
    }

    /// Reserves the mail that waits for this holder.
    pub(super) fn fold(&mut self, holder: &str, now: Timestamp) -> Option<Folded> {
        let storm = self.storm.as_mut()?;
        let until = now.checked_add(SENDING).unwrap_or(now);
        let mut sending = storm.sending.take().unwrap_or_else(|| Sending {
            holder: String::new(),
            until,
            over: storm.is_over(now),
            told: std::mem::replace(&mut storm.untold, Count::none(now)),
            total: storm.total,
            last: storm.last,
        });
        (sending.holder, sending.until) = (holder.to_owned(), until);
        let folded = Folded {
            source: self.source.clone(),
            code: self.code.clone(),
            count: sending.told.count,
            counted_since: sending.told.since,
            total: sending.total,
            since: storm.since,
            last: sending.last,
            examples: sending.told.examples.clone(),
            latest: storm.latest.clone(),
            prefix: storm.prefix.clone(),
            over: sending.over,
            next: interval(storm.mails + 1),
        };
        storm.sending = Some(sending);
        Some(folded)
    }

    /// The mail that was reserved for this holder was sent.
    pub(super) fn sent(&mut self, holder: &str, now: Timestamp) -> bool {
        let Some(storm) = self.storm.as_mut() else { return false };
        let Some(sending) = storm.sending.take_if(|sending| sending.holder == holder) else { return false };
        storm.mails = storm.mails.saturating_add(1);
        storm.due = after(now, interval(storm.mails));
        if sending.over {
            self.singles.clear();
            // What has failed while the mail was on its way is a storm of its own.
            let next = Storm {
                since: storm.untold.since,
                total: storm.untold.count,
                mails: 0,
                due: after(now, interval(0)),
                ..storm.clone()
            };
            self.storm = (next.untold.count > 0).then_some(next);
        }
        true
    }
}

impl Single {
    fn of(failure: &Failure, now: Timestamp) -> Self {
        Self {
            id: failure.id.clone(),
            told_at: now,
            failed_at: failure.at,
            prefix: folder(failure.key.as_deref()),
        }
    }
}

impl Storm {
    /// With this failure, and those before it that had mails of their own.
    fn begin(singles: &[Single], failure: &Failure, now: Timestamp) -> Self {
        let mut storm = Self {
            since: failure.at,
            last: failure.at,
            heard_at: now,
            total: singles.len() as u64,
            latest: String::new(),
            prefix: folder(failure.key.as_deref()),
            mails: 0,
            due: after(now, interval(0)),
            untold: Count::none(now),
            sending: None,
        };
        for single in singles {
            storm.since = storm.since.min(single.failed_at);
            storm.prefix = common(&storm.prefix, &single.prefix);
        }
        storm.count(failure, now);
        storm
    }

    fn count(&mut self, failure: &Failure, now: Timestamp) {
        let Count { count, since, examples } = &mut self.untold;
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
        self.heard_at = self.heard_at.max(now);
        self.prefix = common(&self.prefix, &folder(failure.key.as_deref()));
    }

    fn is_over(&self, now: Timestamp) -> bool {
        is_past(self.heard_at, QUIET, now)
    }
}

impl Count {
    fn none(now: Timestamp) -> Self {
        Self { count: 0, since: now, examples: Vec::new() }
    }
}

/// The wait before the folded mail that follows so many.
fn interval(mails: u32) -> Duration {
    INTERVALS[(mails as usize).min(INTERVALS.len() - 1)]
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn is_past(at: Timestamp, time: Duration, now: Timestamp) -> bool {
    now.duration_since(at) >= signed(time)
}

fn cut(text: &str, bytes: usize) -> String {
    match text.floor_char_boundary(bytes) {
        end if end < text.len() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

/// The folder of a key, as far as it can stand in a command without quotes: keys come from whoever uploads.
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
