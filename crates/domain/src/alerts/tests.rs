use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::*;
use crate::verdict::Kind;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

fn failure(pipeline: &str, n: u64, now: Timestamp) -> Failure {
    Failure {
        source: Source::Pipeline(pipeline.into()),
        code: Kind::BadInput.into(),
        at: now,
        id: format!("{n:032x}"),
        what: format!("s3://b/uploads/orders/{n}.csv"),
        words: format!("row {n} is wrong"),
        key: Some(format!("uploads/orders/{n}.csv")),
    }
}

fn burst_of(count: u64) -> AlertState {
    let mut alerts = AlertState::default();
    for n in 0..count {
        let delivery = alerts.record(&failure("orders", n, at(0)), at(0));
        assert_eq!(delivery == Delivery::Immediate, n < AT_ONCE as u64, "{n}");
    }
    alerts
}

/// Sends the mails that are due now, and notes it.
fn flush(alerts: &mut AlertState, now: Timestamp) -> Vec<GroupedMail> {
    let grouped = alerts.flush(Which::Due, "me", now);
    assert!(grouped.iter().all(|one| alerts.sent(one, "me", now)));
    grouped
}

#[test]
fn three_are_mailed_at_once_and_the_rest_in_mails_ever_further_apart() {
    let mut alerts = burst_of(200);
    let (mut n, mut mails) = (200, Vec::new());
    for minute in 0..200 {
        for grouped in flush(&mut alerts, at(minute * 60)) {
            mails.push((minute, grouped.count, grouped.total));
        }
        alerts.record(&failure("orders", n, at(minute * 60 + 30)), at(minute * 60 + 30));
        n += 1;
    }
    assert_eq!(mails, [(1, 198, 201), (6, 5, 206), (21, 15, 221), (81, 60, 281), (141, 60, 341)]);
}

#[test]
fn a_grouped_mail_says_how_many_since_when_and_names_ten() {
    let mut alerts = burst_of(50);
    assert!(flush(&mut alerts, at(59)).is_empty());
    let grouped = flush(&mut alerts, at(60)).remove(0);
    assert_eq!((grouped.count, grouped.total, grouped.over), (47, 50, false));
    assert_eq!((grouped.counted_since, grouped.since, grouped.last), (at(0), at(0), at(0)));
    assert_eq!((grouped.examples.len(), grouped.prefix.as_str()), (10, "uploads/orders/"));
    assert_eq!(grouped.examples[0].what, "s3://b/uploads/orders/3.csv");
    assert_eq!(grouped.next, Duration::from_mins(5));
    assert!(flush(&mut alerts, at(120)).is_empty(), "nothing new");
}

#[test]
fn a_burst_that_is_over_is_mailed_once_and_forgotten() {
    let mut alerts = burst_of(50);
    flush(&mut alerts, at(60));
    assert!((2..15).all(|minute| flush(&mut alerts, at(minute * 60)).is_empty()));
    let over = flush(&mut alerts, at(900));
    assert_eq!((over.len(), over[0].over, over[0].count, over[0].total), (1, true, 0, 50));
    assert!(alerts.is_calm());
    assert!((15..99).all(|minute| flush(&mut alerts, at(minute * 60)).is_empty()));
    assert_eq!(
        alerts.record(&failure("orders", 99, at(6_000)), at(6_000)),
        Delivery::Immediate,
        "and all begins anew"
    );
}

#[test]
fn what_fails_while_the_last_mail_is_on_its_way_is_a_burst_of_its_own() {
    let mut alerts = burst_of(50);
    flush(&mut alerts, at(60));
    let over = alerts.flush(Which::Due, "me", at(900)).remove(0);
    assert_eq!(alerts.record(&failure("orders", 77, at(901)), at(901)), Delivery::Grouped);
    assert!(alerts.sent(&over, "me", at(902)));
    let next = flush(&mut alerts, at(962)).remove(0);
    assert_eq!((next.count, next.total, next.since, next.over), (1, 1, at(901), false));
}

#[test]
fn a_few_above_the_limit_are_mailed_once() {
    let mut alerts = AlertState::default();
    let deliveries: Vec<Delivery> =
        (0..8).map(|n| alerts.record(&failure(&format!("p{n}"), n, at(0)), at(0))).collect();
    assert_eq!(
        deliveries.iter().filter(|delivery| **delivery == Delivery::Immediate).count(),
        SINGLES_PER_MINUTE
    );
    assert_eq!(flush(&mut alerts, at(60)).len(), 2);
    assert!((2..60).all(|minute| flush(&mut alerts, at(minute * 60)).is_empty()));
    assert!(alerts.is_calm());
}

#[test]
fn of_two_flushes_one_sends_and_a_dead_one_is_made_up_for() {
    let mut alerts = burst_of(9);
    let first = alerts.flush(Which::Due, "first", at(60)).remove(0);
    assert!(alerts.flush(Which::Due, "second", at(61)).is_empty());
    assert!(alerts.flush(Which::All, "second", at(61)).is_empty());
    alerts.record(&failure("orders", 9, at(62)), at(62));
    let again = alerts.flush(Which::Due, "second", at(110)).remove(0);
    assert_eq!((again.count, &again.examples), (first.count, &first.examples), "the same mail");
    assert!(!alerts.sent(&first, "first", at(111)), "too late");
    assert!(alerts.sent(&again, "second", at(111)));
    assert_eq!(alerts.flush(Which::All, "second", at(112)).remove(0).count, 1);
}

#[test]
fn a_failure_that_is_asked_about_again_is_counted_once() {
    let mut alerts = burst_of(5);
    for n in [3, 4] {
        assert_eq!(alerts.record(&failure("orders", n, at(1)), at(1)), Delivery::Grouped);
    }
    // The mail of this one was never sent.
    assert_eq!(alerts.record(&failure("orders", 0, at(1)), at(1)), Delivery::Grouped);
    let grouped = flush(&mut alerts, at(60)).remove(0);
    assert_eq!((grouped.count, grouped.total), (3, 5));
    let mut calm = burst_of(1);
    assert_eq!(calm.record(&failure("orders", 0, at(1)), at(1)), Delivery::Immediate);
    assert!(calm.is_calm());
}

#[test]
fn more_groups_than_are_kept_are_one_and_calm_ones_make_room() {
    let mut alerts = AlertState::default();
    for n in 0..60 {
        alerts.record(&failure(&format!("p{n}"), n, at(0)), at(0));
    }
    assert_eq!(alerts.groups.len(), MAX_GROUPS + 1);
    let various = alerts.groups.iter().find(|group| group.source == Source::Various).unwrap();
    assert!(!various.is_calm());
    for minute in 1..60 {
        flush(&mut alerts, at(minute * 60));
    }
    alerts.record(&failure("new", 99, at(3_600)), at(3_600));
    assert_eq!(alerts.groups.len(), 1);
}

#[test]
fn a_prefix_can_stand_in_a_command_whatever_the_keys() {
    for (keys, expected) in [
        (["uploads/a/1", "uploads/a/2"], "uploads/a/"),
        (["uploads/a/1", "uploads/ab/2"], "uploads/"),
        (["uploads/a b/1", "uploads/a b/2"], "uploads/"),
        (["uploads/$(rm)/1", "uploads/$(rm)/2"], "uploads/"),
        (["a", "b"], ""),
        (["--all/x", "--all/y"], ""),
        (["ü/x", "ü/y"], ""),
    ] {
        let mut alerts = AlertState::default();
        for n in 0..6 {
            let failure = Failure { key: Some(keys[n % 2].into()), ..failure("p", n as u64, at(0)) };
            alerts.record(&failure, at(0));
        }
        assert_eq!(flush(&mut alerts, at(60))[0].prefix, expected, "{keys:?}");
    }
}

#[test]
fn the_document_stays_small_enough_to_be_kept() {
    let mut alerts = AlertState::default();
    for n in 0..u64::from(u16::MAX) {
        let long = format!("uploads/{}/{}", "d".repeat(180), "\u{1F30A}".repeat(200));
        let base = failure(&format!("{}{}", "p".repeat(60), n % 40), n, at(0));
        let failure = Failure { what: long.clone(), words: "\u{1F30A}".repeat(900), key: Some(long), ..base };
        alerts.record(&failure, at(0));
        if n == 30_000 {
            for _ in 0..5 {
                alerts.flush(Which::All, "me", at(0));
            }
        }
    }
    let bytes = serde_json::to_string(&alerts).unwrap().len();
    assert!(bytes < 380_000, "{bytes}");
}

/// Random histories: bursts and drips of several groups, flushes that overlap, die and come late.
#[test]
fn every_failure_is_mailed_and_never_too_many_at_once() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let dying = seed % 2 == 1;
        let (mut alerts, mut n) = (AlertState::default(), 0);
        let mut singles: Vec<i64> = Vec::new();
        let mut grouped: BTreeMap<(String, Timestamp, Timestamp, u64), u64> = BTreeMap::new();
        let mut overs: BTreeSet<(String, Timestamp)> = BTreeSet::new();
        let rates: Vec<f64> =
            (0..4).map(|_| random.choice([0.0, 0.0005, 0.003, 0.3, 3.0]).unwrap()).collect();
        let end = random.i64(60..9_000);
        let last = end + 3 * 3_600;
        for second in 0..=last {
            let now = at(second);
            for (group, rate) in rates.iter().enumerate().filter(|_| second < end) {
                let burst = (second / 600 + group as i64) % 3 == 0;
                let count =
                    if burst { rate.trunc() as u64 + u64::from(random.f64() < rate.fract()) } else { 0 };
                for _ in 0..count {
                    n += 1;
                    if alerts.record(&failure(&format!("p{group}"), n, now), now) == Delivery::Immediate {
                        singles.push(second);
                    }
                }
            }
            let sender = format!("{second}");
            // Every minute, now and then twice.
            let flushes = if second % 60 == 0 { 1 + u32::from(random.bool()) } else { 0 };
            for _ in 0..flushes {
                let mails = alerts.flush(Which::Due, &sender, now);
                assert!(mails.len() <= MAILS_PER_FLUSH);
                for mail in mails {
                    let source = format!("{:?}", mail.source);
                    if mail.count > 0 {
                        // A mail that is sent again because its sender died says the same.
                        let key = (source.clone(), mail.counted_since, mail.last, mail.total);
                        let known = grouped.insert(key, mail.count);
                        assert!(known.is_none_or(|known| dying && known == mail.count), "{mail:?}");
                    }
                    if mail.over {
                        assert!(overs.insert((source, mail.since)) || dying, "{mail:?}");
                    }
                    if !(dying && second < end && random.u8(..4) == 0) {
                        assert!(alerts.sent(&mail, &sender, now));
                    }
                }
            }
        }
        for (n, second) in singles.iter().enumerate() {
            let within = singles[..n].iter().filter(|earlier| **earlier > second - 60).count();
            assert!(within < SINGLES_PER_MINUTE, "seed {seed}: {second}");
        }
        assert!(alerts.is_calm(), "seed {seed}: nothing waits for ever");
        let mailed = singles.len() as u64 + grouped.values().sum::<u64>();
        assert_eq!(mailed, n, "seed {seed}: each failure in exactly one mail");
    }
}
