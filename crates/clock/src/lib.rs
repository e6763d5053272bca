//! The one clock. Every decision takes `now` as a value; the time is read here only.
//!
//! It runs on tokio's time, so a test that pauses tokio owns the clock of the whole system.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::Instant;

/// A wall clock that advances with tokio's time. Cheap to clone; clones agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Timestamp,
    origin: Instant,
}

impl Clock {
    /// The machine's clock, from now on. Call inside a tokio runtime.
    #[must_use]
    pub fn system() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// A clock that shows `epoch` at this moment.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, origin: Instant::now() }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        // A clock that has run past the year 9999 stays there.
        self.epoch.checked_add(self.origin.elapsed()).unwrap_or(Timestamp::MAX)
    }

    /// The time now, as the AWS SDK takes it.
    #[must_use]
    pub fn system_time(&self) -> SystemTime {
        self.now().into()
    }

    /// The tokio instant at which this clock shows `at`; a time already past is now.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        let ahead = at.duration_since(self.now());
        Instant::now() + Duration::try_from(ahead).unwrap_or_default()
    }
}
