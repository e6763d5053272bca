//! Schedules: `[[schedule]]` of a pipelines file.

use std::time::Duration;

use awscron::{Cron, CronError};
use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

/// Something that is run at certain hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name: 1 to 64 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// At which hours.
    pub hours: Hours,
    /// The command or the sweep that it runs.
    pub run: Run,
}

/// What a schedule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// This program with these arguments, in the worker's container.
    Command(Vec<String>),
    /// A sweep of a part of the bucket.
    Sweep {
        /// The prefix of the keys. Optional; defaults to all watched keys.
        prefix: Option<String>,
        /// Of the versions put since so long ago.
        since: Option<Duration>,
    },
}

/// Certain hours: an EventBridge cron expression whose minute is 0, on the wall of a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    cron: Cron,
    zone: TimeZone,
}

/// How far ticks are apart.
const TICK: Duration = Duration::from_hours(1);

impl Hours {
    /// Reads six fields such as `0 3 * * ? *`, on the wall of `zone`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, HoursError> {
        let cron = Cron::parse(text)?;
        // Ticks are hourly: another minute would be late, and several in an hour would be one.
        if text.split_whitespace().next() != Some("0") {
            return Err(HoursError::Minute);
        }
        Ok(Self { cron, zone })
    }

    /// The next of these times after this one; none if there is none.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.cron.next(&self.zone, after)
    }

    /// Whether a time of it has come since the tick before this one. On walls that are half an hour off, the tick is
    /// half an hour late. A time that the wall skips in spring is skipped; one that it repeats in autumn counts once.
    #[must_use]
    pub fn are_due(&self, tick: Timestamp) -> bool {
        let Ok(before) = tick.checked_sub(TICK) else { return false };
        self.cron.next(&self.zone, before).is_some_and(|at| at <= tick)
    }
}

/// Why a text names no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// It is no cron expression.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// It asks for other minutes than full hours.
    #[error("the minute must be 0: schedules run at full hours")]
    Minute,
}

/// The time zone of this IANA name, from the database that was built in: so a schedule means the same on every machine.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// The schedules that are to run at this tick, of which there is one every hour.
#[must_use]
pub fn due(schedules: &[Schedule], tick: Timestamp) -> Vec<&Schedule> {
    schedules.iter().filter(|schedule| schedule.hours.are_due(tick)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str, name: &str) -> Hours {
        Hours::parse(text, zone(name).unwrap()).unwrap()
    }

    fn due_at(hours: &Hours, tick: &str) -> bool {
        hours.are_due(tick.parse().unwrap())
    }

    #[test]
    fn a_schedule_is_due_at_its_hour_and_at_no_other() {
        let daily = hours("0 3 * * ? *", "UTC");
        assert!(due_at(&daily, "2026-11-21T03:00:00Z"));
        assert!(!due_at(&daily, "2026-11-21T02:00:00Z"));
        assert!(!due_at(&daily, "2026-11-21T04:00:00Z"));
        let mondays = hours("0 3 ? * MON *", "UTC");
        assert!(due_at(&mondays, "2026-11-23T03:00:00Z"));
        assert!(!due_at(&mondays, "2026-11-24T03:00:00Z"));
        let never = hours("0 3 30 2 ? *", "UTC");
        assert!(!due_at(&never, "2026-11-21T03:00:00Z"));
    }

    #[test]
    fn a_wall_of_its_own_is_kept_in_summer_and_winter() {
        let berlin = hours("0 3 * * ? *", "Europe/Berlin");
        assert!(due_at(&berlin, "2026-07-01T01:00:00Z"));
        assert!(due_at(&berlin, "2026-12-01T02:00:00Z"));
        let kolkata = hours("0 3 * * ? *", "Asia/Kolkata");
        assert!(due_at(&kolkata, "2026-07-01T22:00:00Z"), "at 21:30, told half an hour later");
        // 02:00 comes twice on 25 October, and not at all on 29 March.
        let two = hours("0 2 * * ? *", "Europe/Berlin");
        assert!(due_at(&two, "2026-10-25T00:00:00Z"));
        assert!(!due_at(&two, "2026-10-25T01:00:00Z"));
        assert!(!due_at(&two, "2026-03-29T01:00:00Z"));
    }

    #[test]
    fn every_tick_of_a_year_is_due_once_a_day() {
        let daily = hours("0 7 * * ? *", "America/New_York");
        let first: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let ticks = (0..365 * 24).map(|hour| first + TICK * hour);
        assert_eq!(ticks.filter(|&tick| daily.are_due(tick)).count(), 365);
    }

    #[test]
    fn what_is_no_hour_is_refused() {
        let of = |text| Hours::parse(text, TimeZone::UTC).unwrap_err().to_string();
        assert!(of("5 3 * * ? *").contains("minute must be 0"));
        assert!(of("* 3 * * ? *").contains("minute must be 0"));
        assert!(of("0 3 * * *").contains("six fields"));
        assert!(of("0 25 * * ? *").contains("hours"));
    }
}
