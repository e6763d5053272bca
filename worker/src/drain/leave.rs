//! When an idle worker leaves.

use std::time::Duration;

use aws::backlog::LONGEST_WAIT;
use domain::scaling::PAID;
use tokio::time::Instant;

/// How long a worker waits for messages after its last one. A new worker takes longer to start.
const IDLE: Duration = Duration::from_secs(20);

/// The wait of the final poll, after the worker has reported to the fleet that it leaves. Long enough for SQS to ask all its servers.
pub(super) const FINAL_WAIT: Duration = Duration::from_secs(2);

/// When a worker leaves that has had no message in flight since `idle_since`. The first minute is paid in any case.
pub(super) fn leave_at(started: Instant, idle_since: Instant) -> Instant {
    (started + PAID).max(idle_since + IDLE)
}

/// How long a poll waits if the worker leaves after `left`: SQS takes whole seconds.
pub(super) fn wait(left: Duration) -> Duration {
    let up = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
    up.clamp(Duration::from_secs(1), LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_worker_leaves_within_the_paid_minute_or_just_after_work() {
        let started = Instant::now();
        let after = |seconds| started + Duration::from_secs(seconds);
        assert_eq!(leave_at(started, started), after(60));
        assert_eq!(leave_at(started, after(39)), after(60));
        assert_eq!(leave_at(started, after(100)), after(120));
    }

    #[test]
    fn polls_wait_whole_seconds_and_at_most_until_the_worker_leaves() {
        let of = |millis| wait(Duration::from_millis(millis)).as_secs();
        assert_eq!([of(0), of(1_000), of(1_001), of(19_999), of(90_000)], [1, 1, 2, 20, 20]);
    }
}
