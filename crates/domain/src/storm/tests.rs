use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

fn failure(pipeline: &str, n: u64, now: Timestamp) -> Failure {
    Failure {
        source: Source::Pipeline(pipeline.into()),
        code: "bad_input".into(),
        at: now,
        id: format!("{n:032x}"),
        what: format!("s3://b/uploads/orders/{n}.csv"),
        words: format!("row {n} is wrong"),
        key: Some(format!("uploads/orders/{n}.csv")),
    }
}

fn storm_of(count: u64) -> Storms {
    let mut storms = Storms::default();
    for n in 0..count {
        let told = storms.tell(&failure("orders", n, at(0)), at(0));
        assert_eq!(told == Told::AtOnce, n < AT_ONCE as u64, "{n}");
    }
    storms
}

/// Sends what is to be sent now, and notes it.
fn flush(storms: &mut Storms, now: Timestamp) -> Vec<Folded> {
    let folded = storms.flush(Which::Due, "me", now);
    assert!(folded.iter().all(|one| storms.sent(one, "me", now)));
    folded
}

#[test]
fn three_are_told_at_once_and_the_rest_in_mails_ever_further_apart() {
    let mut storms = storm_of(200);
    let (mut n, mut mails) = (200, Vec::new());
    for minute in 0..200 {
        for folded in flush(&mut storms, at(minute * 60)) {
            mails.push((minute, folded.count, folded.total));
        }
        storms.tell(&failure("orders", n, at(minute * 60 + 30)), at(minute * 60 + 30));
        n += 1;
    }
    assert_eq!(mails, [(1, 198, 201), (6, 5, 206), (21, 15, 221), (81, 60, 281), (141, 60, 341)]);
}

#[test]
fn a_folded_mail_says_how_many_since_when_and_names_ten() {
    let mut storms = storm_of(50);
    assert!(flush(&mut storms, at(59)).is_empty());
    let folded = flush(&mut storms, at(60)).remove(0);
    assert_eq!((folded.count, folded.total, folded.over), (47, 50, false));
    assert_eq!((folded.counted_since, folded.since, folded.last), (at(0), at(0), at(0)));
    assert_eq!((folded.examples.len(), folded.prefix.as_str()), (10, "uploads/orders/"));
    assert_eq!(folded.examples[0].what, "s3://b/uploads/orders/3.csv");
    assert_eq!(folded.next, Duration::from_mins(5));
    assert!(flush(&mut storms, at(120)).is_empty(), "nothing new");
}

#[test]
fn a_storm_that_is_over_is_told_of_once_and_forgotten() {
    let mut storms = storm_of(50);
    flush(&mut storms, at(60));
    assert!((2..15).all(|minute| flush(&mut storms, at(minute * 60)).is_empty()));
    let over = flush(&mut storms, at(900));
    assert_eq!((over.len(), over[0].over, over[0].count, over[0].total), (1, true, 0, 50));
    assert!(storms.is_calm());
    assert!((15..99).all(|minute| flush(&mut storms, at(minute * 60)).is_empty()));
    assert_eq!(
        storms.tell(&failure("orders", 99, at(6_000)), at(6_000)),
        Told::AtOnce,
        "and all begins anew"
    );
}

#[test]
fn what_fails_while_the_last_mail_is_on_its_way_is_a_storm_of_its_own() {
    let mut storms = storm_of(50);
    flush(&mut storms, at(60));
    let over = storms.flush(Which::Due, "me", at(900)).remove(0);
    assert_eq!(storms.tell(&failure("orders", 77, at(901)), at(901)), Told::Counted);
    assert!(storms.sent(&over, "me", at(902)));
    let next = flush(&mut storms, at(962)).remove(0);
    assert_eq!((next.count, next.total, next.since, next.over), (1, 1, at(901), false));
}

#[test]
fn a_few_that_had_no_room_are_told_of_once_without_ado() {
    let mut storms = Storms::default();
    let told: Vec<Told> = (0..8).map(|n| storms.tell(&failure(&format!("p{n}"), n, at(0)), at(0))).collect();
    assert_eq!(told.iter().filter(|told| **told == Told::AtOnce).count(), SINGLES);
    assert_eq!(flush(&mut storms, at(60)).len(), 2);
    assert!((2..60).all(|minute| flush(&mut storms, at(minute * 60)).is_empty()));
    assert!(storms.is_calm());
}

#[test]
fn of_two_flushes_one_sends_and_a_dead_one_is_made_up_for() {
    let mut storms = storm_of(9);
    let first = storms.flush(Which::Due, "first", at(60)).remove(0);
    assert!(storms.flush(Which::Due, "second", at(61)).is_empty());
    assert!(storms.flush(Which::All, "second", at(61)).is_empty());
    storms.tell(&failure("orders", 9, at(62)), at(62));
    let again = storms.flush(Which::Due, "second", at(110)).remove(0);
    assert_eq!((again.count, &again.examples), (first.count, &first.examples), "the same mail");
    assert!(!storms.sent(&first, "first", at(111)), "too late");
    assert!(storms.sent(&again, "second", at(111)));
    assert_eq!(storms.flush(Which::All, "second", at(112)).remove(0).count, 1);
}

#[test]
fn a_failure_that_is_asked_about_again_is_counted_once() {
    let mut storms = storm_of(5);
    for n in [3, 4] {
        assert_eq!(storms.tell(&failure("orders", n, at(1)), at(1)), Told::Counted);
    }
    // The mail of this one was never sent.
    assert_eq!(storms.tell(&failure("orders", 0, at(1)), at(1)), Told::Counted);
    let folded = flush(&mut storms, at(60)).remove(0);
    assert_eq!((folded.count, folded.total), (3, 5));
    let mut calm = storm_of(1);
    assert_eq!(calm.tell(&failure("orders", 0, at(1)), at(1)), Told::AtOnce);
    assert!(calm.is_calm());
}

#[test]
fn more_causes_than_are_told_apart_are_one_and_calm_ones_make_room() {
    let mut storms = Storms::default();
    for n in 0..60 {
        storms.tell(&failure(&format!("p{n}"), n, at(0)), at(0));
    }
    assert_eq!(storms.causes.len(), CAUSES + 1);
    let various = storms.causes.iter().find(|cause| cause.source == Source::Various).unwrap();
    assert!(!various.is_calm());
    for minute in 1..60 {
        flush(&mut storms, at(minute * 60));
    }
    storms.tell(&failure("new", 99, at(3_600)), at(3_600));
    assert_eq!(storms.causes.len(), 1);
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
        let mut storms = Storms::default();
        for n in 0..6 {
            let failure = Failure { key: Some(keys[n % 2].into()), ..failure("p", n as u64, at(0)) };
            storms.tell(&failure, at(0));
        }
        assert_eq!(flush(&mut storms, at(60))[0].prefix, expected, "{keys:?}");
    }
}

#[test]
fn the_document_stays_small_enough_to_be_kept() {
    let mut storms = Storms::default();
    for n in 0..u64::from(u16::MAX) {
        let long = format!("uploads/{}/{}", "d".repeat(180), "\u{1F30A}".repeat(200));
        let base = failure(&format!("{}{}", "p".repeat(60), n % 40), n, at(0));
        let failure = Failure { what: long.clone(), words: "\u{1F30A}".repeat(900), key: Some(long), ..base };
        storms.tell(&failure, at(0));
        if n == 30_000 {
            for _ in 0..5 {
                storms.flush(Which::All, "me", at(0));
            }
        }
    }
    let bytes = serde_json::to_string(&storms).unwrap().len();
    assert!(bytes < 380_000, "{bytes}");
}

/// Random histories: bursts and drips of several causes, flushes that overlap, die and come late.
#[test]
fn whatever_happens_every_failure_is_told_and_never_too_many_at_once() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let dying = seed % 2 == 1;
        let (mut storms, mut n) = (Storms::default(), 0);
        let mut singles: Vec<i64> = Vec::new();
        let mut folded: BTreeMap<(String, Timestamp, Timestamp, u64), u64> = BTreeMap::new();
        let mut overs: BTreeSet<(String, Timestamp)> = BTreeSet::new();
        let rates: Vec<f64> =
            (0..4).map(|_| random.choice([0.0, 0.0005, 0.003, 0.3, 3.0]).unwrap()).collect();
        let end = random.i64(60..9_000);
        let last = end + 3 * 3_600;
        for second in 0..=last {
            let now = at(second);
            for (cause, rate) in rates.iter().enumerate().filter(|_| second < end) {
                let burst = (second / 600 + cause as i64) % 3 == 0;
                let count =
                    if burst { rate.trunc() as u64 + u64::from(random.f64() < rate.fract()) } else { 0 };
                for _ in 0..count {
                    n += 1;
                    if storms.tell(&failure(&format!("p{cause}"), n, now), now) == Told::AtOnce {
                        singles.push(second);
                    }
                }
            }
            let sender = format!("{second}");
            // Every minute, now and then twice.
            let flushes = if second % 60 == 0 { 1 + u32::from(random.bool()) } else { 0 };
            for _ in 0..flushes {
                let mails = storms.flush(Which::Due, &sender, now);
                assert!(mails.len() <= FLUSHED);
                for mail in mails {
                    let source = format!("{:?}", mail.source);
                    if mail.count > 0 {
                        // A mail that is sent again because its sender died says the same.
                        let key = (source.clone(), mail.counted_since, mail.last, mail.total);
                        let known = folded.insert(key, mail.count);
                        assert!(known.is_none_or(|known| dying && known == mail.count), "{mail:?}");
                    }
                    if mail.over {
                        assert!(overs.insert((source, mail.since)) || dying, "{mail:?}");
                    }
                    if !(dying && second < end && random.u8(..4) == 0) {
                        assert!(storms.sent(&mail, &sender, now));
                    }
                }
            }
        }
        for (n, second) in singles.iter().enumerate() {
            let within = singles[..n].iter().filter(|earlier| **earlier > second - 60).count();
            assert!(within < SINGLES, "seed {seed}: {second}");
        }
        assert!(storms.is_calm(), "seed {seed}: nothing waits for ever");
        let told = singles.len() as u64 + folded.values().sum::<u64>();
        assert_eq!(told, n, "seed {seed}: each failure in exactly one mail");
    }
}
