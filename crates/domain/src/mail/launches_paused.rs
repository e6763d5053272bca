//! The two mails of the breaker: launches are paused, and launches work again.

use std::fmt::Write;

use jiff::Timestamp;

use super::format::{Draft, LINE_CHARS, Mail, ascii};
use crate::{
    breaker::{Breaker, Closed},
    text::{count, escaped, in_words, shortened},
};

/// The mail that the breaker's state asks for. About `waiting` messages wait for pooled workers.
#[must_use]
pub fn launches(breaker: &Breaker, waiting: u64, now: Timestamp) -> Option<Mail> {
    match (breaker.opened_at, breaker.closed) {
        (Some(opened_at), _) => Some(paused(breaker, opened_at, waiting)),
        (None, Some(closed)) => Some(resumed(breaker, closed, waiting, now)),
        (None, None) => None,
    }
}

fn paused(breaker: &Breaker, opened_at: Timestamp, waiting: u64) -> Mail {
    let code = breaker.cause.as_ref().map_or("unknown", |cause| cause.code.as_str());
    let subject = format!("[tidemill] no task can be launched ({})", ascii(code));
    let what = if breaker.refused {
        "ECS rejected the launch, and retrying will not help."
    } else {
        "Several tasks in a row could not start."
    };
    let mut out = Draft::default();
    // Writing to memory cannot fail.
    let _ = writeln!(
        out,
        "LAUNCHES PAUSED: {what}\n\nWhat happens next\n  Jobs wait and use up no attempts. A probe launch runs at least \
         every 15 minutes; when one succeeds, all jobs\n  continue automatically and a mail says so."
    );
    out.end_summary();
    let step = "Check the role, image, cluster and network named below. If this began with a deployment, roll it back.";
    out.what_to_do([step.to_owned()]);
    let _ = write!(
        out,
        "\nReason     {code}\nDetail     {words}\nSince      {opened_at:.0}\nBacklog    about {waiting} for pooled \
         workers; jobs with dedicated tasks wait too\n",
        code = line(code),
        words = line(breaker.words()),
        waiting = count(waiting, "message"),
    );
    out.mail(&subject)
}

fn resumed(breaker: &Breaker, closed: Closed, waiting: u64, now: Timestamp) -> Mail {
    let Closed { opened_at, closed_at } = closed;
    let took = closed_at.duration_since(opened_at).try_into().unwrap_or_default();
    let mut out = Draft::default();
    let _ = writeln!(
        out,
        "LAUNCHES RESUMED: tasks are launched again.\n\nWhat happens next\n  No job was lost. The jobs that waited are \
         processed within 15 minutes."
    );
    out.end_summary();
    let _ = write!(
        out,
        "\nCause      {words}\nFrom       {opened_at:.0}\nTo         {closed_at:.0}, after \
         {took}\nBacklog    about {waiting} for pooled workers at {now:.0}\n",
        words = line(breaker.words()),
        took = in_words(took),
        waiting = count(waiting, "message"),
    );
    out.mail("[tidemill] tasks are launched again")
}

fn line(text: &str) -> String {
    shortened(&escaped(text), LINE_CHARS)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::{breaker::Signal, job::Reason};

    #[test]
    fn both_mails_say_what_was_wrong_and_that_nothing_is_lost() {
        let begin: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let words = "is not authorized to perform: iam:PassRole\r\nBcc: all@example.com";
        let refused =
            Signal::Refused(Reason::new(crate::job::ReasonCode::parse("AccessDeniedException"), words));
        let open = Breaker::default().after(&refused, begin).unwrap();
        let mail = launches(&open, 40, begin).unwrap();
        assert_eq!(mail.subject, "[tidemill] no task can be launched (AccessDeniedException)");
        assert!(mail.body.contains("iam:PassRole\\r\\nBcc"), "{}", mail.body);
        assert!(mail.body.contains("about 40 messages"), "{}", mail.body);
        let closed =
            Breaker { notified: true, ..open }.after(&Signal::Accepted, begin + 90.minutes()).unwrap();
        let mail = launches(&closed, 1, begin + 91.minutes()).unwrap();
        assert!(mail.body.contains("after 1 h 30 min\nBacklog    about 1 message for"), "{}", mail.body);
        assert_eq!(launches(&Breaker::default(), 0, begin), None);
    }
}
