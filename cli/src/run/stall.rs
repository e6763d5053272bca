//! Tells a run that can never end from one that takes long.

use domain::text::{count, in_words};
use std::{fmt, time::Duration};

use crate::signals::Asked;

/// Work in progress in the cloud that the ledger does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnderWay {
    /// Tasks that have not stopped.
    pub(crate) tasks: usize,
    /// Delayed messages: retries that are not due yet.
    pub(crate) delayed: usize,
    /// Messages that wait for a function, or that a function is processing.
    pub(crate) messages: usize,
}

/// Why a run will not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stall {
    /// The messages that would settle the jobs are in the dead-letter queue.
    Dead,
    /// No task runs and no message waits.
    Idle,
    /// Functions receive messages, and no job changes.
    Unhandled {
        /// Number of messages.
        messages: usize,
        /// Time since a job last changed.
        since: Duration,
    },
    /// A signal ended the wait.
    Asked(Asked),
    /// The time that it was given is over.
    TimedOut(Duration),
}

impl Stall {
    /// Whether it ended for a reason that logs may tell.
    pub(crate) fn is_unexplained(self) -> bool {
        matches!(self, Self::Dead | Self::Idle | Self::Unhandled { .. })
    }
}

/// With no work in progress, an event between two queues arrives within this time.
const IDLE: Duration = Duration::from_secs(5);

/// How long messages may wait while no job changes: longer than a function's start and its call may take together.
const UNHANDLED: Duration = Duration::from_secs(45);

/// Why a run in which no job has changed for `still` is stalled, if it is. Running tasks and delayed retries are waited
/// for: a task has its pipeline's timeout.
pub(crate) fn stall_of(under_way: UnderWay, still: Duration) -> Option<Stall> {
    let UnderWay { tasks, delayed, messages } = under_way;
    match (tasks + delayed, messages) {
        (0, 0) if still >= IDLE => Some(Stall::Idle),
        (0, 1..) if still >= UNHANDLED => Some(Stall::Unhandled { messages, since: still }),
        _ => None,
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead => f.write_str("the messages that would settle them are in the dead-letter queue"),
            Self::Idle => f.write_str("no task is running and no message is queued, so they cannot settle"),
            Self::Unhandled { messages, since } => {
                let (messages, since) = (count(*messages as u64, "message"), in_words(*since));
                write!(f, "{messages} delivered to a function, and no job has changed for {since}")
            }
            Self::Asked(_) => f.write_str("the run was interrupted"),
            Self::TimedOut(timeout) => write!(f, "--timeout {} is over", in_words(*timeout)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_tasks_and_delayed_messages_are_waited_for() {
        let day = Duration::from_hours(24);
        for (tasks, delayed, messages) in [(1, 0, 0), (0, 1, 0), (1, 1, 5)] {
            assert_eq!(stall_of(UnderWay { tasks, delayed, messages }, day), None);
        }
    }

    #[test]
    fn an_idle_run_stalls_soon_and_one_with_unhandled_messages_later() {
        let idle = UnderWay { tasks: 0, delayed: 0, messages: 0 };
        assert_eq!(stall_of(idle, Duration::from_secs(4)), None);
        assert_eq!(stall_of(idle, Duration::from_secs(5)), Some(Stall::Idle));
        let unhandled = UnderWay { messages: 3, ..idle };
        assert_eq!(stall_of(unhandled, Duration::from_secs(44)), None);
        let since = UNHANDLED;
        assert_eq!(stall_of(unhandled, since), Some(Stall::Unhandled { messages: 3, since }));
    }
}
