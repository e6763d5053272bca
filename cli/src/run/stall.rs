//! Knowing a run that can never end from one that takes its time.

use std::{fmt, time::Duration};

/// What is under way in the cloud, besides what the ledger shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnderWay {
    /// Tasks that have not stopped.
    pub(crate) tasks: usize,
    /// Messages that wait for their time: retries.
    pub(crate) delayed: usize,
    /// Messages that wait for a function, or that one holds.
    pub(crate) messages: usize,
}

/// Why a run is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stall {
    /// What would have moved the jobs is in the dead-letter queue.
    Dead,
    /// No task runs and no message waits: nothing can happen any more.
    Idle,
    /// Functions are given messages and nothing comes of it.
    Unhandled {
        /// So many.
        messages: usize,
        /// For so long.
        since: Duration,
    },
}

/// With nothing under way, this long is enough for what is between two queues to arrive.
const IDLE: Duration = Duration::from_secs(5);

/// How long messages may wait without any of them changing a job: longer than a
/// function's start and its call may take together.
const UNHANDLED: Duration = Duration::from_secs(45);

/// Whether a run in which nothing has changed for `still` is stalled. A task has its pipeline's timeout, and a retry
/// its time; both are waited for.
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
            Self::Dead => {
                f.write_str("the messages that would have settled them are in the dead-letter queue")
            }
            Self::Idle => f.write_str("no task runs and no message waits, so nothing will settle them"),
            Self::Unhandled { messages, since } => {
                let messages =
                    if *messages == 1 { "1 message".to_owned() } else { format!("{messages} messages") };
                write!(f, "{messages} went to a function and in {} s nothing has come of it", since.as_secs())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_still_move_is_waited_for() {
        let day = Duration::from_hours(24);
        for (tasks, delayed, messages) in [(1, 0, 0), (0, 1, 0), (1, 1, 5)] {
            assert_eq!(stall_of(UnderWay { tasks, delayed, messages }, day), None);
        }
    }

    #[test]
    fn a_run_without_anything_under_way_is_given_up_soon_and_one_that_is_not_handled_later() {
        let idle = UnderWay { tasks: 0, delayed: 0, messages: 0 };
        assert_eq!(stall_of(idle, Duration::from_secs(4)), None);
        assert_eq!(stall_of(idle, Duration::from_secs(5)), Some(Stall::Idle));
        let unhandled = UnderWay { messages: 3, ..idle };
        assert_eq!(stall_of(unhandled, Duration::from_secs(44)), None);
        let since = UNHANDLED;
        assert_eq!(stall_of(unhandled, since), Some(Stall::Unhandled { messages: 3, since }));
    }
}
