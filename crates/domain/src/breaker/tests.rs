use jiff::ToSpan;

use super::*;

const BEGIN: Timestamp = Timestamp::UNIX_EPOCH;

fn refused(code: &str) -> Signal {
    Signal::Refused(Reason::new(crate::job::ReasonCode::parse(code), "no"))
}

fn failed(task: &str) -> Signal {
    Signal::Failed { task: task.to_owned(), reason: Reason::new(crate::verdict::Kind::ImagePull, "no image") }
}

/// The breaker after these signals, a second apart.
fn after(signals: &[Signal]) -> Breaker {
    signals.iter().zip(1..).fold(Breaker::default(), |breaker, (signal, n)| {
        breaker.after(signal, BEGIN + n.seconds()).unwrap_or(breaker)
    })
}

fn minutes(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_mins()
}

#[test]
fn a_refusal_opens_it_at_once_and_runtasks_word_closes_it() {
    let open = after(&[refused("AccessDeniedException")]);
    assert!(open.is_open() && open.is_news());
    assert_eq!(open.cause.as_ref().unwrap().code.as_str(), "AccessDeniedException");
    assert_eq!(open.after(&refused("AccessDeniedException"), BEGIN), None, "nothing new");
    let closed = open.after(&Signal::Accepted, BEGIN + 5.minutes()).unwrap();
    assert_eq!(closed.permit(BEGIN), Permit::Allowed);
}

#[test]
fn three_tasks_in_a_row_that_cannot_start_open_it_and_only_a_worker_closes_it() {
    assert!(!after(&[failed("a"), failed("b")]).is_open());
    assert!(!after(&[failed("a"), failed("b"), failed("b")]).is_open(), "the same event twice");
    assert!(
        !after(&[failed("a"), failed("b"), Signal::Works, failed("c")]).is_open(),
        "one in between came to work"
    );
    let open = after(&[failed("a"), failed("b"), failed("c")]);
    assert!(open.is_open());
    assert_eq!(open.after(&Signal::Accepted, BEGIN), None, "RunTask took the others too");
    assert!(!open.after(&Signal::Works, BEGIN).unwrap().is_open());
    let two = after(&[failed("a"), failed("b")]);
    assert!(!two.after(&failed("c"), BEGIN + 2.hours()).unwrap().is_open(), "those were long ago");
}

#[test]
fn while_it_is_open_one_probe_at_a_time_runs_at_growing_intervals() {
    let mut breaker = after(&[refused("x")]);
    let (mut now, mut waits) = (BEGIN + 1.second(), Vec::new());
    for _ in 0..7 {
        let Permit::Paused(until) = breaker.permit(now) else { panic!("{breaker:?}") };
        waits.push(minutes(now, until));
        now = until;
        let Permit::Probe(next) = breaker.permit(now) else { panic!("{breaker:?}") };
        breaker = *next;
    }
    assert_eq!(waits, [1, 2, 4, 8, 15, 15, 15]);
}

#[test]
fn one_mail_reports_that_it_opened_and_one_that_it_closed() {
    let open = after(&[refused("x")]);
    let notified = Breaker { notified: true, ..open.clone() };
    assert!(!notified.is_news());
    let closed = notified.after(&Signal::Works, BEGIN + 1.hour()).unwrap();
    assert!(closed.is_news());
    assert_eq!(minutes(closed.closed.unwrap().opened_at, closed.closed.unwrap().closed_at), 59);
    assert!(!Breaker { notified: true, ..closed }.is_news());
    let unheard = open.after(&Signal::Works, BEGIN + 1.minute()).unwrap();
    assert!(!unheard.is_news(), "fixed before a mail was sent");
}

#[test]
fn the_cause_may_become_another_while_it_is_open() {
    let open = after(&[refused("AccessDeniedException"), refused("ClusterNotFoundException")]);
    assert_eq!(open.cause.unwrap().code.as_str(), "ClusterNotFoundException");
    let open = after(&[refused("x"), failed("a")]);
    assert!(open.is_open() && !open.refused, "it is the image now: RunTask's word is not enough");
    assert!(open.after(&Signal::Accepted, BEGIN).is_none());
}

#[test]
fn what_a_stop_says_of_launches() {
    let change = |code: Option<i64>| {
        let container = match code {
            Some(code) => serde_json::json!({ "name": "worker", "exitCode": code }),
            None => serde_json::json!({ "name": "worker", "reason": "CannotPullContainerError: not found" }),
        };
        let event = serde_json::json!({
            "source": "aws.ecs", "detail-type": "ECS Task State Change",
            "detail": { "taskArn": "t", "lastStatus": "STOPPED", "containers": [container] },
        });
        match crate::events::classify(&event.to_string()) {
            crate::events::Classified::TaskStateChange(change) => change,
            other => panic!("{other:?}"),
        }
    };
    let Some(Signal::Failed { reason, .. }) = signal_of(&change(None), Kind::ImagePull) else { panic!() };
    assert!(reason.message.contains("CannotPullContainerError: not found"), "{reason:?}");
    assert!(matches!(signal_of(&change(Some(64)), Kind::Misconfigured), Some(Signal::Failed { .. })));
    assert_eq!(
        signal_of(&change(Some(78)), Kind::Misconfigured),
        Some(Signal::Works),
        "one object's own trouble"
    );
    assert_eq!(signal_of(&change(Some(1)), Kind::Crashed), Some(Signal::Works));
    assert_eq!(signal_of(&change(None), Kind::Capacity), None);
}
