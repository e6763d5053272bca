//! A day on virtual time: uploads in office hours, some of whose events are lost, and a quiet night.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use localcloud::{ecs::Status, faults::Delivery};
use tests::{JobAsserts, TestEnv};
use tokio::time::{Instant, sleep_until};

const HOUR: Duration = Duration::from_hours(1);

/// From 8 to 18 o'clock, three objects every ten minutes. One event in ten is lost.
#[test]
fn a_day_loses_nothing_and_its_night_costs_nothing() {
    TestEnv::plan(1).run(async |env| {
        let midnight = Instant::now();
        let mut uploaded = 0;
        for minute in (8 * 60..18 * 60).step_by(10) {
            sleep_until(midnight + Duration::from_mins(minute)).await;
            env.cloud().services().events.set_delivery_faults(Delivery { lose: 0.1, ..Delivery::default() });
            for n in 0..3 {
                env.put(&format!("uploads/{minute}-{n}.csv"), format!("a,b\n{minute},{n}\n")).await;
                uploaded += 1;
            }
            // Only S3's events are lost; late stop events are another test's.
            env.cloud().services().events.set_delivery_faults(Delivery::default());
        }
        let is_upload = |event: &serde_json::Value| {
            event["detail"]["object"]["key"].as_str().is_some_and(|key| key.starts_with("uploads/"))
        };
        let heard = env.events("Object Created").into_iter().filter(is_upload).count();
        assert!(heard < uploaded, "{heard} of {uploaded} events arrived: none was lost");

        // Within the hour and a little, every one is found and done.
        sleep_until(midnight + 19 * HOUR + HOUR / 2).await;
        env.settle().await;
        let jobs = env.jobs().await;
        assert_eq!(jobs.len(), uploaded);
        for job in &jobs {
            job.assert_done().assert_records(1);
        }
        for job in &jobs {
            assert_eq!(env.visible(&job.object.key).await.len(), 1);
        }

        // The night: nobody works but the sweep, a minute an hour.
        let launched = env.ecs().usage().len();
        let mut sweeps = 0;
        for minute in 20 * 60..24 * 60 {
            sleep_until(midnight + Duration::from_mins(minute) + Duration::from_secs(30)).await;
            for task in env.ecs().tasks().iter().filter(|task| task.status != Status::Stopped) {
                assert!(task.definition_arn.contains("-sweep:"), "{task:#?}");
                assert!(minute % 60 <= 2, "at {minute}: {task:#?}");
                sweeps += 1;
            }
        }
        assert!((1..=12).contains(&sweeps), "{sweeps} looks at a sweep");
        assert_eq!(env.ecs().usage().len() - launched, 4, "one sweep an hour");

        // People heard of each hour in which something was done, and of nothing else.
        let subjects = env.subjects();
        let digests = subjects.iter().filter(|subject| subject.contains(" done")).count();
        assert_eq!(digests, subjects.len(), "{subjects:#?}");
        assert!((10..=12).contains(&digests), "{subjects:#?}");
        let listed: usize = subjects.iter().map(|subject| counted(subject)).sum();
        assert_eq!(listed, uploaded, "{subjects:#?}");
        assert_eq!(env.dead_letters().await, []);
        println!("{}", subjects.join("\n"));
        println!("{}", env.mails()[0].body);
    });
}

/// The number before ` done`.
fn counted(subject: &str) -> usize {
    subject.split(" done").next().unwrap().rsplit(' ').next().unwrap().replace(',', "").parse().unwrap()
}
