//! Mails whose sending meets failures.

use std::time::Duration;

use localcloud::{
    faults::{Call, Delivery},
    wire::ApiError,
};
use tests::{TestEnv, call};

use crate::{RAGGED, mailed_failures, minutes, texts};

#[test]
fn a_log_that_cannot_be_read_keeps_no_mail_from_going_out() {
    let broken = || ApiError::client("ServiceUnavailableException", "out of\norder").with_status(500);
    let faults = [
        (Call::Refuse(broken()), "ServiceUnavailableException"),
        (Call::Refuse(ApiError::client("AccessDeniedException", "not you")), "AccessDeniedException"),
        (Call::Delay(Duration::from_hours(1)), "no answer in time"),
        (Call::LoseAnswer, "failed to"),
    ];
    for dedicated in [true, false] {
        for (n, (fault, says)) in faults.iter().enumerate() {
            let plan = TestEnv::plan(821 + n as u64);
            let plan = if dedicated { plan.dedicated_tasks() } else { plan };
            plan.run(async |env| {
                env.fault("logs", "*", fault.clone());
                env.put("uploads/ragged.csv", RAGGED).await;
                env.settle().await;
                let mails = texts(env);
                assert_eq!(mails.len(), 1, "{says}");
                let line = mails[0].lines().find(|line| line.starts_with("  The log could not be read: "));
                assert!(line.is_some_and(|line| line.contains(says)), "{says}: {}", mails[0]);
                assert!(mails[0].contains("  tidemill replay --job "), "{}", mails[0]);
            });
        }
    }
}

#[test]
fn duplicate_stops_and_messages_are_mailed_once_even_when_grouped() {
    TestEnv::plan(831).dedicated_tasks().scheduled().run(async |env| {
        for n in 0..8 {
            env.put(&format!("uploads/{n}.csv"), RAGGED).await;
        }
        let delivery = Delivery { duplicate: 1.0, ..Delivery::default() };
        env.cloud().services().events.set_delivery_faults(delivery);
        env.settle().await;
        for stop in env.events("ECS Task State Change") {
            env.send("StopsQueue", &stop.to_string());
        }
        env.settle().await;
        minutes(20).await;
        assert_eq!(mailed_failures(env), (3, 5), "{:#?}", env.subjects());
        assert_eq!(env.dead_letters().await.len(), 8);
    });
}

#[test]
fn after_an_outage_of_sns_every_failure_is_mailed_and_the_mails_are_few() {
    TestEnv::plan(832).run(async |env| {
        let broken = ApiError::client("InternalError", "out of order").with_status(500);
        env.on(call::send_mail().meets(Call::Refuse(broken)));
        for n in 0..40 {
            env.put(&format!("uploads/{n}.csv"), RAGGED).await;
        }
        minutes(10).await;
        assert_eq!(env.mails().len(), 0);
        env.cloud().faults().clear();
        env.settle().await;
        minutes(40).await;
        let (single, grouped) = mailed_failures(env);
        assert_eq!(single + grouped, 40, "{:#?}", env.subjects());
        assert!(env.mails().len() <= 6, "{:#?}", env.subjects());
    });
}

#[test]
fn a_throttled_fleet_table_delays_a_failure_mail_and_loses_none() {
    TestEnv::plan(833).run(async |env| {
        env.on(call::save_alerts().meets(Call::Throttle).first(9));
        env.put("uploads/ragged.csv", RAGGED).await;
        env.settle().await;
        assert_eq!(env.subjects(), ["[tidemill] failed: uploads/ragged.csv (ragged_row)"]);
    });
}

#[test]
fn one_failed_object_is_one_mail() {
    for seed in [872, 873] {
        // Both kinds of workers: a task of its own, and a pooled one.
        let plan = if seed == 872 { TestEnv::plan(seed).dedicated_tasks() } else { TestEnv::plan(seed) };
        plan.run(async |env| {
            env.put("uploads/ragged.csv", RAGGED).await;
            env.settle().await;
            minutes(30).await;
            let all: Vec<String> =
                env.cloud().services().sns.mails().into_iter().map(|it| it.subject).collect();
            assert_eq!(all, ["[tidemill] failed: uploads/ragged.csv (ragged_row)"]);
            assert_eq!(env.dead_letters().await.len(), 1);
        });
    }
}

#[test]
fn alarms_report_waiting_dead_letters_and_missing_sweeps() {
    TestEnv::plan(871).dedicated_tasks().run(async |env| {
        env.send("UploadsQueue", "nonsense");
        env.settle().await;
        minutes(10).await;
        let alarms = |name: &str| env.alarms().iter().filter(|it| it.contains(name)).count();
        assert_eq!((alarms("DeadLettersWait"), env.alarms().len()), (1, 1), "{:#?}", env.alarms());
        // Nothing lets a sweep run here, and that nothing says so is what this one goes off for.
        minutes(120).await;
        assert_eq!((alarms("NoSweep"), env.alarms().len()), (1, 2), "{:#?}", env.alarms());
    });
}
