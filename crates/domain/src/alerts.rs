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

mod failure;
mod group;
mod limits;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{document::StoredDocument, job::ReasonCode};

pub use self::{
    failure::{Delivery, Example, Failure, GroupedMail, Source, Which},
    group::AlertGroup,
    limits::{
        AT_ONCE, INTERVALS, MAILS_PER_FLUSH, MAX_GROUPS, MINUTE, QUIET, SENDING, SINGLES_PER_MINUTE, WINDOW,
    },
};
use limits::is_past;

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

impl StoredDocument for AlertState {
    const NAME: &'static str = "alerts";
    const VERSION: u32 = LAYOUT;
}

impl AlertState {
    /// Decides how a failure is mailed. A failure that is recorded again, because the process that should have mailed it
    /// died, is not counted twice while it is among the latest; later it is.
    pub fn record(&mut self, failure: &Failure, now: Timestamp) -> Delivery {
        self.v = LAYOUT;
        self.singles.retain(|at| !is_past(*at, MINUTE, now));
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
