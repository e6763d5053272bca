//! All retry and back-off policies, named after what they are for. A policy is a value; the caller sleeps or sends
//! a delayed message.
//!
//! The retries that the AWS SDK makes within one call come before these. An attempt here is a call after which the SDK
//! has given up.

use std::time::Duration;

/// Waits that double from the first to the longest. At least half of each is waited; the rest is drawn, so that what
/// failed together does not return together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait before the first retry.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Backoff {
    /// The wait before retry `n` (from 0). `jitter` is drawn from 0 to 1.
    ///
    /// ```
    /// use domain::retry::LAUNCH_DEFERRED;
    ///
    /// let seconds = |n, jitter| LAUNCH_DEFERRED.delay(n, jitter).as_secs_f64();
    /// assert_eq!([seconds(0, 1.0), seconds(1, 1.0), seconds(3, 1.0)], [5.0, 10.0, 40.0]);
    /// assert_eq!(seconds(3, 0.0), 20.0);
    /// ```
    #[must_use]
    pub fn delay(self, n: u32, jitter: f64) -> Duration {
        self.undrawn(n).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// The wait before retry `n` (from 0) without a drawn part, where only one waits.
    #[must_use]
    pub fn undrawn(self, n: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(n).unwrap_or(u32::MAX)).min(self.longest)
    }
}

/// A bounded number of attempts, with waits between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The wait before each retry.
    pub backoff: Backoff,
    /// How many attempts are made at most, the first included.
    pub attempts: u32,
}

impl Policy {
    /// The wait before retry `n` (from 0): [`Backoff::delay`].
    #[must_use]
    pub fn delay(self, n: u32, jitter: f64) -> Duration {
        self.backoff.delay(n, jitter)
    }
}

const fn backoff(first: Duration, longest: Duration) -> Backoff {
    Backoff { first, longest }
}

const fn policy(first: Duration, longest: Duration, attempts: u32) -> Policy {
    Policy { backoff: backoff(first, longest), attempts }
}

/// The longest delay of a message in SQS (Amazon SQS developer guide, "Delay queues").
pub const LONGEST_MESSAGE_DELAY: Duration = Duration::from_mins(15);

// Attempts of jobs and launches: waits that delayed messages carry.

/// The next attempt of a job that was interrupted: nothing is wrong that waiting would cure.
pub const JOB_INTERRUPTED: Backoff = backoff(Duration::from_secs(5), Duration::from_mins(2));

/// The next attempt of a job whose task could not start: a person has to fix something, or AWS has to find capacity.
pub const JOB_NOT_STARTED: Backoff = backoff(Duration::from_mins(1), LONGEST_MESSAGE_DELAY);

/// The next attempt of a job that failed for any other reason.
pub const JOB_FAILED: Backoff = backoff(Duration::from_secs(15), LONGEST_MESSAGE_DELAY);

/// The next launch of a task for which there was no capacity.
pub const LAUNCH_DEFERRED: Backoff = backoff(Duration::from_secs(5), LONGEST_MESSAGE_DELAY);

/// The next probe launch while the breaker is open. One probe at a time, so nothing is drawn.
pub const BREAKER_PROBE: Backoff = backoff(Duration::from_mins(1), Duration::from_mins(15));

// Calls, retried in place.

/// Rows that DynamoDB left unprocessed. Only batches of which it took no row count: some five minutes of those, and the
/// job is returned.
pub const WRITE_ROWS: Policy = policy(Duration::from_millis(50), Duration::from_secs(10), 40);

/// Keys or deletes that DynamoDB left unprocessed, batch after batch: some seven seconds.
pub const UNPROCESSED_ITEMS: Policy = policy(Duration::from_millis(100), Duration::from_secs(2), 8);

/// Attempts of each call to DynamoDB that writes records, made by the SDK in its adaptive mode: a table that scales up
/// needs minutes, and a worker has them.
pub const WRITE_RECORDS_ATTEMPTS: u32 = 10;

/// The publish transaction, while another version's is in its way: some ten seconds.
pub const PUBLISH: Policy = policy(Duration::from_millis(100), Duration::from_secs(5), 8);

/// How often other versions of the key may be published between the read of the manifest and the write, at once.
pub const PUBLISH_OVERTAKEN_ATTEMPTS: u32 = 5;

/// A change of a document in the fleet table, while other programs change it. Two or three functions do so at once, each
/// one change at a time: whoever loses so often has no bad luck but a fault.
pub const UPDATE_DOCUMENT: Policy = policy(Duration::from_millis(20), Duration::from_millis(400), 20);

/// Reading on where a connection to S3 broke, while no byte is gained: some twenty seconds. The next attempt of the job
/// gives S3 longer.
pub const RESUME_READ: Policy = policy(Duration::from_millis(200), Duration::from_secs(5), 9);

/// Receiving jobs: some ten minutes of failures in a row, and the worker leaves the queue to others.
pub const RECEIVE_JOBS: Policy = policy(Duration::from_secs(1), Duration::from_secs(30), 24);

/// Deleting the messages of settled jobs. After these they come again, and are found settled.
pub const DELETE_MESSAGES: Policy = policy(Duration::from_millis(200), Duration::from_secs(2), 3);

/// The first heartbeat of a pooled worker: some half a minute, then it works without.
pub const FIRST_HEARTBEAT: Policy = policy(Duration::from_secs(1), Duration::from_secs(10), 6);

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest time that all waits of a policy take together.
    fn patience(policy: Policy) -> u64 {
        (0..policy.attempts - 1).map(|n| policy.backoff.undrawn(n)).sum::<Duration>().as_secs()
    }

    #[test]
    fn delays_double_to_the_longest_and_keep_at_least_half() {
        let of = |n, jitter| LAUNCH_DEFERRED.delay(n, jitter).as_secs_f64();
        assert_eq!([of(0, 1.0), of(1, 1.0), of(3, 1.0)], [5.0, 10.0, 40.0]);
        assert_eq!(of(3, 0.0), 20.0);
        assert_eq!([of(20, 1.0), of(u32::MAX, 1.0)], [900.0, 900.0]);
    }

    #[test]
    fn policies_are_as_patient_as_they_say() {
        let patience = [WRITE_ROWS, UNPROCESSED_ITEMS, PUBLISH, RECEIVE_JOBS, FIRST_HEARTBEAT, RESUME_READ]
            .map(patience);
        assert_eq!(patience, [322, 7, 11, 571, 25, 21]);
    }
}
