//! The circuit breaker: while the configuration itself is wrong, launches are not tried again and again.
//!
//! ```text
//!            refused, or three tasks in a row that could not start
//!   closed ─────────────────────────────────────────────────────────▶ open: jobs are parked, one launch
//!      ▲                                                               in a while tries whether it is mended
//!      └─────────── RunTask takes it, or its worker comes to work ──────────┘
//! ```
//! A missing role, image or cluster fails every job alike. Parked jobs use up no attempts; people hear of it in one
//! mail, and in another when it is over. One breaker serves all launches: they share role, image and cluster.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{events::TaskStateChange, exit_code::ExitCode, job::Reason, verdict::Kind};

/// So many tasks in a row that could not start are no accident: about one in a hundred never starts.
const STRIKES: usize = 3;

/// A strike counts for this long.
const FRESH: Duration = Duration::from_hours(1);

/// The first wait before a launch tries whether it is mended, doubled by every try, and the longest.
const FIRST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_mins(15);

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
    /// How many launches have tried whether it is mended.
    #[serde(default)]
    pub probes: u32,
    /// When the next may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_at: Option<Timestamp>,
    /// Tasks that could not start, since one last came to work.
    #[serde(default)]
    pub strikes: Vec<Strike>,
    /// Whether people were told that it is as it is.
    #[serde(default)]
    pub told: bool,
}

/// A task that could not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// The task.
    pub task: String,
    /// When it stopped.
    pub at: Timestamp,
}

/// The last time it was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// From here.
    pub opened_at: Timestamp,
    /// To here.
    pub closed_at: Timestamp,
}

/// What is seen of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// RunTask refused it for a reason that waiting does not cure.
    Refused(Reason),
    /// RunTask took it.
    Accepted,
    /// Its task could not start.
    Failed {
        /// This task.
        task: String,
        /// For this reason.
        reason: Reason,
    },
    /// Its worker came to work.
    Works,
}

/// Whether a launch may be made.
#[derive(Debug, Clone, PartialEq)]
pub enum Gate {
    /// Yes.
    Go,
    /// One may, to see whether it is mended: whoever makes this of the breaker first.
    Probe(Box<Breaker>),
    /// Not before this time.
    Parked(Timestamp),
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
    pub fn gate(&self, now: Timestamp) -> Gate {
        if !self.is_open() {
            return Gate::Go;
        }
        match self.probe_at {
            Some(at) if at > now => Gate::Parked(at),
            _ => {
                let probe_at = Some(now + wait(self.probes + 1));
                Gate::Probe(Box::new(self.changed(|next| {
                    next.probes += 1;
                    next.probe_at = probe_at;
                })))
            }
        }
    }

    /// The breaker after a sign; none if it says nothing new.
    #[must_use]
    pub fn after(&self, sign: &Sign, now: Timestamp) -> Option<Self> {
        match sign {
            Sign::Refused(reason) if !self.is_open() => Some(Self::opened(reason, true, now)),
            Sign::Failed { task, reason } if !self.is_open() => self.struck(task, reason, now),
            // The cause may have become another: the role is there now, and the image is not.
            Sign::Refused(reason) | Sign::Failed { reason, .. } => {
                let refused = matches!(sign, Sign::Refused(_));
                let is_known = self.refused == refused
                    && self.cause.as_ref().is_some_and(|cause| cause.code == reason.code);
                (!is_known).then(|| {
                    self.changed(|next| {
                        next.cause = Some(reason.clone());
                        next.refused = refused;
                    })
                })
            }
            Sign::Accepted => (self.is_open() && self.refused).then(|| self.closed(now)),
            Sign::Works if self.is_open() => Some(self.closed(now)),
            Sign::Works => (!self.strikes.is_empty()).then(|| self.changed(|next| next.strikes.clear())),
        }
    }

    /// Whether people are to be told that it opened or closed.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !self.told && (self.is_open() || self.closed.is_some())
    }

    fn struck(&self, task: &str, reason: &Reason, now: Timestamp) -> Option<Self> {
        // An event that comes twice is one strike.
        if self.strikes.iter().any(|strike| strike.task == task) {
            return None;
        }
        let mut strikes = self.strikes.clone();
        strikes.retain(|strike| strike.at + FRESH > now);
        strikes.push(Strike { task: task.to_owned(), at: now });
        Some(if strikes.len() >= STRIKES {
            Self::opened(reason, false, now)
        } else {
            self.changed(|next| next.strikes = strikes)
        })
    }

    fn opened(reason: &Reason, refused: bool, now: Timestamp) -> Self {
        Self {
            cause: Some(reason.clone()),
            refused,
            opened_at: Some(now),
            closed: None,
            probes: 0,
            probe_at: Some(now + wait(0)),
            strikes: Vec::new(),
            told: false,
        }
    }

    fn closed(&self, now: Timestamp) -> Self {
        self.changed(|next| {
            let opened_at = next.opened_at.take();
            // Of what nobody heard that it was wrong, nobody need hear that it is mended.
            next.closed = opened_at.map(|opened_at| Closed { opened_at, closed_at: now });
            next.told = !next.told;
            next.probe_at = None;
            next.strikes.clear();
        })
    }

    fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }
}

fn wait(probes: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << probes.min(10)).min(LONGEST_WAIT)
}

/// What the stop of one of our tasks says of launches, if anything. `kind` is why it stopped.
#[must_use]
pub fn sign_of(change: &TaskStateChange, kind: Kind) -> Option<Sign> {
    let code = change.containers.iter().find_map(|container| container.exit_code);
    // The worker leaves with this before it has looked at any job.
    let refuses_its_settings = code == Some(i64::from(ExitCode::Usage.code()));
    match (kind, code) {
        (Kind::ImagePull | Kind::Init | Kind::CannotStart, _) => {}
        _ if refuses_its_settings => {}
        (_, Some(_)) => return Some(Sign::Works),
        // It never ran, for a reason that is nobody's fault.
        (_, None) => return None,
    }
    let words = change
        .containers
        .iter()
        .filter_map(|container| container.reason.as_deref())
        .chain(change.stopped_reason.as_deref())
        .find(|words| !words.trim().is_empty());
    let words = words.map_or_else(|| kind.words(), |aws| format!("{} (AWS says: {aws})", kind.words()));
    Some(Sign::Failed { task: change.task_arn.clone(), reason: Reason::new(kind.code(), words) })
}

#[cfg(test)]
mod tests;
