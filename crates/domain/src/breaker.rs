//! The circuit breaker: while the configuration itself is wrong, launches are not tried again and again.
//!
//! ```text
//!            refused, or three tasks in a row that could not start
//!   closed ─────────────────────────────────────────────────────────▶ open: jobs are parked, one launch
//!      ▲                                                               from time to time a probe launch
//!      └─────────── RunTask takes it, or its worker comes to work ──────────┘
//! ```
//! A missing role, image or cluster fails every job alike. Paused jobs use up no attempts; people hear of it in one
//! mail, and in another when it is over. One breaker serves all launches: they share role, image and cluster.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    document::StoredDocument, events::TaskStateChange, exit_code::ExitCode, job::Reason,
    retry::BREAKER_PROBE, verdict::Kind,
};

/// This number of tasks in a row that could not start is no accident: about one in a hundred never starts.
const FAILURES_TO_OPEN: usize = 3;

/// A failure counts for this long.
const FRESH: Duration = Duration::from_hours(1);

/// The breaker as the fleet table keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Why it is open, or was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Reason>,
    /// Whether a refusal by RunTask opened it, which RunTask can take back.
    #[serde(default)]
    pub refused: bool,
    /// Since when it is open; absent while it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When it last closed, and since when it had been open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// How many probes were launched.
    #[serde(default)]
    pub probes: u32,
    /// When the next may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_at: Option<Timestamp>,
    /// Tasks that could not start, since one last came to work.
    #[serde(default)]
    pub start_failures: Vec<StartFailure>,
    /// Whether people were notified that it is as it is.
    #[serde(default)]
    pub notified: bool,
}

/// A task that could not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFailure {
    /// The ARN of the task that did not start.
    pub task: String,
    /// When it stopped.
    pub at: Timestamp,
}

/// The last time it was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When it opened.
    pub opened_at: Timestamp,
    /// When it closed.
    pub closed_at: Timestamp,
}

/// What is seen of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// RunTask refused it for a reason that waiting does not cure.
    Refused(Reason),
    /// RunTask took it.
    Accepted,
    /// Its task could not start.
    Failed {
        /// The ARN of the task.
        task: String,
        /// For this reason.
        reason: Reason,
    },
    /// Its worker came to work.
    Works,
}

/// Whether a launch may be made.
#[derive(Debug, Clone, PartialEq)]
pub enum Permit {
    /// Launches are allowed.
    Allowed,
    /// One probe may: the caller that first stores this state of the breaker launches it.
    Probe(Box<Breaker>),
    /// Not before this time.
    Paused(Timestamp),
}

impl StoredDocument for Breaker {
    const NAME: &'static str = "breaker";
}

impl Breaker {
    /// Whether launches are held back.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.opened_at.is_some()
    }

    /// Why it is open.
    #[must_use]
    pub fn words(&self) -> &str {
        self.cause.as_ref().map_or("no cause was noted", |cause| &cause.message)
    }

    /// Whether a launch may be made now.
    #[must_use]
    pub fn permit(&self, now: Timestamp) -> Permit {
        if !self.is_open() {
            return Permit::Allowed;
        }
        match self.probe_at {
            Some(at) if at > now => Permit::Paused(at),
            _ => {
                let probe_at = Some(now + BREAKER_PROBE.undrawn(self.probes + 1));
                Permit::Probe(Box::new(self.changed(|next| {
                    next.probes += 1;
                    next.probe_at = probe_at;
                })))
            }
        }
    }

    /// The breaker after a signal; none if it says nothing new.
    #[must_use]
    pub fn after(&self, signal: &Signal, now: Timestamp) -> Option<Self> {
        match signal {
            Signal::Refused(reason) if !self.is_open() => Some(Self::opened(reason, true, now)),
            Signal::Failed { task, reason } if !self.is_open() => self.record_failure(task, reason, now),
            // The cause may have become another: the role is there now, and the image is not.
            Signal::Refused(reason) | Signal::Failed { reason, .. } => {
                let refused = matches!(signal, Signal::Refused(_));
                let is_known = self.refused == refused
                    && self.cause.as_ref().is_some_and(|cause| cause.code == reason.code);
                (!is_known).then(|| {
                    self.changed(|next| {
                        next.cause = Some(reason.clone());
                        next.refused = refused;
                    })
                })
            }
            Signal::Accepted => (self.is_open() && self.refused).then(|| self.closed(now)),
            Signal::Works if self.is_open() => Some(self.closed(now)),
            Signal::Works => {
                (!self.start_failures.is_empty()).then(|| self.changed(|next| next.start_failures.clear()))
            }
        }
    }

    /// Whether a mail is due that it opened or closed.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !self.notified && (self.is_open() || self.closed.is_some())
    }

    fn record_failure(&self, task: &str, reason: &Reason, now: Timestamp) -> Option<Self> {
        // An event that comes twice is one failure.
        if self.start_failures.iter().any(|failure| failure.task == task) {
            return None;
        }
        let mut start_failures = self.start_failures.clone();
        start_failures.retain(|failure| failure.at + FRESH > now);
        start_failures.push(StartFailure { task: task.to_owned(), at: now });
        Some(if start_failures.len() >= FAILURES_TO_OPEN {
            Self::opened(reason, false, now)
        } else {
            self.changed(|next| next.start_failures = start_failures)
        })
    }

    fn opened(reason: &Reason, refused: bool, now: Timestamp) -> Self {
        Self {
            cause: Some(reason.clone()),
            refused,
            opened_at: Some(now),
            closed: None,
            probes: 0,
            probe_at: Some(now + BREAKER_PROBE.undrawn(0)),
            start_failures: Vec::new(),
            notified: false,
        }
    }

    fn closed(&self, now: Timestamp) -> Self {
        self.changed(|next| {
            let opened_at = next.opened_at.take();
            // Where no mail said that it opened, no mail says that it closed.
            next.closed = opened_at.map(|opened_at| Closed { opened_at, closed_at: now });
            next.notified = !next.notified;
            next.probe_at = None;
            next.start_failures.clear();
        })
    }

    fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }
}

/// What the stop of one of our tasks says of launches, if anything. `kind` is why it stopped.
#[must_use]
pub fn signal_of(change: &TaskStateChange, kind: Kind) -> Option<Signal> {
    let code = change.containers.iter().find_map(|container| container.exit_code);
    // The worker leaves with this before it has looked at any job.
    let refuses_its_settings = code == Some(i64::from(ExitCode::Usage.code()));
    match (kind, code) {
        (Kind::ImagePull | Kind::Init | Kind::CannotStart, _) => {}
        _ if refuses_its_settings => {}
        (_, Some(_)) => return Some(Signal::Works),
        // It never ran, for a reason that is nobody's fault.
        (_, None) => return None,
    }
    let words = change
        .containers
        .iter()
        .filter_map(|container| container.reason.as_deref())
        .chain(change.stopped_reason.as_deref())
        .find(|words| !words.trim().is_empty());
    let words = words
        .map_or_else(|| kind.sentence().to_owned(), |aws| format!("{} (AWS says: {aws})", kind.sentence()));
    Some(Signal::Failed { task: change.task_arn.clone(), reason: Reason::new(kind, words) })
}

#[cfg(test)]
mod tests;
