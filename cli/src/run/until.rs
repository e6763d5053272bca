//! What ends a run before its jobs have settled: a signal, or the time that it was given.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::stall::Stall;
use crate::signals::Signals;

/// The signals and the deadline of a run.
pub(crate) struct Until<'s> {
    signals: &'s mut Signals,
    deadline: Option<(Instant, Duration)>,
}

impl<'s> Until<'s> {
    /// Counts the time from now on.
    pub(crate) fn new(signals: &'s mut Signals, timeout: Option<Duration>) -> Self {
        Self { signals, deadline: timeout.map(|timeout| (Instant::now() + timeout, timeout)) }
    }

    /// Resolves when the run has to end, with the reason.
    pub(crate) async fn reached(&mut self) -> Stall {
        let timeout = async {
            match self.deadline {
                Some((at, timeout)) => {
                    sleep_until(at).await;
                    timeout
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            asked = self.signals.asked() => Stall::Asked(asked),
            timeout = timeout => Stall::TimedOut(timeout),
        }
    }
}
