//! What an object waits for that has not settled, in plain words.

use std::time::Duration;

use domain::{
    job::{Job, JobState, Running, Waiting},
    text::{count, escaped, in_words, shortened},
};
use jiff::Timestamp;

/// The most characters of a reason that others wrote.
const LONGEST: usize = 200;

/// What an object waits for. `job` is its job if the ledger has it, and `due` the time at which its next attempt begins,
/// if a message waits for it.
pub(crate) fn waits_for(job: Option<&Job>, due: Option<Timestamp>, now: Timestamp) -> String {
    let Some(job) = job else { return "its event has not been processed yet".to_owned() };
    match &job.state {
        JobState::Waiting(waiting) => waiting_for(job, waiting, due, now),
        JobState::Running(running) => is_running(job, running, now),
        JobState::Failed(_) => "it has failed, and its mail is being sent".to_owned(),
        JobState::Done(_) | JobState::Superseded(_) | JobState::SourceDeleted(_) => {
            "it has settled".to_owned()
        }
    }
}

fn waiting_for(job: &Job, waiting: &Waiting, due: Option<Timestamp>, now: Timestamp) -> String {
    let next = match due.or(waiting.deferred_until).and_then(|at| in_future(at, now)) {
        Some(left) => format!("attempt {} begins in {}", job.attempt, in_words(left)),
        None if job.task.is_some() => format!("attempt {} waits for its task to start", job.attempt),
        None => format!("attempt {} waits for a worker", job.attempt),
    };
    match &waiting.reason {
        Some(reason) => {
            let message = shortened(&escaped(&reason.message), LONGEST);
            format!("{next}; the last one ended with {}: {message}", escaped(reason.code.as_str()))
        }
        None => next,
    }
}

fn is_running(job: &Job, running: &Running, now: Timestamp) -> String {
    if running.lease_until < now {
        return format!("attempt {} was lost with its worker, and is tried again soon", job.attempt);
    }
    let since = Duration::try_from(now.duration_since(running.claimed.first_at)).unwrap_or_default();
    let rows = match running.records {
        0 => String::new(),
        rows => format!(", {} written so far", count(rows, "row")),
    };
    let progress =
        running.progress.as_deref().map(|said| format!(": {}", shortened(&escaped(said), LONGEST)));
    format!("attempt {} has run for {}{rows}{}", job.attempt, in_words(since), progress.unwrap_or_default())
}

/// How long it is until then, if then is not past.
fn in_future(at: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(at.duration_since(now)).ok().filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use domain::job::{Claimed, Reason};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_retry_says_when_it_begins_and_why_the_last_attempt_ended() {
        let now = at("2026-11-21T12:00:00Z");
        let waiting = Waiting {
            reason: Some(Reason::new(
                domain::job::ReasonCode::parse("command_failed"),
                "exit code 1:\nno such sheet",
            )),
            ..Waiting::default()
        };
        let mut job = Job::sample("", now).in_state(JobState::Waiting(waiting));
        job.attempt = 2;
        assert_eq!(
            waits_for(Some(&job), Some(at("2026-11-21T12:00:25Z")), now),
            "attempt 2 begins in 25.0 s; the last one ended with command_failed: exit code 1:\\nno such sheet"
        );
        assert!(waits_for(Some(&job), Some(now), now).starts_with("attempt 2 waits for a worker; "));
        assert_eq!(waits_for(None, None, now), "its event has not been processed yet");
    }

    #[test]
    fn a_running_job_says_how_far_it_is() {
        let now = at("2026-11-21T12:00:00Z");
        let running = Running {
            claimed: Claimed { first_at: at("2026-11-21T11:58:00Z"), holder: "w/1".into() },
            lease_until: at("2026-11-21T12:00:30Z"),
            records: 1_200,
            progress: Some("page 3 of 9".into()),
        };
        let job = Job::sample("", now).in_state(JobState::Running(running));
        assert_eq!(
            waits_for(Some(&job), None, now),
            "attempt 1 has run for 2 min 0 s, 1,200 rows written so far: page 3 of 9"
        );
        let later = waits_for(Some(&job), None, at("2026-11-21T12:01:00Z"));
        assert!(later.contains("was lost with its worker"), "{later}");
    }
}
